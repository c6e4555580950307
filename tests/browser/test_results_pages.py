"""The results pages in a browser: figures are drawn under the content security policy, and nothing overflows."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, SiteMaker
from tests.helpers.factories import StudyMaker, answers

pytestmark = pytest.mark.browser


def rated(make_site: SiteMaker) -> Site:
    """Make a study that three people have finished, with a few rejects."""
    site = make_site(clips=8, raters_per_clip=3)
    maker = StudyMaker(site.database, site.settings)
    for name in ("Ada", "Ben", "Cy"):
        rater = maker.rater(site.study, name)
        for step in range(8):
            verdict = "reject" if (step + len(name)) % 3 == 0 else "accept"
            maker.rate(site.study, rater, answers(quality=1 + step % 5, verdict=verdict))
    return site


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_pages_are_drawn_without_errors(make_site: SiteMaker, width: int, theme: str) -> None:
    """The list, overview, results and filter pages draw their figures, log no error and need no sideways scrolling."""
    site = rated(make_site)
    page = site.page(width=width, height=900, theme=theme)
    page.goto(site.server.links["Researcher"])
    for path, figures in (
        ("/studies", 0),
        (f"/studies/{site.study.slug}", 0),
        (f"/studies/{site.study.slug}/results", 1),
        (f"/studies/{site.study.slug}/filters/movement", 2),
    ):
        page.goto(path)
        expect(page.locator("[data-figure] .drawing svg")).to_have_count(figures)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert site.complaints == []


def test_a_figure_can_be_read_as_a_table_and_saved(make_site: SiteMaker) -> None:
    """A figure shows its numbers as a table and can be saved as a file."""
    site = rated(make_site)
    page = site.page()
    page.goto(site.server.links["Researcher"])
    page.goto(f"/studies/{site.study.slug}/results")
    page.get_by_text("View as table").first.click()
    expect(page.locator("figure table").first).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_text("Save as SVG").first.click()
    assert "<svg" in saved.value.path().read_text(encoding="utf-8")


def test_the_simulated_panel_is_named_and_can_be_switched_off(make_site: SiteMaker) -> None:
    """Simulated figures are marked; the switch shows people's answers instead."""
    site = make_site(clips=4)
    maker = StudyMaker(site.database, site.settings)
    robot = maker.rater(site.study, "Simulated 1", kind="simulated")
    for _ in range(4):
        maker.rate(site.study, robot, answers())
    with site.database.writer() as db:
        study = db.merge(site.study)
        study.has_simulated = study.show_simulated = True
        db.add(study)
    page = site.page()
    page.goto(site.server.links["Researcher"])
    page.goto(f"/studies/{site.study.slug}/results")
    expect(page.get_by_text("Simulated raters.")).to_be_visible()
    page.get_by_role("button", name="Show people's answers instead").click()
    expect(page.get_by_role("heading", name="No answers yet")).to_be_visible()
    expect(page.get_by_text("Simulated raters.")).to_have_count(0)
