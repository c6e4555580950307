"""Limits of request bodies, by address: who may send one, how large and how slow it may be.

Nobody's body is read before the sender is known, except at the few addresses that are open to strangers. Everything
here happens while bytes arrive, so that a large or slow body costs no memory and no thread.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from anyio import to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import api_tokens, auth
from app.errors import AppError
from app.web import pages

Sender = Literal["anyone", "rater", "researcher", "program"]


@dataclass(frozen=True, slots=True)
class BodyRule:
    """Who may send a body to the addresses that match, and how many bytes it may have."""

    addresses: re.Pattern[str]
    sender: Sender
    max_bytes: int
    is_upload: bool = False
    """True for files, which may take longer than other bodies."""


def _rule(addresses: str, sender: Sender, max_bytes: int, *, is_upload: bool = False) -> BodyRule:
    return BodyRule(re.compile(addresses), sender, max_bytes, is_upload)


MAX_FROM_STRANGERS = 16_000
"""Bytes that anyone may send to join or sign in. The body of an answer is smaller, too."""
MAX_RATINGS = 32_000_000
"""Bytes of a program's ratings: the 200,000 that `external_ratings` takes at once, with names of usual length."""
MAX_LIST = 1_100_000
"""Bytes of a list of raters: the file of 1 MB that `app.routes.invites` takes, and the form around it."""

RULES = (
    _rule(r"/sign-in|/sign-out|/join/[^/]*", "anyone", MAX_FROM_STRANGERS),
    _rule(r"/rate(/.*)?|/language", "rater", 256_000),
    _rule(r"/studies/[^/]+/raters/list", "researcher", MAX_LIST, is_upload=True),
    _rule(r"/studies(/.*)?", "researcher", 1_000_000),
    _rule(r"/api/v1/studies/[^/]+/ratings", "program", MAX_RATINGS, is_upload=True),
    _rule(r"/api(/.*)?", "program", 16_000),
)
"""The first rule that matches an address is its rule. Every address that takes a body needs one (a test checks it)."""

ELSEWHERE = _rule("", "anyone", 0)
"""For all other addresses: nothing there reads a body."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be, in seconds and in bytes a second."""

    silent: float = 10.0
    """Seconds between two pieces of a body."""
    in_all: float = 30.0
    """Seconds for a whole body; an upload has in addition its bytes divided by `rate`."""
    rate: float = 16_000.0
    """Bytes a second at which an upload must arrive."""


SECONDS_TO_LINGER = 1.0
"""Seconds for which the rest of a refused body is discarded before the connection is closed: a client that is closed
while it sends may lose the answer."""
BYTES_TO_LINGER = 2_000_000


def rule_of(path: str, rules: tuple[BodyRule, ...] = RULES) -> BodyRule:
    """The rule of an address.

    >>> rule_of("/rate/7").sender, rule_of("/join/secret").max_bytes
    ('rater', 16000)
    """
    return next((rule for rule in rules if rule.addresses.fullmatch(path)), ELSEWHERE)


class _BodyEnded(Exception):
    """The body was refused while it arrived, or its sender has gone."""


class _IncomingBody:
    """The body of one request while it arrives: counts bytes and seconds."""

    def __init__(self, receive: Receive, rule: BodyRule, pace: Pace, *, exists: bool) -> None:
        self._receive, self._rule, self._pace = receive, rule, pace
        self._bytes = 0
        self._until: float | None = None
        self.complete = not exists
        self.gone = False
        self.problem: AppError | None = None

    async def receive(self) -> Message:
        """The next message of the request. Raises _BodyEnded if a limit is exceeded or the client is gone."""
        if self.complete:
            return await self._receive()  # the end of the connection, however late
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            self.problem = AppError(
                "The request arrived too slowly and was ended.", "Check the connection and send it again.", status=408
            )
            raise _BodyEnded from None
        if message["type"] == "http.disconnect":
            self.gone = True
            raise _BodyEnded
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._rule.max_bytes:
            self.problem = too_large(self._rule)
            raise _BodyEnded
        self.complete = not message.get("more_body", False)
        return message

    def _deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._until is None:
            self._until = now + self._pace.in_all
        more = self._bytes / self._pace.rate if self._rule.is_upload else 0.0
        return min(now + self._pace.silent, self._until + more)

    async def discard(self) -> None:
        """Discard what still arrives, for a moment."""
        discarded = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_LINGER):
                while discarded < BYTES_TO_LINGER and not self.complete and not self.gone:
                    message = await self._receive()
                    discarded += len(message.get("body", b""))
                    self.gone = message["type"] == "http.disconnect"
                    self.complete = not message.get("more_body", False)


