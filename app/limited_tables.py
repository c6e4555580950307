"""Read tables of the command line's user in a child process with limits: a small file may expand to many gigabytes."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Concatenate, ParamSpec

import polars as pl

from app.errors import AppError
from app.limited_process import GIGABYTE, Limits, run_limited
from app.settings import load

Arguments = ParamSpec("Arguments")

MOST_COLUMNS = 2000
LONGEST_LINE = 1 << 22
"""Bytes of the line that names the columns."""
PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
"""How files begin that Polars would unpack into memory, whatever their name is: gzip, Zstandard and zlib."""


def limits() -> Limits:
    """What reading the files of one command may cost, by the settings."""
    settings = load()
    return Limits(
        seconds=settings.read_minutes * 60,
        memory=int(settings.read_memory_gb * GIGABYTE),
        written=1 << 40,  # the disk's own size is the limit
        files=4096,
        remedy=" If you trust it, raise CLIPJURY_READ_MEMORY_GB and CLIPJURY_READ_MINUTES.",
    )


def read(
    path: Path,
    reader: Callable[Concatenate[Path, Arguments], pl.DataFrame],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> pl.DataFrame:
    """The table that `reader(path, ...)`, a function of a module, gives in a child process with limits.

    Raises AppError that names the file if it needs too much memory or time, or is a device or a pipe. What the reader
    raises is raised here, unchanged.
    """
    if path.exists() and not path.is_file():
        raise AppError(f"{path} is a folder, a device or a pipe.", "Name a file that holds a table.")
    most = limits()
    with TemporaryDirectory(prefix="clipjury-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "table"
        run_limited(most, path.name, _copied, path, target, most.memory, reader, arguments, options)
        return pl.read_ipc(target)


def texts(path: Path) -> pl.DataFrame:
    """A CSV file with every value as text; only for a child process. Raises AppError if it has too many columns."""
    columns(path)
    return pl.read_csv(path, infer_schema=False)


def columns(path: Path, separator: str = ",") -> list[str]:
    """The columns of a file of delimited text; only for a child process.

    Raises AppError if it is packed, has a first line without an end, or too many columns.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST_LINE)
    if start.startswith(PACKED):
        raise AppError(f"{path.name} is packed.", "Unpack it, and name the text file that was inside.")
    if len(start) == LONGEST_LINE and not (b"\n" in start or b"\r" in start):
        raise AppError(
            f"{path.name} has a first line of more than {LONGEST_LINE:,} bytes.",
            "Its first line must name the columns.",
        )
    names = pl.read_csv(path, separator=separator, n_rows=0, infer_schema=False).columns
    refuse_columns(path, names)
    return names


def refuse_columns(path: Path, names: list[str]) -> None:
    """Raise AppError if a table has more than MOST_COLUMNS columns."""
    if len(names) > MOST_COLUMNS:
        raise AppError(
            f"{path.name} has {len(names):,} columns; the largest number is {MOST_COLUMNS:,}.",
            "Write a file with the columns that you need.",
        )


def _copied(
    path: Path,
    target: Path,
    most: int,
    reader: Callable[..., pl.DataFrame],
    arguments: tuple[object, ...],
    options: dict[str, object],
) -> None:
    table = reader(path, *arguments, **options)
    if table.estimated_size() > most:  # texts that are there many times take their memory only when they are copied
        raise MemoryError
    table.write_ipc(target)
