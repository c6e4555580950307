"""Send an HTTP request to an address that a researcher entered: public addresses only, no redirects, with a timeout.

The host name is resolved once, each IP address found is checked, and the connection is made to the address that was
checked. A name that resolves differently the second time is therefore no risk.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app.errors import AppError

TIMEOUT_SECONDS = 10.0
"""Seconds to wait for the next byte."""
TOTAL_SECONDS = 20.0
"""Seconds that a whole request may take: a receiver could otherwise hold it by sending a byte now and then."""
MAX_URL_LENGTH = 500
PORTS = {"http": 80, "https": 443}
NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "fec0::/10",  # site-local (RFC 3879)
        "::/96",  # IPv4-compatible (RFC 4291)
    )
)
"""Networks that Python's `is_global` calls public in some version, although requests to them stay local."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")


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
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(address in network for network in NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def post(url: str, body: bytes, headers: dict[str, str], *, private: bool, seconds: float = TOTAL_SECONDS) -> Outcome:
    """Send the body. A 2xx status is success; anything else, also a redirect, is not. Network errors do not raise.

    The whole request, without the search for the name, ends after `seconds`.
    """
    try:
        parts, place = check(url, private=private)
    except AppError as error:
        return Outcome(False, error.message)
    assert parts.hostname is not None, "checked"
    port = parts.port or PORTS[parts.scheme]
    connection = _CheckedConnection(parts.hostname, port, place, secure=parts.scheme == "https")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    limit = threading.Timer(seconds, connection.abort)
    limit.start()
    try:
        connection.request(
            "POST",
            path,
            body=body,
            headers={"Content-Type": "application/json", "User-Agent": "ClipJury", "Connection": "close"} | headers,
        )
        status = connection.getresponse().status
        outcome = Outcome(200 <= status < 300, f"answered {status}")
    except (OSError, http.client.HTTPException) as error:
        outcome = Outcome(False, f"{type(error).__name__}: {error}"[:200])
    finally:
        limit.cancel()
        connection.close()
    # An aborted connection looks like the end of the answer, which then seems complete.
    return Outcome(False, f"no complete answer within {seconds:g} s") if connection.aborted else outcome


class _CheckedConnection(http.client.HTTPConnection):
    """A connection to the IP address that was checked, with the host's name in headers and certificate checks."""

    def __init__(self, host: str, port: int, place: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._place, self._secure = place, secure
        self.aborted = False
        if secure:
            self.default_port = PORTS["https"]

    def connect(self) -> None:
        """Connect to the checked address."""
        self.sock = socket.create_connection((self._place, self.port), self.timeout)
        if self._secure:
            # The handshake comes after `sock` is set, so that `abort` can end it.
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def abort(self) -> None:
        """End the connection from another thread: the thread that waits for it gets an error."""
        self.aborted = True
        if self.sock is not None:
            with suppress(OSError):
                # Not the method of the TLS socket, which would say goodbye to the other side first.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
