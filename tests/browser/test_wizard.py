"""Making a study in a browser: the preview follows the form, the wall shows pictures, the study is made."""

import re

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from app.studies import study_file
from app.wizard import drafts
from tests.browser.conftest import Site, SiteMaker
from tests.helpers.factories import tiny_video

pytestmark = pytest.mark.browser
CLIPS = 30
SORTS = {"en": "talks.mp4", "zh": "gone.mp4"}


def opened(make_site: SiteMaker, *, width: int = 1440, theme: str = "light") -> tuple[Site, Page, str]:
    """A draft on a pool in which every second clip has lost its video; signed in; the draft's address."""
    site = make_site(clips=1)
    folder = site.settings.home / "pools"
    folder.mkdir()
    (folder / "talks.mp4").write_bytes(tiny_video())
    languages = ["en" if number % 2 == 0 else "zh" for number in range(CLIPS)]
    pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in range(CLIPS)],
            "media": [SORTS[language] for language in languages],
            "source": [f"video-{number}" for number in range(CLIPS)],
            "duration": [1.0] * CLIPS,
            "language": languages,
            "sharpness": [4.0 * number for number in range(CLIPS)],
        }
    ).write_parquet(folder / "talks.parquet")
    draft = drafts.begin(site.settings, folder / "talks.parquet", study_file.preset("acr"))
    page = site.page(width=width, theme=theme)
    page.goto(site.server.links["Researcher"])
    return site, page, f"/studies/new/{draft.key}"


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_steps_fit_the_window(make_site: SiteMaker, width: int, theme: str) -> None:
    """No step scrolls sideways or logs an error, on a desk and on a phone."""
    site, page, address = opened(make_site, width=width, theme=theme)
    for step in ("filters", "design", "questions", "review"):
        page.goto(f"{address}/{step}")
        expect(page.get_by_role("navigation", name="Steps")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, step
    assert site.complaints == []


def test_the_preview_follows_the_form(make_site: SiteMaker) -> None:
    """Another design, another number: strata and claims are drawn anew beside the form, which keeps its focus."""
    site, page, address = opened(make_site)
    page.goto(f"{address}/design")
    page.get_by_label("A column of the pool").check()
    expect(page.get_by_role("rowheader", name="language en")).to_be_visible()
    expect(page.get_by_label("Bands", exact=True)).to_be_hidden()
    clips = page.get_by_role("textbox", name="Clips", exact=False).first
    clips.fill("10")
    clips.press("Tab")
    expect(page.get_by_role("link", name=re.compile("Look at the 1[0-9] clips"))).to_be_visible()
    expect(page.get_by_label("Seed")).to_be_focused()
    assert site.complaints == []


def test_a_clip_without_video_has_a_quiet_frame(make_site: SiteMaker) -> None:
    """The wall shows a picture where there is one, and words in a frame of the same size where there is none."""
    _, page, address = opened(make_site)
    page.goto(f"{address}/clips")
    posters = page.locator(".posters li")
    expect(posters).to_have_count(CLIPS)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.posters img')].slice(0, 2).every(one => one.complete)"
    )
    widths, words = page.evaluate(
        """() => {
            const found = [...document.querySelectorAll(".posters img")].slice(0, 2);
            return [found.map(one => one.naturalWidth > 0),
                    found.map(one => getComputedStyle(one, "::after").content)];
        }"""
    )
    assert widths == [True, False]
    assert words[1] == '"No picture here"'


def test_a_study_is_made_by_keyboard(make_site: SiteMaker) -> None:
    """From the preview to the made study without a mouse; the page of the work moves on by itself."""
    site, page, address = opened(make_site)
    page.goto(f"{address}/design")
    excluded = page.get_by_label("Never take these")
    page.get_by_text("Clips in, clips out, no rejects").press("Enter")
    excluded.fill("\n".join(f"c{number:02}" for number in range(1, CLIPS, 2)))
    page.get_by_role("button", name="Go on to the questions").press("Enter")
    page.wait_for_url("**/questions")
    page.get_by_label("Name of the study").fill("By keyboard")
    page.get_by_role("button", name="Go on to the study file").press("Enter")
    page.get_by_role("button", name="Make the study").press("Enter")
    page.get_by_role("link", name="Open it").press("Enter")
    page.wait_for_url("**/studies/by-keyboard")
    assert site.complaints == []
