"""Researchers' pages come from a process of their own, so that raters at work never wait for statistics.

The server's process answers raters; what is asked under `/studies` and `/api` it passes on, over a socket that only
this user can reach. Both read the same database. The second process ends with the first one, however that ends.
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
"""Headers that speak of a connection and not of what is sent, and the one that each server writes."""

LONGEST = 70
"""Letters of a folder's name in which a socket finds room: the system allows about a hundred in all."""


class ResearcherProcess:
    """The second process and the way to it. The socket is the server's own: a request waits there for a process that
    is starting, and a process that stopped is followed by another.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        place = gettempdir() if len(gettempdir()) < LONGEST else "/tmp"  # noqa: S108 - a folder of its own in there
        self._folder = TemporaryDirectory(prefix="clipjury-", dir=place, ignore_cleanup_errors=True)
        path = str(Path(self._folder.name) / "researchers")
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(path)
        self._door.listen(256)
        self._way = httpx2.AsyncHTTPTransport(uds=path)  # and no client around it: that would keep people's cookies
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        own = {f"CLIPJURY_{name.upper()}": str(getattr(self._settings, name)) for name in Settings.model_fields}
        door = self._door.fileno()
        return subprocess.Popen(  # noqa: S603 - this very program, and a number
            # -P: nothing in the folder one happens to stand in takes the place of a package.
            [sys.executable, "-P", "-c", f"from app.server import serve_researchers; serve_researchers({door})"],
            env=os.environ | own,
            stdin=subprocess.PIPE,  # at its end the process knows that the server is gone
            pass_fds=[door],
            start_new_session=True,  # Ctrl-C is for the server
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and its answer back."""
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
        """Stop the process and take the socket away."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._door.close()
        self._folder.cleanup()


def _asked(request: Request) -> httpx2.Request:
    query = request.scope["query_string"]
    path = request.scope["raw_path"] + (b"?" + query if query else b"")
    url = httpx2.URL("http://researchers").copy_with(raw_path=path)
    content: AsyncIterator[bytes] | None = None if request.method in ("GET", "HEAD") else request.stream()
    return httpx2.Request(request.method, url, headers=_of_content(request.headers.raw), content=content)


def _of_content(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in OF_ONE_CONNECTION]


class ForwardToResearcherProcess:
    """Middleware that sends researchers' requests to their process, where there is one."""

    def __init__(self, app: ASGIApp, researchers: ResearcherProcess | None) -> None:
        self.app = app
        self.researchers = researchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, here or there."""
        theirs = scope["type"] == "http" and any(_under(scope["path"], prefix) for prefix in PREFIXES)
        await (self.researchers if self.researchers and theirs else self.app)(scope, receive, send)


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
