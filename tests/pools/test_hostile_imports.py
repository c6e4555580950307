"""Files made to harm a pool import: each ends in words, in seconds, and this process hardly grows."""

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from app.errors import AppError
from app.pools.importing import import_pool
from tests.helpers.bounded import MEGABYTE, bounded
from tests.helpers.hostile_videos import endless, large_vp8, wide
from tests.helpers.real_videos import moving, write_video

RECORD = b'{"id": "a", "dover_scores": 1}\n'


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small limit, so that small bombs are enough."""
    monkeypatch.setenv("CLIPJURY_READ_MEMORY_GB", "0.5")


def packed(path: Path) -> None:
    """More than a hundred megabytes of records in three hundred kilobytes."""
    path.write_bytes(gzip.compress(RECORD * (MEGABYTE // 2)) * 9)


def packed_line(path: Path) -> None:
    """Three gigabytes of one line."""
    path.write_bytes(gzip.compress(RECORD) + gzip.compress(bytes(16 * MEGABYTE)) * 200)


def many_fields(path: Path) -> None:
    """A header of 100,000 fields that all have one name."""
    path.write_bytes(b"id" + b",a" * 99_999 + b"\n" + b"x" + b",1" * 99_999 + b"\n")


def many_keys(path: Path) -> None:
    path.write_text("{" + ",".join(f'"k{number}": 1' for number in range(100_000)) + "}\n")


def long_header(path: Path) -> None:
    path.write_bytes(b"id" * (50 * MEGABYTE))


def deep(path: Path) -> None:
    path.write_bytes(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


def deep_lists(path: Path) -> None:
    path.write_bytes(b"[" * 1_000_000)


def many_texts(path: Path) -> None:
    """A gigabyte of different texts in a few kilobytes."""
    pl.select(clip=pl.repeat("a" * 1_000_000, 1_000), media=pl.repeat("m", 1_000)).write_parquet(path)


def many_parts(path: Path) -> None:
    """One column that is a record of 5,000 fields."""
    pl.DataFrame({"clip": ["a"], "info": [{f"k{number}": 1 for number in range(5_000)}]}).write_parquet(path)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "packed.jsonl.gz": (packed, "would grow to more than 200 times its size, .* unpack it first"),
    "packed line.jsonl.gz": (packed_line, "would grow to more than 200 times its size, .* unpack it first"),
    "many fields.csv": (many_fields, "has 100,000 fields; the largest number is 2,000. Use the same field"),
    "many keys.jsonl": (many_keys, "has more different fields than 2,000. Use the same field"),
    "long header.csv": (long_header, "has a header that cannot be read: .* Its first line names the fields"),
    "deep.json": (deep, "cannot be read as JSON: recursion limit exceeded.* Mend it"),
    "deep.jsonl": (deep, "holds no records. The first: It is not JSON: recursion limit .* Name a file"),
    "deep lists.json": (deep_lists, "holds no records. The first: .* Name a file"),
    "many texts.parquet": (many_texts, "Clips are there more than once|needs more than 0.5 GB"),
    "many parts.parquet": (many_parts, "has 5,001 fields; the largest number is 2,000. Use the same field"),
    "pipe.jsonl": (os.mkfifo, "is a device or a pipe. Name a file"),
}
"""How each file is made, and what is said about it."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_source_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """The message names the file and the remedy, and no file is left behind."""
    make, words = HOSTILE[name]
    make(tmp_path / name)
    with bounded(seconds=30), pytest.raises(AppError, match=words) as caught:
        import_pool([str(tmp_path / name)], str(tmp_path / "pool.parquet"))
    assert name in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["records.jsonl", "records.csv"])
def test_a_line_of_500_megabytes_is_a_bad_record(name: str, tmp_path: Path) -> None:
    """The records before and after it are imported."""
    head, row = (b"id,x\n", b"%s,1\n") if name.endswith("csv") else (b"", b'{"id": "%s"}\n')
    with (tmp_path / name).open("wb") as file:
        file.write(head + row % b"a")
        file.seek(500 * MEGABYTE, os.SEEK_CUR)  # a hole: it takes no room on disk
        file.write(b"\n" + row % b"b")
    with bounded(seconds=30):
        made = import_pool([str(tmp_path / name)], str(tmp_path / "pool.parquet"))
    assert (made.clips, made.rejected) == (2, 1)
    assert re.search("longer than 64 MB|field larger than field limit", Path(made.rejects).read_text())


def test_a_hostile_video_loses_only_itself(tmp_path: Path) -> None:
    """Pictures of 65,535 by 65,535, a length of a thousand million seconds, noise: the good video is imported."""
    folder = tmp_path / "clips"
    folder.mkdir()
    write_video(folder / "good.mp4", moving([(number, 0) for number in range(10)]))
    for make in (endless, wide, large_vp8):
        make(folder / f"{make.__name__}.mp4")
    (folder / "noise.mp4").write_bytes(os.urandom(100_000))
    (folder / "pipe.mp4").symlink_to("/dev/zero")
    with bounded(seconds=30):
        made = import_pool([str(folder)], str(tmp_path / "pool.parquet"))
    assert "good" in pl.read_parquet(tmp_path / "pool.parquet")["clip"]
    assert Path(made.rejects).read_text().count("It is no video that can be read") == 2
