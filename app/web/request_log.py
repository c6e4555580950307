"""A reference for every request: sent back as X-Request-ID, shown on error pages, and part of each line of the log.

The log names methods and routes, never addresses: an address may contain the secret of a link.
"""

import logging
import secrets
import sys
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

log = logging.getLogger("clipjury")

HEADER = "x-request-id"
_reference: ContextVar[str] = ContextVar("reference", default="-")
KNOWN = ("/static", "/studies", "/api")
"""Starts of addresses that are logged where no route of this process is known: files, and what is forwarded."""


def reference() -> str:
    """The reference of the request that is handled now; "-" outside a request."""
    return _reference.get()


def start(settings: Settings) -> None:
    """Write the log to standard error; requests too, unless it is a terminal, where links are to be read."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(reference)s %(message)s"))
    handler.addFilter(_with_reference)
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel((settings.log_level or ("warning" if sys.stderr.isatty() else "info")).upper())


def _with_reference(record: logging.LogRecord) -> bool:
    record.reference = _reference.get()
    return True


class RequestLog:
    """Middleware that gives each request its reference and logs it: method, route, status and milliseconds."""

    def __init__(self, app: ASGIApp, *, trusts_header: bool = False, clock: Callable[[], float] = perf_counter) -> None:
        self.app, self.trusts_header, self.clock = app, trusts_header, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request. With `trusts_header` the reference is the one that the first process sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER) if self.trusts_header else None
        number = given or secrets.token_hex(6)
        before, began, status = _reference.set(number), self.clock(), 0

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER.encode(), number.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_numbered)
        finally:
            if log.isEnabledFor(logging.INFO):
                milliseconds = 1000 * (self.clock() - began)
                log.info("%s %s %s %.0f ms", scope["method"], route_of(scope), status or "-", milliseconds)
            _reference.reset(before)


def route_of(scope: Scope) -> str:
    """The route that handled the request, as `/join/{token}`; "-" if the address is of no route."""
    path = getattr(scope.get("route"), "path", None)
    if path:
        return f"{scope.get('root_path', '')}{path}"
    return next((start for start in KNOWN if scope["path"].startswith(start)), "-")
