"""Requests to addresses that a researcher entered: where they may go, and how long they may take."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from app.db import Database
from app.settings import Settings
from app.studies import lifecycle
from app.webhooks import calls, webhooks
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite

Talk = Callable[[socket.socket, threading.Event], None]


@pytest.mark.parametrize(
    "place",
    [
        "64:ff9b:1::a00:1",
        "64:ff9b::a00:1",
        "fec0::1",
        "::127.0.0.1",
        "::7f00:1",
        "192.0.0.8",
        "192.0.0.170",
        "100.64.0.1",
        "2002:7f00:1::",
        "::ffff:127.0.0.1",
        "fe80::1%eth0",
        "ff02::1",
        "224.0.0.1",
        "0.0.0.0",
        "::",
    ],
)
def test_an_address_that_stays_inside_is_not_public(place: str) -> None:
    """Local networks, in every notation in which they can be written."""
    assert not calls.is_public(place)


@pytest.mark.parametrize("place", ["93.184.215.14", "2606:4700::6810:84e5", "64:ff9b::5db8:d70e", "192.0.1.1"])
def test_an_address_of_the_internet_is_public(place: str) -> None:
    """Neighbours of the refused networks too."""
    assert calls.is_public(place)


class SlowReceiver:
    """A receiver on this machine that talks as it is told until it is ended."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self._ended = talk, threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            caller, _ = self._door.accept()
            with caller, suppress(OSError):
                self._talk(caller, self._ended)

    def end(self) -> None:
        """Stop talking."""
        self._ended.set()
        with suppress(OSError):  # ended before
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join()


def drip(caller: socket.socket, ended: threading.Event) -> None:
    """Send a header byte by byte, each long before the time-out of one read."""
    caller.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not ended.wait(0.05):
        caller.sendall(b"x")


def say_nothing(_caller: socket.socket, ended: threading.Event) -> None:
    """Accept and wait."""
    ended.wait()


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> Iterator[SlowReceiver]:
    """A receiver that talks as the test's parameter says."""
    receiver = SlowReceiver(request.param)
    yield receiver
    receiver.end()


@pytest.mark.parametrize("slow", [drip, say_nothing], indirect=True)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_ends_after_its_time(slow: SlowReceiver, scheme: str) -> None:
    """Whether the receiver is silent, before or after the handshake, or sends a byte now and then."""
    began = time.monotonic()
    outcome = calls.post(f"{scheme}://{slow.host}/x", b"{}", {}, private=True, seconds=0.5)
    assert not outcome.ok
    if not outcome.words.startswith("SSLError"):  # bytes that are no TLS end the handshake at once
        assert outcome.words == "no complete answer within 0.5 s"
        assert time.monotonic() - began >= 0.5
    assert time.monotonic() - began < calls.TIMEOUT_SECONDS


@on_sqlite
@pytest.mark.parametrize("slow", [say_nothing], indirect=True)
def test_a_slow_receiver_delays_no_other(
    slow: SlowReceiver, study_maker: StudyMaker, database: Database, settings: Settings
) -> None:
    """The other delivery is received while the slow one still waits."""
    received = threading.Event()

    def answer(caller: socket.socket, _ended: threading.Event) -> None:
        caller.recv(65_536)
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        received.set()

    quick = SlowReceiver(answer)
    inside = settings.model_copy(update={"webhooks_private": True})
    study = study_maker(clips=1, with_media=False)
    with database.writer() as db:
        found = lifecycle.by_slug(db, study.slug)
        for host in (slow.host, quick.host):
            webhooks.add(db, inside, found, f"http://{host}/")
        lifecycle.change_state(db, found, "closed")
    sending = threading.Thread(target=webhooks.deliver, args=(database, inside))
    sending.start()
    assert received.wait(calls.TIMEOUT_SECONDS - 2)
    assert sending.is_alive()
    slow.end()
    quick.end()
    sending.join()
