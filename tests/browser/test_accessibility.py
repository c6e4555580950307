"""axe-core on every page: what it knows of WCAG 2.2, light on a desk and dark on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlmodel import col

from app.models import Criterion, Filter, Study, StudyClip
from app.raters import raters
from app.studies import lifecycle
from tests.browser.conftest import SiteMaker
from tests.browser.test_evidence_pages import judged
from tests.browser.test_results_pages import rated
from tests.browser.test_wizard import opened
from tests.helpers.pool_entries import give_rubric, give_rules
from tests.rating.test_training import CODES, give_known, known

pytestmark = pytest.mark.browser
PHONE_RULES = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]
SIZES = {"light": (1440, 900), "dark": (390, 844)}
STUDY_PAGES = (
    "",
    "/progress",
    "/raters",
    "/results",
    "/filters/still",
    "/filters/still/workbench",
    "/cascade",
    "/agreement",
    "/agreement/raters/R1",
    "/agreement/clips?criterion=verdict",
    "/pool?by=language",
    "/fairness?by=language&also=gender&number=sync",
    "/anchoring",
    "/next",
    "/plan",
    "/report",
)
SCALES = {"likert": ["No", "So so", "Yes"], "slider": [], "tags": ["blur", "shake"], "text": [], "acceptable": []}


class Checker:
    """Runs axe-core in both looks of a page and collects what it finds."""

    def __init__(self) -> None:
        self.axe = Axe()
        self.found: list[str] = []

    def look(self, page: Page, name: str) -> None:
        """Every rule light at 1440 pixels; dark at 390 those that colours and a narrow window change."""
        for theme, (width, height) in reversed(SIZES.items()):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            options = {"runOnly": PHONE_RULES} if theme == "dark" else None
            for one in self.axe.run(page, options=options).response["violations"]:
                where = one["nodes"][0]
                self.found.append(f"{name}, {theme}: {one['id']}, {where['target']}: {where['failureSummary']}")


def ready(page: Page) -> None:
    """The player has taken over."""
    page.wait_for_selector("video.clip:not([controls])")


def test_raters_pages_on_the_way_in(make_site: SiteMaker) -> None:
    """From the invite over consent, device check, guidelines, training and test to the way out of those who failed."""
    site, checker = make_site(clips=1), Checker()
    give_rubric(site.database, site.settings, site.study)
    training, test = [known("worst", quality=1, verdict="reject")], [known("test-1", quality=1, stability=1)]
    give_rules(
        site.database,
        site.study,
        consent={"text": "We keep your answers."},
        device={"min_width": 1000},
        training={"clips": training},
        qualification={"clips": test, "least_correct": 1.0, "tries": 1, "tolerance": 0},
        **CODES,
    )
    give_known(site.database, site.settings, site.study, "training", training)
    give_known(site.database, site.settings, site.study, "qualification", test)
    page = site.page()
    page.goto(raters.open_link(site.settings, site.study))
    checker.look(page, "join")
    page.wait_for_selector("#name:focus")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="I agree").wait_for()
    checker.look(page, "consent")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("heading", name="This device does not fit the study")).to_be_visible()
    checker.look(page, "device")
    page.get_by_role("link", name="Check again").click()
    page.wait_for_selector("form[action='/rate/start'] button")
    checker.look(page, "guidelines")
    page.locator("form[action='/rate/start'] button").click()
    for step, next_text in (("training", "1 of 3 right"), ("test", "OUT-1")):
        ready(page)
        checker.look(page, step)
        for key in ("4", "Shift+3", "a"):
            page.keyboard.press(key)
        page.wait_for_function("words => document.body.innerHTML.includes(words)", arg=next_text)
        checker.look(page, f"after the {step}")
        page.goto("/rate")
    assert checker.found == [], "\n".join(checker.found)


def test_raters_pages_on_the_way_out(make_site: SiteMaker) -> None:
    """A test passed, then who declines, a study that rests, who gives it back, a study that is closed, a wrong link."""
    site, checker = make_site(clips=2), Checker()
    test = [known("test-1", quality=4, stability=3, verdict="accept")]
    give_rules(
        site.database,
        site.study,
        consent={"text": "We keep your answers."},
        qualification={"clips": test, "least_correct": 1.0, "tries": 1, "tolerance": 0},
        **CODES,
    )
    give_known(site.database, site.settings, site.study, "qualification", test)
    page = site.page()
    page.goto(raters.open_link(site.settings, site.study))
    page.locator("#name").press("Enter")
    page.get_by_role("button", name="I do not agree").click()
    expect(page.get_by_role("heading", name="You do not take part")).to_be_visible()
    checker.look(page, "declined")
    page.get_by_role("link", name="Read the text again").click()
    page.get_by_role("button", name="I agree").click()
    page.locator("form[action='/rate/start'] button").click()
    ready(page)
    for key in ("4", "Shift+3", "a"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="You have passed")).to_be_visible()
    checker.look(page, "passed")
    with site.database.writer() as db:
        lifecycle.change_state(db, db.get_one(Study, site.study.id), "paused")
    page.goto("/rate")
    expect(page.get_by_role("heading", name="This study is resting")).to_be_visible()
    checker.look(page, "paused")
    with site.database.writer() as db:
        lifecycle.change_state(db, db.get_one(Study, site.study.id), "closed")
    page.goto("/rate")
    expect(page.get_by_role("heading", name="This study is closed")).to_be_visible()
    checker.look(page, "closed")
    page.goto("/rate/return")
    page.get_by_role("button", name="Stop and give the study back").click()
    expect(page.get_by_role("heading", name="You have stopped")).to_be_visible()
    checker.look(page, "returned")
    for address in ("/rate/999999", "/join/no-such-link"):
        page.goto(address)
        checker.look(page, address)
    assert checker.found == [], "\n".join(checker.found)


def test_raters_pages_at_work(make_site: SiteMaker) -> None:
    """The room with every kind of question and all that opens in it, the answers, the revealed scores, the end."""
    site, checker = make_site(clips=1, score_visibility="after"), Checker()
    give_rubric(site.database, site.settings, site.study)
    with site.database.writer() as db:
        for number, (scale, options) in enumerate(SCALES.items()):
            asked = Criterion(
                study_id=site.study.id,
                position=9 + number,
                key=scale,
                label=scale.title(),
                question=f"How {scale}?",
                scale=scale,
            )
            asked.options, asked.required = options, False
            db.add(asked)
    page = site.page()
    site.join(page)
    checker.look(page, "room")
    for key, name in (("?", "keys"), ("g", "guidelines"), ("s", "skip"), ("m", "mark")):
        page.keyboard.press(key)
        checker.look(page, name)
        page.keyboard.press("Escape")
    for key in ("4", "Shift+3", "a"):
        page.keyboard.press(key)
    checker.look(page, "answered")
    page.locator("button[form='answers']").click()
    page.locator("[data-act='next']").wait_for()
    checker.look(page, "scores after the answer")
    for address in ("/rate/answers", "/rate/return", "/rate"):
        page.goto(address)
        checker.look(page, address)
    assert checker.found == [], "\n".join(checker.found)


@pytest.mark.timeout(900)  # thirty pages, each in two themes and two widths: minutes of work on a busy machine
def test_researchers_pages_of_a_study(make_site: SiteMaker) -> None:
    """Every page of a study that two people judged, its figures drawn."""
    site, checker = judged(make_site), Checker()
    page = site.page(width=1440)
    page.goto(site.server.links["Researcher"])
    page.goto("/studies")
    checker.look(page, "/studies")
    for path in STUDY_PAGES:
        page.goto(f"/studies/{site.study.slug}{path}")
        expect(page.locator("[data-figure] .drawing:not(:has(svg, img))")).to_have_count(0)
        checker.look(page, path)
    assert checker.found == [], "\n".join(checker.found)


def test_the_map_of_threshold_pairs(make_site: SiteMaker) -> None:
    """The page of a filter that has a partner."""
    site, checker = rated(make_site), Checker()
    with site.database.writer() as db:
        for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == site.study.id)).all():
            clip.scores = clip.scores | {"min_movement": clip.scores["avg_movement"] - 7 * clip.position % 20}
            db.add(clip)
        worst = Filter(
            study_id=site.study.id, position=9, name="worst", title="Worst", score="min_movement", criterion="verdict"
        )
        worst.minimum = 60
        db.add(worst)
    page = site.page(width=1440)
    page.goto(site.server.links["Researcher"])
    page.goto(f"/studies/{site.study.slug}/filters/movement/pair")
    expect(page.locator("[data-figure] .drawing svg")).to_have_count(1)
    checker.look(page, "pair")
    assert checker.found == [], "\n".join(checker.found)


def test_pages_where_a_study_is_made(make_site: SiteMaker) -> None:
    """Every step of a draft."""
    _site, page, address = opened(make_site)
    checker = Checker()
    for path in (
        "/studies/new",
        *(f"{address}/{step}" for step in ("filters", "design", "clips", "questions", "review")),
    ):
        page.goto(path)
        checker.look(page, path)
    assert checker.found == [], "\n".join(checker.found)
