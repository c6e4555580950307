"""`clipjury demo --check`: serve the demo and use it over HTTP as a rater and as a researcher."""

import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar

import uvicorn

from app import auth
from app.db import Database
from app.demo.study import SLUG
from app.errors import AppError
from app.main import create_app
from app.raters import raters
from app.server import config, listening
from app.settings import LOOPBACK, Settings
from app.studies import lifecycle

START_SECONDS = 30


class Browser:
    """A minimal browser with cookies and forms, without scripts: the pages must work in it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def open(self, path: str, form: dict[str, str] | None = None) -> str:
        """A page's text after redirects."""
        return self.open_bytes(path, form).decode()

    def open_bytes(self, path: str, form: dict[str, str] | None = None) -> bytes:
        """The response of an address. Raises AppError with the page's text if the request fails."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.base + path, data=data)  # noqa: S310 - our own loopback server
        try:
            with self._opener.open(request, timeout=20) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            words = " ".join(re.sub(r"<[^>]+>", " ", error.read().decode()).split())
            raise AppError(f"{path} answered {error.code}: {words[:300]}", "See the server's log.") from error


def run(settings: Settings, database: Database, say: Callable[[str], object]) -> None:
    """Serve on a free port, rate two clips, read the results and the export. Raises AppError if a step fails."""
    settings = settings.model_copy(update={"port": 0})
    with listening(settings) as door:
        server = uvicorn.Server(config(create_app(settings, database=database)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        try:
            _wait(server)
            base = f"http://{LOOPBACK}:{door.getsockname()[1]}"
            with database.reader() as db:
                link = raters.open_link(settings, lifecycle.by_slug(db, SLUG))
            _rate_two(Browser(base), link, say)
            _read_results(Browser(base), auth.researcher_key(settings), say)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
    say("The demo works.")


def _wait(server: uvicorn.Server) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if time.monotonic() > until:
            raise AppError(f"The server did not start within {START_SECONDS} s.", "See the messages above.")
        time.sleep(0.05)


def _rate_two(browser: Browser, link: str, say: Callable[[str], object]) -> None:
    browser.open(link, {"name": "Check"})
    page = browser.open("/rate/start", {})
    for number in (1, 2):
        address = _only(r'action="(/rate/\d+)"', page)
        form = dict(re.findall(r'name="(answer-\w+)" value="(\w+)"', page))
        form["submission"] = _only(r'name="submission" value="([^"]+)"', page)
        video = _only(r'src="(/media/[^"]+)"', page)
        if "ftyp" not in browser.open_bytes(video)[:32].decode("latin-1"):
            raise AppError(f"{video} is no MP4 video.", "See the server's log.")
        page = browser.open(address, form)
        if _only(r'action="(/rate/\d+)"', page) == address:
            raise AppError("The answer was sent, but the same clip came back.", "See the server's log.")
        say(f"Rated clip {number}.")


def _read_results(browser: Browser, key: str, say: Callable[[str], object]) -> None:
    browser.open(f"/researcher/{key}")
    page = browser.open(f"/studies/{SLUG}/results")
    if "Krippendorff" not in page or "imulated" not in page:
        raise AppError("The results page shows no agreement.", "See the server's log.")
    rows = browser.open(f"/studies/{SLUG}/judgments.csv").splitlines()
    if not any(",Check," in row for row in rows):
        raise AppError("The answers just given are not in the export.", "See the server's log.")
    say("Read the results page and the export.")


def _only(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    if found is None:
        raise AppError(f"The page lacks what a rater needs ({pattern}).", "See the server's log.")
    return found.group(1)
