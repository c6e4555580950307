"""Part files: a small Parquet file per scored clip, from which the pool is put together; and the pool's columns.

A part file is named by the hash of what was scored and how, so writing one twice is harmless.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from scoring.locations import VideoFile, read_all, written
from scoring.pipeline import ClipScores
from scoring.scorer import Scorer
from scoring.settings import Settings

FACTS: dict[str, type[pl.DataType]] = {
    "duration": pl.Float64,
    "width": pl.Int64,
    "height": pl.Int64,
    "fps": pl.Float64,
}
"""The columns of a clip's facts, with their types."""
SERIES = "_per_second"
"""Suffix of a series' column: its name is that of the series, then this."""
TIMES = "_times"
"""Suffix of a column of moments in seconds."""
SUFFIX = ".parquet"
"""Suffix of a part file."""


def signature_of(scorers: Sequence[Scorer], settings: Settings) -> str:
    """The sha256 of how scores are made: the scorers' names, versions, backends, columns and model hashes; settings.

    The contents of model files count; the paths of model files and transcripts do not.
    """
    made = [
        [
            scorer.name,
            scorer.version,
            scorer.backend,
            [weight.sha256 for weight in scorer.weights],
            [column.name for column in (*scorer.columns, *(one.column for one in scorer.series), *scorer.times)],
        ]
        for scorer in scorers
    ]
    chosen = asdict(settings)
    chosen["weights"] = sorted(name for name, _ in settings.weights)
    chosen["transcripts"] = settings.transcripts is not None
    return _sha256([made, chosen])


def identity_of(media: str, file: VideoFile, signature: str, beside: Sequence[str] = ()) -> str:
    """The sha256 of a clip's file and how it is scored. It changes when the file or its transcript (`beside`) does.

    >>> one = identity_of("a.mp4", VideoFile("a.mp4", 10, "1"), "s")
    >>> len(one), one == identity_of("a.mp4", VideoFile("a.mp4", 11, "1"), "s")
    (64, False)
    """
    return _sha256([media, file.bytes, file.modified, signature, list(beside)])


def schema_of(scorers: Sequence[Scorer]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """The columns of a part file with their types. They are the same for every clip: a missing score is null."""
    schema: dict[str, pl.DataType | type[pl.DataType]] = {"identity": pl.String, "media": pl.String, **FACTS}
    schema |= {column.name: pl.Float64 for scorer in scorers for column in scorer.columns}
    schema |= {column.name + SERIES: pl.List(pl.Float64) for scorer in scorers for column in scorer.series}
    schema |= {column.name + TIMES: pl.List(pl.Float64) for scorer in scorers for column in scorer.times}
    return schema | {"reason": pl.String}


def row_of(identity: str, media: str, result: ClipScores, scorers: Sequence[Scorer]) -> tuple[Any, ...]:
    """A clip's results in the order of the columns of `schema_of`."""
    scores = [_number(result.scores[column.name]) for scorer in scorers for column in scorer.columns]
    series = [_numbers(result.series.get(column.name)) for scorer in scorers for column in scorer.series]
    times = [_numbers(result.times.get(column.name)) for scorer in scorers for column in scorer.times]
    facts = [getattr(result.facts, name, None) for name in FACTS]
    return identity, media, *facts, *scores, *series, *times, _reason(result)


def frame_of(rows: Sequence[tuple[Any, ...]], scorers: Sequence[Scorer]) -> pl.DataFrame:
    """Rows of `row_of` as a table."""
    return pl.DataFrame(rows, schema=schema_of(scorers), orient="row")


def write_part(folder: str, identity: str, media: str, result: ClipScores, scorers: Sequence[Scorer]) -> None:
    """Write a clip's part file into a folder. The file appears complete or not at all."""
    with written(f"{folder}/{identity}{SUFFIX}") as path:
        frame = frame_of([row_of(identity, media, result, scorers)], scorers)
        frame.write_parquet(path, compression="uncompressed", statistics=False)


def read_parts(folder: str, identities: Sequence[str]) -> list[pl.DataFrame]:
    """The part files of these identities that exist and are intact, each a table of one row."""
    found = []
    for _, data in read_all(folder, [identity + SUFFIX for identity in identities]):
        try:
            found.append(pl.read_parquet(io.BytesIO(data)))
        except PolarsError:  # damaged by a full disk or a power failure: the clip is scored again
            continue
    return found


def _number(value: float | None) -> float | None:
    """The value as a plain float: scorers may give integers or numbers of numpy."""
    return None if value is None else float(value)


def _numbers(values: Sequence[float | None] | None) -> list[float | None] | None:
    return None if values is None else [_number(value) for value in values]


def _reason(result: ClipScores) -> str | None:
    """Why scores are missing: one sentence if the file cannot be scored, else each reason after its columns."""
    if result.error:
        return result.error
    columns: dict[str, list[str]] = {}
    for name, why in result.reasons.items():
        columns.setdefault(why, []).append(name)
    return " ".join(f"{', '.join(names)}: {why}" for why, names in columns.items()) or None


def _sha256(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()
