"""Connections: large and slow heads of requests are refused, silent connections end, and nobody else waits for them."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app import server
from app.web.connections import BoundedConnection, allow_many_connections
from tests.helpers import raw_requests
from tests.helpers.waiting import PATIENCE, wait_until

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"
SECONDS = 1.0
MANY = 1000
LARGE = 32_000_000


class Impatient(BoundedConnection):
    """The connection of the product, which waits less long."""

    head_seconds = SECONDS
    unread_seconds = SECONDS


FAILURES: list[Exception] = []


async def _count_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        body = await Request(scope, receive).body() if scope["method"] == "POST" else b""
        await asyncio.sleep(0 if body else 0.01)  # as a handler in a thread
        text = b"x" * LARGE if scope["path"] == "/large" else f"{len(body)} bytes"
        await PlainTextResponse(text)(scope, receive, send)
    except Exception as error:
        FAILURES.append(error)
        raise


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A server with the product's configuration and another application: its address."""
    door = socket.create_server(("127.0.0.1", 0), backlog=MANY)
    config = server.config(_count_the_body)
    assert config.http is BoundedConnection
    config.http, config.lifespan = Impatient, "off"
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [door]})
    thread.start()
    wait_until(lambda: running.started, "the server")
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    running.should_exit = True
    thread.join(PATIENCE)
    door.close()


def sent(base: str, *pieces: bytes, pause: float = 0.0) -> tuple[int, str, float]:
    """Status and text of the answer to these bytes, and the seconds until the server closed the connection."""
    began = time.monotonic()
    with raw_requests.connect(base) as door:
        try:
            for number, piece in enumerate(pieces):
                time.sleep(pause if number else 0.0)
                door.sendall(piece)
        except OSError:
            pass  # the server has closed the connection: its answer is waiting
        return *raw_requests.answer(door), time.monotonic() - began


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"X-Big: " + b"x" * 64_000 + b"\r\n\r\n"],
        [HEAD + b"X: y\r\n" * 2_000 + b"\r\n"],
        [HEAD + b"X-Big: ", *[b"x" * 64_000] * 800],
        [HEAD, *[b"X-Big: " + b"x" * 60_000 + b"\r\n"] * 20],
        [b"POST /", *[b"x" * 64_000] * 16, b" HTTP/1.1\r\n"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Trailer: ", *[b"x" * 64_000] * 800],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;extension=", *[b"x" * 64_000] * 800],
    ],
    ids=["one header", "many headers", "50 MB in a header", "one after another", "address", "trailer", "chunk"],
)
def test_a_large_head_is_refused_at_once(base: str, pieces: list[bytes]) -> None:
    """431 in words and the end of the connection; 50 MB are not parsed, whatever part of a request they are in."""
    status, text, seconds = sent(base, *pieces)
    is_lost = status == 0 and len(pieces) > 1  # who still sends when the connection is closed may lose the answer
    assert is_lost or (status, "64 kB is the limit" in text) == (431, True), text[:300]
    assert seconds < 5
    assert sent(base, HEAD + b"Connection: close\r\n\r\n")[0] == 200


def test_a_head_within_the_limit_is_taken(base: str) -> None:
    """A header of 60 kB in two pieces; a large body in one piece, with the next request behind it."""
    assert sent(base, HEAD + b"X-Big: " + b"x" * 40_000, b"x" * 20_000 + b"\r\nConnection: close\r\n\r\n")[0] == 200
    body = b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000
    status, text, _ = sent(base, HEAD + body + HEAD + b"Connection: close\r\n\r\n")
    assert (status, text.count("HTTP/1.1 200"), "300000 bytes" in text) == (200, 2, True)


def test_a_slow_head_is_ended(base: str) -> None:
    """A connection that sends nothing, or a byte now and then, ends after its time, before and after a request."""
    dripped, empty_lines = [bytes([one]) for one in HEAD * 9], [HEAD + b"\r\n", *[b"\r\n"] * 99]
    slow = ([b""], [HEAD + b"X: "], dripped, empty_lines)
    with ThreadPoolExecutor(len(slow)) as clients:
        answers = list(clients.map(lambda pieces: sent(base, *pieces, pause=SECONDS / 6), slow))
    assert [status for status, _text, _seconds in answers] == [0, 0, 0, 200]
    assert all(SECONDS * 0.9 < seconds < SECONDS + 4 for _status, _text, seconds in answers), answers


def test_a_connection_between_two_requests_is_kept(base: str) -> None:
    """A browser's next request comes later than a head may take: it is answered on the same connection."""
    with raw_requests.connect(base) as door:
        for pause in (SECONDS * 1.5, 0.0):
            door.sendall(HEAD + b"\r\n")
            assert door.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(pause)


def test_requests_that_wait_on_one_connection_are_few(base: str) -> None:
    """A connection is closed, without a failure in the log, that sends a thousand requests and waits for no answer."""
    FAILURES.clear()
    get = b"GET /a HTTP/1.1\r\nHost: x\r\n"
    few, many = (sent(base, (get + b"\r\n") * number + get + b"Connection: close\r\n\r\n") for number in (20, 1000))
    assert few[1].count("HTTP/1.1 200") == 21
    assert many[0] == 0, many[1][:300]
    assert sent(base, get + b"Connection: close\r\n\r\n")[0] == 200
    assert FAILURES == []


def test_an_answer_that_nobody_reads_is_ended(base: str) -> None:
    """A client that takes nothing of a large answer is cut off after its time; one that takes it slowly gets all."""
    taken = []
    for pause in (SECONDS * 3, SECONDS / 4):
        with raw_requests.connect(base) as door:
            door.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            time.sleep(pause)
            taken.append(read_slowly(door, pause=min(pause, SECONDS / 4)))
    assert taken[0] < LARGE
    assert taken[1] > LARGE


def read_slowly(door: socket.socket, *, pause: float) -> int:
    """Bytes that arrive until the server closes the connection, read 4 MB at a time."""
    found, until_pause = 0, 4_000_000
    try:
        while piece := door.recv(until_pause):
            found += len(piece)
            until_pause -= len(piece)
            if until_pause == 0:
                time.sleep(pause)
                until_pause = 4_000_000
    except ConnectionError:
        pass
    return found


def test_a_thousand_silent_connections_are_not_noticed(base: str) -> None:
    """Others are answered meanwhile, and all of them are closed."""
    allow_many_connections()
    doors = [raw_requests.connect(base) for _ in range(MANY)]
    assert sent(base, HEAD + b"Connection: close\r\n\r\n")[2] < 4
    assert {door.recv(1) for door in doors} == {b""}
    for door in doors:
        door.close()


def test_the_server_allows_itself_many_open_files() -> None:
    """A small limit is raised to what the system allows; a larger one stays."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == (65_536 if hard < 0 else min(65_536, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
