"""The address at which people reach the server, and the address of the client, for every request.

Scheme and host come from the setting `public_url`, never from a header of the request: a forged Host header would
otherwise appear in invite links. Headers of trusted proxies give the client's address, nothing else.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError
from app.settings import LOOPBACK, Settings

Network = IPv4Network | IPv6Network
LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost", "::1"})
HEALTH_CHECKS = frozenset({"/healthz", "/readyz"})
"""Addresses that answer for any host: a health check names the server as it likes."""
HOW_TO_GO_PUBLIC = "Only this machine can open these links. To invite raters elsewhere, see docs/deploy.md."


def check(settings: Settings) -> None:
    """Raise AppError, with the remedy, if these settings would serve people at a wrong or unprotected address."""
    networks(settings.trusted_proxy)
    if settings.public_url:
        _check_url(settings)
    if settings.uds:
        if not settings.public_url:
            raise AppError(
                "A Unix socket needs a public URL.",
                "Name the address that people open: --public-url https://jury.example.org",
            )
        return
    if is_loopback(settings.host) or settings.https:
        return
    if not settings.insecure_http:
        raise AppError(
            f"{settings.host} is reachable from other machines, and links and answers would travel unencrypted.",
            "Put a proxy with TLS in front and name its address: --public-url https://jury.example.org "
            "(docs/deploy.md). In a network you trust, --insecure-http serves without TLS.",
        )
    if not settings.public_url and not _is_one_machine(settings.host):
        raise AppError(
            f"{settings.host} stands for every address of this machine, so links cannot name it.",
            f"Name the address that people open: --public-url http://192.168.1.20:{settings.port}",
        )


def _check_url(settings: Settings) -> None:
    url = settings.public_url
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None
        bad = bad or any(letter.isspace() for letter in url) or parts.port == 0
    except ValueError:
        bad = True
    if bad:
        raise AppError(f"The public URL {url!r} is not an address.", "Write it as https://jury.example.org")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise AppError(
            f"The public URL {url} has a path, but ClipJury needs a host name of its own.",
            f"Leave the path out: {parts.scheme}://{parts.netloc}. If that host has other pages, take another name.",
        )
    if parts.scheme == "http" and not settings.insecure_http and not is_loopback(parts.hostname or ""):
        raise AppError(
            f"The public URL {url} is not encrypted: everybody on the network could read links and answers.",
            "Use an https address (docs/deploy.md). In a network you trust, add --insecure-http.",
        )


def is_loopback(host: str) -> bool:
    """True if only this machine reaches the host.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_one_machine(host: str) -> bool:
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return True


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a comma-separated list. Raises AppError for what is not an address or a network.

    >>> networks("10.0.0.0/8, ::1")
    (IPv4Network('10.0.0.0/8'), IPv6Network('::1/128'))
    """
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise AppError(
            f"The trusted proxy {text!r} is not an address or a network ({error}).",
            "Write it as 10.0.0.5 or 172.30.0.0/24; separate several with commas.",
        ) from error


def client_of(peer: str | None, forwarded: Iterable[str], trusted: tuple[Network, ...]) -> str:
    """The client's address: `peer`, or the last untrusted entry of the X-Forwarded-For values if `peer` is trusted.

    `peer` is None for a Unix socket, which only a local proxy can open and which is therefore trusted. Entries left of
    the first untrusted one are ignored, because a client can write anything there.

    >>> client_of("10.0.0.1", ["6.6.6.6, 203.0.113.9"], networks("10.0.0.0/8"))
    '203.0.113.9'
    >>> client_of("203.0.113.9", ["6.6.6.6"], networks("10.0.0.0/8"))
    '203.0.113.9'
    >>> client_of("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], networks("10.0.0.0/8"))
    '203.0.113.9'
    """
    current = _plain(peer or "") or peer
    entries = [one.strip() for value in forwarded for one in value.split(",")]
    while entries and (not current or _trusts(trusted, current)):
        entry = _plain(entries.pop())
        if entry is None:
            break
        current = entry
    return current or "local"


def _plain(text: str) -> str | None:
    """An address as it is compared, or None. A socket for IPv6 writes IPv4 addresses as ::ffff:198.51.100.7."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(inner or address)


def _trusts(trusted: tuple[Network, ...], address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted if network.version == parsed.version)


class PublicAddress:
    """Middleware that sets a request's scheme and host from the settings, and its client from trusted proxies."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.trusted = networks(settings.trusted_proxy)
        self.public = urlsplit(settings.public_url) if settings.public_url else None
        self.known = LOOPBACK_NAMES | {settings.host}
        self.address = settings.address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its public address, or refuse one for an unknown host."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else None
        client = client_of(peer, headers.getlist("x-forwarded-for"), self.trusted)
        scope["client"] = (client, 0)
        if self.public is None:
            if scope["path"] not in HEALTH_CHECKS and _host_name(headers.get("host", "")) not in self.known:
                await self._unknown_host()(scope, receive, send)
                return
        else:
            kept = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [*kept, (b"host", self.public.netloc.encode())]
            scope["scheme"] = self.public.scheme
        await self.app(scope, receive, send)

    def _unknown_host(self) -> PlainTextResponse:
        text = f"This server answers at {self.address}. To reach it by another name, start it with --public-url.\n"
        return PlainTextResponse(text, status_code=421, headers={"Connection": "close"})


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
