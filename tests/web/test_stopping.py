"""Stopping the server: it finishes what it does, ends with exit code 0, and `clipjury links` knows whether it runs."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app import auth
from app.db import Database
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.databases import copy_sqlite_tables
from tests.helpers.factories import StudyMaker
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A data folder with one study, to be served by two processes."""
    settings = Settings(home=tmp_path / "home", database_url="")
    copy_sqlite_tables(settings.home / "clipjury.db")
    database = Database(settings.database)
    StudyMaker(database, settings)(clips=1, with_media=False)
    database.dispose()
    return settings


@pytest.mark.parametrize(("sent", "to_both"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)])
def test_both_processes_end(home: Settings, sent: signal.Signals, to_both: bool) -> None:
    """With exit code 0; a service manager and Ctrl-C signal both processes. `make bench restarts` measures how fast."""
    server = servers.start(home)
    [second] = psutil.Process(server.process.pid).children()
    if to_both:
        second.send_signal(sent)
    assert server.stop(sent) == 0
    wait_until(lambda: not second.is_running())
    assert not list(home.home.glob("*-wal"))
    assert not list(home.home.glob("server.json"))


def test_links_know_the_address_of_the_running_server(home: Settings) -> None:
    """At whatever port it listens; after a stop, or when it was killed, the settings' address is used."""
    server = servers.start(home)
    assert printed_links(home) == server.links
    server.kill()
    assert (home.home / "server.json").exists()
    assert all(link.startswith("http://127.0.0.1:8000/") for link in printed_links(home).values())
    server = servers.start(home)
    assert server.stop() == 0
    assert all(link.startswith("http://127.0.0.1:8000/") for link in printed_links(home).values())


def printed_links(settings: Settings) -> dict[str, str]:
    """What `clipjury links` prints."""
    ended = subprocess.run(
        [*servers.COMMAND, "links"], env=servers.environment(settings), capture_output=True, text=True, check=True
    )
    return dict(line.split(": ") for line in ended.stdout.splitlines())


def test_a_public_server_prints_no_link(home: Settings, tmp_path: Path) -> None:
    """Its output becomes a log; `clipjury links` prints the links, at the public URL."""
    public = home.model_copy(update={"public_url": "https://jury.example.org", "uds": str(tmp_path / "http.sock")})
    server = servers.start(public)
    assert auth.researcher_key(home) not in str(server.links)
    links = printed_links(home)
    assert links["Researcher"] == f"https://jury.example.org/researcher/{auth.researcher_key(home)}"
    assert server.stop() == 0
