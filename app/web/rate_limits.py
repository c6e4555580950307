"""Limits of how often one client address may join, or try a link or token that is wrong."""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooManyRequests
from app.settings import Settings
from app.web import pages

HOUR = 3600.0
MAX_CLIENTS = 10_000
"""Clients that one kind of limit remembers; the one that was seen longest ago is forgotten first."""
LIMITED = ("/join/", "/researcher/", "/sign-in", "/api/")
"""The start of every address that has a limit."""


class TokenBuckets:
    """A bucket of tokens for each client: `per_hour` at first, refilled evenly up to that number.

    >>> buckets = TokenBuckets(per_hour=2)
    >>> [buckets.take("203.0.113.9", now=0.0) for _ in range(3)]
    [0.0, 0.0, 1800.0]
    """

    def __init__(self, per_hour: int, *, max_clients: int = MAX_CLIENTS) -> None:
        self._capacity, self._max_clients = float(per_hour), max_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens of each client, and the time in seconds at which there were so many."""

    def take(self, client: str, *, now: float) -> float:
        """Take a token. 0 if there was one; else the seconds until there is one, and nothing is taken."""
        tokens = self._tokens(client, now)
        missing = max(0.0, 1.0 - tokens)
        self._keep(client, tokens if missing else tokens - 1.0, now)
        return missing * HOUR / self._capacity

    def give_back(self, client: str, *, now: float) -> None:
        """Give a token back that was taken for nothing."""
        self._keep(client, min(self._capacity, self._tokens(client, now) + 1.0), now)

    def _tokens(self, client: str, now: float) -> float:
        tokens, at = self._buckets.get(client, (self._capacity, now))
        return min(self._capacity, tokens + (now - at) * self._capacity / HOUR)

    def _keep(self, client: str, tokens: float, now: float) -> None:
        self._buckets[client] = (tokens, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Which requests use up a token: those to `addresses` that are answered with `status`."""

    addresses: re.Pattern[str]
    status: int
    buckets: TokenBuckets
    said: str
    methods: frozenset[str] = frozenset({"GET", "HEAD", "POST"})
    needs_token: bool = False
    """True if only requests with an Authorization header count."""

    def covers(self, request: Request) -> bool:
        """True if the request may use up a token."""
        if self.needs_token and "authorization" not in request.headers:
            return False
        return request.method in self.methods and self.addresses.fullmatch(request.scope["path"]) is not None


def limits(settings: Settings) -> tuple[RateLimit, ...]:
    """The limits of a server: on joining, and on links and tokens that are wrong."""
    attempts = settings.attempts_per_hour
    joining, researcher, programs = (re.compile(f"/{start}/.*", re.DOTALL) for start in ("join", "researcher", "api"))
    keys = TokenBuckets(attempts)
    links = "Too many wrong links were opened from this network."
    wrong_keys = "Too many wrong researcher keys were sent from this network."
    return (
        RateLimit(
            joining,
            303,
            TokenBuckets(settings.joins_per_hour),
            "Too many people joined from this network within an hour.",
            methods=frozenset({"POST"}),
        ),
        RateLimit(joining, 404, TokenBuckets(attempts), links),
        RateLimit(researcher, 403, keys, wrong_keys),
        RateLimit(re.compile("/sign-in"), 401, keys, wrong_keys),
        RateLimit(
            programs,
            401,
            TokenBuckets(attempts),
            "Too many wrong tokens were sent from this network.",
            needs_token=True,
        ),
    )


def client_of(request: Request) -> str:
    """What counts as one client: an IPv4 address, or the /64 network of an IPv6 address, which one customer has.

    The address is that of `PublicAddress`: it comes from trusted proxies only.
    """
    address = str(request.scope["client"][0])
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address


class RateLimits:
    """Middleware that answers 429, with the time to wait, to clients that have used up a limit.

    A token is taken before the request is handled, so that requests at the same time cannot pass together, and given
    back if its answer does not count: raters with right links use up no attempts.
    """

    def __init__(self, app: ASGIApp, settings: Settings, clock: Callable[[], float] = monotonic) -> None:
        self.app, self.clock = app, clock
        self.limits = limits(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(LIMITED):
            await self.app(scope, receive, send)
            return
        request, now = Request(scope), self.clock()
        client = client_of(request)
        taken: list[RateLimit] = []
        for limit in self.limits:
            if not limit.covers(request):
                continue
            if wait := limit.buckets.take(client, now=now):
                for one in taken:
                    one.buckets.give_back(client, now=now)
                refused = pages.refusal(request, TooManyRequests(limit.said, seconds=ceil(wait)))
                refused.headers["Connection"] = "close"  # its body was not read
                await refused(scope, receive, send)
                return
            taken.append(limit)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                for limit in taken:
                    if limit.status != message["status"]:
                        limit.buckets.give_back(client, now=self.clock())
            await send(message)

        await self.app(scope, receive, send_counted)
