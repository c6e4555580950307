"""Tables made to harm: `clipjury stats` and pilots end in words, in seconds, and this process hardly grows."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from app.errors import AppError
from app.sampling import pilot_files, sample_size_pilots
from app.stats.tables import read_table
from tests.helpers.bounded import MEGABYTE, bounded

LIMIT = "needs more than 0.3 GB of memory to read. It may be damaged, .* If you trust it, raise CLIPJURY_READ_MEMORY_GB"


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small limit, so that small bombs are enough."""
    monkeypatch.setenv("CLIPJURY_READ_MEMORY_GB", "0.3")


def packed(path: Path) -> None:
    """Rows that Polars would unpack, whatever the name of the file is; a bomb has a gigabyte in a megabyte."""
    path.write_bytes(gzip.compress(b"clip,good\n" + b"a,1\n" * 1000))


def many_rows(path: Path) -> None:
    """A file of 40 MB whose ten million empty cells a column take ten times as much memory."""
    path.write_bytes(b"clip,good,a,b,c,d\n" + b",,,,,\n" * (7 * MEGABYTE))


def many_columns(path: Path) -> None:
    path.write_text(",".join(f"c{number}" for number in range(100_000)) + "\n" + ",".join("1" * 100_000) + "\n")


def one_line(path: Path) -> None:
    """A line of 100 MB without an end, as the header."""
    path.write_bytes(b"clip" * (25 * MEGABYTE))


def many_values(path: Path) -> None:
    """Half a gigabyte of text in a few kilobytes."""
    pl.select(clip=pl.repeat("a" * 1_000_000, 500), good=pl.repeat(1, 500)).write_parquet(path)


def many_parquet_columns(path: Path) -> None:
    pl.DataFrame({f"c{number}": [True] for number in range(10_000)}).write_parquet(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "packed.csv": (packed, "is packed. Unpack it, and name the text file"),
    "many rows.csv": (many_rows, LIMIT),
    "many columns.csv": (
        many_columns,
        "has 100,000 columns; the largest number is 2,000. Write",
    ),
    "one line.csv": (one_line, "a first line of more than 4,194,304 bytes. Its first line must name"),
    "pipe.csv": (os.mkfifo, "is a folder, a device or a pipe. Name a file that holds a table"),
    "device.csv": (device, "is a folder, a device or a pipe. Name a file that holds a table"),
    "many values.parquet": (many_values, LIMIT),
    "many columns.parquet": (many_parquet_columns, "has 10,000 columns; the largest number is 2,000"),
}
"""How each file is made, and what is said about it."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """The message names the file and the remedy."""
    path = tmp_path / name
    make, words = HOSTILE[name]
    make(path)
    for read in (read_table, pilot_files.read, sample_size_pilots.read) if path.suffix == ".csv" else (read_table,):
        with bounded(seconds=20), pytest.raises(AppError, match=words) as caught:
            read(path)
        assert name in caught.value.message
