"""The way in and out in a real browser: from the invite to the completion code by keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.models import Judgment, Study
from app.raters import raters
from app.studies import lifecycle
from tests.browser.conftest import Site, SiteMaker
from tests.helpers.pool_entries import give_rubric, give_rules, only_rater

pytestmark = pytest.mark.browser


def tab_to(page: Page, name: str, role: str = "button") -> None:
    """Tab until the named control has the focus."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]  # one of playwright's roles
    expect(wanted).to_be_visible()
    for _ in range(20):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by Tab")


def come(site: Site, page: Page) -> None:
    """Open the link, type a name."""
    page.goto(raters.open_link(site.settings, site.study))
    page.wait_for_selector("#name:focus")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")


def test_from_the_invite_to_the_completion_code_by_keyboard_alone(make_site: SiteMaker) -> None:
    """Name, consent, device check, guidelines with an example, every clip, the code and the way back: no mouse."""
    site = make_site(clips=2)
    give_rubric(site.database, site.settings, site.study)
    give_rules(
        site.database,
        site.study,
        consent={"text": "We keep your answers."},
        device={"min_width": 300, "min_mbit": 0.1},
        recruitment={"completion_code": "DONE1", "completion_url": "https://example.org/?cc={code}"},
    )
    page = site.page()
    come(site, page)
    tab_to(page, "I agree")
    page.keyboard.press("Enter")
    page.wait_for_selector("form[action='/rate/start'] button:focus")
    assert page.locator("video.example").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_selector("video.clip:not([controls])")
    page.keyboard.press("g")
    expect(page.get_by_text("Every hair is sharp.")).to_be_visible()
    page.keyboard.press("Escape")
    for number in range(2):
        before = page.locator("#room").get_attribute("data-place")
        for key in ("4", "Shift+3", "a"):
            page.keyboard.press(key)
        page.wait_for_function("one => document.getElementById('room').dataset.place !== one", arg=before)
        if number == 0:
            assert page.locator("video.example").get_attribute("src"), "a swapped room keeps its examples"
    expect(page.get_by_label("Your code")).to_have_value("DONE1")
    tab_to(page, "Go back to where you came from", "link")
    assert page.evaluate("document.activeElement.href") == "https://example.org/?cc=DONE1"
    kept = only_rater(site.database, site.study)
    assert kept.device["passed"]
    assert kept.device["can_play"] in ("probably", "maybe")
    assert kept.device["mbit"] > 0.1
    assert kept.device["width"] == 1366
    assert kept.ended == "completed"
    assert site.complaints == []


def test_a_window_too_small_is_told_and_a_larger_one_passes(make_site: SiteMaker) -> None:
    """The check says what is missing; after the window grew, checking again lets the rater in."""
    site = make_site(clips=1)
    give_rules(site.database, site.study, device={"min_width": 800})
    page = site.page(width=390, height=844)
    come(site, page)
    expect(page.get_by_role("heading", name="This device does not fit the study")).to_be_visible()
    expect(page.get_by_text(re.compile("it is 390 pixels wide and 844 pixels high"))).to_be_visible()
    page.set_viewport_size({"width": 1000, "height": 700})
    tab_to(page, "Check again", "link")
    page.keyboard.press("Enter")
    page.wait_for_selector("form[action='/rate/start'] button:focus")
    assert only_rater(site.database, site.study).device["width"] == 1000


def test_a_clip_that_does_not_play_is_found_by_the_check(make_site: SiteMaker) -> None:
    """A damaged clip ends the check at once, with words and the way out."""
    site = make_site(clips=1)
    give_rules(site.database, site.study, device={})
    for path in site.settings.media.glob("*.mp4"):
        path.write_bytes(b"this is no video")
    page = site.page()
    come(site, page)
    expect(page.get_by_text("A clip of this study did not play here.")).to_be_visible()
    tab_to(page, "Stop here and give the study back", "link")
    page.keyboard.press("Enter")
    tab_to(page, "Stop and give the study back")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You have stopped")).to_be_visible()
    assert only_rater(site.database, site.study).ended == "returned"


def test_a_pause_meets_the_rater_after_the_answer_on_the_screen(make_site: SiteMaker) -> None:
    """The answer is saved, then the page says that the study rests; when it goes on, so does the rater."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    with site.database.writer() as db:
        lifecycle.change_state(db, db.get_one(Study, site.study.id), "paused")
    for key in ("4", "Shift+3", "a"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="This study is resting")).to_be_visible()
    with site.database.writer() as db:
        lifecycle.change_state(db, db.get_one(Study, site.study.id), "open")
    tab_to(page, "Try again", "link")
    page.keyboard.press("Enter")
    expect(page.locator(".room-place")).to_contain_text("Clip 2 of 3")
    assert site.complaints == []


def test_an_answer_still_in_the_browser_is_sent_from_a_page_without_a_clip(make_site: SiteMaker) -> None:
    """The network fails at the last answer before the study closes: the page that says so sends it."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    page.route(re.compile(r"/rate/\d+$"), lambda route: route.abort())
    for key in ("4", "Shift+3", "a"):
        page.keyboard.press(key)
    expect(page.locator("#save-state")).to_have_attribute("data-state", "unsaved")
    with site.database.writer() as db:
        lifecycle.change_state(db, db.get_one(Study, site.study.id), "closed")
    page.unroute_all()
    with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
        page.goto("/rate")
    assert sent.value.status == 303
    expect(page.get_by_role("heading", name="This study is closed")).to_be_visible()
    with site.database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 3
