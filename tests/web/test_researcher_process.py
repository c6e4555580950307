"""The second process for researchers' pages: the same pages, and its failures do not affect raters."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from app.db import Database
from app.models import Study
from app.raters import raters
from app.settings import Settings
from app.web.researcher_process import TIMEOUTS, content_of
from tests.helpers import servers
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.raters_over_http import Client, join
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its socket is a thing of POSIX systems")


BLOCKED = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
"""
"""Python code that every process of the server runs at its start: SIGUSR1 then blocks the event loop."""


class Place:
    """A running server of two processes, its study, and a researcher signed in."""

    def __init__(self, server: servers.Server, study: Study, link: str) -> None:
        self.server, self.study, self.link = server, study, link
        self.researcher = Client(server.base)
        self.researcher.get(server.links["Researcher"].removeprefix(server.base))

    @property
    def second(self) -> psutil.Process:
        """The researchers' process: a spare one is always younger."""
        return self.processes[0]

    @property
    def processes(self) -> list[psutil.Process]:
        """The researchers' process and, a while after its start, the spare one."""
        children = psutil.Process(self.server.process.pid).children()
        alive = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
        return sorted(alive, key=lambda one: one.create_time())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One server for all of these tests, after which both processes are gone."""
    settings = Settings(home=tmp_path_factory.mktemp("two") / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    maker = StudyMaker(database, settings)
    study = maker(clips=12, raters_per_clip=2, with_media=False)
    maker.rate(study, maker.rater(study), answers())
    code = tmp_path_factory.mktemp("code")
    (code / "sitecustomize.py").write_text(BLOCKED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(code), prepend=os.pathsep)
        server = servers.start(settings)
    made = Place(server, study, raters.open_link(settings, study))
    yield made
    made.researcher.close()
    child = made.second
    assert server.stop() == 0
    wait_until(lambda: not child.is_running())
    database.dispose()


def test_pages_forms_and_errors_are_the_same_as_from_one_process(place: Place) -> None:
    """Read, change, a 404 with its page, and nothing without signing in."""
    here = f"/studies/{place.study.slug}"
    assert "alpha" in place.researcher.get(f"{here}/results")[1].lower()
    assert place.researcher.post(f"{here}/state", {"state": "paused"})[0] == 303
    assert "paused" in place.researcher.get("/studies")[1].lower()
    assert place.researcher.post(f"{here}/state", {"state": "open"})[0] == 303
    status, text = place.researcher.get("/studies/none")
    assert status == 404
    assert "There is no study" in text
    with closing(Client(place.server.base)) as stranger:
        assert stranger.get(f"{here}/results")[0] == 401
        assert stranger.get("/api/v1/studies")[0] == 401
    assert place.researcher.post(f"{here}/state", {"state": "paused"}, Origin="http://elsewhere.example")[0] == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/studies", "/api/v1/studies", "/studies/none/results"])
def test_a_body_nobody_asked_for_is_passed_over(place: Place, method: str, path: str) -> None:
    """A request with a body, of a known length or in chunks, is answered as one without."""
    answered = []
    for body in (None, b"x=1", iter([b"x=", b"1"])):
        connection = HTTPConnection(urlsplit(place.server.base).netloc, timeout=PATIENCE)
        connection.request(method, path, body, encode_chunked=True)
        answered.append(connection.getresponse().status)
        connection.close()
    assert answered[0] < 500
    assert answered == [answered[0]] * 3


def test_each_header_is_sent_once(place: Place) -> None:
    """Two content policies would both apply."""
    connection = HTTPConnection(urlsplit(place.server.base).netloc, timeout=PATIENCE)
    connection.request("GET", "/studies")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    names = [name.lower() for name, _value in answer.getheaders()]
    assert "content-security-policy" in names
    assert sorted(set(names)) == sorted(names)


def test_an_answer_that_nobody_reads_occupies_no_connection_to_the_process(place: Place) -> None:
    """It is read before it is passed on: through the only connection the next request is answered meanwhile."""

    async def ask() -> list[bytes]:
        limits, patience = httpx2.Limits(max_connections=1), {"timeout": dict.fromkeys(TIMEOUTS, PATIENCE / 4)}
        async with httpx2.AsyncHTTPTransport(limits=limits) as way:
            contents = []
            for _ in range(3):
                request = httpx2.Request("GET", f"{place.server.base}/studies", extensions=patience)
                contents.append(await content_of(await way.handle_async_request(request)))
            return [b"".join([piece async for piece in content]) for content in contents]

    pages = asyncio.run(ask())
    assert all(b"This page is for the study" in page for page in pages), pages


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1])
def test_a_process_that_died_or_hangs_is_replaced(place: Place, sent: signal.Signals) -> None:
    """Killed, stopped, or with a blocked event loop (BLOCKED): the next page is sent, and raters are not affected.

    `make bench restarts` measures how long that page takes.
    """
    wait_until(lambda: len(place.processes) == 2 and has_loaded(place.processes[-1]), "the spare process")
    gone = place.second
    gone.send_signal(sent)
    client = join(place.server.base, place.link, f"Unhurt by {sent.name}")
    assert 'action="/rate/' in client.get("/rate")[1]
    client.close()
    assert place.researcher.get("/studies")[0] == 200
    assert place.second.pid != gone.pid


def has_loaded(process: psutil.Process) -> bool:
    """True if a process that loads the application at first rests by now."""
    before = sum(process.cpu_times()[:2])
    time.sleep(0.5)
    return before > 1 and sum(process.cpu_times()[:2]) == before


def test_it_ends_when_the_server_is_killed_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a power cut: no process that uses the database remains."""
    folder = Path(tempfile.mkdtemp(prefix="cj", dir="/tmp"))  # short: a socket's name has about a hundred letters
    monkeypatch.setenv("TMPDIR", str(folder))
    settings = Settings(home=tmp_path / "home", database_url="")
    server = servers.start(settings)
    [child] = psutil.Process(server.process.pid).children()
    with closing(Client(server.base)) as stranger:
        assert stranger.get("/studies")[0] == 401, "it is up"
    server.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: list(folder.iterdir()) == [])
    folder.rmdir()
