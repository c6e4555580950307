"""Locations of files: local folders, and an S3 store on this machine."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from scoring import locations
from scoring.locations import LocationError, find_files, find_videos
from tests.helpers import object_stores


@pytest.fixture
def bucket() -> Iterator[str]:
    """A bucket of a store on this machine."""
    with object_stores.bucket() as address:
        yield address


def put(place: str, data: bytes) -> None:
    """Write an object."""
    with locations.written(place) as path:
        path.write_bytes(data)


def test_folders_give_their_videos_sorted_and_files_are_always_taken(tmp_path: Path) -> None:
    """Videos at any depth are listed, hidden and other files are not; a named file always is; none is listed twice."""
    for name in ("b.mp4", "a.MOV", "deep/c.webm", "deep/d.MTS", ".hidden.mp4", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_videos([tmp_path, tmp_path / "note.txt", tmp_path / "b.mp4", tmp_path / "no.mp4"])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a.MOV", "b.mp4", "deep/c.webm", "deep/d.MTS", "note.txt", "no.mp4"]


def test_a_full_disk_is_reported_as_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars reports an error of the format; with no space left on the disk, OSError is raised."""
    frame = pl.DataFrame({"a": [1]})
    for free, kind in ((0, pl.exceptions.PolarsError), (1 << 62, OSError)):
        monkeypatch.setattr(locations, "FULL", free)
        with pytest.raises(kind) as caught, locations.written(str(tmp_path / "a.parquet")) as path:
            frame.select("b").write_parquet(path)
        assert getattr(caught.value, "errno", None) == (errno.ENOSPC if free else None)
        assert list(tmp_path.iterdir()) == []


def test_links_are_followed_to_files_but_not_round_in_circles(tmp_path: Path) -> None:
    """A link to a listed file adds nothing, one to a file elsewhere adds it, one to a parent folder is ignored."""
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "z.mp4").write_bytes(b"z")
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"a")
    (folder / "b.mp4").symlink_to("a.mp4")
    (folder / "c.mp4").symlink_to("../else/z.mp4")
    (folder / "up").symlink_to("..")
    (folder / "lost.mp4").symlink_to("nowhere")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    assert [path.name for path in find_videos([folder])] == ["a.mp4", "c.mp4", "loop.mp4", "lost.mp4"]


def test_a_path_stays_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path stays relative, whether it names a folder or is the current one."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    assert [file.place for file in find_files(["./clips/"])] == ["clips/a.mp4"]
    assert [file.place for file in find_files([Path()])] == ["clips/a.mp4"]
    assert [file.place for file in find_files([f"file://{tmp_path}/clips"])] == [f"{tmp_path}/clips/a.mp4"]


def test_a_changed_file_has_another_size_or_mark(tmp_path: Path) -> None:
    """A file that is touched or rewritten has another mark; a missing file has neither size nor mark."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    (before,) = find_files([path])
    os.utime(path, ns=(1, 1))
    (touched,) = find_files([path])
    assert (before.bytes, touched.bytes) == (3, 3)
    assert before.modified != touched.modified == "1"
    path.unlink()
    (gone,) = find_files([path])
    assert (gone.bytes, gone.modified) == (None, None)


def test_an_incomplete_file_never_appears(tmp_path: Path) -> None:
    """An error while writing leaves the old file, no new one, and no remains."""
    target = tmp_path / "new" / "a.txt"
    with locations.written(str(target)) as path:
        path.write_text("old")

    def fail() -> None:
        with locations.written(str(target)) as path:
            path.write_text("half")
            assert locations.names_in(str(target.parent)) == ["a.txt"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_a_store_is_read_and_written_like_a_folder(bucket: str) -> None:
    """Its files are listed in order with size and ETag, fetched under their own name, and removed."""
    for name in ("day/b.mp4", "a.mp4", "day/.hidden.mp4", "note.txt"):
        put(f"{bucket}/{name}", name.encode())
    found = find_files([bucket, f"{bucket}/note.txt", f"{bucket}/a.mp4", f"{bucket}/no.mp4"])
    places = [file.place for file in found]
    assert places == [f"{bucket}/{name}" for name in ("a.mp4", "day/b.mp4", "note.txt", "no.mp4")]
    assert [file.bytes for file in found] == [5, 9, 8, None]
    marks = {file.modified for file in found}
    assert None in marks
    assert len(marks) == 4
    put(f"{bucket}/a.mp4", b"A.mp4")
    assert find_files([f"{bucket}/a.mp4"])[0].modified not in marks
    with locations.fetched(f"{bucket}/day/b.mp4") as path:
        assert (path.name, path.read_bytes()) == ("b.mp4", b"day/b.mp4")
    assert not path.exists()
    assert locations.is_folder(f"{bucket}/day")
    assert not locations.is_folder(f"{bucket}/a.mp4")
    assert sorted(locations.names_in(f"{bucket}/day")) == [".hidden.mp4", "b.mp4"]
    assert dict(locations.read_all(f"{bucket}/day", ["b.mp4", "no.mp4"])) == {"b.mp4": b"day/b.mp4"}
    locations.remove([f"{bucket}/day/b.mp4", f"{bucket}/day/no.mp4"])
    assert locations.read(f"{bucket}/day/b.mp4") is None


def test_a_store_that_cannot_be_reached_is_named(bucket: str) -> None:
    """A missing bucket and an unknown scheme are errors with the address and the store's message."""
    with pytest.raises(LocationError, match=r"s3://nobody-has-this/a\.parquet cannot be reached"):
        put("s3://nobody-has-this/a.parquet", b"")
    with pytest.raises(LocationError, match=r"gopher7://x/y cannot be reached: Protocol not known"):
        find_files(["gopher7://x/y"])
    with pytest.raises(LocationError, match="cannot be reached"), locations.fetched(f"{bucket}/no.mp4"):
        pass
