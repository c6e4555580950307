"""Score videos into a pool, for `clipjury score`: finished clips are kept, and an interrupted run is resumed."""

import errno
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from app.errors import AppError
from app.pools.clip_names import clip_names
from app.pools.lock import PoolLock
from app.pools.manifest import records_for
from app.pools.table import (
    KEY,
    ROWS_PER_GROUP,
    ExistingPool,
    ScoringRun,
    clip_table,
    foreign_columns,
    merged_table,
    read_record,
    record_of,
)
from scoring.locations import (
    Location,
    LocationError,
    VideoFile,
    find_files,
    is_folder,
    is_remote,
    name_of,
    names_in,
    plain,
    read,
    remove,
    text_of,
    tidy,
    written,
)
from scoring.pipeline import ClipScores
from scoring.registry import scorers
from scoring.runners.dask_cluster import ClusterError
from scoring.runners.part_files import SUFFIX, frame_of, identity_of, read_parts, row_of, schema_of, signature_of
from scoring.runners.score_files import Runner, local_runner
from scoring.runners.work import ClipFile, ScorerSelection, Work
from scoring.settings import Settings
from scoring.weights import WeightsError

AGAIN = "Then run the same command again: what was scored is not lost."
MERGE_ROWS = 200
MERGE_SHARE = 0.25
"""New rows are written into the pool when there are this many of them, or this share of the rows in it, whichever is
more. Each row is then written only a few times in all."""


@dataclass(frozen=True)
class ScoreSummary:
    """Result of scoring: number of clips, unreadable clips with the reason for each, seconds it took, and the number
    of clips that this run scored; the others were finished before.
    """

    clips: int
    failed: tuple[tuple[str, str], ...]
    seconds: float
    scored: int


def score_to_pool(
    paths: Sequence[Location],
    output: Location,
    *,
    jobs: int = 1,
    runner: Runner | None = None,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    scorers: ScorerSelection = scorers,
    retry_failed: bool = False,
    prune: bool = False,
    on_clip: Callable[[int, int, ClipScores], None] | None = None,
) -> ScoreSummary:
    """Score video files and folders of them into a pool at `output`; paths are local, or addresses that fsspec knows.

    A clip is not scored again if its file and the scorers have not changed, and an interrupted run is resumed. A clip
    that cannot be read becomes a row without scores and with a reason; `retry_failed` tries it again. Rows of clips
    that are not among `paths` stay unless `prune` is true. The file is complete at any moment.
    `on_clip(done, total, scores)` is called after each clip, in the order of completion. Raises AppError if there is
    nothing to score, if a manifest or model file is faulty, if another run writes the pool, or if the file at `output`
    was not written by scoring.
    """
    began = time.monotonic()
    place = plain(output)
    with _app_errors():
        if str(output).endswith("/") or is_folder(place):
            raise AppError(f"{output} is a folder.", "Name a file to write, such as pool.parquet.")
        files = find_files(paths)
        if not files:
            where = ", ".join(str(path) for path in paths) or "the given paths"
            raise AppError(
                f"There are no videos in {where}.", "Name a folder with .mp4 files, or the files themselves."
            )
        with PoolLock(place).held() as lock:
            pool = _PoolWriter(place, lock, settings, scorers, prune=prune)
            pool.plan(files, paths)
            waiting = pool.resume(retry_failed=retry_failed)
            scored = pool.score(waiting, runner or local_runner(jobs), on_clip)
            pool.tidy()
            return ScoreSummary(len(files), pool.failed(), time.monotonic() - began, scored)


