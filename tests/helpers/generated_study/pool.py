"""The pool of a generated study: clips with a quality and a stability that only this module and the raters know."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analysis.estimate import Floats
from app.pools.manifest import ManifestRecord
from app.pools.table import KEY, ROWS_PER_GROUP, ExistingPool, ScoringRun, clip_table, merged_table, record_of
from scoring.runners.part_files import SERIES, schema_of, signature_of
from scoring.scorer import Column, Scorer, Series, Watch, nothing_to_load
from scoring.settings import Settings
from tests.helpers.generated_study.options import Options
from tests.helpers.generated_study.scores import BETWEEN, UNFAIR_BY, Score, scores

PER_SOURCE = 4
"""Clips of one source video."""
VIDEOS = 6
"""Video files that the clips share, where files are written at all."""
GROUPS: dict[str, tuple[tuple[str | None, float], ...]] = {
    "language": (("en", 0.44), ("fr", 0.3), ("zh", 0.17), ("de", 0.09)),
    "gender": (("female", 0.48), ("male", 0.52)),
    "age": (("18–29", 0.35), ("30–49", 0.42), ("50+", 0.2), (None, 0.03)),
}
TOO_DARK = "the picture is too dark to measure it"


@dataclass(frozen=True, eq=False)
class World:
    """All that is decided before anybody looks at a clip. Arrays have shape (clips of the pool,)."""

    names: list[str]
    sources: list[str]
    groups: dict[str, list[str | None]]
    quality: Floats
    stability: Floats
    scores: tuple[Score, ...]

    @property
    def merit(self) -> Floats:
        """What people would say on average: above 0 they accept the clip."""
        return 0.75 * self.quality + 0.5 * self.stability + 0.35

    def rows_of(self, names: list[str]) -> list[int]:
        """Where clips are in the arrays."""
        at = {name: row for row, name in enumerate(self.names)}
        return [at[name] for name in names]


def world(options: Options) -> World:
    """The clips of the pool; those of one source are alike and show one person."""
    chance = np.random.default_rng([options.seed, 1])
    clips = options.pool_clips
    source_of = np.arange(clips) // PER_SOURCE
    sources = int(source_of[-1]) + 1

    def trait() -> Floats:
        own = 0.8 * chance.standard_normal(clips) + 0.6 * chance.standard_normal(sources)[source_of]
        return np.asarray(own)

    quality = trait()
    return World(
        names=[f"clip-{number:06}" for number in range(clips)],
        sources=[f"video-{number:05}" for number in source_of],
        groups={name: _group(values, sources, source_of, chance) for name, values in GROUPS.items()},
        quality=quality,
        stability=BETWEEN * quality + np.sqrt(1 - BETWEEN**2) * trait(),
        scores=scores(options.filters, options.seed),
    )


def _group(
    values: tuple[tuple[str | None, float], ...], sources: int, source_of: np.ndarray, chance: np.random.Generator
) -> list[str | None]:
    drawn = chance.choice(len(values), sources, p=[share for _value, share in values])
    return [values[number][0] for number in drawn[source_of]]


def write(made: World, options: Options, path: Path) -> None:
    """Write the pool as `clipjury score` writes one: scores with percentiles, series, reasons, and how all was made."""
    chance = np.random.default_rng([options.seed, 2])
    scorers = (_scorer(made.scores),)
    making = ScoringRun(scorers, signature_of(scorers, Settings()))
    media = [f"clips/{number % VIDEOS}.mp4" for number in range(len(made.names))]
    identities = [hashlib.sha256(f"{options.seed}:{name}".encode()).hexdigest() for name in made.names]
    records = [
        ManifestRecord(source, {name: values[row] for name, values in made.groups.items()})
        for row, source in enumerate(made.sources)
    ]
    clips = clip_table(made.names, media, identities, records, making)
    frame = merged_table(clips, _measured(made, identities, media, making, chance), ExistingPool(), making, prune=False)
    record = record_of(frame, clips, ExistingPool(), making)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, metadata={KEY: json.dumps(record)}, row_group_size=ROWS_PER_GROUP)


def _scorer(wanted: tuple[Score, ...]) -> Scorer:
    columns = tuple(
        Column(one.name, one.meaning, one.direction, one.units, ranked=one.name == "steadiness") for one in wanted
    )
    series = tuple(
        Series(column, overall=one.name) for column, one in zip(columns, wanted, strict=True) if one.per_second
    )
    return Scorer("generated", "1", "numpy", columns, nothing_to_load, lambda _state, _opening: Watch(), series=series)


def _measured(
    made: World, identities: list[str], media: list[str], making: ScoringRun, chance: np.random.Generator
) -> pl.DataFrame:
    """What scoring would have found: facts, scores, series and reasons, a row per clip."""
    clips = len(made.names)
    duration = np.round(chance.uniform(2.5, 9.0, clips), 2)
    columns: dict[str, Any] = {"identity": identities, "media": media, "duration": duration}
    columns |= {"width": np.full(clips, 1920), "height": np.full(clips, 1080), "fps": np.full(clips, 25.0)}
    reason: list[str | None] = [None] * clips
    for one in made.scores:
        values = _values(one, made, chance)
        lost = chance.random(clips) < one.missing
        columns[one.name] = [None if gone else value for value, gone in zip(values.tolist(), lost, strict=True)]
        for row in np.flatnonzero(lost):
            reason[row] = f"{one.name}: {TOO_DARK}"
        if one.per_second:
            columns[one.name + SERIES] = _series(one, values, duration, lost, chance)
    schema = schema_of(making.scorers)
    return pl.DataFrame([pl.Series(name, columns.get(name, reason), schema[name]) for name in schema])


def _values(one: Score, made: World, chance: np.random.Generator) -> Floats:
    z = (
        one.quality * made.quality
        + one.stability * made.stability
        + one.noise * chance.standard_normal(len(made.names))
    )
    if one.lower_for:
        z = z - UNFAIR_BY * (np.array(made.groups["language"]) == one.lower_for)
    return np.round(one.mean + one.spread * z, 2)


def _series(
    one: Score, values: Floats, duration: Floats, lost: np.ndarray, chance: np.random.Generator
) -> list[list[float] | None]:
    seconds = np.ceil(duration).astype(int)
    steps = np.round(np.repeat(values, seconds) + 0.3 * one.spread * chance.standard_normal(seconds.sum()), 2)
    parts = np.split(steps, np.cumsum(seconds)[:-1])
    return [None if gone else part.tolist() for part, gone in zip(parts, lost, strict=True)]
