"""Serve researchers' pages from a second process, so that raters do not wait while statistics are computed.

The server process answers raters. It forwards requests for `/studies` and `/api` to the second process, through a
socket that only this user can open. Both processes use the same database. The second process ends when the first
one ends, for whatever reason; if it dies or hangs, it is replaced.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory, gettempdir
from time import monotonic

import httpx2
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError
from app.settings import Settings
from app.web import pages, request_log
from app.web.process_health import SilenceWatch, has_pulse

log = logging.getLogger("clipjury")

PREFIXES = ("/studies", "/api")
OF_ONE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"date"})
"""Headers about one connection, and the date header that each server writes itself. They are not forwarded."""
WRITTEN_HERE = frozenset({b"content-length", b"x-forwarded-for", request_log.HEADER.encode()})
"""Headers of a request that are written anew when it is forwarded."""

SECONDS_TO_END = 2.5
"""Seconds that the second process has to finish its requests when the server is stopped."""

MAX_FOLDER_LENGTH = 70
"""Characters of the folder's path: the operating system limits a socket's path to about a hundred."""

LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
TIMEOUTS = {"connect": 5.0, "pool": 30.0, "write": 30.0, "read": 300.0}
"""Seconds for one step of a forwarded request. Statistics of a large study may take minutes before the first byte."""

IN_MEMORY = 1 << 16
"""Bytes of a request's body that are kept in memory while it arrives; the rest is stored in a file. Of an answer so
much is read before it is passed on."""

SECONDS_BETWEEN_CHECKS = 0.5
SECONDS_BEFORE_SPARE = 10.0
"""Seconds after the start of a process before the next spare one is started."""
MOST_SECONDS_BETWEEN_STARTS = 30.0


class _Child:
    """A process that has loaded the application, or is loading it, and serves once it is told to."""

    def __init__(self, settings: Settings, door: int) -> None:
        own = {f"CLIPJURY_{name.upper()}": str(getattr(settings, name)) for name in Settings.model_fields}
        self._process = subprocess.Popen(  # noqa: S603 - this program itself, and a number
            # -P: files of the current folder must not be imported instead of packages.
            [sys.executable, "-P", "-c", f"from app.server import serve_researchers; serve_researchers({door})"],
            env=os.environ | own,
            stdin=subprocess.PIPE,  # the process serves when a byte arrives, and ends when this pipe is closed
            pass_fds=[door],
            start_new_session=True,  # Ctrl-C must reach the server only
        )
        self.watch = SilenceWatch(self._process.pid, now=monotonic())

    def serve(self) -> None:
        """Tell the process to serve."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has just died, which the next check notices
            self._process.stdin.write(b"s")
            self._process.stdin.flush()

    @property
    def ended_with(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self.end()

    def end(self) -> None:
        """Let the process finish its requests, for SECONDS_TO_END."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ResearcherProcess:
    """The second process and the socket to it, and a spare process that takes over when the second one fails.

    The socket belongs to the server process: requests wait in it while the second process starts or is replaced.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        place = gettempdir() if len(gettempdir()) < MAX_FOLDER_LENGTH else "/tmp"  # noqa: S108 - a new folder inside it
        self._folder = TemporaryDirectory(prefix="clipjury-", dir=place, ignore_cleanup_errors=True)
        self._path = str(Path(self._folder.name) / "researchers")
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(self._path)
        self._door.listen(256)
        # A transport and not a client, which would store people's cookies.
        self._way = httpx2.AsyncHTTPTransport(uds=self._path, limits=LIMITS)
        self._failed_starts = 0
        self._spare: _Child | None = None
        self._active = self._child()
        self._active.serve()

    def _child(self) -> _Child:
        self._spare_from = monotonic() + SECONDS_BEFORE_SPARE
        return _Child(self._settings, self._door.fileno())

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Replace the process whenever it has died or hangs, while the block runs."""
        task = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
            try:
                await self._check()
            except OSError:  # no memory for another process: the next check tries again
                log.exception("a process for researchers' pages could not be started")

    async def _check(self) -> None:
        code = self._active.ended_with
        if code is not None:
            log.warning("the researchers' process ended with code %s and is replaced", code)
            await self._replace()
        elif self._active.watch.hangs(answered=await has_pulse(self._path), now=monotonic()):
            log.warning("the researchers' process hangs and is replaced")
            await self._replace()
        else:
            self._keep_spare()

    async def _replace(self) -> None:
        """Let the spare process serve, or a new one: at once, unless several in a row have never answered."""
        self._failed_starts = 0 if self._active.watch.has_answered else self._failed_starts + 1
        self._active.kill()
        if self._failed_starts > 1:
            await asyncio.sleep(min(MOST_SECONDS_BETWEEN_STARTS, 2.0**self._failed_starts))
        self._active, self._spare = self._spare or self._child(), None
        self._active.serve()
        self._spare_from = monotonic() + SECONDS_BEFORE_SPARE

    def _keep_spare(self) -> None:
        """Start a spare process if there is none, but not while the second process starts: that would slow it down."""
        if not self._settings.spare_process or monotonic() < self._spare_from or not self._active.watch.has_answered:
            return
        if self._spare is not None and self._spare.ended_with is not None:
            self._spare.end()
            self._spare = None
        if self._spare is None:
            self._spare = self._child()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request and send its response back."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
            content = await content_of(answer)
        except httpx2.TransportError:
            sorry = AppError("The statistics were interrupted.", "Load the page again; nothing was lost.", status=503)
            await pages.refusal(request, sorry)(scope, receive, send)
            return
        response = StreamingResponse(content, answer.status_code, background=BackgroundTask(answer.aclose))
        answered = _of_content(answer.headers.raw)
        response.raw_headers = [pair for pair in answered if pair[0].lower() != request_log.HEADER.encode()]
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> httpx2.Response:
        """Forward a request once its body is here: a slow sender must not occupy a connection to the process.

        A request that only reads is sent again if the process was replaced meanwhile.
        """
        if request.method in pages.SAFE_METHODS:
            forwarded = _forwarded(request, b"", None)
            try:
                return await self._way.handle_async_request(forwarded)
            except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                return await self._way.handle_async_request(forwarded)
        with SpooledTemporaryFile(max_size=IN_MEMORY) as body:
            async for piece in request.stream():
                body.write(piece)
            size = body.tell()
            body.seek(0)
            return await self._way.handle_async_request(_forwarded(request, str(size).encode(), _pieces(body)))

    def end(self) -> None:
        """Stop the processes and remove the socket."""
        if self._spare is not None:
            self._spare.kill()
        self._active.end()
        self._door.close()
        self._folder.cleanup()


async def content_of(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """The content of an answer. What fits into IN_MEMORY, as every answer to strangers does, is read at once: a client
    that does not read it must not occupy a connection to the process.
    """
    pieces, first, size = answer.aiter_raw(), [], 0
    async for piece in pieces:
        first.append(piece)
        size += len(piece)
        if size > IN_MEMORY:
            break
    return _after(first, pieces)


async def _after(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield b"".join(first)
    async for piece in rest:
        yield piece


async def _pieces(body: "SpooledTemporaryFile[bytes]") -> AsyncIterator[bytes]:
    while piece := body.read(IN_MEMORY):
        yield piece


def _forwarded(request: Request, size: bytes, content: AsyncIterator[bytes] | None) -> httpx2.Request:
    query = request.scope["query_string"]
    path = request.scope["raw_path"] + (b"?" + query if query else b"")
    url = httpx2.URL("http://researchers").copy_with(raw_path=path)
    headers = [pair for pair in _of_content(request.headers.raw) if pair[0] not in WRITTEN_HERE]
    headers.append((b"x-forwarded-for", request.scope["client"][0].encode()))
    headers.append((request_log.HEADER.encode(), request_log.reference().encode()))
    if content is not None:
        headers.append((b"content-length", size))
    return httpx2.Request(request.method, url, headers=headers, content=content, extensions={"timeout": TIMEOUTS})


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
