"""Start the server: open the port, print the links, serve until Ctrl-C."""

import gc
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

import uvicorn
from fastapi import FastAPI

from app.db import Database
from app.errors import AppError
from app.main import create_app
from app.raters.invite_list import links
from app.settings import HOST, Settings
from app.web.researcher_process import ResearcherProcess

NICENESS = 5
"""Niceness of the researchers' process (0 to 19): the raters' process gets the CPU first."""


def serve(settings: Settings, database: Database, *, port: int, say: Callable[[str], object]) -> None:
    """Serve until interrupted: raters from one process (more would not help with SQLite), researchers from another."""
    with listening(port) as door, _researchers(settings) as researchers:
        server = _AnnouncingServer(config(create_app(settings, database=database, researchers=researchers)))
        chosen = door.getsockname()[1]
        server.lines = [
            *links(settings, database, port=chosen),
            f"Serving on http://{HOST}:{chosen} (Ctrl-C stops it; answers are kept)",
        ]
        server.say = say
        _forget_modules()
        with suppress(KeyboardInterrupt):  # Ctrl-C ends the server
            server.run(sockets=[door])
        say("Stopped.")


@contextmanager
def _researchers(settings: Settings) -> Iterator[ResearcherProcess | None]:
    if not settings.researcher_process or not hasattr(socket, "AF_UNIX"):
        yield None
        return
    process = ResearcherProcess(settings)
    try:
        yield process
    finally:
        process.end()


def serve_researchers(door: int) -> None:
    """Serve researchers' pages on the socket with file descriptor `door` until standard input is closed."""
    os.nice(NICENESS)
    way = socket.socket(fileno=door)
    folder = Path(way.getsockname()).parent
    server = uvicorn.Server(config(create_app(Settings(), second=True)))
    threading.Thread(target=_end_with_the_other, args=(server,), daemon=True).start()
    _forget_modules()
    server.run(sockets=[way])
    rmtree(folder, ignore_errors=True)  # a server that was killed did not remove it


def _forget_modules() -> None:
    """Exclude loaded modules from garbage collection: scanning them takes a tenth of a second each time."""
    gc.collect()
    gc.freeze()


def _end_with_the_other(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


class _AnnouncingServer(uvicorn.Server):
    """A server that prints its links when it is ready, not before."""

    lines: list[str]
    say: Callable[[str], object]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the links."""
        await super().startup(sockets)
        for line in self.lines:
            self.say(line)


def config(app: FastAPI) -> uvicorn.Config:
    """Configuration of uvicorn: few messages, no server name in headers, no access log, which would contain links."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )


def listening(port: int) -> socket.socket:
    """Listen on the port. Raises AppError if the port cannot be used."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
        door.listen(1024)
    except (OSError, OverflowError) as error:
        door.close()
        raise AppError(
            f"Port {port} on {HOST} cannot be used ({error}).",
            f"Is ClipJury running already? Otherwise choose another: PORT={port + 1} or --port {port + 1}.",
        ) from error
    return door
