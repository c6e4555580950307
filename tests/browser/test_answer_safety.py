"""No answer is lost and none is stored twice: cut lines, two tabs, the back button, another device, a dead server."""

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select
from sqlmodel import col

from app.models import Assignment, Judgment
from app.raters import invites
from app.studies import lifecycle
from tests.browser.conftest import Site, SiteMaker
from tests.helpers import servers

pytestmark = pytest.mark.browser
SUBMITS = re.compile(r"/rate/\d+$")
KEYS = ("4", "Shift+3", "a")


def press(page: Page, keys: tuple[str, ...] = KEYS) -> None:
    """The keys of an answer, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def on_clip(page: Page, number: int) -> None:
    """Wait until the header says so."""
    begin = f"Clip {number} of"
    page.wait_for_function("begin => document.getElementById('room')?.dataset.place?.startsWith(begin)", arg=begin)


def stored(site: Site) -> list[Judgment]:
    """All judgments in the database, in the order in which they came."""
    with site.database.reader() as db:
        return list(db.scalars(select(Judgment).order_by(col(Judgment.id))).all())


def each_once(site: Site, clips: int) -> None:
    """Every clip has one answer of three values, in its first revision."""
    rows = stored(site)
    assert Counter(row.assignment_id for row in rows) == dict.fromkeys({row.assignment_id for row in rows}, 3)
    assert len({row.submission for row in rows}) == clips
    assert {row.revision for row in rows} == {1}


def test_a_line_cut_in_the_middle_of_three_answers(make_site: SiteMaker) -> None:
    """The first answer's reply is lost, the second never leaves, the page is reloaded: all three are stored once."""
    site = make_site(clips=4)
    page = site.page()
    site.join(page)

    def lose_the_reply(route: Route) -> None:
        route.fetch()  # the server has stored it; the browser never hears of it
        route.abort()

    page.route(SUBMITS, lose_the_reply, times=1)
    press(page)
    expect(page.locator("#problem")).to_contain_text("not yet on the server")
    on_clip(page, 2)
    page.context.set_offline(True)
    press(page)
    expect(page.locator("#problem")).to_contain_text("not yet on the server")
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.reload()
    page.context.set_offline(False)
    page.goto("/rate")
    on_clip(page, 3)
    press(page)
    on_clip(page, 4)
    each_once(site, 3)


def test_two_tabs_of_one_rater(make_site: SiteMaker) -> None:
    """Both show the same clip; what is answered in one is answered: no clip twice, and both go on to the next."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    other = page.context.new_page()
    other.goto("/rate")
    on_clip(other, 1)
    assert other.get_attribute("#room", "data-media") == page.get_attribute("#room", "data-media")
    press(page)
    on_clip(page, 2)
    press(other, ("2", "Shift+2", "r"))
    on_clip(other, 2)
    rows = stored(site)
    assert len({row.assignment_id for row in rows}) == 1
    assert [row.value for row in rows if row.revision == max(one.revision for one in rows)] == ["2", "2", "reject"]
    press(other)
    on_clip(other, 3)
    page.reload()
    on_clip(page, 3)
    with site.database.reader() as db:
        held = db.scalars(select(Assignment).where(col(Assignment.status) == "held")).all()
    assert len(held) == 1  # the last clip, once


def test_the_back_button_loses_nothing(make_site: SiteMaker) -> None:
    """Back out of the room and forward again: the same clip, the same count, answers as they were."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    press(page)
    on_clip(page, 2)
    before = page.get_attribute("#room", "data-media")
    page.go_back()
    page.go_forward()
    page.wait_for_function("() => document.querySelector('video.clip')")
    if not page.get_attribute("#room", "data-place").startswith("Clip 2"):  # type: ignore[union-attr]
        page.reload()
    on_clip(page, 2)
    assert page.get_attribute("#room", "data-media") == before
    press(page)
    on_clip(page, 3)
    each_once(site, 2)


def test_a_personal_link_on_another_device(make_site: SiteMaker) -> None:
    """The same rater there: the same clip in front of them, their count, and no place taken twice."""
    site = make_site(clips=3)
    with site.database.writer() as db:
        link = invites.personal(db, lifecycle.by_slug(db, site.study.slug), "Ada").path
    laptop, phone = site.page(), site.page(width=390, height=844)
    laptop.goto(link)
    laptop.get_by_role("button", name="Start rating").press("Enter")
    on_clip(laptop, 1)
    laptop.wait_for_selector("video.clip:not([controls])")
    press(laptop)
    on_clip(laptop, 2)
    phone.goto(link)
    on_clip(phone, 2)
    clip = laptop.get_attribute("#room", "data-media")
    assert clip == phone.get_attribute("#room", "data-media")
    phone.wait_for_selector("video.clip:not([controls])")
    press(phone)
    on_clip(phone, 3)
    laptop.reload()
    on_clip(laptop, 3)
    each_once(site, 2)


def test_a_server_that_dies_and_comes_back(make_site: SiteMaker) -> None:
    """What was answered meanwhile waits in the browser and arrives by itself, once."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    press(page)
    on_clip(page, 2)
    site.server.kill()
    press(page, ("1", "Shift+1", "r"))
    expect(page.locator("#problem")).to_contain_text("not yet on the server")
    site.server = servers.fork(site.settings, port=urlsplit(site.server.base).port or 0)
    on_clip(page, 3)
    each_once(site, 2)
    assert [row.value for row in stored(site)][-3:] == ["1", "1", "reject"]


def test_a_slow_line_keeps_the_order(make_site: SiteMaker) -> None:
    """300 ms away and 50 kB a second: clips come in the order of their assignments, every answer to its own clip."""
    site = make_site(clips=4)
    page = site.page()
    site.join(page)
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    line.send("Network.emulateNetworkConditions", slow)
    shown = []
    for number in range(1, 5):
        on_clip(page, number)
        shown.append(page.get_attribute("#answers", "action"))
        press(page, (str(number), f"Shift+{number}", "a"))
    expect(page.get_by_role("heading", name="All done, thank you")).to_be_visible()
    rows = stored(site)
    each_once(site, 4)
    given = [f"/rate/{row.assignment_id}" for row in rows[::3]]
    assert given == shown
    assert [row.value for row in rows[::3]] == ["1", "2", "3", "4"]


def test_a_clip_takes_three_keys(make_site: SiteMaker) -> None:
    """Quality, stability, verdict: three key strokes, no mouse, no key to send."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    page.evaluate(
        "() => { window.keys = 0; document.addEventListener('keydown', (e) => window.keys += e.key !== 'Shift'); }"
    )
    for number in range(2, 4):
        press(page)
        on_clip(page, number)
    assert page.evaluate("window.keys") == 6
    each_once(site, 2)
