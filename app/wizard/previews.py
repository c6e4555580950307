"""Preview a draft: histograms with its thresholds, the sample it would draw, and what that sample can say."""

from dataclasses import dataclass
from math import ceil

import polars as pl

from app.cache import Cache
from app.errors import AppError
from app.pools.pool_files import FACTS, Pool
from app.pools.summary import histograms
from app.pools.summary_page import Drawing, drawing
from app.studies import creation, overview
from app.studies.drawing import DrawnClip, StudySample, sample_from_pool
from app.studies.study_file import FilterSpec
from app.wizard import drafts
from app.wizard.claims import Claim, claims
from app.wizard.drafts import Draft
from scoring.filters import Filter

CLIPS_PER_PAGE = 48
MAX_GROUPS = 60
"""A column with more distinct values than this cannot define subgroups."""
_SAMPLES = Cache(max_entries=8)


@dataclass(frozen=True)
class StratumLine:
    """A row of the strata table. `population` is None if the design does not count it."""

    label: str
    population: int | None
    drawn: int
    lightest: float
    heaviest: float


@dataclass(frozen=True)
class Preview:
    """A preview of the sample. `minutes` is the estimated time of all raters together."""

    clips: int
    sources: int
    strata: tuple[StratumLine, ...]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]
    minutes: int
    weighted: bool


@dataclass(frozen=True)
class WallClip:
    """A drawn clip; `scores` are (title, score) of the filters that it was drawn for."""

    clip: str
    row: int
    """Row of the clip in the pool; the address of its poster contains it."""
    source: str
    stratum: str
    weight: float
    scores: tuple[tuple[str, float | None], ...]


def score_drawings(pool: Pool, rules: list[Filter]) -> dict[str, Drawing]:
    """Histograms with thresholds, by score, of all scores that the rules use and the pool has."""
    scores = [name for name in dict.fromkeys(rule.score for rule in rules) if name in pool.frame.columns]
    rows = pool.readable.lazy()
    found = histograms(rows, pool.readable.schema, scores, rules)
    return {one.score: drawing(one) for one in found}


def columns_of(pool: Pool) -> list[str]:
    """Columns that can define subgroups: text with few distinct values."""
    frame = pool.readable
    texts = [
        name
        for name, kind in frame.schema.items()
        if kind == pl.String and name not in ("clip", "media", "source", "reason")
    ]
    return [name for name in texts if frame[name].n_unique() <= MAX_GROUPS]


def numbers_of(pool: Pool) -> list[str]:
    """Scores that a filter can use."""
    return [name for name in pool.score_columns() if name not in FACTS and pool.frame.schema[name].is_numeric()]


def drawn(draft: Draft) -> tuple[Pool, StudySample, list[FilterSpec], list[str]]:
    """The pool, the sample that the study would have, its filters, and a sentence for each filter that is left out.

    Raises AppError if the draft has errors or no sample can be drawn.
    """
    pool = drafts.pool_of(draft)
    key = (draft.pool, draft.text)
    found, filters, left_out = _SAMPLES.get(key, pool.fingerprint, lambda: _draw(pool, draft))
    return pool, found, filters, left_out


def _draw(pool: Pool, draft: Draft) -> tuple[StudySample, list[FilterSpec], list[str]]:
    spec = draft.spec()
    filters, left_out = creation.usable_filters(pool, spec)
    found = sample_from_pool(pool, spec, filters)
    if not found.clips:
        raise AppError("The sample is empty: no clip of the pool has a score to draw by.", "Check the pool.")
    return found, filters, left_out


def preview(draft: Draft) -> Preview:
    """Preview the sample of a draft: strata with their weights, what it can say, the raters' time. Raises AppError."""
    pool, sample, filters, left_out = drawn(draft)
    spec = draft.spec()
    frame = pool.frame
    place = dict(zip(frame["clip"].to_list(), range(frame.height), strict=True))
    rows = [place[one.clip] for one in sample.clips]
    seconds = frame["duration"].gather(rows).fill_null(0.0)
    watching = float(seconds.sum()) + overview.SECONDS_TO_ANSWER * len(rows)
    return Preview(
        clips=len({one.clip for one in sample.clips}),
        sources=frame["source"].gather(rows).n_unique(),
        strata=tuple(_strata(sample)),
        claims=tuple(claims(pool, spec, sample, filters)),
        notes=(*left_out, *sample.design.get("notes", [])),
        minutes=ceil(watching * spec.raters_per_clip / 60),
        weighted=sample.design["kind"] != "borderline",
    )


def _strata(sample: StudySample) -> list[StratumLine]:
    population = {row["label"]: row.get("population") for row in sample.design.get("strata", [])}
    groups: dict[str, list[DrawnClip]] = {label: [] for label in population}
    for one in sample.clips:
        groups.setdefault(one.stratum, []).append(one)
    return [
        StratumLine(
            label=label,
            population=population.get(label),
            drawn=len(clips),
            lightest=min((one.weight for one in clips), default=0.0),
            heaviest=max((one.weight for one in clips), default=0.0),
        )
        for label, clips in groups.items()
    ]


def wall(draft: Draft, page: int) -> tuple[list[WallClip], int]:
    """One page of the drawn clips, in the order of strata, and the number of drawn clips. Raises AppError."""
    pool, sample, filters, _ = drawn(draft)
    frame = pool.frame
    place = dict(zip(frame["clip"].to_list(), range(frame.height), strict=True))
    shown = sample.clips[(page - 1) * CLIPS_PER_PAGE : page * CLIPS_PER_PAGE]
    chosen = {rule.name: rule for rule in filters}
    by = sample.design.get("by", "")
    made = []
    for one in shown:
        names = one.drawn_for or ((by,) if by in chosen else tuple(chosen)[:1])
        row = place[one.clip]
        scores = tuple((chosen[name].title, _score(frame, chosen[name].score, row)) for name in names if name in chosen)
        made.append(WallClip(one.clip, row, str(frame["source"][row]), one.stratum, one.weight, scores))
    return made, len(sample.clips)


def _score(frame: pl.DataFrame, score: str, row: int) -> float | None:
    value = frame[score][row]
    return None if value is None else float(value)
