"""Read CSV and TSV files as rows of text, for pool import; a row with too many or too few fields is a fault."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

from app.errors import AppError
from app.pools.importing.batches import MOST_FIELDS, distinct_names, too_many_fields

ROWS = 20_000
"""Number of rows in a batch."""
LONGEST_FIELD = 1_000_000
"""The largest number of characters in a field: an unclosed quote must not take in the rest of the file."""
LONGEST_LINE = 64_000_000
"""The largest number of bytes in a line."""
Row = tuple[int, list[str]]
Fault = tuple[int, str, str]


def separator_of(header: str, *, tabs: bool) -> str:
    """The character between fields: a tab if the file name says so, else the most frequent candidate in the header.

    >>> separator_of("id;duration;note", tabs=False)
    ';'
    """
    return "\t" if tabs else max(",;\t|", key=header.count)


class Delimited:
    """A file of delimited fields. `header` has their names; iterating gives batches of rows and of faults.

    Raises AppError if the header cannot be read or names more than MOST_FIELDS fields.
    """

    def __init__(self, file: IO[bytes], name: str, *, tabs: bool) -> None:
        self._lines = _Lines(file)
        csv.field_size_limit(LONGEST_FIELD)
        first = next((line for line in self._lines if line.strip()), "")
        separator = separator_of(first, tabs=tabs)
        self._rows = csv.reader(_before(first, self._lines), delimiter=separator)
        try:
            heads = next(self._rows, [])
        except csv.Error as error:
            remedy = "Its first line names the fields."
            raise AppError(f"{name} has a header that cannot be read: {error}.", remedy) from error
        if len(heads) > MOST_FIELDS:
            raise too_many_fields(name, len(heads))
        self.header = distinct_names([head.strip() or f"field {number}" for number, head in enumerate(heads, 1)])

    def __iter__(self) -> Iterator[tuple[list[Row], list[Fault]]]:
        rows = self._checked()
        while batch := list(islice(rows, ROWS)):
            good = [(place, row) for place, row, reason in batch if not reason]
            yield good, [(place, reason, ",".join(row)) for place, row, reason in batch if reason]

    def _checked(self) -> Iterator[tuple[int, list[str], str]]:
        """Line number, fields, and the fault of each row ("" if it has none)."""
        wanted, before = len(self.header), self._lines.number
        while True:
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield before + 1, [], f"It cannot be read: {error}."
                before = self._lines.number
                continue
            place, before = before + 1, self._lines.number
            if not row:
                continue
            if place <= self._lines.bad[0] <= before:
                yield place, row, self._lines.bad[1]
            elif len(row) != wanted:
                yield place, row, f"It has {len(row)} fields where the header has {wanted}."
            else:
                yield place, row, ""


class _Lines:
    """The lines of a file as text, with their number; `bad` is the number and the fault of the last bad line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.number = 0
        self.bad = 0, ""

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(LONGEST_LINE):
            self.number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                self.bad = self.number, f"It is longer than {LONGEST_LINE // 1_000_000} MB."
                rest = line
                while rest and not rest.endswith(b"\n"):
                    rest = self._file.readline(LONGEST_LINE)
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                if self.bad[0] != self.number:
                    self.bad = self.number, "It is not UTF-8 text."
                yield line.decode("utf-8", errors="replace")


def _before(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest
