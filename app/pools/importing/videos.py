"""Read a folder of videos as raw rows, for pool import: facts from the video containers, columns from a manifest."""

from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from app.errors import AppError
from app.pools.clip_names import clip_names
from app.pools.importing.batches import RecordCollector
from app.pools.importing.fields import RawSource, collected_source
from app.pools.manifest import records_for
from scoring.locations import find_files, text_of
from scoring.video.reading import DECODER_OPTIONS

BATCH = 2000
"""For how many videos facts are kept as Python objects at a time."""


def holds_parquet(source: str) -> bool:
    """Whether the source is a folder of Parquet files, which together are one table."""
    folder = Path(source)
    return folder.is_dir() and next(folder.glob("*.parquet"), None) is not None


def read(folder: str, spill: Path) -> RawSource:
    """A row per video in a folder and its subfolders: clip, media (full path), facts of the container, and the source
    and columns of the manifest. Nothing is decoded. A file that is not a video is a fault. Raises AppError for a folder
    without videos.
    """
    files = find_files([folder])
    if not files:
        raise AppError(f"There are no videos in {folder}.", "Name a folder with .mp4 files, or a file of records.")
    places = [file.place for file in files]
    named = zip(places, clip_names(places, [folder]), records_for(places, [folder]), strict=True)
    collected = RecordCollector(spill)
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, (place, name, record) in enumerate(named, 1):
        try:
            facts = _facts(Path(place))
        except (FFmpegError, OSError, ValueError) as error:
            collected.reject([(number, f"It is no video that can be read: {error}.", place)])
            continue
        source = {"source": record.source} if record.source else {}
        rows.append(
            {
                "clip": text_of(name),
                "media": text_of(str(Path(place).resolve())),
                **facts,
                **source,
                "info": record.info,
            }
        )
        numbers.append(number)
        if len(rows) == BATCH:
            collected.add(rows, numbers)
            rows, numbers = [], []
    if rows:
        collected.add(rows, numbers)
    return collected_source(Path(folder).resolve().name, "videos", collected, "video")


def _facts(path: Path) -> dict[str, float | int | None]:
    """Duration in seconds, size in pixels, and frames per second from the container; None where it has no value."""
    with av.open(str(path.absolute()), options=DECODER_OPTIONS) as container:
        if not container.streams.video:
            raise ValueError("it has no picture")
        stream = container.streams.video[0]
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1_000_000  # FFmpeg's AV_TIME_BASE: microseconds
        rate = None if stream.average_rate is None else float(stream.average_rate)
        return {"duration": seconds, "width": stream.width, "height": stream.height, "fps": rate}
