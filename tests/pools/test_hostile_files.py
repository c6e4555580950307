"""Files made to harm: each is an error in words, in little time, and the memory of this process hardly grows."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from app.errors import AppError
from app.limited_process import Limits, run_limited
from app.pools import parquet_check
from app.pools.pool_files import read_pool
from app.pools.scanning import scan_pool
from app.sampling import sample_files
from tests.helpers.bounded import MEGABYTE, bounded


def many_bytes(path: Path) -> None:
    """Five gigabytes of text in a few kilobytes: five thousand times the same name of a million letters."""
    pl.select(clip=pl.repeat("a" * 1_000_000, 5_000), media=pl.repeat("m", 5_000)).write_parquet(path)


def many_columns(path: Path) -> None:
    """A hundred thousand columns."""
    pl.DataFrame({f"c{number}": [True] for number in range(100_000)}).write_parquet(path)


def long_footer(path: Path) -> None:
    """A file whose end says that two gigabytes of footer come before it."""
    with path.open("wb") as file:
        file.truncate(1 << 31)  # a hole: it takes no room on disk
        file.seek(-8, 2)
        file.write((2_000_000_000).to_bytes(4, "little") + b"PAR1")


def lying_footer(path: Path) -> None:
    """A pool of 10,000 rows whose footer says that there are a thousand million."""
    frame = pl.DataFrame({"clip": [f"c{number}" for number in range(10_000)], "media": ["m"] * 10_000})
    frame.write_parquet(path)
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    lie = footer.replace(varint(10_000), varint(1_000_000_000))
    assert lie != footer
    path.write_bytes(data[: -8 - len(footer)] + lie + len(lie).to_bytes(4, "little") + b"PAR1")


def varint(number: int) -> bytes:
    """A whole number as Thrift writes it: doubled, in seven bits per byte, the lowest first."""
    number *= 2
    data = []
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def damaged_pages(path: Path) -> None:
    """A pool with a sound footer, and noise where its values were."""
    pl.DataFrame({"clip": [f"c{number}" for number in range(10_000)], "media": ["m"] * 10_000}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[200:4000] = os.urandom(3800)
    path.write_bytes(data)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "many bytes.parquet": (many_bytes, "takes more than 4 GB of memory: 5,000 rows. Keep the clips that you need"),
    "many columns.parquet": (many_columns, "100,000 columns; the largest number is 2,000. Write a file with"),
    "long footer.parquet": (long_footer, "a footer of 2,000,000,000 bytes; the largest is"),
    "lying footer.parquet": (lying_footer, "needs more than 2 GB of memory to read. .* use another file"),
    "damaged pages.parquet": (damaged_pages, "A pool is a Parquet file|It may be damaged"),
    "pipe.parquet": (os.mkfifo, "is not a pool, but a folder, a device or a pipe. A pool is a Parquet file"),
    "device.parquet": (device, "is not a pool, but a folder, a device or a pipe. A pool is a Parquet file"),
    "loop.parquet": (loop, "There is no pool at .* A pool is a Parquet file"),
    "folder.parquet": (Path.mkdir, "is not a pool, but a folder"),
}
"""How each file is made, and what is said about it."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pool_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """The message names the file and the remedy; it takes seconds, and this process needs no more memory."""
    path = tmp_path / name
    make, words = HOSTILE[name]
    make(path)
    with bounded(seconds=20), pytest.raises(AppError, match=words) as caught:
        read_pool(path)
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["many columns.parquet", "long footer.parquet", "lying footer.parquet"])
def test_a_hostile_pool_is_refused_where_it_is_read_lazily(name: str, tmp_path: Path) -> None:
    """The command line's lazy tables have the same guard."""
    path = tmp_path / name
    HOSTILE[name][0](path)
    with bounded(seconds=20), pytest.raises(AppError, match=r"footer|columns|needs more than"):
        scan_pool(str(path))


def test_a_column_that_needs_too_much_memory_ends_its_reader_alone(tmp_path: Path) -> None:
    """Sixty million numbers in a file of kilobytes: the child that decodes them dies, and the message says why."""
    path = tmp_path / "numbers.parquet"
    pl.select(pl.repeat(1.5, 60_000_000).alias("score")).write_parquet(path, row_group_size=60_000_000)
    assert path.stat().st_size < MEGABYTE
    limits = Limits(seconds=30, memory=300 * MEGABYTE)
    with bounded(seconds=31), pytest.raises(AppError, match=r"numbers\.parquet needs more than 0\.3 GB of memory"):
        run_limited(limits, path.name, parquet_check._content, path)


def test_a_sample_file_with_a_hostile_record_is_refused(tmp_path: Path) -> None:
    """A record of a hundred thousand brackets ends in words; in a pool such a record is ignored."""
    path = tmp_path / "sample.parquet"
    frame = pl.DataFrame({"clip": ["a"], "media": ["a.mp4"]})
    frame.write_parquet(path, metadata={"clipjury": "[" * 100_000})
    with bounded(seconds=5), pytest.raises(AppError, match=r"is not a sample .*Make one: clipjury sample"):
        sample_files.read(path)
    assert read_pool(path).record == {}


def test_a_file_is_checked_again_when_it_has_changed(tmp_path: Path) -> None:
    """The result of the check is kept for as long as the file is the same, and no longer."""
    path = tmp_path / "pool.parquet"
    pl.DataFrame({"clip": ["a"], "media": ["a.mp4"]}).write_parquet(path)
    assert parquet_check.check(path).rows == 1
    began = time.monotonic()
    for _ in range(200):
        parquet_check.check(path)
    assert time.monotonic() - began < 0.2
    pl.DataFrame({"clip": ["a", "b"], "media": ["a.mp4", "b.mp4"]}).write_parquet(path)
    assert parquet_check.check(path).rows == 2
