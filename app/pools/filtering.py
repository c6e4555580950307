"""`clipjury filter`: apply a filter file to a pool, count the cascade, and write the pool with the verdicts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from app.errors import AppError
from app.filters.applicable import OmittedFilter, applicable
from app.filters.filter_files import FilterFile
from app.pools.scanning import metadata, pool_errors, scan, scan_pool
from app.pools.table import KEY, read_record
from scoring.filters import ALL, Cascade, Filter, Unknown, cascade, with_verdicts
from scoring.locations import is_remote, plain, written

RECORD = "filters"
"""The key of the pool's record that says which filter file made the `pass_` columns."""


@dataclass(frozen=True)
class FilteringSummary:
    """Result of filtering: the cascade, the filters left out, notes, and the file with the verdicts."""

    cascade: Cascade
    left_out: tuple[OmittedFilter, ...]
    notes: tuple[str, ...]
    output: Path


def filter_pool(
    pool: str, source: FilterFile, output: Path, *, unknown: Unknown = "fail", strict: bool | None = None
) -> FilteringSummary:
    """Filter the pool at `pool` and write it, with the columns `pass_<name>` and `pass_all`, to `output`.

    The rows are never all in memory, and the file appears complete or not at all. `applicable` says which filters are
    left out, and what `strict` means. Verdicts of an earlier run are replaced. Raises AppError if the file is not a
    pool, a score is missing or not numeric, a column name is in use, or no filter is left.
    """
    if output.is_dir() or (not is_remote(pool) and output.resolve() == Path(plain(pool)).resolve()):
        raise AppError(f"{output} cannot be written: it is the pool itself or a folder.", "Name another file with -o.")
    scan_pool(pool)  # raises if it is not a pool
    with pool_errors(pool):
        kept = metadata(pool)
        rows = _without_verdicts(scan(pool), read_record(kept))
        filters, left_out = applicable(rows, source, strict=strict)
        _refuse_taken(rows.collect_schema(), source)
        notes = [*source.notes]
        counted = cascade(rows, filters, unknown=unknown)
        if counted.raw.microseconds is None:
            notes.append("The pool has no durations: hours are not stated.")
        elif counted.untimed:
            clips = "1 clip has" if counted.untimed == 1 else f"{counted.untimed} clips have"
            notes.append(f"{clips} no duration and {'is' if counted.untimed == 1 else 'are'} not in the hours.")
        _write(with_verdicts(rows, filters, unknown=unknown), kept, source, filters, output, unknown)
    return FilteringSummary(counted, left_out, tuple(notes), output)


def _without_verdicts(rows: pl.LazyFrame, record: dict[str, Any]) -> pl.LazyFrame:
    """The pool without the columns that an earlier run added, according to the record."""
    made = record.get(RECORD)
    columns = made.get("columns") if isinstance(made, dict) else None
    return rows.drop([name for name in columns if name in rows.collect_schema()] if isinstance(columns, list) else [])


def _refuse_taken(schema: pl.Schema, source: FilterFile) -> None:
    """Raise AppError if the pool has a column with the name of a verdict column."""
    taken = [rule for rule in source.filters if rule.column in schema]
    if taken or ALL in schema:
        column, name = (taken[0].column, f", filter {taken[0].name}") if taken else (ALL, "")
        remedy = "Give the filter another name, or import the pool anew without the column."
        raise AppError(f"{source.name}{name}: the pool has a column {column!r} of its own.", remedy)


def _write(
    rows: pl.LazyFrame,
    kept: dict[str, str],
    source: FilterFile,
    filters: Sequence[Filter],
    output: Path,
    unknown: Unknown,
) -> None:
    record = read_record(kept) | {
        RECORD: {
            "file": source.name,
            "sha256": source.sha256,
            "unknown": unknown,
            "filters": [
                {"name": rule.name, "score": rule.score, "min": rule.minimum, "max": rule.maximum} for rule in filters
            ],
            "columns": [*(rule.column for rule in filters), ALL],
        }
    }
    with written(str(output)) as partial:
        rows.sink_parquet(partial, metadata=kept | {KEY: json.dumps(record)})
