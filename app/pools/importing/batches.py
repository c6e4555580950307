"""Collect batches of nested records as columns, for pool import; they are written to disk before memory is full."""

import json
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from app.errors import AppError

PLACE = "place"
"""The raw column with the number of the line or record, from 1."""
FAULT = "fault"
"""The raw column with the reason why a record cannot be read; null if it can."""
TEXT = "text"
"""The raw column with the beginning of a record that cannot be read."""
RAW: dict[str, type[pl.DataType]] = {PLACE: pl.Int64, FAULT: pl.String, TEXT: pl.String}
SHOWN = 200
"""How many characters of a bad record are kept."""
DEEPEST = 5
"""Levels of nested objects that become separate columns; deeper objects are kept as JSON text."""
MOST_FIELDS = 2000
IN_MEMORY = 640_000_000
"""Bytes of columns that are kept in memory before they are written to disk."""

Keys = tuple[str, ...]
Kind = pl.DataType | type[pl.DataType]
_I64 = range(-(2**63), 2**63)
_NOTHING: dict[str, Any] = {}


class RecordCollector:
    """Collects records in batches into one lazy table with columns `f0`, `f1`, ..., whose field names are `fields`.

    Columns are numbered because field names come from files, and Polars would read some of them as patterns.
    """

    def __init__(self, spill: Path, in_memory: int = IN_MEMORY, *, source: str = "The file") -> None:
        self._spill, self._most, self._source = spill, in_memory, source
        self._index: dict[Keys, int] = {}
        self._parts: list[pl.LazyFrame] = []
        self._schemas: list[pl.Schema] = []
        self._waiting: list[pl.DataFrame] = []
        self._bytes = 0

    @property
    def fields(self) -> tuple[str, ...]:
        """The dotted path of each column; a number makes equal paths distinct."""
        return distinct_names([".".join(path) for path in self._index])

    def add(self, records: Sequence[dict[str, Any]], places: Sequence[int]) -> None:
        """Add records (JSON objects) with their positions in the source."""
        columns: dict[str, pl.Series] = {}
        self._collect(records, (), columns)
        self._keep(pl.DataFrame({PLACE: pl.Series(places, dtype=pl.Int64), **columns}))

    def add_rows(self, header: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]) -> None:
        """Add rows of texts, each as long as the header; an empty text is a missing value."""
        columns: dict[str, pl.Series] = {}
        for name, values in zip(header, zip(*rows, strict=True), strict=True):
            columns[self._name((name,))] = pl.Series([value or None for value in values], dtype=pl.String)
        self._keep(pl.DataFrame({PLACE: pl.Series(places, dtype=pl.Int64), **columns}))

    def reject(self, faults: Sequence[tuple[int, str, str]]) -> None:
        """Add records that cannot be read: position, reason, beginning of the text."""
        if faults:
            rows = [(place, reason, text[:SHOWN]) for place, reason, text in faults]
            self._keep(pl.DataFrame(rows, schema=RAW, orient="row"))

    def table(self) -> pl.LazyFrame:
        """All rows, in the order they were added. A column with numbers in some batches and text in others is text."""
        parts = [*self._parts, *(frame.lazy() for frame in self._waiting)]
        schemas = [*self._schemas, *(frame.schema for frame in self._waiting)]
        kinds: dict[str, Kind] = dict(RAW)
        for name in (f"f{number}" for number in range(len(self._index))):
            kinds[name] = _common([schema[name] for schema in schemas if name in schema])
        whole = [
            part.select(_as(schema, name, kind) for name, kind in kinds.items())
            for part, schema in zip(parts, schemas, strict=True)
        ]
        return pl.concat(whole) if whole else pl.LazyFrame(schema=kinds)

    def _name(self, path: Keys) -> str:
        number = self._index.setdefault(path, len(self._index))
        if number >= MOST_FIELDS:
            raise too_many_fields(self._source)
        return f"f{number}"

    def _collect(self, records: Sequence[dict[str, Any]], above: Keys, columns: dict[str, pl.Series]) -> None:
        """Make a column for each key, and for each key of nested objects."""
        for key in dict.fromkeys(chain.from_iterable(records)):
            values = [record.get(key) for record in records]
            kinds = set(map(type, values))
            path = (*above, key)
            if dict in kinds and len(path) < DEEPEST:
                inside = [value if type(value) is dict else _NOTHING for value in values]
                self._collect(inside, path, columns)
                values = [None if type(value) is dict else value for value in values]
                kinds.discard(dict)
                if kinds <= {type(None)}:
                    continue
            columns[self._name(path)] = _series(values, kinds)

    def _keep(self, frame: pl.DataFrame) -> None:
        self._waiting.append(frame)
        self._bytes += int(frame.estimated_size())
        if self._bytes > self._most:
            self._flush()

    def _flush(self) -> None:
        frame = pl.concat(self._waiting, how="diagonal_relaxed") if self._alike() else None
        for one in self._waiting if frame is None else [frame]:
            path = self._spill / f"{len(self._parts)}.parquet"
            one.write_parquet(path, compression="lz4")
            self._parts.append(pl.scan_parquet(path, glob=False))
            self._schemas.append(one.schema)
        self._waiting, self._bytes = [], 0

    def _alike(self) -> bool:
        """Whether the waiting batches have the same columns and types, so that they can be written as one file."""
        kinds: dict[str, pl.DataType] = {}
        pairs = chain.from_iterable(frame.schema.items() for frame in self._waiting)
        return all(kinds.setdefault(name, kind) == kind for name, kind in pairs)


