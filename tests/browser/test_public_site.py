"""The rating room at the public URL, behind nginx and behind Caddy, with TLS."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import func, select

from app.models import Judgment
from app.raters import raters
from tests.browser.conftest import MILLISECONDS
from tests.browser.test_rating import answer, place
from tests.helpers.proxies import ProxyName, public_site

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_clips_are_rated_at_the_public_url(name: ProxyName, browser: Browser, tmp_path: Path) -> None:
    """From the invite link to the last page by keyboard: clips play and seek, the browser reports no error."""
    complaints: list[str] = []
    with public_site(name, tmp_path) as site:
        study = site.study_maker(clips=3)
        context = browser.new_context(base_url=site.proxy.base, ignore_https_errors=True)
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.goto(raters.open_link(site.settings, study))
        page.wait_for_selector("#name:focus")
        page.keyboard.type("Ada")
        page.keyboard.press("Enter")
        page.wait_for_selector("form[action='/rate/start'] button:focus")
        page.keyboard.press("Enter")
        page.wait_for_selector("video.clip:not([controls])")
        for number in range(3):
            assert place(page).startswith(f"Clip {number + 1} of 3")
            page.wait_for_function("() => document.querySelector('video.clip').currentTime > 0.2")
            page.keyboard.press("b")
            page.wait_for_function("() => document.querySelector('video.clip').currentTime < 0.2")
            answer(page)
        expect(page.get_by_role("heading", name="All done, thank you")).to_be_visible()
        assert page.url.startswith(f"{site.proxy.base}/rate")
        assert {cookie["secure"] for cookie in context.cookies()} == {True}
        context.close()
        with site.database.reader() as db:
            assert db.execute(select(func.count()).select_from(Judgment)).scalar_one() == 9
    assert complaints == []
