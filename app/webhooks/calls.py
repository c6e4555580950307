"""Send an HTTP request to an address that a researcher entered: public addresses only, no redirects, with a timeout.

The host name is resolved once, each IP address found is checked, and the connection is made to the address that was
checked. A name that resolves differently the second time is therefore no risk.
"""

import http.client
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app.errors import AppError

TIMEOUT_SECONDS = 10.0
MAX_URL_LENGTH = 500
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Outcome:
    """The result of a request: whether it succeeded, and a description."""

    ok: bool
    words: str


def check(url: str, *, private: bool) -> tuple[SplitResult, str]:
    """Check a URL; return its parts and the IP address to connect to. `private` allows private networks.

    Raises AppError if the URL is not an http or https address, contains a password, cannot be resolved, or resolves to
    an address that is not public (private, loopback, link-local, ...).
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise AppError(f"{url[:100]} is no address ({error}).", "Give it as https://host/path", status=422) from error
    control = any(ord(letter) < 33 or ord(letter) == 127 for letter in url)
    if parts.scheme not in PORTS or not parts.hostname or control or len(url) > MAX_URL_LENGTH or not url.isascii():
        raise AppError(f"{url[:100]!r} cannot be called.", "Give it as https://host/path", status=422)
    if parts.username is not None or parts.password is not None:
        raise AppError("The address carries a name or password.", "The signature says who calls.", status=422)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AppError(f"{parts.hostname} cannot be found ({error}).", "Check the name.", status=422) from error
    places = [str(one[4][0]) for one in found]
    for place in places:
        if not private and not is_public(place):
            raise AppError(
                f"{parts.hostname} lies inside a network that is not public ({place}).",
                "If that is meant, start the server with CLIPJURY_WEBHOOKS_PRIVATE=true.",
                status=422,
            )
    return parts, places[0]


def is_public(place: str) -> bool:
    """True if an IP address is public. IPv4 addresses that are embedded in IPv6 addresses are checked too.

    >>> is_public("93.184.215.14"), is_public("127.0.0.1"), is_public("::ffff:10.0.0.1"), is_public("169.254.169.254")
    (True, False, False, False)
    """
    address = ipaddress.ip_address(place.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        if nat64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


def post(url: str, body: bytes, headers: dict[str, str], *, private: bool) -> Outcome:
    """Send the body. A 2xx status is success; anything else, also a redirect, is not. Network errors do not raise."""
    try:
        parts, place = check(url, private=private)
    except AppError as error:
        return Outcome(False, error.message)
    assert parts.hostname is not None, "checked"
    port = parts.port or PORTS[parts.scheme]
    connection = _CheckedConnection(parts.hostname, port, place, secure=parts.scheme == "https")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            "POST",
            path,
            body=body,
            headers={"Content-Type": "application/json", "User-Agent": "ClipJury", "Connection": "close"} | headers,
        )
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Outcome(False, f"{type(error).__name__}: {error}"[:200])
    finally:
        connection.close()
    return Outcome(200 <= status < 300, f"answered {status}")


class _CheckedConnection(http.client.HTTPConnection):
    """A connection to the IP address that was checked, with the host's name in headers and certificate checks."""

    def __init__(self, host: str, port: int, place: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._place, self._secure = place, secure
        if secure:
            self.default_port = PORTS["https"]

    def connect(self) -> None:
        """Connect to the checked address."""
        self.sock = socket.create_connection((self._place, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
