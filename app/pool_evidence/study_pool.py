"""The pool that a study was drawn from, read lazily, and only if it has not changed since."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import AppError
from app.models import Study
from app.pools import scanning
from app.pools import summary as pool_summary
from app.pools.pool_files import require_same_pool

NUMBERS = (pl.Float32, pl.Float64, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


@dataclass(frozen=True)
class Columns:
    """What the pool can be divided by, and what can be averaged in the parts."""

    groups: tuple[str, ...]
    numbers: tuple[str, ...]


def mark(study: Study) -> tuple[object, ...]:
    """Changes when the pool's file does. Raises AppError where there is none."""
    path = Path(study.pool)
    if not path.is_file():
        raise AppError(f"The pool {study.pool} is not there any more.", "Bring the file back to where it was.")
    stat = path.stat()
    return (study.pool_fingerprint, stat.st_mtime_ns, stat.st_size)


def state(study: Study) -> tuple[object, ...] | None:
    """The mark, or None where there is no pool any more."""
    return mark(study) if Path(study.pool).is_file() else None


def unchanged(study: Study) -> None:
    """Refuse a pool that is not the one the study was made from: nothing could be said of the whole.

    Reads the file once; callers keep that it is the same. Raises AppError.
    """
    path = Path(study.pool)
    with path.open("rb") as opened:
        now = hashlib.file_digest(opened, "sha256").hexdigest()
    require_same_pool(path.name, now, study.pool_fingerprint, "the study was made")


def rows(study: Study) -> pl.LazyFrame:
    """The clips of the pool whose files could be read, as a lazy table. Raises AppError where there is no pool."""
    table = scanning.scan_pool(study.pool)
    schema = table.collect_schema()
    if "duration" in schema and "reason" in schema:
        table = table.filter(~(pl.col("duration").is_null() & pl.col("reason").is_not_null()))
    return table


def columns(study: Study) -> Columns:
    """Columns of a few different words that make subgroups, and columns of numbers."""
    table = rows(study)
    schema = table.collect_schema()
    numbers = tuple(name for name, kind in schema.items() if kind in NUMBERS)
    return Columns(tuple(pool_summary.few_valued(table, schema, ())), numbers)
