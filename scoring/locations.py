"""Reading and writing files at local paths, and at any address that fsspec knows, such as s3://bucket/folder.

A file appears complete or not at all: local files by renaming, objects in a store because a put is atomic.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv", ".ogv", ".3gp"}
)
PARTIAL = ".partial"
"""Suffix of local files that are being written."""
FULL = 1 << 20
"""A disk with at most this many bytes free counts as full, since files are written in pieces."""
CHANGE = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
"""Names by which stores call the mark that changes with a file's content, the most reliable first."""

Location = str | Path
"""A local path, or an address with a scheme."""


class LocationError(Exception):
    """A file or store cannot be reached. The message says which and why."""


@dataclass(frozen=True)
class VideoFile:
    """A video file: its path or address as written, its size in bytes, and a mark that changes when the file does
    (time of modification in ns, or the store's ETag). Size and mark are None if there is no such file.
    """

    place: str
    bytes: int | None = None
    modified: str | None = None


def is_remote(place: Location) -> bool:
    """True for an address with a scheme, False for a path on this machine.

    >>> is_remote("s3://bucket/a.mp4"), is_remote("C:/a.mp4"), is_remote(Path("a.mp4"))
    (True, False, False)
    """
    return isinstance(place, str) and "://" in place and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", place) is not None


def plain(place: Location) -> str:
    """The location as text. Different spellings of a path give the same text; `file://` addresses become paths.

    >>> plain("file:///tmp/a.mp4"), plain("./b.mp4"), plain("s3://bucket/c.mp4")
    ('/tmp/a.mp4', 'b.mp4', 's3://bucket/c.mp4')
    """
    text = str(place).removeprefix("file://")
    return text if is_remote(place) and text == place else str(Path(text))


def text_of(place: str) -> str:
    r"""The location as text for files and terminals: bytes that are not UTF-8 are written as backslash and code.

    >>> text_of("caf\u00e9.mp4"), text_of("caf\udce9.mp4")
    ('caf\xe9.mp4', 'caf\\xe9.mp4')
    """
    return os.fsencode(place).decode("utf-8", "backslashreplace")


def name_of(place: Location) -> str:
    """The last part of a path or address.

    >>> name_of("s3://bucket/day/a.mp4"), name_of("https://example.org/b.mp4?v=1"), name_of(Path("day/c.mp4"))
    ('a.mp4', 'b.mp4', 'c.mp4')
    """
    text = str(place)
    if text.startswith(("http://", "https://")):
        text = urlsplit(text).path
    return text.rstrip("/").rsplit("/", 1)[-1]


def find_files(places: Iterable[Location]) -> list[VideoFile]:
    """The videos to score: of a folder all videos in it and below it, sorted; a file whatever its name.

    Hidden files in folders are left out, links to folders are not followed, and a file that is found twice is listed
    once. Raises LocationError for a store that cannot be reached.
    """
    found: dict[str, VideoFile] = {}
    for place in places:
        text = plain(place)
        for key, file in _remote_files(text) if is_remote(text) else _local_files(text):
            found.setdefault(key, file)
    return list(found.values())


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """The videos to score at local paths, as paths; see `find_files`."""
    return [Path(file.place) for file in find_files(paths)]


def is_folder(place: Location) -> bool:
    """True if there is a folder of this name; in a store, if there is a file below it."""
    if not is_remote(place):
        return Path(place).is_dir()
    fs, path = _opened(str(place))
    with _said(str(place)):
        return bool(fs.isdir(path))


def read(place: str) -> bytes | None:
    """The bytes of a file, or None if there is no such file. Raises LocationError for a store that fails."""
    if not is_remote(place):
        try:
            return Path(place).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    fs, path = _opened(place)
    with _said(place):
        try:
            fs.invalidate_cache()
            return bytes(fs.cat_file(path))
        except FileNotFoundError:
            return None


@contextmanager
def fetched(place: str) -> Iterator[Path]:
    """A local path to the file within a `with` block: the file itself, or a copy of the same name, removed afterwards.

    Raises LocationError if the copy cannot be made.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with tempfile.TemporaryDirectory(prefix="clipjury-") as folder:
        target = Path(folder) / name_of(place)
        fs, path = _opened(place)
        with _said(place):
            fs.get_file(path, str(target))
        yield target


@contextmanager
def written(place: str) -> Iterator[Path]:
    """A local path to write to within a `with` block; if the block ends without error, the file appears at `place`.

    Raises OSError (ENOSPC) if the disk is full, whatever error the writing library raises.
    """
    if is_remote(place):
        with tempfile.TemporaryDirectory(prefix="clipjury-") as folder:
            target = Path(folder) / name_of(place)
            yield target
            fs, path = _opened(place)
            with _said(place):
                fs.put_file(str(target), path)
        return
    output = Path(place)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Random, not the process number: workers on two machines may write the same file at once.
    partial = output.with_name(f".{output.name}.{uuid4().hex[:12]}{PARTIAL}")
    try:
        yield partial
        partial.replace(output)
    except Exception as error:
        # Polars reports a full disk as an error of the format.
        if isinstance(error, OSError) or shutil.disk_usage(output.parent).free > FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output)) from error
    finally:
        partial.unlink(missing_ok=True)


def names_in(folder: str) -> list[str]:
    """The names of the complete files directly in a folder; none if there is no such folder."""
    if not is_remote(folder):
        try:
            with os.scandir(folder) as entries:
                return [entry.name for entry in entries if not entry.name.endswith(PARTIAL)]
        except FileNotFoundError:
            return []
    fs, path = _opened(folder)
    with _said(folder):
        fs.invalidate_cache()
        try:
            return [str(name).rsplit("/", 1)[-1] for name in fs.ls(path, detail=False)]
        except FileNotFoundError:
            return []


def read_all(folder: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of files in a folder. A file that no longer exists is left out."""
    if not is_remote(folder):
        for name in names:
            data = read(f"{folder}/{name}")
            if data is not None:
                yield name, data
        return
    if not names:
        return
    fs, path = _opened(folder)
    with _said(folder):
        # One call for all files, which the store answers concurrently.
        found = fs.cat([f"{path}/{name}" for name in names], on_error="omit")
    yield from ((str(key).rsplit("/", 1)[-1], bytes(data)) for key, data in found.items())


