"""`clipjury segment`: cut long videos into a folder of clips with a manifest; a second run makes only missing clips."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import __version__
from app.errors import AppError
from app.pools.clip_names import file_names
from app.pools.manifest import NAME as MANIFEST
from app.pools.manifest import ManifestRecord, Value, records_for
from app.pools.pool_files import clip_names
from scoring.locations import find_videos, text_of
from scoring.segmenting.cutting import CutMethod, write_segment
from scoring.segmenting.scenes import Footage, Segment, SegmentSettings, clip_segments, find_cuts, scenes
from scoring.video.reading import Unreadable

STATE = "segments.json"
"""A file beside the manifest with the settings, and the result for each video."""
UNFINISHED = "Cutting was interrupted."


@dataclass(frozen=True)
class Step:
    """The footage left after a step: its name, seconds, number of pieces, and what the pieces are (`unit`)."""

    name: str
    seconds: float
    count: int
    unit: str


@dataclass(frozen=True)
class SegmentSummary:
    """Result of segmenting: clips made, clips kept from an earlier run, failed videos with reasons, footage by step."""

    made: int
    kept: int
    failed: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]


class _Row(BaseModel):
    """A line of the manifest: TalkVid's fields (arXiv 2508.13618, data card), the source, and how the clip was cut."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True)
    id: str
    video_path: str
    source: str
    height: int
    width: int
    fps: float
    start_time: float
    start_frame: int
    end_time: float
    end_frame: int
    durations: str
    cut: CutMethod
    info: dict[str, Value] = Field(default_factory=dict)


class _Video(BaseModel):
    """Result for one video: its total `seconds`, and `kept_seconds` in scenes that are long enough."""

    name: str
    bytes: int = 0
    modified: float = 0.0
    seconds: float = 0.0
    scenes: int = 0
    kept_seconds: float = 0.0
    clips: list[str] = Field(default_factory=list)
    reason: str | None = None


class _State(BaseModel):
    made_by: str
    settings: dict[str, float | None]
    videos: dict[str, _Video] = Field(default_factory=dict)


def segment(
    paths: Sequence[Path],
    folder: Path,
    cutting: SegmentSettings,
    on_step: Callable[[str, float], None] | None = None,
) -> SegmentSummary:
    """Cut videos and folders of videos into clips in `folder`, with a manifest that scoring reads.

    A video in a manifest passes its source and info on to its clips; otherwise its name is the source. A video that
    cannot be read is reported, and the run continues. Clips that exist with their line are not made again.
    `on_step(what, share)` reports the current step and its progress, 0 to 1. Raises AppError if there is nothing to
    cut, or if the folder holds another manifest, or clips of other settings or of a video that has changed since.
    """
    home = folder.resolve()
    videos = [video for video in find_videos(paths) if not Path(os.path.realpath(video)).is_relative_to(home)]
    if not videos:
        where = ", ".join(str(path) for path in paths) or "the given paths"
        raise AppError(
            f"There are no videos in {where}.", "Name a folder with videos, or the files; OUTPUT is left out."
        )
    work = _ClipFolder(folder, cutting, on_step or (lambda _what, _share: None))
    for video, name, record in zip(videos, clip_names(videos, paths), records_for(videos, paths), strict=True):
        work.segment(video, name, record)
    done = [work.state.videos[_real(video)] for video in videos]
    return SegmentSummary(
        work.made,
        sum(len(video.clips) for video in done) - work.made,
        tuple((video.name, video.reason) for video in done if video.reason),
        _steps(done, cutting),
    )


