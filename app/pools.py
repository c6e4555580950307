"""Pools: Parquet files with a row per clip, its facts and scores, and the record of how each score was made."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from app import __version__
from app.errors import AppError
from app.manifests import Record, records_for
from scoring import SCORERS
from scoring.runners import ClipScores, find_videos, score_files
from scoring.weights import WeightsError

KEY = "clipjury"
"""The key of the Parquet file's own metadata under which the record lies, as JSON."""
FACTS: dict[str, type[pl.DataType]] = {
    "duration": pl.Float64,
    "width": pl.Int64,
    "height": pl.Int64,
    "fps": pl.Float64,
}
SERIES = "_per_second"
"""A series column is named after its score, with this behind it."""


@dataclass(frozen=True)
class ScoreSummary:
    """What scoring did: clips in all, those that could not be read with the reason for each, seconds it took."""

    clips: int
    failed: tuple[tuple[str, str], ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class Pool:
    """A pool read from its file: one row of `frame` per clip; `made` says how the scores were made ({} if unknown);
    `fingerprint` is the file's sha256.
    """

    path: Path
    frame: pl.DataFrame
    made: dict[str, Any]
    fingerprint: str

    @cached_property
    def readable(self) -> pl.DataFrame:
        """The rows whose file could be read: the clips there are. A row without a duration but with a reason is a
        file that nobody can watch.
        """
        broken = pl.col("duration").is_null() & pl.col("reason").is_not_null()
        return self.frame.filter(~broken)

    def column(self, name: str) -> pl.Series:
        """One column of the pool. Raises AppError, with the nearest names, if there is none of that name."""
        if name not in self.frame.columns:
            near = _nearest(name, self.frame.columns)
            raise AppError(f"The pool {self.path.name} has no column {name!r}.", near, status=404)
        return self.frame[name]

    def media_path(self, clip: str) -> Path:
        """Where the clip's video file is; a relative path counts from the pool's folder. AppError: no such clip."""
        rows = self.frame.filter(pl.col("clip") == clip)
        if rows.is_empty():
            near = _nearest(clip, self.frame["clip"].to_list())
            raise AppError(f"The pool {self.path.name} has no clip {clip!r}.", near, status=404)
        return self.path.parent.absolute() / str(rows["media"][0])

    def score_columns(self) -> list[str]:
        """The scores in the pool: what its record lists, or, if it has none, every number beside the clips' facts."""
        listed = [name for name in self._descriptions() if name in self.frame.columns]
        numbers = [name for name, kind in self.frame.schema.items() if kind.is_numeric() and name not in FACTS]
        return listed or numbers

    def units(self, score: str) -> str:
        """The unit of a score; "" where it has none or none is known."""
        return str(self._descriptions().get(score, {}).get("units", ""))

    def is_approximate(self, score: str) -> bool:
        """The score is a stand-in for a better method, by its own scorer's word."""
        return bool(self._descriptions().get(score, {}).get("approximate", False))

    def _descriptions(self) -> dict[str, dict[str, Any]]:
        return {column["name"]: column for made in self.made.get("scorers", ()) for column in made["columns"]}


def score_to_pool(
    paths: Sequence[Path],
    output: Path,
    *,
    jobs: int = 1,
    on_clip: Callable[[int, int, ClipScores], None] | None = None,
) -> ScoreSummary:
    """Score video files, and those in folders, into a pool at `output`; the file appears complete or not at all.

    A clip that cannot be read becomes a row without scores and with a reason. `on_clip(done, total, scores)` is
    called after each clip. Raises AppError if there is nothing to score, or a manifest or model file is faulty.
    """
    began = time.monotonic()
    if output.is_dir():
        raise AppError(f"{output} is a folder.", "Name a file to write, such as pool.parquet.")
    videos = find_videos(paths)
    if not videos:
        where = ", ".join(str(path) for path in paths) or "the given paths"
        raise AppError(f"There are no videos in {where}.", "Name a folder with .mp4 files, or the files themselves.")
    names = clip_names(videos, paths)
    records = records_for(videos, paths)
    results: list[ClipScores] = []
    try:
        for result in score_files(videos, jobs=jobs):
            results.append(result)
            if on_clip:
                on_clip(len(results), len(videos), result)
    except WeightsError as error:
        raise AppError(str(error), status=500) from error
    frame = _table(output, names, results, records)
    _write(frame, output)
    failed = tuple((name, r.error) for name, r in zip(names, results, strict=True) if r.error)
    return ScoreSummary(len(results), failed, time.monotonic() - began)


def read_pool(path: Path) -> Pool:
    """Read a pool. Any Parquet file with the text columns `clip` and `media` is one; `source` is the clip if missing.

    Raises AppError for a missing file, another kind of file, a missing column, a clip that is there twice.
    """
    if not path.is_file():
        raise AppError(f"There is no pool at {path}.", "Make one: clipjury score FOLDER -o POOL.parquet", status=404)
    try:
        data = path.read_bytes()
        frame = pl.read_parquet(data)
        made = json.loads(pl.read_parquet_metadata(data).get(KEY, "{}"))
    except (PolarsError, json.JSONDecodeError) as error:
        remedy = "A pool is a Parquet file: clipjury score FOLDER -o POOL.parquet"
        raise AppError(f"{path} is not a pool.", remedy) from error
    for name in ("clip", "media"):
        if frame.schema.get(name) != pl.String or frame[name].has_nulls():
            near = _nearest(name, frame.columns)
            raise AppError(f"{path} is not a pool: it needs a text in column {name!r} of each row.", near)
    twice = frame.filter(pl.col("clip").is_duplicated())["clip"]
    if len(twice):
        raise AppError(f"{path} has the clip {twice[0]!r} more than once.", "Give each clip a name of its own.")
    if "source" not in frame.columns:
        frame = frame.with_columns(source=pl.col("clip"))
    kinds: dict[str, type[pl.DataType]] = {**FACTS, "reason": pl.String}
    frame = frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in frame)
    # A score that is no number, or endless, is no score: null has one meaning everywhere after this line.
    floats = cs.float()
    frame = frame.with_columns(pl.when(floats.is_finite()).then(floats))
    return Pool(path, frame, made, hashlib.sha256(data).hexdigest())


