"""Read a folder of videos as raw rows, for pool import: facts from the video containers, columns from a manifest."""

from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from app.errors import AppError
from app.limited_process import GIGABYTE, Limits, run_limited
from app.pools.clip_names import clip_names
from app.pools.importing.batches import RecordCollector
from app.pools.importing.fields import RawSource, collected_source
from app.pools.manifest import records_for
from scoring.locations import find_files, is_remote, text_of
from scoring.video.reading import DECODER_OPTIONS

LIMITS = Limits(seconds=20, memory=GIGABYTE)
"""For the container of one video."""
Facts = dict[str, float | int | None]
Probed = dict[str, Facts | str]
"""By the place of a video: the facts of its container, or the reason why it has none."""
BATCH = 2000
"""For how many videos facts are kept as Python objects at a time."""


def holds_parquet(source: str) -> bool:
    """Whether the source is a folder of Parquet files, which together are one table."""
    folder = Path(source)
    return folder.is_dir() and next(folder.glob("*.parquet"), None) is not None


def is_folder_of_videos(source: str) -> bool:
    """Whether the source is a folder on this machine that is no table."""
    return not is_remote(source) and Path(source).is_dir() and not holds_parquet(source)


def probe(folder: str) -> Probed:
    """The videos in a folder and its subfolders with what their containers state, or why they are no videos.

    Each is opened in a child process with limits, and a hostile one loses only itself. Nothing is decoded.
    """
    return {file.place: _probed(Path(file.place)) for file in find_files([folder])}


def _probed(path: Path) -> Facts | str:
    try:
        return run_limited(LIMITS, "It", _facts_or_reason, path)
    except AppError as error:
        return error.message


def read(folder: str, spill: Path, probed: Probed) -> RawSource:
    """A row per video of `probe`: clip, media (full path), facts of the container, and the source and columns of the
    manifest. A file that is not a video is a fault. Raises AppError for a folder without videos.
    """
    if not probed:
        raise AppError(f"There are no videos in {folder}.", "Name a folder with .mp4 files, or a file of records.")
    places = list(probed)
    named = zip(places, clip_names(places, [folder]), records_for(places, [folder]), strict=True)
    collected = RecordCollector(spill, source=folder)
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, (place, name, record) in enumerate(named, 1):
        facts = probed[place]
        if isinstance(facts, str):
            collected.reject([(number, facts, place)])
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


def _facts_or_reason(path: Path) -> Facts | str:
    try:
        return _facts(path)
    except (FFmpegError, OSError, ValueError) as error:
        return f"It is no video that can be read: {error}."


def _facts(path: Path) -> Facts:
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
