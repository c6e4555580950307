"""The threshold workbench in a browser: its slider works by mouse and keyboard, and a threshold can be adopted."""

import random

import pytest
from playwright.sync_api import Page, expect

from analysis.filters.rates import confusion
from app.results.judged_sample import JudgedSample
from tests.browser.conftest import Site, SiteMaker
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import A, R, computed, verdicts, vote

pytestmark = pytest.mark.browser
CLIPS = 24
HERE = "/studies/study-1/filters/movement/workbench"


def opened(make_site: SiteMaker, *, width: int = 1440, theme: str = "light") -> tuple[Site, Page]:
    """Open the workbench of a study with 24 judged clips, scores 97.25 down to 74.25, and wait for its figures."""
    site = make_site(clips=CLIPS, raters_per_clip=1)
    chance = random.Random(2)
    maker = StudyMaker(site.database, site.settings, made=1)
    plan = verdicts([A if 97.25 - number + chance.gauss(0, 5) > 84 else R for number in range(CLIPS)])
    vote(maker, site.study, "Ada", plan)
    page = site.page(width=width, theme=theme)
    page.goto(site.server.links["Researcher"])
    page.goto(HERE)
    page.wait_for_selector("#slide:not([hidden])")
    page.wait_for_function("() => [...document.querySelectorAll('[data-figure]')].every(one => one.view)")
    return site, page


def sample_of(site: Site) -> JudgedSample:
    """The judged clips, for functions of the library."""
    sample = computed(site.database, site.study).filter_named("movement").sample
    assert sample is not None
    return sample


def shown(page: Page) -> dict[str, float]:
    """The rates that the page shows, without rounding."""
    found = page.eval_on_selector_all("[data-rate]", "all => all.map(one => [one.dataset.rate, one.dataset.value])")
    return {name: float(value or "nan") for name, value in found}


def test_the_slider_shows_the_rates_of_every_threshold(make_site: SiteMaker) -> None:
    """At every step the rates equal the library's to 1e-9, and the clips between both thresholds change sides."""
    site, page = opened(make_site)
    sample = sample_of(site)
    page.focus("#slide")
    page.keyboard.press("Home")
    steps = int(page.get_attribute("#slide", "max") or 0)
    assert steps == CLIPS  # every score, and the preset
    for _ in range(steps - 1):
        page.keyboard.press("ArrowRight")
        page.evaluate("new Promise(requestAnimationFrame)")
        threshold = float(page.input_value("#adopt-threshold"))
        accepted = sample.scores >= threshold
        table = confusion(accepted, sample.good, sample.weights, sample.strata, sources=sample.sources)
        expected = {name: getattr(table, name).value for name in ("precision", "recall", "f1")}
        assert {name: shown(page)[name] for name in expected} == pytest.approx(expected, abs=1e-9)
        low, high = sorted((threshold, 80.0))
        flipping = int(((sample.scores >= low) & (sample.scores < high)).sum())
        expect(page.locator("#flip-count")).to_contain_text(str(flipping) if flipping else "No judged clip")
        assert page.locator("#flips li").count() == min(flipping, 12)
    marks = page.evaluate("[...document.querySelectorAll('[data-figure]')].map(one => one.view.signal('at'))")
    assert site.complaints == []
    page.wait_for_function(
        "() => new Set([...document.querySelectorAll('[data-figure]')].map(o => o.view.signal('at'))).size == 1"
    )
    assert len(marks) == 4  # the pool of this study is gone: no curve of hours


def test_a_threshold_is_found_and_adopted_by_keyboard(make_site: SiteMaker) -> None:
    """An aim moves the slider, Enter adopts the threshold, and the page then lists it with its reason."""
    site, page = opened(make_site)
    page.get_by_role("button", name="Best F1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#cut-tag")).to_have_text("found on these data")
    found = page.inner_text("#cut-now")
    page.get_by_label("Why this cut?").focus()
    page.keyboard.type("Looks right")
    page.keyboard.press("Enter")
    trail = page.locator(".trail li")
    expect(trail).to_have_count(1)
    expect(trail).to_contain_text("instead of ≥ 80")
    expect(trail).to_contain_text("aim: Best F1; Looks right")
    expect(page.locator("#cut-now")).to_have_text(found)
    assert site.complaints == []


def test_the_slider_follows_the_mouse(make_site: SiteMaker) -> None:
    """Dragging to the right end selects the strictest threshold, and reloading the page keeps it."""
    site, page = opened(make_site)
    box = page.locator("#slide").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    expect(page.locator("#cut-now")).to_have_text("97.25")
    page.reload()
    expect(page.locator("#cut-now")).to_have_text("97.25")
    assert site.complaints == []


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_the_bench_fits_the_window(make_site: SiteMaker, width: int, theme: str) -> None:
    """The page never scrolls sideways."""
    site, page = opened(make_site, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert site.complaints == []
