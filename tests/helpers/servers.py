"""A real ClipJury server in a process of its own, on a free port of this machine."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from app.db import Database
from app.server import serve
from app.settings import Settings
from tests.helpers.waiting import PATIENCE

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


class Running(Protocol):
    """A process as both ways to start one have it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass
class Server:
    """A running server; `base` is its address, `links` the lines it printed."""

    process: Running
    base: str
    links: dict[str, str]

    def kill(self) -> None:
        """End it as a power cut would: no goodbye, no flush."""
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self, sent: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C or a service manager does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sent)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(timeout=PATIENCE)
        if isinstance(self.process, subprocess.Popen) and self.process.stdout is not None:
            self.process.stdout.close()
        return code


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process sees them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
    return kept | {f"CLIPJURY_{name.upper()}": str(value) for name, value in settings if name != "port"}


def start(
    settings: Settings, *, port: int = 0, errors: Path | None = None, also: Mapping[str, str] | None = None
) -> Server:
    """Start a server and wait until it says that it serves; `also` is added to its environment."""
    with errors.open("a") if errors else open(os.devnull, "w") as log:  # noqa: PTH123 - not a path of ours
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            env=environment(settings) | dict(also or {}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    server = _said_to_serve(process, process.stdout)
    if server is None:
        process.stdout.close()
        raise RuntimeError(f"the server ended with code {process.wait()} before it served")
    return server


def _said_to_serve(process: Running, lines: Iterable[str]) -> Server | None:
    links: dict[str, str] = {}
    for line in lines:
        if found := re.search(r"Serving on (\S+)", line):
            return Server(process, found.group(1), links)
        name, _, address = line.strip().partition(": ")
        links[name] = address
    return None


class Forked:
    """A process that was forked from one which has loaded the application already: there in a tenth of the time."""

    def __init__(self, settings: Settings, port: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["app.server", "tests.helpers.servers", "tests.helpers.commands"])
        self._lines, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(settings, port, theirs))
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """What it says, until it ends."""
        with suppress(EOFError):
            while True:
                yield self._lines.recv()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit code."""
        self._process.join(timeout)
        self._lines.close()
        code = self._process.exitcode
        assert code is not None, f"the server still runs after {timeout} s"
        return code

    def send_signal(self, sig: int, /) -> None:
        """As `kill` does."""
        os.kill(self.pid, sig)


def _serve(settings: Settings, port: int, lines: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    serve(settings.model_copy(update={"port": port}), Database(settings.database), say=lines.send)


def fork(settings: Settings, *, port: int = 0) -> Server:
    """Start a server where a test has many of them; `start` is the command that people type."""
    process = Forked(settings, port)
    server = _said_to_serve(process, process.lines())
    if server is None:
        raise RuntimeError(f"the server ended with code {process.wait(PATIENCE)} before it served")
    return server


@contextmanager
def running(settings: Settings, *, port: int = 0) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(settings, port=port)
    try:
        yield server
    finally:
        server.stop()
