"""Check a Parquet file that came from somebody else, in a child process, before this process reads it.

A file of a few kilobytes can expand to many gigabytes, and its footer can lie. So the child really reads every column,
one after the other, within limits; the result is kept until the file changes.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app import limited_tables
from app.cache import Cache
from app.errors import AppError
from app.failed_files import run_on_file
from app.limited_process import GIGABYTE, Limits

MOST_BYTES = 4 * GIGABYTE
"""Memory that a table may take if it is read whole."""
FOOTER = Limits(seconds=10, memory=GIGABYTE // 2)
CONTENT = Limits(seconds=120, memory=2 * GIGABYTE)
"""The memory is for one column, or for a few short ones."""
VALUES_AT_ONCE = 4_000_000
"""Values of several columns that the child reads together."""
SMALL = 64 << 20
"""Bytes on disk. What expands a thousandfold is small; the command line reads larger files without this check."""
MOST_FOOTER_BYTES = 64 << 20
REMEDY = "A pool is a Parquet file: clipjury score FOLDER -o POOL.parquet"
_FOOTERS = Cache(max_entries=256)
_CONTENTS = Cache(max_entries=256)


class NotParquet(AppError):
    """There is no such file, or it is not a Parquet file."""


@dataclass(frozen=True)
class ParquetSize:
    """How large a Parquet file is: rows, columns, and bytes in memory if it is read whole (0 if that is not known)."""

    rows: int
    columns: int
    bytes: int = 0


def footer(path: Path) -> ParquetSize:
    """Rows and columns as the file's own footer states them.

    Raises AppError if it is not a Parquet file or has too many columns.
    """
    version = _version(path)
    return _FOOTERS.get(path, version, lambda: run_on_file(FOOTER, path, _footer, path))


def check(path: Path) -> ParquetSize:
    """Check that every column of the file can be read within limits, and return the size that it really has.

    Raises AppError if the file is not a regular Parquet file, is damaged, or has too many columns; if a column needs
    too much memory, or all together too much time.
    """
    version = _version(path)
    return _CONTENTS.get(path, version, lambda: run_on_file(CONTENT, path, _content, path))


def check_small(path: Path) -> None:
    """Check a file that is small on disk; of a larger one, which would take long, only its footer. Raises AppError."""
    _ = check(path) if path.is_file() and path.stat().st_size <= SMALL else footer(path)


def refuse_too_large(path: Path) -> None:
    """Check the file, and raise AppError if it takes more than MOST_BYTES in memory."""
    found = check(path)
    if found.bytes > MOST_BYTES:
        raise AppError(
            f"{path.name} takes more than {MOST_BYTES / GIGABYTE:g} GB of memory: {found.rows:,} rows.",
            "Keep the clips that you need: clipjury pool filter, or clipjury sample.",
        )


def _version(path: Path) -> tuple[int, int, int]:
    """A value that differs after every change of the file. Raises AppError if it is not a regular file."""
    try:
        status = path.stat()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError on older Pythons
        raise NotParquet(f"There is no pool at {path}.", REMEDY, status=404) from error
    if not path.is_file():
        raise NotParquet(f"{path} is not a pool, but a folder, a device or a pipe.", REMEDY)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _footer(path: Path) -> ParquetSize:
    _refuse_long_footer(path)
    try:
        rows = pl.scan_parquet(path, glob=False)
        columns = rows.collect_schema().names()
        limited_tables.refuse_columns(path, columns)
        return ParquetSize(rows.select(pl.len()).collect().item(), len(columns))
    except (PolarsError, OSError) as error:
        raise _not_a_pool(path) from error


def _refuse_long_footer(path: Path) -> None:
    """Raise AppError if this is not a Parquet file, or if its footer alone takes much memory."""
    try:
        with path.open("rb") as file:
            file.seek(-8, 2)
            end = file.read()
    except OSError as error:
        raise _not_a_pool(path) from error
    if end[4:] != b"PAR1":
        raise _not_a_pool(path)
    length = int.from_bytes(end[:4], "little")
    if length > MOST_FOOTER_BYTES:
        raise AppError(
            f"{path.name} has a footer of {length:,} bytes; the largest is {MOST_FOOTER_BYTES:,}.",
            "Write a file with fewer columns, or with larger row groups.",
        )


def _content(path: Path) -> ParquetSize:
    found = _footer(path)
    rows = pl.scan_parquet(path, glob=False)
    columns = rows.collect_schema().names()
    at_once = max(1, VALUES_AT_ONCE // max(1, found.rows))
    total = 0
    try:
        for start in range(0, len(columns), at_once):
            stop = min(start + at_once, len(columns))
            part = rows.select(pl.nth(range(start, stop))).collect()  # by place: a name may be a pattern
            if part.height != found.rows:
                raise AppError(f"{path.name} is damaged: its footer says {found.rows:,} rows, it has {part.height:,}.")
            total += int(part.estimated_size())
            if total > 4 * MOST_BYTES:
                break  # no reader needs the rest, and a hostile file may have no end
    except PolarsError as error:
        raise _not_a_pool(path) from error
    return ParquetSize(found.rows, len(columns), total)


def _not_a_pool(path: Path) -> NotParquet:
    return NotParquet(f"{path} is not a pool.", REMEDY)
