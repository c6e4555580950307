"""Manifests: a file `manifest.jsonl` beside the videos that says where they come from and who is in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import AppError

NAME = "manifest.jsonl"

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Record:
    """What a manifest says of a video: its source, and further columns by name. Both are empty if it says nothing."""

    source: str | None = None
    info: dict[str, Value] = field(default_factory=dict)


class _Line(BaseModel):
    """One line, in the layout of TalkVid's records (arXiv 2508.13618, data card); fields not named here are left."""

    model_config = ConfigDict(strict=True)
    id: str
    video_path: str = Field(alias="video-path")
    source: str | None = None
    info: dict[str, Value] = Field(default_factory=dict)


def records_for(videos: Sequence[Path], paths: Sequence[Path]) -> list[Record]:
    """The record of each video, from the manifest in its own folder or else in the scored folder above it.

    Without `source`, the info's "Video Link" is the source. Raises AppError for a line that cannot be read.
    """
    folders = dict.fromkeys([*(video.parent for video in videos), *(path for path in paths if path.is_dir())])
    known: dict[Path, Record] = {}
    for folder in folders:
        manifest = folder / NAME
        if manifest.is_file():
            for path, record in _read(manifest).items():
                known.setdefault(path, record)
    return [known.get(video.resolve(), Record()) for video in videos]


def _read(manifest: Path) -> dict[Path, Record]:
    records: dict[Path, Record] = {}
    try:
        lines = manifest.read_text("utf-8").split("\n")
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
        records[(manifest.parent / line.video_path).resolve()] = Record(source, info)
    return records


def column_name(key: str) -> str:
    """A key as a column's name.

    >>> column_name("Age Group")
    'age_group'
    """
    return re.sub(r"\W+", "_", key.strip().lower()).strip("_") or "info"