class _PoolWriter:
    """Writes a pool: holds the clips of this run and the rows that are known for them.

    `rows` are in the pool file, `found` are from parts that an interrupted run left, `fresh` are from this run.
    """

    def __init__(
        self, output: str, lock: PoolLock, settings: Settings, scorers: ScorerSelection, *, prune: bool
    ) -> None:
        made = scorers(settings)
        self.output, self.lock, self.prune = output, lock, prune
        self.settings = settings
        self.run = ScoringRun(made, signature_of(made, settings))
        self.parts = f"{output if is_remote(output) else Path(output).absolute()}.parts"
        self.work = Work(settings, self.parts, scorers, self.run.signature)
        self.earlier = _existing_pool(output)
        self.frame = self.earlier.frame
        self.clips: list[ClipFile] = []
        self.table = pl.DataFrame()
        self.rows = pl.DataFrame(schema=schema_of(made))
        self.found: list[pl.DataFrame] = []
        self.fresh: list[tuple[Any, ...]] = []

    def plan(self, files: Sequence[VideoFile], paths: Sequence[Location]) -> None:
        """Give each clip its name, its identity and the columns of its manifest."""
        media = _media(files, self.output)
        known, taken = self._names(media)
        names = clip_names([text_of(file.place) for file in files], paths, known, taken)
        beside = _transcripts(self.settings.transcripts)
        for file, medium in zip(files, media, strict=True):
            place = file.place if is_remote(file.place) else os.path.abspath(file.place)  # noqa: PTH100 - many
            near = beside.get(name_of(file.place).rpartition(".")[0], ())
            self.clips.append(ClipFile(place, medium, identity_of(medium, file, self.run.signature, near)))
        records = records_for([file.place for file in files], paths)
        self.table = clip_table(names, media, [clip.identity for clip in self.clips], records, self.run)

    def resume(self, *, retry_failed: bool) -> list[ClipFile]:
        """Read finished rows from the pool and from parts of an interrupted run; return the clips still to score."""
        tidy(self.parts)
        if "identity" in self.frame.columns:
            finished = self.frame.filter(pl.col("identity").is_in(self.table["identity"].implode()))
            if finished.height:  # the same identity means the same scorers, and so the same columns
                self.rows = finished.select(self.rows.columns)
        there = set(names_in(self.parts))
        left = [clip.identity for clip in self.clips if clip.identity + SUFFIX in there]
        self.found += [row for row in read_parts(self.parts, left) if row.schema == self.rows.schema]
        if retry_failed:
            self.rows = self.rows.filter(pl.col("duration").is_not_null())
            self.found = [row for row in self.found if row["duration"].count()]
        done = {*self.rows["identity"], *(row["identity"][0] for row in self.found)}
        return [clip for clip in self.clips if clip.identity not in done]

    def score(
        self, waiting: Sequence[ClipFile], runner: Runner, on_clip: Callable[[int, int, ClipScores], None] | None
    ) -> int:
        """Score the waiting clips and return their number; the pool is written from time to time and at the end."""
        done = len(self.clips) - len(waiting)
        for clip, result in runner.map(waiting, self.work) if waiting else ():
            self.fresh.append(row_of(clip.identity, clip.media, result, self.run.scorers))
            done += 1
            if len(self.fresh) >= max(MERGE_ROWS, MERGE_SHARE * self.rows.height):
                self.merge()
            if on_clip:
                on_clip(done, len(self.clips), result)
        self.merge()
        return len(waiting)

    def merge(self) -> None:
        """Write the pool with all finished rows, if anything changed, then remove their parts."""
        new = pl.concat([*self.found, frame_of(self.fresh, self.run.scorers)])
        self.rows = pl.concat([self.rows.join(new, on="identity", how="anti"), new])
        self.found, self.fresh = [], []
        frame = merged_table(self.table, self.rows, self.earlier, self.run, prune=self.prune)
        if not frame.equals(self.frame):
            self.lock.check()
            made = record_of(frame, self.table, self.earlier, self.run)
            with written(self.output) as path:
                frame.write_parquet(path, metadata={KEY: json.dumps(made)}, row_group_size=ROWS_PER_GROUP)
            self.frame = frame
        remove(f"{self.parts}/{identity}{SUFFIX}" for identity in new["identity"])

    def tidy(self) -> None:
        """Remove parts of this run's clips whose file or scorers have changed since. Parts of other clips stay."""
        left = [name.removesuffix(SUFFIX) for name in names_in(self.parts) if name.endswith(SUFFIX)]
        media = set(self.table["media"])
        old = [row["identity"][0] for row in read_parts(self.parts, left) if row["media"][0] in media]
        remove(f"{self.parts}/{identity}{SUFFIX}" for identity in old)
        tidy(self.parts)

    def failed(self) -> tuple[tuple[str, str], ...]:
        """The clips of this run that could not be read, each with the reason."""
        rows = self.table.join(self.frame, on="identity", how="inner", maintain_order="left")
        broken = rows.filter(pl.col("duration").is_null())
        return tuple(zip(broken["clip"], broken["reason"], strict=True))

    def _names(self, media: Sequence[str]) -> tuple[dict[int, str], list[str]]:
        """Names that clips of this run have in the pool, by position in the list, and the names of its other clips."""
        if not self.frame.height:
            return {}, []
        by_media = dict(zip(self.frame["media"], self.frame["clip"], strict=True))
        known = {place: by_media.pop(medium) for place, medium in enumerate(media) if medium in by_media}
        return known, [] if self.prune else list(by_media.values())


def _existing_pool(output: str) -> ExistingPool:
    """The pool at `output`, empty if there is none. Raises AppError if it was not written by scoring."""
    data = read(output)
    if data is None:
        return ExistingPool()
    remedy = "Name another file with -o, or remove this one."
    try:
        made = read_record(pl.read_parquet_metadata(io.BytesIO(data)))
        earlier = ExistingPool(pl.read_parquet(io.BytesIO(data)), made)
    except PolarsError as error:
        raise AppError(f"{output} is there, and is not a pool.", remedy) from error
    if not made or not {"identity", "signature", "clip", "media"} <= set(earlier.frame.columns):
        raise AppError(f"{output} is there, and does not say how its clips were scored.", remedy)
    others = foreign_columns(earlier)
    if others:
        raise AppError(f"{output} has columns that scoring did not write: {', '.join(others)}.", remedy)
    return earlier


def _media(files: Sequence[VideoFile], output: str) -> list[str]:
    """Paths for the column `media`; relative for files below the pool's folder, so that the folder can be moved."""
    home = None if is_remote(output) else os.path.realpath(Path(output).parent).rstrip("/") + "/"
    real: dict[str, str] = {}
    media = []
    for file in files:
        if is_remote(file.place):
            media.append(file.place)
            continue
        # Each folder is resolved once: there may be millions of files.
        folder, name = os.path.split(file.place)
        if folder not in real:
            real[folder] = os.path.realpath(folder).rstrip("/")
        full = f"{real[folder]}/{name}"
        media.append(text_of(full.removeprefix(home) if home else full))
    return media


def _transcripts(folder: Path | None) -> dict[str, list[str]]:
    """Name, size and time of the transcripts of each clip, by the clip's file name without suffix."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()) if folder and folder.is_dir() else ():
        if path.suffix.lower() in (".vtt", ".srt"):
            status = path.stat()
            # a.en.vtt belongs to a.mp4, and to a.en.mp4 if there is one.
            for stem in {path.stem, path.stem.rpartition(".")[0]}:
                found.setdefault(stem, []).append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return found


@contextmanager
def _app_errors() -> Iterator[None]:
    try:
        yield
    except (WeightsError, ClusterError) as error:
        raise AppError(str(error), status=500) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise AppError("There is no room left on the disk that the pool is on.", f"Make room. {AGAIN}") from error
    except LocationError as error:
        raise AppError(str(error), "Check the address, and that this machine may use it.") from error
