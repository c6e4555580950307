"""Pages follow the content policy: nothing inline, nothing from other hosts, people's text is escaped."""

import re
from html.parser import HTMLParser

from app import auth
from app.db import Database
from app.models import Study
from app.raters import raters
from app.settings import Settings
from app.web.pages import CONTENT_POLICY
from tests.helpers.factories import StudyMaker, answers, form
from tests.helpers.visitors import Visitor, on_sqlite


def test_the_content_policy_allows_neither_inline_code_nor_other_hosts() -> None:
    """No unsafe keyword, no other host, no framing."""
    rules = dict(rule.split(" ", 1) for rule in CONTENT_POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["form-action"] == "'self'"
    assert rules["img-src"] == "'self' data:"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY


ELSEWHERE = re.compile(r"(?i)\s*(javascript:|data:|//|https?:)")


class Inline(HTMLParser):
    """Collects whatever a content policy without `unsafe-inline` would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note style elements, style and on… attributes, addresses that run code or lie elsewhere."""
        self._is_script = tag == "script"
        if tag == "style":
            self.found.append("<style>")
        for name, value in attrs:
            foreign = name in ("src", "href", "action") and re.match(
                r"(?i)\s*(javascript:|data:|//|https?:)", value or ""
            )
            if name == "style" or name.startswith(("on", "hx-on")) or foreign:
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        """Note scripts written in the page."""
        if self._is_script and data.strip():
            self.found.append(f"<script>{data[:40]}")

    def handle_endtag(self, tag: str) -> None:
        """Text after a script is none."""
        self._is_script &= tag != "script"


@on_sqlite
def test_no_page_has_inline_scripts_or_styles(study_maker: StudyMaker, visitor: Visitor, settings: Settings) -> None:
    """Every rendered page follows the content policy; the researcher's own link may be absolute."""
    nobody, researcher, ada, ben = visitor(), visitor(), visitor(), visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    after = study_maker(clips=1, raters_per_clip=1, score_visibility="after")
    judged = study_maker(clips=4, raters_per_clip=2, score_visibility="shown")
    for name, verdict in (("Ada", "accept"), ("Ben", "reject")):
        person = study_maker.rater(judged, name)
        for _ in range(4):
            study_maker.rate(judged, person, answers(verdict=verdict))
    pages = [nobody.get("/"), nobody.get("/none"), nobody.get("/rate"), nobody.post("/sign-in", data={"key": "x"})]
    pages.append(nobody.get(raters.open_link(settings, after)))
    for browser, name in ((ada, "Ada"), (ben, "Ben")):
        pages.append(browser.post(raters.open_link(settings, after), data={"name": name}))
        pages.append(browser.post("/rate/start"))
    asked = re.search(r'action="(/rate/\d+)"', pages[-3].text)
    assert asked, "the first of the two has the clip, the second waits"
    pages.append(ada.post(asked.group(1), data={"submission": "x"}))
    pages += [ada.post(asked.group(1), data=form("s")), ada.get(asked.group(1)), ada.get("/rate")]
    pages += [researcher.get("/studies")]
    for study in (after, study_maker(clips=1), judged):
        pages += [researcher.get(f"/studies/{study.slug}{end}") for end in ("", "/results", "/filters/movement")]
    titles = []
    for page in pages:
        parser = Inline()
        parser.feed(page.text)
        own = [one for one in parser.found if "http://127.0.0.1/join/" not in one]
        assert own == [], page.url
        title = re.search(r"<title>([^<]+)", page.text)
        assert title, page.url
        titles.append(title.group(1).split(" · ")[0])
    assert {"Rating", "Guidelines", "Nothing free right now", "All done", "Results", "Movement"} < set(titles)


@on_sqlite
def test_text_from_people_is_escaped(
    study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """Markup in study name, guidelines, questions, nicknames and refused values is shown as text."""
    study = study_maker(clips=1)
    wicked = "<img src=x onerror=alert(1)>"
    with database.writer() as db:
        kept = db.get_one(Study, study.id)
        kept.name, kept.guidelines = wicked, f"{wicked} [here](javascript:alert(1))"
        db.add(kept)
    browser, researcher = visitor(), visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    link = raters.open_link(settings, study)
    pages = [browser.get(link), browser.post(link, data={"name": wicked}), browser.post("/rate/start")]
    asked = re.search(r'action="(/rate/\d+)"', pages[-1].text)
    assert asked
    pages.append(browser.post(asked.group(1), data=form("s") | {"answer-quality": wicked}))
    pages += [researcher.get(f"/studies/{study.slug}{end}") for end in ("", "/results")]
    pages.append(researcher.get("/studies"))
    for page in pages:
        assert "<img" not in page.text
        assert "&lt;img" in page.text
        assert 'href="javascript:' not in page.text
