"""A real ClipJury server in a process of its own, on a free port of this machine."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


@dataclass
class Server:
    """A running server; `base` is its address, `links` the lines it printed."""

    process: subprocess.Popen[str]
    base: str
    links: dict[str, str]

    def kill(self) -> None:
        """End it as a power cut would: no goodbye, no flush."""
        self.process.send_signal(signal.SIGKILL)
        self._wait(10)

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self._wait(20)

    def _wait(self, seconds: float) -> int:
        code = self.process.wait(timeout=seconds)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process sees them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
    return kept | {
        "CLIPJURY_HOME": str(settings.home),
        "CLIPJURY_DATABASE_URL": settings.database_url,
        "CLIPJURY_RESEARCHER_PROCESS": str(settings.researcher_process),
    }


def start(settings: Settings, *, port: int = 0, errors: Path | None = None) -> Server:
    """Start a server and wait until it says that it serves."""
    with errors.open("a") if errors else open(os.devnull, "w") as log:  # noqa: PTH123 - not a path of ours
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            env=environment(settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    links: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"Serving on (http://\S+)", line):
            return Server(process, found.group(1), links)
        name, _, address = line.strip().partition(": ")
        links[name] = address
    raise RuntimeError(f"the server ended with code {process.wait()} before it served: {links}")


@contextmanager
def running(settings: Settings, *, port: int = 0) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(settings, port=port)
    try:
        yield server
    finally:
        server.stop()
