"""JSON files as batches of records: lists, JSON Lines and documents around a list, read piece by piece."""

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
"""Bytes that are read and parsed at a time."""
LONGEST = 64_000_000
"""Bytes a record may have."""
LARGEST = 600_000_000
"""Bytes a document may have that is not a list: it has to be in memory as a whole."""
INSIDE = ("samples", "clips", "videos", "images", "records", "tasks", "data")
"""Where documents keep their records: FiftyOne's samples, COCO's videos or images, and plain words."""
_BOUNDARY = re.compile(rb"\}\s*,\s*(?=\{)")
# A whole string, or a quote that nothing closes, or a bracket or comma.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_TAIL = 100_000
SHORT = 1000
Fault = tuple[int, str, str]


@dataclass
class Batch:
    """Records with their places (from 1), and what cannot be read: place, reason, text."""

    records: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def take(self, value: Any, place: int, text: bytes = b"") -> None:
        """Add a parsed value; only an object is a record."""
        if type(value) is dict:
            self.records.append(value)
            self.places.append(place)
        else:
            self.faults.append((place, "It is not an object.", _words(text) or repr(value)))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file for reading, unpacked if its name ends in .gz, behind the mark that some editors put first.

    Raises AppError for a file in another encoding than UTF-8 that says so.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        if path.suffix.lower() == ".gz":
            file = stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=file)))
        start = file.read(3)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise AppError(f"{path} is UTF-16 text.", "Save it as UTF-8.")
        file.seek(0 if start != b"\xef\xbb\xbf" else 3)
        yield file


def lines(file: IO[bytes], piece_bytes: int = PIECE) -> Iterator[Batch]:
    """Batches of JSON Lines; places are lines. A line that is no JSON object is a fault and stops nothing."""
    place = 0
    while texts := file.readlines(piece_bytes):
        batch = Batch()
        numbers = [place + number for number, text in enumerate(texts, 1) if not text.isspace()]
        texts_there = [text for text in texts if not text.isspace()]
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
    """Batches of a JSON list, whose opening bracket has been read; places are records.

    A text from the start of a record to a brace, with brackets around it, is parsed as a whole: if that succeeds, the
    brace ended a record. Otherwise brackets are counted, and only the records at fault are left out.
    """
    rest, place, ended = b"", 0, False
    while not ended:
        piece = file.read(piece_bytes)
        batch = Batch()
        values, left = _quickly(rest, piece)
        if values is None:
            rest, ended = _carefully(rest + piece, batch, place, last=not piece)
        else:
            for number, value in enumerate(values, place + 1):
                batch.take(value, number)
            rest, ended = left, not piece
        place += len(batch.records) + len(batch.faults)
        if ended and (more := (rest + file.read(SHORT)).strip()):
            batch.faults.append((place + 1, "The list ends before this: nothing after it was read.", _words(more)))
        yield batch


def document(data: bytes, name: str) -> tuple[Batch, str]:
    """The records inside a JSON document and where they were, such as `samples`; or the one record that it is.

    Raises AppError for what is no JSON.
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


def _quickly(rest: bytes, piece: bytes) -> tuple[list[Any] | None, bytes]:
    """The records up to the last that certainly ends in the text, and what is left; None if that is not so simple."""
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


def _carefully(buffer: bytes, batch: Batch, place: int, *, last: bool) -> tuple[bytes, bool]:
    """Count brackets; gives what is left of the buffer, and whether the list has ended."""
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
