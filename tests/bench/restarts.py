"""How long a researcher waits after the second process died or hangs, and how long the server needs to stop."""

import signal
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from app.settings import Settings
from tests.helpers import servers
from tests.helpers.databases import copy_sqlite_tables
from tests.helpers.raters_over_http import Client
from tests.helpers.waiting import wait_until

MOST_SECONDS = 5.0


def run() -> None:
    """Print what was measured."""
    for sent in (signal.SIGKILL, signal.SIGSTOP):
        _report(f"restarts: first page after {sent.name} of the researchers' process", _until_next_page(sent))
    for sent in (signal.SIGTERM, signal.SIGINT):
        _report(f"restarts: {sent.name} until both processes have ended", _until_ended(sent))


def _report(what: str, seconds: float) -> None:
    verdict = "held" if seconds < MOST_SECONDS else "MISSED"
    print(f"{what}: {seconds:.2f} s ({verdict}: bound < {MOST_SECONDS:g} s)")


def _until_next_page(sent: signal.Signals) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder,
        servers.running(_home(folder)) as server,
        closing(Client(server.base)) as browser,
    ):
        browser.get(server.links["Researcher"].removeprefix(server.base))
        wait_until(lambda: len(_children(server)) == 2, "the spare process")
        time.sleep(5)  # it loads the application
        _children(server)[0].send_signal(sent)
        began = time.perf_counter()
        status, _page = browser.get("/studies")
        seconds = time.perf_counter() - began
        if status != 200:
            raise RuntimeError(f"/studies answered {status} after {sent.name}")
        return seconds


def _until_ended(sent: signal.Signals) -> float:
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        server = servers.start(_home(folder))
        with closing(Client(server.base)) as browser:
            browser.get("/studies")  # the connection stays open
            children = _children(server)
            began = time.perf_counter()
            if server.stop(sent) != 0:
                raise RuntimeError(f"the server did not end with exit code 0 after {sent.name}")
            wait_until(lambda: not any(child.is_running() for child in children))
            return time.perf_counter() - began


def _children(server: servers.Server) -> list[psutil.Process]:
    return sorted(psutil.Process(server.process.pid).children(), key=lambda one: one.create_time())


def _home(folder: str) -> Settings:
    copy_sqlite_tables(Path(folder) / "clipjury.db")
    return Settings(home=Path(folder), database_url="")
