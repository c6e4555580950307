"""Start the server: open the port, print the links, serve until Ctrl-C."""

import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from app import limited_process
from app.db import Database
from app.errors import AppError
from app.main import create_app
from app.private_files import tighten
from app.raters.invite_list import links
from app.settings import Settings
from app.web import public_address, request_log, running_server
from app.web.connections import BoundedConnection, allow_many_connections
from app.web.process_health import Pulse
from app.web.researcher_process import ResearcherProcess

GRACE_SECONDS = 2
"""Seconds that requests have to finish when the server is stopped."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

NO_LINKS = "The links are secrets, so they are not in this log. Print them with: clipjury links"

NICENESS = 5
"""Niceness of the researchers' process (0 to 19): the raters' process gets the CPU first."""


def serve(settings: Settings, database: Database, *, say: Callable[[str], object]) -> None:
    """Serve until interrupted: raters from one process (more would not help with SQLite), researchers from another.

    Raises AppError if the settings would serve people at a wrong or unprotected address (`public_address.check`).
    """
    public_address.check(settings)
    request_log.start(settings)
    tighten(settings)
    allow_many_connections()
    with listening(settings) as door:
        if not settings.uds:
            settings = settings.model_copy(update={"port": door.getsockname()[1]})
        with _researchers(settings) as researchers, running_server.announced(settings):
            server = _AnnouncingServer(config(create_app(settings, database=database, researchers=researchers)))
            server.lines = _first_words(settings, database)
            server.say = say
            _forget_modules()
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: an orderly end with exit code 0
            with suppress(KeyboardInterrupt):
                server.run(sockets=[door])
    database.dispose()
    say("Stopped.")


def _first_words(settings: Settings, database: Database) -> list[str]:
    # The output of a public server becomes a log, and a log is read by people who may not sign in as the researcher.
    lines = [NO_LINKS] if settings.https else links(settings, database)
    place = settings.uds or f"http://{settings.host}:{settings.port}"
    lines.append(f"Serving on {place} (Ctrl-C stops it; answers are kept)")
    if not settings.public_url and public_address.is_loopback(settings.host):
        lines.append(public_address.HOW_TO_GO_PUBLIC)
    elif not settings.https:
        lines.append("Without TLS everybody on this network can read links and answers.")
    return lines


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
    """Load the application, wait for a byte on standard input, and serve researchers' pages until it is closed.

    `door` is the file descriptor of the socket. Without a byte nothing is served: the process was a spare one.
    """
    os.nice(NICENESS)
    settings = Settings()
    request_log.start(settings)
    way = socket.socket(fileno=door)
    folder = Path(way.getsockname()).parent
    server = _ResearcherServer(config(Pulse(create_app(settings, second=True))))
    _forget_modules()
    if not os.read(sys.stdin.fileno(), 1):
        return
    threading.Thread(target=_end_with_the_other, args=(server,), daemon=True).start()
    threading.Thread(target=limited_process.warm_up, daemon=True).start()
    server.run(sockets=[way])
    rmtree(folder, ignore_errors=True)  # a server that was killed did not remove it


def _forget_modules() -> None:
    """Exclude loaded modules from garbage collection: scanning them takes a tenth of a second each time."""
    gc.collect()
    gc.freeze()


def _end_with_the_other(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


class _ResearcherServer(uvicorn.Server):
    """A server that ends with the first process and at no signal: a service manager signals both at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Continue to serve the first process, which finishes its own requests."""


class _AnnouncingServer(uvicorn.Server):
    """A server that prints its links when it is ready, not before."""

    lines: list[str]
    say: Callable[[str], object]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the links."""
        await super().startup(sockets)
        for line in self.lines:
            self.say(line)


def config(app: ASGIApp) -> uvicorn.Config:
    """Configuration of uvicorn: limits of connections, few messages, no server name, no access log of secret links."""
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",  # a package for WebSockets, if there is one, would open a way around every limit
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen at the settings' address or Unix socket. Raises AppError if it cannot be used."""
    door = _listen_locally(settings.uds) if settings.uds else _listen(settings.host, settings.port)
    try:
        yield door
    finally:
        door.close()
        if settings.uds:
            Path(settings.uds).unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        door.close()
        if isinstance(error, socket.gaierror) or (isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL):
            raise AppError(
                f"This machine has no address {host}.",
                "--host names an address of this machine: 127.0.0.1, or 0.0.0.0 for all. "
                "The name that people open is --public-url.",
            ) from error
        raise AppError(
            f"Port {port} on {host} cannot be used ({error}).",
            f"Is ClipJury running already? Otherwise choose another: PORT={port + 1} or --port {port + 1}.",
        ) from error
    return door


def _listen_locally(path: str) -> socket.socket:
    """A Unix socket for the user and the group, to which the proxy must belong. A dead server's socket is replaced."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_dead_socket(path):
            Path(path).unlink()
        before = os.umask(0o117)
        try:
            door.bind(path)
        finally:
            os.umask(before)
        door.listen(BACKLOG)
    except OSError as error:
        door.close()
        raise AppError(
            f"The socket {path} cannot be used ({error}).",
            "The folder must exist and be writable, and no other program or file may have this name.",
        ) from error
    return door


def _is_dead_socket(path: str) -> bool:
    """True if the path is a socket on which nobody listens."""
    if not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(path)
        except ConnectionRefusedError:
            return True
        return False
