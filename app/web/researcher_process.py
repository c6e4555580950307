"""Serve researchers' pages from a second process, so that raters do not wait while statistics are computed.

The server process answers raters. It forwards requests for `/studies` and `/api` to the second process, through a
socket that only this user can open. Both processes use the same database. The second process ends when the first
one ends, for whatever reason.
"""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import httpx2
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError
from app.settings import Settings
from app.web import pages

PREFIXES = ("/studies", "/api")
OF_ONE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"date"})
"""Headers about one connection, and the date header that each server writes itself. They are not forwarded."""

SECONDS_TO_END = 2.5
"""Seconds that the second process has to finish its requests when the server is stopped."""

MAX_FOLDER_LENGTH = 70
"""Characters of the folder's path: the operating system limits a socket's path to about a hundred."""


class ResearcherProcess:
    """The second process and the socket to it.

    The socket belongs to the server process: requests wait in it while the second process starts, and a process that
    stopped is started again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        place = gettempdir() if len(gettempdir()) < MAX_FOLDER_LENGTH else "/tmp"  # noqa: S108 - a new folder inside it
        self._folder = TemporaryDirectory(prefix="clipjury-", dir=place, ignore_cleanup_errors=True)
        path = str(Path(self._folder.name) / "researchers")
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(path)
        self._door.listen(256)
        self._way = httpx2.AsyncHTTPTransport(uds=path)  # not a client, which would store people's cookies
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        own = {f"CLIPJURY_{name.upper()}": str(getattr(self._settings, name)) for name in Settings.model_fields}
        door = self._door.fileno()
        return subprocess.Popen(  # noqa: S603 - this program itself, and a number
            # -P: files of the current folder must not be imported instead of packages.
            [sys.executable, "-P", "-c", f"from app.server import serve_researchers; serve_researchers({door})"],
            env=os.environ | own,
            stdin=subprocess.PIPE,  # the process ends when this pipe is closed
            pass_fds=[door],
            start_new_session=True,  # Ctrl-C must reach the server only
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request and send its response back."""
        request = Request(scope, receive)
        if self._process.poll() is not None:
            self._process = self._start()
        try:
            answer = await self._way.handle_async_request(_asked(request))
        except httpx2.TransportError:
            sorry = AppError("The statistics were interrupted.", "Load the page again; nothing was lost.", status=503)
            await pages.refusal(request, sorry)(scope, receive, send)
            return
        response = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = _of_content(answer.headers.raw)
        await response(scope, receive, send)

    def end(self) -> None:
        """Stop the process and remove the socket."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._door.close()
        self._folder.cleanup()


def _asked(request: Request) -> httpx2.Request:
    query = request.scope["query_string"]
    path = request.scope["raw_path"] + (b"?" + query if query else b"")
    url = httpx2.URL("http://researchers").copy_with(raw_path=path)
    has_body = any(name in request.headers for name in ("content-length", "transfer-encoding"))
    content: AsyncIterator[bytes] | None = request.stream() if has_body else None
    headers = [pair for pair in _of_content(request.headers.raw) if pair[0] != b"x-forwarded-for"]
    headers.append((b"x-forwarded-for", request.scope["client"][0].encode()))
    return httpx2.Request(request.method, url, headers=headers, content=content)


def _of_content(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in OF_ONE_CONNECTION]


class ForwardToResearcherProcess:
    """Middleware that forwards researchers' requests to the second process, if there is one."""

    def __init__(self, app: ASGIApp, researchers: ResearcherProcess | None) -> None:
        self.app = app
        self.researchers = researchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or handle it in this process."""
        forwarded = scope["type"] == "http" and any(_under(scope["path"], prefix) for prefix in PREFIXES)
        await (self.researchers if self.researchers and forwarded else self.app)(scope, receive, send)


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
