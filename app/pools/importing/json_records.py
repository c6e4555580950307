"""Read JSON files as batches of records, piece by piece: lists, JSON Lines, and documents that contain a list."""

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from app.errors import AppError

PIECE = 8_000_000
"""How many bytes are read and parsed at a time."""
LONGEST = 64_000_000
"""The largest size of a record in bytes."""
LARGEST = 600_000_000
"""The largest size in bytes of a document that is not a list: it must be in memory as a whole."""
MOST_GROWTH = 200
"""How many times larger than its packed form a file may be; real records reach 40."""
ALWAYS_FINE = 100_000_000
"""Bytes up to which the growth does not matter."""
INSIDE = ("samples", "clips", "videos", "images", "records", "tasks", "data")
"""Keys under which documents have their records: those of FiftyOne and COCO, and common words."""
_BOUNDARY = re.compile(rb"\}\s*,\s*(?=\{)")
# A whole string, an unclosed quote, a bracket or a comma.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_TAIL = 100_000
SHORT = 1000
Fault = tuple[int, str, str]


@dataclass
class Batch:
    """Records with their positions (from 1), and the faults: position, reason, text."""

    records: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def take(self, value: Any, place: int, text: bytes = b"") -> None:
        """Add a parsed value; anything but an object is a fault."""
        if type(value) is dict:
            self.records.append(value)
            self.places.append(place)
        else:
            self.faults.append((place, "It is not an object.", _words(text) or repr(value)))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, decompressing .gz, and skip the byte order mark that some editors write.

    Raises AppError for a file whose byte order mark names another encoding than UTF-8, and, while it is read, for a
    packed one that grows to far more than records do.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        if path.suffix.lower() == ".gz":
            file = stack.enter_context(io.BufferedReader(_Unpacked(path, file)))
        start = file.read(3)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise AppError(f"{path} is UTF-16 text.", "Save it as UTF-8.")
        file.seek(0 if start != b"\xef\xbb\xbf" else 3)
        yield file


