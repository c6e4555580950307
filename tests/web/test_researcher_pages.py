"""The researcher's path through the pages: sign in, progress, results, files."""

import re

from starlette.testclient import TestClient

from app import auth
from app.filters.threshold_text import passes, threshold_text
from app.raters import raters
from app.settings import Settings
from tests.helpers.factories import StudyMaker, answers, form
from tests.helpers.visitors import Visitor, on_sqlite


@on_sqlite
def test_the_researcher_reaches_every_page_by_links(study_maker: StudyMaker, researcher: TestClient) -> None:
    """List, study, results, filter page, figures and files are reachable by links on the pages."""
    study = study_maker(clips=2)
    for name, value in (("Ada", "accept"), ("Ben", "reject")):
        rater = study_maker.rater(study, name)
        study_maker.rate(study, rater, answers(verdict=value))
    page = researcher.get("/")
    assert f'href="/studies/{study.slug}"' in page.text
    addresses = [f"/studies/{study.slug}"]
    visited: dict[str, int] = {}
    while addresses:
        address = addresses.pop()
        if address in visited:
            continue
        page = researcher.get(address)
        visited[address] = page.status_code
        if page.headers["content-type"].startswith("text/html"):
            linked = re.findall(r'(?:href|src)="(/(?:studies|media)[^"#]*)', page.text)
            addresses += linked + re.findall(r'value="http://127.0.0.1(/join/[^"]+)"', page.text)
    assert {status for address, status in visited.items()} == {200}, visited
    wanted = ("results", "filters/movement", "judgments.csv", "estimates.json", "study.toml", "figures/agreement.svg")
    assert {f"/studies/{study.slug}/{end}" for end in wanted} <= set(visited)
    assert any(address.startswith("/join/") for address in visited)


@on_sqlite
def test_the_researcher_signs_in_with_the_form(visitor: Visitor, settings: Settings, study_maker: StudyMaker) -> None:
    """The key or the whole link sign in; a wrong key is refused with a message; signing out ends the session."""
    study_maker(clips=1)
    key = auth.researcher_key(settings)
    for given in (key, f" {key}\n", f"http://127.0.0.1:8000/researcher/{key}", f"http://127.0.0.1/researcher/{key}/"):
        browser = visitor()
        assert "Study 1" in browser.post("/sign-in", data={"key": given}).text
    browser.post("/sign-out")
    assert browser.get("/studies").status_code == 401
    for wrong in ("", "x", key[:-1], key.swapcase()):
        refused = visitor().post("/sign-in", data={"key": wrong})
        assert refused.status_code == 401
        assert "This is not the researcher&#39;s key." in refused.text


@on_sqlite
def test_progress_pages_count_people_and_say_why_clips_were_skipped(
    study_maker: StudyMaker, researcher: TestClient, visitor: Visitor, settings: Settings
) -> None:
    """The overview shows each rater with their answers, the strata with their places and each reason for a skip."""
    study = study_maker(clips=3, raters_per_clip=2)
    browser = visitor()
    browser.post(raters.open_link(settings, study), data={"name": "Ada <b>"})
    pages = [browser.post("/rate/start")]
    for end, sent in (("", form("s")), ("/skip", {"reason": "wrong_content"})):
        asked = re.search(r'action="(/rate/\d+)"', pages[-1].text)
        assert asked
        pages.append(browser.post(f"{asked.group(1)}{end}", data=sent))
    text = researcher.get(f"/studies/{study.slug}").text
    assert "Ada &lt;b&gt;" in text
    assert "Ada <b>" not in text
    assert "1 of 6" in text
    assert "wrong content 1" in text


def test_the_displayed_outcome_equals_the_filter_s() -> None:
    """A value equal to a threshold passes; both limits of a range are inclusive."""
    assert passes(80.0, 80.0, None)
    assert not passes(79.999, 80.0, None)
    assert passes(0.999, 0.85, 0.999)
    assert not passes(1.0, 0.85, 0.999)
    assert threshold_text(0.85, 0.999) == "0.85\u2009–\u20090.999"
