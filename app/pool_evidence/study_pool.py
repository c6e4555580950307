"""The pool that a study was drawn from, read lazily, and only if it has not changed since."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import AppError
from app.models import Study
from app.pools import parquet_check, scanning
from app.pools import summary as pool_summary
from app.pools.pool_files import require_same_pool

NUMBERS = (pl.Float32, pl.Float64, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


@dataclass(frozen=True)
class PoolColumns:
    """The columns that divide the pool into subgroups, and the numeric columns whose mean can be taken."""

    groups: tuple[str, ...]
    numbers: tuple[str, ...]


def version(study: Study) -> tuple[object, ...]:
    """A value that differs after every change of the pool's file. Raises AppError if there is no file."""
    path = Path(study.pool)
    if not path.is_file():
        raise AppError(f"The pool {study.pool} is not there any more.", "Bring the file back to where it was.")
    stat = path.stat()
    return (study.pool_fingerprint, stat.st_mtime_ns, stat.st_size)


def version_or_none(study: Study) -> tuple[object, ...] | None:
    """The version of the pool's file, or None if there is no file."""
    return version(study) if Path(study.pool).is_file() else None


def refuse_changed(study: Study) -> None:
    """Raise AppError if the pool differs from the one that the study was drawn from: weights would then be wrong.

    Reads the whole file, so callers cache the result.
    """
    path = Path(study.pool)
    with path.open("rb") as opened:
        now = hashlib.file_digest(opened, "sha256").hexdigest()
    require_same_pool(path.name, now, study.pool_fingerprint, "the study was made")


def rows(study: Study) -> pl.LazyFrame:
    """The clips of the pool whose files could be read, as a lazy table.

    Raises AppError if there is no pool, or if it cannot be read within limits.
    """
    parquet_check.check(Path(study.pool))
    table = scanning.scan_pool(study.pool)
    schema = table.collect_schema()
    if "duration" in schema and "reason" in schema:
        table = table.filter(~(pl.col("duration").is_null() & pl.col("reason").is_not_null()))
    return table


def columns(study: Study) -> PoolColumns:
    """The columns with few different values, which make subgroups, and the numeric columns."""
    table = rows(study)
    schema = table.collect_schema()
    numbers = tuple(name for name, kind in schema.items() if kind in NUMBERS)
    return PoolColumns(tuple(pool_summary.few_valued(table, schema, ())), numbers)
