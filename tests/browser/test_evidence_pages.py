"""Agreement, pool, fairness, anchoring and next batch in a browser: drawn without complaint, usable without script."""

import re

import pytest
from playwright.sync_api import expect

from app.db import Database
from app.settings import Settings
from tests.browser.conftest import Site, SiteMaker
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker

pytestmark = pytest.mark.browser
PAGES = {
    "agreement": 3,
    "agreement/raters/R1": 0,
    "agreement/clips?criterion=verdict": 0,
    "pool?by=language": 4,
    "fairness?by=language&also=gender&number=sync": 4,
    "anchoring": 2,
    "next": 0,
}
"""Each page and how many figures it draws."""


def judged(maker: SiteMaker) -> Site:
    """Thirty clips of a real pool, judged by two people who differ on every seventh."""
    settings = Settings(home=maker.folder / "judged", database_url="")
    database = Database(settings.database)
    database.migrate()
    study = pool_studies.make(database, settings, maker.folder, scores="randomised")
    pool_studies.judge(StudyMaker(database, settings), study, pool_studies.clips_of(database, study))
    site = Site(maker.browser, settings, database, study)
    maker.sites.append(site)
    return site


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_pages_are_drawn_without_complaint(make_site: SiteMaker, width: int, theme: str) -> None:
    """Every figure is drawn, nothing is logged as an error, nothing scrolls sideways."""
    site = judged(make_site)
    page = site.page(width=width, theme=theme)
    page.goto(site.server.links["Researcher"])
    for path, figures in PAGES.items():
        page.goto(f"/studies/{site.study.slug}/{path}")
        expect(page.locator("[data-figure] .drawing svg")).to_have_count(figures)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert site.complaints == []


def test_the_wall_follows_its_form_and_takes_a_verdict(make_site: SiteMaker) -> None:
    """Another choice swaps the wall alone; a verdict with its reason is kept and shown."""
    site = judged(make_site)
    page = site.page()
    page.goto(site.server.links["Researcher"])
    page.goto(f"/studies/{site.study.slug}/agreement/clips?criterion=verdict")
    heading = page.locator("#wall h2")
    expect(heading).to_have_text("5 of 30 clips with two answers or more")
    page.get_by_label("Show", exact=True).select_option("all")
    expect(heading).to_have_text("30 of 30 clips with two answers or more")
    expect(page).to_have_url(re.compile("show=all"))
    card = page.locator("#wall li").first
    card.get_by_text("Decide it yourself").click()
    card.get_by_label("Reason").fill("the face leaves the picture")
    card.get_by_label("Verdict", exact=True).select_option("reject")
    card.get_by_role("button", name="Keep my verdict").click()
    expect(page.get_by_text("Your verdict: Reject")).to_be_visible()
    expect(page.get_by_text("the face leaves the picture")).to_be_visible()
    assert site.complaints == []


def test_pages_work_without_script(make_site: SiteMaker) -> None:
    """Figures are pictures, choices are made by links and buttons."""
    site = judged(make_site)
    context = site.browser.new_context(java_script_enabled=False, base_url=site.server.base)
    page = context.new_page()
    page.goto(site.server.links["Researcher"])
    page.goto(f"/studies/{site.study.slug}/fairness")
    page.get_by_label("By", exact=True).select_option("gender")
    page.get_by_role("button", name="Show").click()
    assert "by=gender" in page.url
    picture = page.locator("[data-figure] img").first
    expect(picture).to_be_visible()
    assert page.request.get(picture.get_attribute("src") or "").headers["content-type"].startswith("image/svg+xml")
    page.goto(f"/studies/{site.study.slug}/agreement/clips?criterion=verdict&show=all")
    page.get_by_role("link", name="Next →").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    context.close()
