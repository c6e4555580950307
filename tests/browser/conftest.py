"""A real Chromium against a real server process with real video."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.db import Database
from app.models import Study
from app.raters import raters
from app.settings import Settings
from tests.conftest import need
from tests.helpers import servers
from tests.helpers.databases import copy_sqlite_tables
from tests.helpers.factories import StudyMaker

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MILLISECONDS = 60_000
"""How long a page may take to show what a test waits for; a busy machine takes long."""
expect.set_options(timeout=MILLISECONDS)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str | None:
    """The browser to drive: CHROMIUM, or the distribution's."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = chromium_path()
    if path is None:
        need("Chromium", "apt install chromium (or set CHROMIUM to its path)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


class Site:
    """A served study and the browsers that look at it."""

    def __init__(self, browser: Browser, settings: Settings, database: Database, study: Study) -> None:
        self.browser, self.settings, self.database, self.study = browser, settings, database, study
        self.server = servers.fork(settings)
        self.complaints: list[str] = []
        self._contexts: list[BrowserContext] = []

    def page(self, *, width: int = 1366, height: int = 900, theme: str = "light") -> Page:
        """A fresh browser window; what it logs as an error is collected."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            base_url=self.server.base,
        )
        context.set_default_timeout(MILLISECONDS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        return page

    def join(self, page: Page, name: str = "Ada") -> None:
        """In by the open link, by keyboard alone, to the first clip."""
        page.goto(raters.open_link(self.settings, self.study))
        page.wait_for_selector("#name:focus")  # the page gives it the focus when it first paints
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.wait_for_selector("form[action='/rate/start'] button:focus")
        page.keyboard.press("Enter")
        page.wait_for_selector("video.clip:not([controls])")  # the player has taken over

    def close(self) -> None:
        """End the windows and the server."""
        for context in self._contexts:
            context.close()
        self.server.stop()
        self.database.dispose()


@pytest.fixture
def make_site(browser: Browser, tmp_path: Path) -> Iterator["SiteMaker"]:
    """Makes served studies on SQLite."""
    maker = SiteMaker(browser, tmp_path)
    yield maker
    for site in maker.sites:
        site.close()


class SiteMaker:
    """Makes studies and serves them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.sites: list[Site] = []

    def __call__(self, *, clips: int = 3, raters_per_clip: int = 2, score_visibility: str = "hidden") -> Site:
        """A study with tiny clips, served by a process of its own."""
        home = self.folder / f"home-{len(self.sites)}"
        settings = Settings(home=home, database_url="", researcher_process=False)
        copy_sqlite_tables(home / "clipjury.db")
        database = Database(settings.database)
        study = StudyMaker(database, settings)(
            clips=clips, raters_per_clip=raters_per_clip, score_visibility=score_visibility
        )
        self.sites.append(Site(self.browser, settings, database, study))
        return self.sites[-1]