class _ClipFolder:
    """The folder of clips while it is written."""

    def __init__(self, folder: Path, cutting: SegmentSettings, on_step: Callable[[str, float], None]) -> None:
        self.folder, self.cutting, self._on_step = folder, cutting, on_step
        self.made = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.state = self._opened()
        self.rows = self._read_rows()

    def segment(self, path: Path, name: str, record: ManifestRecord) -> None:
        """Cut one video, unless all its clips exist, and store the result."""
        full = _real(path)
        known = self.state.videos.get(full)
        status = path.stat() if path.is_file() else None
        video = _Video(
            name=known.name if known else self._free_name(name),
            bytes=status.st_size if status else 0,
            modified=status.st_mtime if status else 0.0,
            reason=UNFINISHED,
        )
        if known and (known.bytes, known.modified) != (video.bytes, video.modified):
            if not known.reason:
                raise AppError(
                    f"{path.name} has changed since its clips were cut into {self.folder}.",
                    "Name another folder for the new clips, or delete the old ones.",
                )
            self._forget(known)
        elif known and not known.reason and all(self._is_there(clip) for clip in known.clips):
            return
        self._note(full, video)
        try:
            footage = self._watched(path, video)
            self._cut_all(footage, video, record.source or name, record)
            video.reason = None
        except Unreadable as error:
            video.reason = str(error)
        self._note(full, video)

    def _watched(self, path: Path, video: _Video) -> Footage:
        footage = find_cuts(path, self.cutting, lambda share: self._on_step(f"{path.name}: looking for cuts", share))
        found = scenes(footage)
        video.seconds, video.scenes = float(footage.time(footage.frames)), len(found)
        return footage

    def _cut_all(self, footage: Footage, video: _Video, source: str, record: ManifestRecord) -> None:
        parts = clip_segments(footage, self.cutting)
        for number, part in enumerate(parts, start=1):
            self._on_step(f"{footage.path.name}: cutting", (number - 1) / len(parts))
            clip = f"{video.name}_{number:04d}"
            row = self.rows.get(clip)
            if not (row and self._is_there(clip) and (row.start_frame, row.end_frame) == (part.start, part.end)):
                target = self.folder / f"{clip}.mp4"
                try:
                    chosen = write_segment(footage, part, target)
                except Unreadable as error:
                    raise Unreadable(f"Clip {number} of {len(parts)}: {error}") from error
                self._add(_row(footage, part, clip, source, record, chosen))
                self.made += 1
            video.clips.append(clip)
            video.kept_seconds += float(footage.seconds(part))

    def _note(self, full: str, video: _Video) -> None:
        self.state.videos[full] = video
        _write(self.folder / STATE, self.state.model_dump_json(indent=1))

    def _forget(self, known: _Video) -> None:
        """Remove the clips of a video that failed before and has changed since."""
        for clip in [clip for clip in self.rows if clip.rpartition("_")[0] == known.name]:
            (self.folder / self.rows.pop(clip).video_path).unlink(missing_ok=True)
        self._write_rows()

    def _free_name(self, name: str) -> str:
        return file_names([name], taken=[video.name for video in self.state.videos.values()])[0]

    def _is_there(self, clip: str) -> bool:
        row = self.rows.get(clip)
        return row is not None and (self.folder / row.video_path).is_file()

    def _add(self, row: _Row) -> None:
        """Append one line to the manifest, so that an interrupted run loses only the current clip."""
        again = row.id in self.rows
        self.rows[row.id] = row
        if again:
            self._write_rows()
            return
        with (self.folder / MANIFEST).open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json(by_alias=True) + "\n")

    def _write_rows(self) -> None:
        lines = [row.model_dump_json(by_alias=True) + "\n" for row in self.rows.values()]
        _write(self.folder / MANIFEST, "".join(lines))

    def _opened(self) -> _State:
        """The state of an earlier run, or a new state."""
        settings = asdict(self.cutting)
        file = self.folder / STATE
        if not file.is_file():
            if (self.folder / MANIFEST).exists():
                raise AppError(f"{self.folder} has a {MANIFEST} already.", "Name a new folder for the clips.")
            state = _State(made_by=f"clipjury {__version__}", settings=settings)
            _write(file, state.model_dump_json(indent=1))
            return state
        try:
            state = _State.model_validate_json(file.read_text("utf-8"))
        except (ValidationError, UnicodeDecodeError) as error:
            raise AppError(f"{file} cannot be read.", "Name a new folder for the clips.") from error
        other = [name for name, value in settings.items() if state.settings.get(name) != value]
        if other:
            before = ", ".join(f"{name} {state.settings.get(name)}" for name in other)
            raise AppError(
                f"{self.folder} holds clips cut with other settings ({before}).",
                "Name another folder, or use those settings again.",
            )
        return state

    def _read_rows(self) -> dict[str, _Row]:
        """The lines of the manifest by id. An incomplete last line is dropped, and its clip is made again."""
        file = self.folder / MANIFEST
        lines = file.read_bytes().split(b"\n") if file.is_file() else []
        rows: dict[str, _Row] = {}
        for number, line in enumerate(lines, start=1):
            try:
                row = _Row.model_validate_json(line) if line.strip() else None
            except ValidationError as error:
                if number < len(lines):
                    raise AppError(f"Line {number} of {file} cannot be read.", "Name a new folder.") from error
                break
            if row:
                rows[row.id] = row
        if lines and lines[-1]:
            self.rows = rows
            self._write_rows()
        return rows


def _row(footage: Footage, part: Segment, clip: str, source: str, record: ManifestRecord, chosen: CutMethod) -> _Row:
    width, height = footage.width, footage.height
    if chosen == "encode":
        width, height = width // 2 * 2, height // 2 * 2
    return _Row(
        id=clip,
        video_path=f"{clip}.mp4",
        source=source.encode("utf-8", "replace").decode(),
        height=height,
        width=width,
        fps=round(footage.fps, 6),
        start_time=round(float(footage.time(part.start)), 6),
        start_frame=part.start,
        end_time=round(float(footage.time(part.end)), 6),
        end_frame=part.end,
        durations=f"{float(footage.seconds(part)):.3f}s",
        cut=chosen,
        info=record.info,
    )


def _steps(videos: Sequence[_Video], cutting: SegmentSettings) -> tuple[Step, ...]:
    read = [video for video in videos if video.seconds]
    raw = sum(video.seconds for video in read)
    kept = sum(video.kept_seconds for video in read)
    return (
        Step("raw", raw, len(read), "videos"),
        Step("scenes", raw, sum(video.scenes for video in read), "scenes"),
        Step(f">= {cutting.shortest:g} s", kept, sum(len(video.clips) for video in read), "clips"),
    )


def _real(path: Path) -> str:
    """The path without symbolic links, as text; unlike Path.resolve it does not raise for a loop of links."""
    return text_of(os.path.realpath(path))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