class _Unpacked(gzip.GzipFile):
    """A packed file. Reading raises AppError once it has grown to more than MOST_GROWTH times its size on disk."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(fileobj=file)
        self._name, self._most = path.name, max(ALWAYS_FINE, MOST_GROWTH * path.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > self._most:
            raise AppError(
                f"{self._name} would grow to more than {MOST_GROWTH} times its size, which records never do.",
                "It may be made to exhaust this machine. If you trust it, unpack it first.",
            )
        return data


def _some_lines(file: IO[bytes], piece_bytes: int) -> list[bytes]:
    """The next lines, without their ends: about `piece_bytes` together. A line is cut off after about LONGEST bytes."""
    data = file.read(piece_bytes)
    if data and not data.endswith(b"\n"):
        data += file.readline(LONGEST + 1)
        end = data
        while end and not end.endswith(b"\n"):  # the line is too long: the rest of it is left out
            end = file.readline(LONGEST)
    texts = data.split(b"\n")
    return texts if texts[-1] else texts[:-1]


def lines(file: IO[bytes], piece_bytes: int = PIECE) -> Iterator[Batch]:
    """Batches of JSON Lines; positions are line numbers. A line that is not a JSON object is a fault."""
    place = 0
    while texts := _some_lines(file, piece_bytes):
        batch = Batch()
        numbers = [place + number for number, text in enumerate(texts, 1) if text and not text.isspace()]
        texts_there = [text for text in texts if text and not text.isspace()]
        place += len(texts)
        try:
            short = max(map(len, texts_there), default=0) <= LONGEST
            values = _parsed(b"[" + b",".join(texts_there) + b"]") if short else []
        except ValueError:
            values = []
        if len(values) == len(texts_there):
            for value, number in zip(values, numbers, strict=True):
                batch.take(value, number)
        else:
            for text, number in zip(texts_there, numbers, strict=True):
                _one(batch, text, number)
        yield batch


def array(file: IO[bytes], piece_bytes: int = PIECE) -> Iterator[Batch]:
    """Batches of a JSON list, whose opening bracket has been read; positions count records.

    The text from the start of a record to a closing brace is parsed as a list: if that succeeds, the brace ended a
    record. Otherwise brackets are counted, and only the faulty records are left out.
    """
    rest, place, ended = b"", 0, False
    while not ended:
        piece = file.read(piece_bytes)
        batch = Batch()
        values, left = _parsed_fast(rest, piece)
        if values is None:
            rest, ended = _parsed_by_brackets(rest + piece, batch, place, last=not piece)
        else:
            for number, value in enumerate(values, place + 1):
                batch.take(value, number)
            rest, ended = left, not piece
        place += len(batch.records) + len(batch.faults)
        if ended and (more := (rest + file.read(SHORT)).strip()):
            batch.faults.append((place + 1, "The list ends before this: nothing after it was read.", _words(more)))
        yield batch


def document(data: bytes, name: str) -> tuple[Batch, str]:
    """The records in a JSON document and their key, such as `samples`; or the document as a single record.

    Raises AppError if it is not JSON.
    """
    try:
        value = _parsed(data)
    except ValueError as error:
        remedy = "Mend it, or write one record a line."
        raise AppError(f"{name} cannot be read as JSON: {_reason(error)}", remedy) from error
    batch = Batch()
    inside = next((key for key in INSIDE if type(value) is dict and _is_records(value.get(key))), "")
    for number, one in enumerate(value[inside] if inside else [value], 1):
        batch.take(one, number)
    return batch, inside


def _is_records(value: Any) -> bool:
    return type(value) is list and any(type(one) is dict for one in value)


def _parsed(text: bytes | bytearray) -> Any:
    return from_json(text, allow_inf_nan=True, cache_strings="all")


def _parsed_fast(rest: bytes, piece: bytes) -> tuple[list[Any] | None, bytes]:
    """The records up to the last one that ends in the text, and the rest; None if a fault prevents this fast way."""
    text = bytearray(b"[")
    text += rest
    text += piece
    left = b""
    if piece:
        found = list(_BOUNDARY.finditer(text, max(1, len(text) - _TAIL))) or list(_BOUNDARY.finditer(text, 1))
        if not found:
            return None, left
        left = bytes(text[found[-1].end() :])
        text[found[-1].start() + 1 :] = b"]"
    try:
        return _parsed(text), left
    except ValueError:
        return None, left


def _parsed_by_brackets(buffer: bytes, batch: Batch, place: int, *, last: bool) -> tuple[bytes, bool]:
    """Find records by counting brackets; returns the rest of the buffer, and whether the list has ended."""
    start, depth = 0, 0
    for token in _TOKEN.finditer(buffer):
        sign = token[0]
        if sign == b'"':
            break
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
        if depth < 0 or (depth == 0 and sign == b","):
            text = buffer[start : token.start()].strip()
            start = token.end()
            if text or depth == 0:
                place += 1
                _one(batch, text, place)
        if depth < 0:
            return buffer[start:], True
    if last or len(buffer) - start > LONGEST:
        reason = "The list is broken from here to its end: nothing after this was read."
        batch.faults.append((place + 1, reason, _words(buffer[start:].strip())))
        return b"", True
    return buffer[start:], False


def _one(batch: Batch, text: bytes, place: int) -> None:
    if len(text) > LONGEST:
        batch.faults.append((place, f"It is longer than {LONGEST // 1_000_000} MB.", _words(text)))
        return
    try:
        batch.take(_parsed(text), place, text)
    except ValueError as error:
        batch.faults.append((place, f"It is not JSON: {_reason(error)}", _words(text)))


def _reason(error: ValueError) -> str:
    return re.sub(r" at line \d+ column (\d+)$", r", at character \1", str(error)).strip() + "."


def _words(text: bytes) -> str:
    return text[:800].decode("utf-8", errors="replace").strip()