def remove(places: Iterable[str]) -> None:
    """Remove files of one folder or store. A file that does not exist is no error."""
    far = []
    for place in places:
        if is_remote(place):
            far.append(place)
        else:
            Path(place).unlink(missing_ok=True)
    if far:
        opened = [_opened(place) for place in far]
        with _said(far[0]), suppress(FileNotFoundError):
            opened[0][0].rm([path for _, path in opened])  # all in one call


def tidy(folder: str) -> None:
    """Remove the incomplete files of killed processes from a local folder, and the folder if it is then empty."""
    if is_remote(folder) or not Path(folder).is_dir():
        return
    for half in Path(folder).glob(f".*{PARTIAL}"):
        half.unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        Path(folder).rmdir()


def _local_files(text: str) -> Iterator[tuple[str, VideoFile]]:
    """The real path and the file of each video at a local path."""
    if not Path(text).is_dir():
        yield os.path.realpath(text), _with_facts(text)
        return
    real = os.path.realpath(text)
    found: list[tuple[list[str], str, VideoFile]] = []
    folders = [""]
    while folders:
        below = folders.pop()
        with os.scandir(Path(text, below)) as entries:
            for entry in entries:
                inside = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(inside)
                elif is_video(entry.name) and not _leads_to_folder(entry):
                    key = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{inside}"
                    place = inside if text == "." else f"{text.rstrip('/')}/{inside}"
                    found.append((inside.split("/"), key, _with_facts(place)))
    yield from ((key, file) for _, key, file in sorted(found, key=lambda one: one[0]))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """True for a folder or a link to one. A loop of links is listed as a clip, which then cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_video(name: str) -> bool:
    """True if a file's name is that of a video and not hidden.

    >>> is_video("A.MOV"), is_video(".a.mov"), is_video("a.txt")
    (True, False, False)
    """
    return os.path.splitext(name)[1].lower() in VIDEOS and not name.startswith(".")  # noqa: PTH122 - ten times quicker


def _with_facts(place: str) -> VideoFile:
    try:
        status = os.stat(place)  # noqa: PTH116 - called for each of very many files
    except (OSError, ValueError):
        return VideoFile(place)
    return VideoFile(place, status.st_size, str(status.st_mtime_ns))


def _remote_files(text: str) -> Iterator[tuple[str, VideoFile]]:
    """The full address and the file of each video at an address."""
    fs, path = _opened(text)
    root = path.rstrip("/")
    with _said(text):
        fs.invalidate_cache()
        try:
            info = fs.info(path)
        except FileNotFoundError:
            yield text, VideoFile(text)
            return
        found = {root: info} if info["type"] == "file" else fs.find(path, detail=True)
        for key in sorted(found, key=lambda key: key.split("/")):
            if key == root or is_video(name_of(key)):
                # The part before the path (scheme, host, user) stays as the user wrote it.
                place = text.rstrip("/") + key[len(root) :]
                mark = next((str(found[key][name]) for name in CHANGE if found[key].get(name)), None)
                yield str(fs.unstrip_protocol(key)), VideoFile(place, found[key].get("size"), mark)


def _opened(place: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises LocationError without fsspec."""
    try:
        fsspec: Any = import_module("fsspec")  # an extra, and without types
    except ImportError as error:
        raise LocationError(
            f"{place} needs fsspec: pip install 'clipjury[dask]' and the store's own package."
        ) from error
    with _said(place):
        fs, path = fsspec.core.url_to_fs(place)
    return fs, str(path)


@contextmanager
def _said(place: str) -> Iterator[None]:
    """Turn a store's errors into LocationError. Catch FileNotFoundError inside the block to treat a missing file."""
    try:
        yield
    # Stores raise errors of their own libraries, of which only the message is known here.
    except LocationError:
        raise
    except Exception as error:
        words = str(error).strip() or type(error).__name__
        raise LocationError(f"{place} cannot be reached: {words.rstrip('.')}.") from error