def clip_names(videos: Sequence[Path], paths: Sequence[Path]) -> list[str]:
    """A name of its own for each video: its path below the scored folder it was found in, or its file name.

    The suffix is left out unless two would be alike; a number is added if they still are.

    >>> clip_names([Path("a.mp4"), Path("a.mov"), Path("b.mp4")], [Path("a.mp4"), Path("a.mov"), Path("b.mp4")])
    ['a.mp4', 'a.mov', 'b']
    """
    folders = [path for path in paths if path.is_dir()]
    full: list[str] = []
    for video in videos:
        home = next((folder for folder in folders if video.is_relative_to(folder)), video.parent)
        full.append(video.relative_to(home).as_posix())
    short = [name.removesuffix(video.suffix) for name, video in zip(full, videos, strict=True)]
    wanted = [brief if short.count(brief) == 1 else name for brief, name in zip(short, full, strict=True)]
    taken: set[str] = set()
    for place, name in enumerate(wanted):
        number = 1
        while (free := name if number == 1 else f"{name}-{number}") in taken:
            number += 1
        taken.add(free)
        wanted[place] = free
    return wanted


def _table(output: Path, names: list[str], results: list[ClipScores], records: list[Record]) -> pl.DataFrame:
    """The pool's rows. Columns are the same whatever the clips: a score that nobody has is a column of nulls."""
    home = output.parent.resolve()
    metadata = _metadata(records)
    columns: dict[str, pl.Series] = {
        "clip": pl.Series(names, dtype=pl.String),
        "media": pl.Series([_media(result.path, home) for result in results], dtype=pl.String),
    }
    for fact, kind in FACTS.items():
        columns[fact] = pl.Series([getattr(result.facts, fact, None) for result in results], dtype=kind)
    columns["source"] = pl.Series([r.source or name for r, name in zip(records, names, strict=True)], dtype=pl.String)
    columns |= metadata
    for scorer in SCORERS:
        for column in scorer.columns:
            columns[column.name] = pl.Series([r.scores[column.name] for r in results], dtype=pl.Float64)
    for scorer in SCORERS:
        for column in scorer.series:
            values = [r.series.get(column.name) for r in results]
            columns[column.name + SERIES] = pl.Series(values, dtype=pl.List(pl.Float64))
    columns["reason"] = pl.Series([_reason(result) for result in results], dtype=pl.String)
    return pl.DataFrame(columns)


def _metadata(records: list[Record]) -> dict[str, pl.Series]:
    """The manifest's own columns: numbers where every value is one, else text. A taken name gets `info_` before it."""
    scores = {column.name for scorer in SCORERS for column in (*scorer.columns, *scorer.series)}
    taken = {"clip", "media", "source", "reason", *FACTS} | scores | {name + SERIES for name in scores}
    columns: dict[str, pl.Series] = {}
    for name in dict.fromkeys(name for record in records for name in record.info):
        values = [record.info.get(name) for record in records]
        if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
            kind: type[pl.DataType] = pl.Float64 if any(value is not None for value in values) else pl.String
        else:
            kind = pl.String
            values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        columns[f"info_{name}" if name in taken else name] = pl.Series(values, dtype=kind)
    return columns


def _media(video: Path, home: Path) -> str:
    """Relative where the file lies below the pool, so that the folder can be moved as a whole; else absolute."""
    full = video.resolve()
    return full.relative_to(home).as_posix() if full.is_relative_to(home) else str(full)


def _reason(result: ClipScores) -> str | None:
    """Why scores are missing: one sentence if the file is at fault, else each reason with its columns."""
    if result.error:
        return result.error
    columns: dict[str, list[str]] = {}
    for name, why in result.reasons.items():
        columns.setdefault(why, []).append(name)
    return " ".join(f"{', '.join(names)}: {why}" for why, names in columns.items()) or None


def _write(frame: pl.DataFrame, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        frame.write_parquet(partial, metadata={KEY: json.dumps(_made())})
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _made() -> dict[str, Any]:
    return {
        "made_by": f"clipjury {__version__}",
        "scorers": [
            {
                "scorer": scorer.name,
                "version": scorer.version,
                "backend": scorer.backend,
                "models": [{"file": weight.file, "sha256": weight.sha256} for weight in scorer.weights],
                "columns": [asdict(column) for column in scorer.columns],
                "series": [asdict(column) | {"name": column.name + SERIES} for column in scorer.series],
            }
            for scorer in SCORERS
        ],
    }


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, [str(other) for other in names], n=3, cutoff=0.5)
    return f"Did you mean {', '.join(near)}?" if near else ""
