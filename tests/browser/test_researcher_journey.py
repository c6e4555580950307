"""The researcher's whole way in a browser: a study is made from a pool, judged, and a cut of it adopted."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import select
from sqlmodel import col

from app.models import StudyClip
from app.studies import lifecycle
from tests.browser.conftest import SiteMaker
from tests.browser.test_wizard import CLIPS, opened
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import verdicts, vote

pytestmark = pytest.mark.browser
WITHOUT_VIDEO = "\n".join(f"c{number:02}" for number in range(1, CLIPS, 2))
Press = Callable[[Locator], None]


def by_mouse(control: Locator) -> None:
    """A click."""
    control.click()


def by_keyboard(control: Locator) -> None:
    """The focus and Enter."""
    control.focus()
    control.press("Enter")


@pytest.mark.parametrize("press", [by_mouse, by_keyboard])
def test_from_the_pool_to_an_adopted_threshold(make_site: SiteMaker, press: Press) -> None:
    """Design, questions, study file, made; two people judge; results, filter, workbench, best cut, adopted."""
    site, page, address = opened(make_site)
    page.goto(f"{address}/design")
    press(page.get_by_text("Clips in, clips out, no rejects"))
    page.get_by_label("Never take these").fill(WITHOUT_VIDEO)
    press(page.get_by_role("button", name="Go on to the questions"))
    page.wait_for_url("**/questions")
    page.get_by_label("Name of the study").fill("From the pool")
    press(page.get_by_role("button", name="Go on to the study file"))
    press(page.get_by_role("button", name="Make the study"))
    press(page.get_by_role("link", name="Open it"))
    page.wait_for_url("**/studies/from-the-pool")
    with site.database.reader() as db:
        study = lifecycle.by_slug(db, "from-the-pool")
        clips = db.scalars(
            select(StudyClip).where(col(StudyClip.study_id) == study.id).order_by(col(StudyClip.position))
        ).all()
        good = ["accept" if clip.scores["sharpness"] >= 50 else "reject" for clip in clips]
    for name in ("Ada", "Ben"):
        vote(StudyMaker(site.database, site.settings), study, name, verdicts(good))
    press(page.locator("#main").get_by_role("link", name="Results"))
    press(page.get_by_role("link", name="Sharpness", exact=True))
    press(page.get_by_role("link", name="Move the threshold"))
    page.wait_for_url("**/workbench*")
    press(page.get_by_role("button", name="Best F1"))
    expect(page.locator("#cut-tag")).to_have_text("found on these data")
    page.get_by_label("Why this cut?").fill("All good clips are above it")
    press(page.get_by_role("button", name="Adopt"))
    trail = page.locator(".trail li")
    expect(trail).to_have_count(1)
    expect(trail).to_contain_text("instead of ≥ 30")
    expect(trail).to_contain_text("aim: Best F1; All good clips are above it")
    assert site.complaints == []