class _Answer:
    """The response to a request whose body may be unread: then the connection is closed after it."""

    def __init__(self, send: Send, body: _IncomingBody) -> None:
        self._send, self._body = send, body
        self.started = False
        self._closes = False

    async def send(self, message: Message) -> None:
        """Pass a message of the response on; before the connection is closed, let the client finish sending."""
        if message["type"] == "http.response.start":
            self.started = True
            self._closes = not self._body.complete
            if self._closes:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
        elif self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.discard()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


class RequestBodies:
    """Middleware that refuses a body before it is read if its sender is unknown, and ends it at the limits of RULES."""

    def __init__(self, app: ASGIApp, pace: Pace = Pace(), rules: tuple[BodyRule, ...] = RULES) -> None:
        self.app, self.pace, self.rules = app, pace, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        exists = "transfer-encoding" in headers or length not in ("", "0")
        is_safe = scope["method"] in pages.SAFE_METHODS
        if is_safe and not exists:
            await self.app(scope, receive, send)
            return
        rule = rule_of(scope["path"], self.rules)
        body = _IncomingBody(receive, rule, self.pace, exists=exists)
        answer = _Answer(send, body)
        request = Request(scope)
        try:
            if not is_safe:
                await _KNOWN[rule.sender](request)
                if length.isdigit() and int(length) > rule.max_bytes > 0:
                    raise too_large(rule)
        except AppError as error:
            await pages.refusal(request, error)(scope, receive, answer.send)
            return
        try:
            await self.app(scope, body.receive, _unless_ended(answer, body))
        except Exception:
            if body.complete or answer.started or not (body.problem or body.gone):
                raise
        if body.problem is not None and not answer.started:
            await pages.refusal(request, body.problem)(scope, receive, answer.send)


def _unless_ended(answer: _Answer, body: _IncomingBody) -> Send:
    """Pass a handler's response on, unless it is about a body that was ended: the reason is another."""

    async def send(message: Message) -> None:
        if answer.started or (body.problem is None and not body.gone):
            await answer.send(message)

    return send


def too_large(rule: BodyRule) -> AppError:
    """The refusal of a body that is larger than its rule allows."""
    most = f"{rule.max_bytes / 1e6:g} MB" if rule.max_bytes >= 1_000_000 else f"{rule.max_bytes / 1000:g} kB"
    return AppError(f"This is too large: {most} is the limit here.", "Send less at once.", status=413)


async def _anyone(_request: Request) -> None:
    """Everybody may send a body."""


async def _rater(request: Request) -> None:
    auth.require_rater_session(request)
    # A query in a thread before each answer would slow rating down: only larger bodies than a stranger's are worth it.
    length = request.headers.get("content-length", "")
    if "transfer-encoding" not in request.headers and length.isdigit() and int(length) <= MAX_FROM_STRANGERS:
        return

    def check() -> None:
        with pages.database(request).reader() as db:
            auth.signed_in_rater(request, db)

    await to_thread.run_sync(check)


async def _researcher(request: Request) -> None:
    if auth.researcher_secret(request) is None:
        auth.require_researcher(request)  # it raises without the database
    await to_thread.run_sync(auth.require_researcher, request)


async def _program(request: Request) -> None:
    secret = api_tokens.secret_in(request.headers.get("authorization"))

    def check() -> None:
        with pages.database(request).reader() as db:
            api_tokens.known(db, secret)

    await to_thread.run_sync(check)


_KNOWN: dict[Sender, Callable[[Request], Awaitable[None]]] = {
    "anyone": _anyone,
    "rater": _rater,
    "researcher": _researcher,
    "program": _program,
}
"""What raises SignInNeeded or NotAllowed unless the sender is known."""
