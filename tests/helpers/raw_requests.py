"""Requests written byte by byte to a server's socket, for senders that no library would be: huge, slow or silent."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

from tests.helpers.waiting import PATIENCE

PIECE = b"x" * 65_536


def connect(base: str) -> socket.socket:
    """A connection to the server."""
    parts = urlsplit(base)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=PATIENCE)


def head(base: str, method: str, path: str, headers: dict[str, str]) -> bytes:
    """A request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(base).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def pieces(size: int, *, chunked: bool) -> Iterator[bytes]:
    """A body of `size` bytes, in the form of chunks or as it is."""
    for _ in range(size // len(PIECE)):
        yield b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    if chunked:
        yield b"0\r\n\r\n"


def post(base: str, path: str, headers: dict[str, str], body: Iterable[bytes]) -> tuple[int, str]:
    """Send a body until all is sent or the server hangs up; status and text of the answer."""
    with connect(base) as door:
        try:
            door.sendall(head(base, "POST", path, headers))
            for piece in body:
                door.sendall(piece)
        except OSError:
            pass  # the server has closed the connection: its answer is waiting
        return answer(door)


def answer(door: socket.socket) -> tuple[int, str]:
    """Status and text of what the server sends until it closes the connection. Status 0 if it sends nothing."""
    found = b""
    try:
        while piece := door.recv(65_536):
            found += piece
    except ConnectionError:
        pass
    status = found.split(b" ", 2)[1] if found.startswith(b"HTTP/1.1 ") else b"0"
    return int(status), found.decode(errors="replace")


@dataclass
class PeakMemory:
    """The highest resident memory of each process while it was watched, in bytes, above that at the start."""

    growth: dict[int, int] = field(default_factory=dict)


@contextmanager
def peak_memory(processes: list[psutil.Process]) -> Iterator[PeakMemory]:
    """Watch the memory of processes, every few milliseconds."""
    start = {one.pid: one.memory_info().rss for one in processes}
    peak = PeakMemory(dict.fromkeys(start, 0))
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for one in processes:
                peak.growth[one.pid] = max(peak.growth[one.pid], one.memory_info().rss - start[one.pid])
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