def too_many_fields(source: str, count: int | None = None) -> AppError:
    """The error for a source with more than MOST_FIELDS fields; their number is None if it is not known."""
    found = f"{count:,} fields; the largest number is" if count else "more different fields than"
    return AppError(
        f"{source} has {found} {MOST_FIELDS:,}.",
        "Use the same field names in every record; write values as values, not as names.",
    )


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, with a number after each one that occurred before.

    >>> distinct_names(["a", "b", "a"])
    ('a', 'b', 'a#2')
    """
    seen: set[str] = set()
    given = []
    for name in names:
        free, number = name, 1
        while free in seen:
            number += 1
            free = f"{name}#{number}"
        seen.add(free)
        given.append(free)
    return tuple(given)


def _series(values: list[Any], kinds: set[type]) -> pl.Series:
    """A column of texts, numbers, booleans or lists of numbers; mixed and other values become JSON text."""
    some = kinds - {type(None)}
    if some == {str}:
        return pl.Series(values, dtype=pl.String)
    if some == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if some == {int} and all(value is None or value in _I64 for value in values):
        return pl.Series(values, dtype=pl.Int64)
    if some == {float}:
        return pl.Series(values, dtype=pl.Float64)
    if some == {int, float}:
        return pl.Series([None if value is None else _float(value) for value in values], dtype=pl.Float64)
    if some == {list} and any(values) and all(map(_is_numbers, values)):
        return pl.Series(values, dtype=pl.List(pl.Float64), strict=False)
    if not some:
        return pl.Series(values, dtype=pl.Null)
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_numbers(value: Any) -> bool:
    return value is None or all(one is None or type(one) in (int, float) for one in value)


def _text(value: Any) -> str | None:
    return value if value is None or type(value) is str else json.dumps(value, ensure_ascii=False)


def _common(kinds: Sequence[pl.DataType]) -> Kind:
    some = {kind for kind in kinds if kind != pl.Null}
    if len(some) <= 1:
        return next(iter(some), pl.Null())
    return pl.Float64 if some == {pl.Int64, pl.Float64} else pl.String


def _as(schema: pl.Schema, name: str, kind: Kind) -> pl.Expr:
    if name not in schema:
        return pl.lit(None, kind).alias(name)
    column = pl.col(name)
    if isinstance(schema[name], pl.List) and kind == pl.String:
        inside = column.cast(pl.List(pl.String)).list.join(", ", ignore_nulls=False)
        return pl.format("[{}]", inside).alias(name)
    return column.cast(kind)
