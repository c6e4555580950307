"""Read manifests: a file `manifest.jsonl` beside the videos, with their sources and metadata columns."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import AppError
from scoring.locations import Location, is_folder, is_remote, read

NAME = "manifest.jsonl"

Value = str | int | float | bool | None


@dataclass(frozen=True)
class ManifestRecord:
    """A video in a manifest: its source, and further columns by name. Both are empty without an entry."""

    source: str | None = None
    info: dict[str, Value] = field(default_factory=dict)


class _Line(BaseModel):
    """One line, in the layout of TalkVid's records (arXiv 2508.13618, data card); other fields are ignored."""

    model_config = ConfigDict(strict=True)
    id: str
    video_path: str = Field(alias="video-path")
    source: str | None = None
    info: dict[str, Value] = Field(default_factory=dict)


def records_for(videos: Sequence[Location], paths: Sequence[Location]) -> list[ManifestRecord]:
    """The manifest record of each video, from the manifest in its folder or in the scored folder above it.

    Without `source`, the "Video Link" in `info` is the source. Raises AppError for a line that cannot be read.
    """
    full = _full(videos)
    folders = dict.fromkeys([*(_folder(video) for video in full), *_full([path for path in paths if is_folder(path)])])
    known: dict[str, ManifestRecord] = {}
    for folder in folders:
        data = read(f"{folder}/{NAME}")
        if data is not None:
            found = _read(data, f"{folder}/{NAME}")
            for place, record in zip(_full([_beside(folder, path) for path in found]), found.values(), strict=True):
                known.setdefault(place, record)
    return [known.get(place, ManifestRecord()) for place in full]


def _full(places: Sequence[Location]) -> list[str]:
    """The same text for every spelling of a path. Each folder is resolved once: there may be millions of files."""
    real: dict[str, str] = {}
    full = []
    for place in places:
        if is_remote(place):
            full.append(str(place).rstrip("/"))
            continue
        folder, name = os.path.split(place)
        if name in ("", ".", ".."):
            full.append(os.path.realpath(place))
            continue
        if folder not in real:
            real[folder] = os.path.realpath(folder).rstrip("/")
        full.append(f"{real[folder]}/{name}")
    return full


def _folder(place: str) -> str:
    return place.rpartition("/")[0]


def _beside(folder: str, path: str) -> str:
    """The full path of a path in a folder's manifest."""
    return path if is_remote(path) or path.startswith("/") else f"{folder}/{path}"


def _read(data: bytes, manifest: str) -> dict[str, ManifestRecord]:
    """The records of a manifest, by the paths in it."""
    records: dict[str, ManifestRecord] = {}
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise AppError(f"{manifest} is not UTF-8 text.", "Save it as UTF-8.") from error
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            raise AppError(
                f"Line {number} of {manifest} cannot be read: {place} {fault['msg']}".replace("  ", " ") + ".",
                'A line is JSON such as {"id": "a", "video-path": "a.mp4", "source": "film 1", "info": {}}.',
            ) from error
        link = line.info.get("Video Link")
        source = line.source or (str(link) if link else None)
        info = {column_name(key): value for key, value in line.info.items()}
        records[line.video_path] = ManifestRecord(source, info)
    return records


@cache
def column_name(key: str) -> str:
    """The column name for a key.

    >>> column_name("Age Group")
    'age_group'
    """
    return re.sub(r"\W+", "_", key.strip().lower()).strip("_") or "info"
