"""Read a pool: a Parquet file with a row per clip, its facts and scores, and the record of how they were made."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from app.errors import AppError, did_you_mean
from app.pools import parquet_check
from app.pools.clip_names import clip_names
from app.pools.scoring import ScoreSummary, score_to_pool
from app.pools.table import KEY, read_record
from scoring.locations import is_remote
from scoring.runners.part_files import FACTS, SERIES

__all__ = ["FACTS", "KEY", "SERIES", "Pool", "ScoreSummary", "clip_names", "read_pool", "score_to_pool"]

SHOWN_DIGITS = 12
"""How many hexadecimal digits of a pool's sha256 are shown to people."""


@dataclass(frozen=True, eq=False)
class Pool:
    """A pool in memory: one row of `frame` per clip; `record` says how the scores were made ({} if unknown);
    `fingerprint` is the sha256 of the file.
    """

    path: Path
    frame: pl.DataFrame
    record: dict[str, Any]
    fingerprint: str

    @cached_property
    def readable(self) -> pl.DataFrame:
        """The clips whose file could be read. A row without a duration but with a reason is a file that nobody can
        watch.
        """
        broken = pl.col("duration").is_null() & pl.col("reason").is_not_null()
        return self.frame.filter(~broken)

    def column(self, name: str) -> pl.Series:
        """A column of the pool. Raises AppError, with similar names, if there is none of that name."""
        if name not in self.frame.columns:
            near = did_you_mean(name, self.frame.columns)
            raise AppError(f"The pool {self.path.name} has no column {name!r}.", near, status=404)
        return self.frame[name]

    def media_path(self, clip: str) -> Path:
        """The path of a clip's video file; a relative path in the pool starts at the pool's folder.

        Raises AppError if the pool lacks the clip, or if the clip is in a remote store and must be fetched first.
        """
        media = self._media.get(clip)
        if media is None:
            near = did_you_mean(clip, self.frame["clip"].to_list())
            raise AppError(f"The pool {self.path.name} has no clip {clip!r}.", near, status=404)
        if is_remote(media):
            raise AppError(
                f"The clip {clip!r} lies at {media}, not on this machine.",
                "Fetch the clips into a folder and score them there into a pool of their own.",
            )
        return self.path.parent.absolute() / media

    @cached_property
    def _media(self) -> dict[str, str]:
        """The video file of each clip: a new study asks for thousands of them, one after the other."""
        return dict(self.frame.select("clip", "media").iter_rows())

    def score_columns(self) -> list[str]:
        """The scores of the pool: those in its record, or without a record every numeric column that is not a fact."""
        listed = [name for name in self._descriptions() if name in self.frame.columns]
        numbers = [name for name, kind in self.frame.schema.items() if kind.is_numeric() and name not in FACTS]
        return listed or numbers

    def why_without(self, score: str) -> str:
        """Why no clip has this score, with the reason that the first clip gives; "" if some clip has it."""
        if score not in self.frame.columns:
            return f"the pool has no score {score}"
        kind = self.frame[score].dtype
        if self.frame[score].count() or not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            return ""
        # A reason begins with the names of its scores: "dover_scores, dover_technical: weights not given"
        pattern = re.compile(rf"(?<!\w){re.escape(score)}(?:, \w+)*: (.+?)(?: \w+(?:, \w+)*: |$)")
        said = (pattern.search(reason) for reason in self.readable["reason"].drop_nulls())
        found = next((match[1].rstrip(".") for match in said if match), "")
        return f"no clip of the pool has the score {score}" + (f" ({found})" if found else "")

    def units(self, score: str) -> str:
        """The unit of a score; "" if it has none or if it is not known."""
        return str(self._descriptions().get(score, {}).get("units", ""))

    def is_approximate(self, score: str) -> bool:
        """Whether the scorer declares this score to be an approximation of a better method."""
        return bool(self._descriptions().get(score, {}).get("approximate", False))

    def _descriptions(self) -> dict[str, dict[str, Any]]:
        return {column["name"]: column for scorer in self.record.get("scorers", ()) for column in scorer["columns"]}


def read_pool(path: Path) -> Pool:
    """Read a pool: any Parquet file with the text columns `clip` and `media`. `source` defaults to the clip.

    Raises AppError for a missing file, another type of file, a file that needs too much memory, a missing column, or a
    clip that is there twice.
    """
    parquet_check.refuse_too_large(path)
    try:
        data = path.read_bytes()
        frame = pl.read_parquet(data)
        record = read_record(pl.read_parquet_metadata(data))
    except PolarsError as error:
        remedy = "A pool is a Parquet file: clipjury score FOLDER -o POOL.parquet"
        raise AppError(f"{path} is not a pool.", remedy) from error
    for name in ("clip", "media"):
        if frame.schema.get(name) != pl.String or frame[name].has_nulls():
            near = did_you_mean(name, frame.columns)
            raise AppError(f"{path} is not a pool: it needs a text in column {name!r} of each row.", near)
    twice = frame.filter(pl.col("clip").is_duplicated())["clip"]
    if len(twice):
        raise AppError(f"{path} has the clip {twice[0]!r} more than once.", "Give each clip a name of its own.")
    if "source" not in frame.columns:
        frame = frame.with_columns(source=pl.col("clip"))
    kinds: dict[str, type[pl.DataType]] = {**FACTS, "reason": pl.String}
    frame = frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in frame)
    # NaN and infinity become null, so that a missing score is null everywhere else.
    floats = cs.float()
    frame = frame.with_columns(pl.when(floats.is_finite()).then(floats))
    return Pool(path, frame, record, hashlib.sha256(data).hexdigest())


def fingerprint(pool: Path) -> str:
    """The sha256 of a pool's file, in hexadecimal. Raises AppError if there is no such file."""
    try:
        with pool.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        remedy = "Make one: clipjury score FOLDER -o POOL.parquet"
        raise AppError(f"There is no pool at {pool}.", remedy, status=404) from error


def require_same_pool(name: str, now: str, then: str, since: str) -> None:
    """Raise AppError if a pool has changed since a sample was drawn from it: its probabilities would be wrong.

    >>> require_same_pool("pool.parquet", "ab12", "cd34", "the study was made")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    app.errors.AppError: The pool pool.parquet has changed since the study was made (sha256 ab12..., then cd34...). ...
    """
    if now != then:
        today, before = now[:SHOWN_DIGITS], then[:SHOWN_DIGITS]
        raise AppError(
            f"The pool {name} has changed since {since} (sha256 {today}..., then {before}...).",
            "Bring back the file it was, or draw a new sample from this one; judgments made so far stay as they are.",
        )
