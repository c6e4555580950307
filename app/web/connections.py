"""Limits of connections, for uvicorn: how large and how slow the head of a request (first line and headers) may be,
how many requests may be sent before the first is answered, and how long a client may leave its answer unread.

uvicorn limits idle connections between two requests only. Without these limits a client that sends nothing keeps a
connection for ever, one header of 50 MB occupies the event loop (measured: 18 s), and requests that are sent without
reading an answer cost nine times their size in memory (measured: 1 GB for 118 MB).
"""

import asyncio
import sys
from typing import cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64_000
"""Bytes of names and values in a head, with `BYTES_PER_FIELD` for each; and bytes that may arrive without completing
the head or a part of the body, after the first piece (at most 256 kB)."""
BYTES_PER_FIELD = 32
"""What a header costs beside its bytes: a head may have 2,000 headers at most."""
MOST_WAITING = 32
"""Requests that a connection may send before the first one is answered. Browsers and proxies send one at a time."""
MOST_FILES = 65_536
"""The largest number of open files, and so of connections, that the server asks the system for."""
TOO_LARGE = "The headers of this request are too large: 64 kB is the limit."


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed if the head of a request is too large or not complete in time, if too many requests
    wait for their answers, or if nobody reads an answer."""

    head_seconds = 10.0
    """Seconds from the connection, or from the first byte of a later request, to the end of its head."""
    unread_seconds = 60.0
    """Seconds for which a client may take nothing of an answer that does not fit into the buffers of the system."""

    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    _pending = 0
    """Bytes received since the parser last completed something."""
    _made_progress = False
    _is_too_large = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Parse a piece of a request; refuse a head that becomes too large."""
        self._made_progress = False
        super().data_received(data)
        self._pending = 0 if self._made_progress else self._pending + len(data)
        if self._pending > MAX_HEAD and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")
        is_between_requests = self.cycle is None or self.cycle.response_complete
        if is_between_requests and self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Handle the request, unless its head is too large."""
        self._made_progress = True
        self._stop_waiting()
        self._is_too_large = sum(len(name) + len(value) + BYTES_PER_FIELD for name, value in self.headers) > MAX_HEAD
        if self._is_too_large:
            raise ValueError(TOO_LARGE)  # the parser stops, and `send_400_response` answers
        super().on_headers_complete()
        if len(self.pipeline) > MOST_WAITING:
            self._cut_off()
            raise ValueError("too many requests wait on one connection")  # the parser stops

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._made_progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._made_progress = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP, or whose head is too large, and close the connection."""
        if self.transport.is_closing():
            return
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        head = STATUS_LINE[431] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(TOO_LARGE), TOO_LARGE.encode()))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Let the handler wait until the client reads, and watch whether it does."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Let the handler write again."""
        self._stop_watching()
        super().resume_writing()

    def _watch(self, unread: int) -> None:
        self._stop_watching()
        self._reading = self.loop.call_later(self.unread_seconds, self._check_reading, unread)

    def _check_reading(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread < before:
            self._watch(unread)
        else:
            self._cut_off()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle  # not the one of the newest request, which may wait behind it
        super()._start_asgi_task(cycle, app)

    def _cut_off(self) -> None:
        """Close the connection at once. Its handler must not write any more: each attempt would fill the log."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        self.transport.abort()

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def allow_many_connections() -> None:
    """Raise this process's limit of open files, which is often 1,024: each connection is one.

    At the limit the server could neither accept a connection nor open a clip.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
