"""A filter's workbench: rates at every threshold, the threshold for each aim, the clips whose verdict changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Bools, Estimate, Floats
from analysis.figures import Table, score_histogram_table
from analysis.filters.roc import Direction, shortest_threshold
from analysis.number_format import decimal, estimate_text
from analysis.thresholds.objectives import Objective
from analysis.thresholds.threshold_curves import ThresholdCurves, threshold_curves
from app.errors import AppError
from app.models import Filter, Study, StudyClip
from app.pools import scanning
from app.results.filter_results import CONFIDENCE, FilterResult, Sample, curve_of
from app.stats.calibration import Calibration, PrecisionGuarantee, RecallGuarantee

RESAMPLES = 1000
End = Literal["min", "max"]


class Aims(BaseModel):
    """What a threshold shall reach; as the page's form sends it."""

    end: End | None = None
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.9
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    recall: Annotated[float, Field(gt=0, lt=1)] = 0.95
    cost: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How many good clips lost one bad clip kept is worth."""


@dataclass(frozen=True)
class Suggestion:
    """A cut that an aim would choose, or why there is none."""

    key: str
    title: str
    at: int | None
    threshold: float | None
    words: str
    """What it reached, or why it has no cut."""
    tag: str
    """promised, or found on these data."""


@dataclass(frozen=True)
class BenchClip:
    """A judged clip as the wall shows it; `fails_elsewhere` where the filter's other end rejects it anyway."""

    name: str
    media: str
    score: float
    verdict: str | None
    fails_elsewhere: bool


@dataclass(frozen=True)
class Kept:
    """What every threshold keeps of the pool of so many clips by this filter alone.

    `unit` is hours, minutes where the whole pool has less than one hour, or clips where durations are not known.
    """

    unit: str
    values: list[float]
    whole: float
    clips: int

    def get(self, at: int) -> float:
        """What the threshold at this position keeps."""
        return self.values[at]

    def shown(self, at: int) -> str:
        """The same with the digits that matter."""
        return amount(self.values[at])

    @property
    def shown_whole(self) -> str:
        """The pool, likewise."""
        return f"{amount(self.whole)} {self.unit}"


def amount(value: float) -> str:
    """A number of hours or clips: whole from a hundred on, else with three figures that matter.

    >>> amount(1244.4), amount(3.14159), amount(0.0293)
    ('1,244', '3.14', '0.0293')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything the page shows of one end of a filter. Positions `at`, `now` count the thresholds of `curves`."""

    result: FilterResult
    end: End
    aims: Aims
    curves: ThresholdCurves
    auc: Estimate
    labels: tuple[str, ...]
    now: int
    suggestions: tuple[Suggestion, ...]
    clips: tuple[BenchClip, ...]
    kept: Kept | None
    histogram: Table
    """The judged clips by score and verdict, and the pool's, in the bins that the figure draws."""
    no_pool: str
    """Why nothing is said of the pool's hours; empty when it is."""

    @property
    def preset(self) -> float:
        """The cut that stands now."""
        return _cut_of(self.result.rule, self.end)

    def nearest(self, threshold: float | None) -> int:
        """Position of the threshold that judges the rated clips as this one does; the preset's for None."""
        return self.now if threshold is None else self.curves.at(threshold)

    def flips(self, at: int) -> list[BenchClip]:
        """The judged clips on which the cut at this position decides otherwise than the preset, nearest first."""
        low, high = sorted((float(self.curves.thresholds[at]), self.preset))
        between = [
            clip
            for clip in self.clips
            if not clip.fails_elsewhere and self._accepts(clip, low) != self._accepts(clip, high)
        ]
        return sorted(between, key=lambda clip: (abs(clip.score - self.preset), clip.name))

    def _accepts(self, clip: BenchClip, threshold: float) -> bool:
        return clip.score >= threshold if self.curves.direction == "ge" else clip.score <= threshold

    def content(self) -> dict[str, Any]:
        """For the browser: everything the slider needs, once."""
        return {
            "direction": self.curves.direction,
            "thresholds": self.curves.thresholds.tolist(),
            "labels": list(self.labels),
            "counts": self.curves.counts.tolist(),
            "rates": {
                name: {part: _plain(getattr(band, part)) for part in ("value", "low", "high")}
                | {"text": [estimate_text(one) for one in band.estimates]}
                for name, band in self.curves.rates.items()
            },
            "kept": vars(self.kept) | {"text": [amount(value) for value in self.kept.values]} if self.kept else None,
            "preset": self.preset,
            "now": self.now,
            "clips": [vars(clip) for clip in self.clips],
        }


def make(db: Session, study: Study, result: FilterResult, aims: Aims) -> Bench:
    """The bench of a filter that has judged clips. Raises AppError, saying what is missing, where it has none."""
    sample = result.sample
    if sample is None:
        raise AppError("There is nothing to move a threshold on yet.", f"{result.missing['current'].capitalize()}.")
    end = _end(result.rule, aims.end)
    direction: Direction = "ge" if end == "min" else "le"
    out = _fails_elsewhere(result.rule, end, sample.scores)
    inside = _inside(sample, out, direction, study.seed)
    suggestions = _suggested(inside, aims)
    always = [_cut_of(result.rule, end), *(found for *_, found, _, _ in suggestions if found is not None)]
    curves = threshold_curves(
        sample.scores,
        sample.good.astype(np.float64),
        sample.design,
        direction=direction,
        always=always,
        out=out,
        confidence=CONFIDENCE,
    )
    kept, no_pool = _pool(study, result.rule, end, curves.thresholds)
    return Bench(
        result=result,
        end=end,
        aims=aims,
        curves=curves,
        auc=_auc(result, out, direction, study.seed),
        labels=_labels(sample.scores[~out], curves),
        now=curves.at(_cut_of(result.rule, end)),
        suggestions=tuple(
            Suggestion(key, title, None if cut is None else curves.at(cut), cut, words, tag)
            for key, title, cut, words, tag in suggestions
        ),
        clips=_clips(db, study, result, end),
        kept=kept,
        histogram=score_histogram_table(
            [one.score for one in result.clips],
            [one.verdict for one in result.clips],  # type: ignore[misc]  # accept, reject or None
            name=result.rule.score,
            low=result.rule.minimum,
            high=result.rule.maximum,
            pool=pool_scores(study, result.rule),
        ),
        no_pool=no_pool,
    )


def ends(rule: Filter) -> list[End]:
    """The ends of the accepted range that can be moved."""
    found: list[End] = []
    if rule.minimum is not None:
        found.append("min")
    if rule.maximum is not None:
        found.append("max")
    return found


def _end(rule: Filter, asked: End | None) -> End:
    there = ends(rule)
    if asked is not None and asked not in there:
        raise AppError(f"{rule.title} has no {asked}imum.", "Move the end that it has.", status=404)
    return asked or there[0]


def _cut_of(rule: Filter, end: End) -> float:
    cut = rule.minimum if end == "min" else rule.maximum
    assert cut is not None, "only ends that there are can be moved"
    return cut


def _auc(result: FilterResult, out: Bools, direction: Direction, seed: int) -> Estimate:
    """The results page's area; of a band's end that of the clips which the other end lets pass."""
    assert result.sample is not None, "the caller has looked"
    if not out.any() and direction == result.direction and result.curve is not None:
        return result.curve.auc
    return curve_of(result.sample, direction, seed, without=out).auc


def _fails_elsewhere(rule: Filter, end: End, scores: Floats) -> Bools:
    """Whether the end that does not move rejects a clip, shape (clips,)."""
    fails: Bools = np.zeros(len(scores), dtype=np.bool_)
    if end == "min" and rule.maximum is not None:
        fails = scores > rule.maximum
    if end == "max" and rule.minimum is not None:
        fails = scores < rule.minimum
    return fails


def _inside(sample: Sample, out: Bools, direction: Direction, seed: int) -> Calibration:
    """The sample without the clips that the other end rejects anyway."""
    design = sample.design if not out.any() else sample.design.part(~out)
    good = sample.good[~out].astype(np.float64)
    return Calibration(sample.scores[~out], good, design, direction, CONFIDENCE, seed)


Found = tuple[str, str, float | None, str, str]
"""Key, title, threshold, words, tag."""


def _suggested(sample: Calibration, aims: Aims) -> list[Found]:
    """The cuts of the aims, in the order of the page."""
    good, clips = float(sample.good.sum()), len(sample.good)
    if not 0 < good < clips:
        reason = "no judged clip is good" if not good else "no judged clip is bad"
        return [(key, title, None, reason, "") for key, title in (("f1", "Best F1"), ("cost", "Least cost"))]
    promised = sample.precision_guarantee(aims.precision, aims.confidence, None, bin_wise=False)
    recalled = sample.recall_guarantee(aims.recall, aims.confidence, None)
    return [
        _chosen(sample, "f1", "Best F1", Objective("fbeta")),
        _chosen(sample, "cost", "Least cost", Objective("cost", cost_fp=aims.cost, cost_fn=1.0)),
        _guaranteed("precision", f"Precision ≥ {aims.precision:g}", promised, aims.confidence),
        _guaranteed("recall", f"Recall ≥ {aims.recall:g}", recalled, aims.confidence),
    ]


def _chosen(sample: Calibration, key: str, title: str, objective: Objective) -> Found:
    try:
        found = sample.best(objective, RESAMPLES)
    except ValueError as error:
        return key, title, None, str(error), ""
    reached = f"F1 {estimate_text(found.confusion.f1)}"
    if key == "cost":
        reached = f"Mean cost of a clip {decimal(found.value)}"
    words = f"{reached} on these same clips"
    if found.held_out is not None:
        words += f", {decimal(found.held_out.value)} on clips that had no say"
    return key, title, found.threshold, words, "found on these data"


def _guaranteed(key: str, title: str, found: PrecisionGuarantee | RecallGuarantee, confidence: float) -> Found:
    if found.threshold is None:
        return key, title, None, str(found.undefined), ""
    about = "approximately, for the clips weigh unequally" if found.approximate else "by an exact test"
    return key, title, found.threshold, f"with {_percent(confidence)} confidence, {about}", "promised"


def _percent(share: float) -> str:
    return f"{100 * share:g}\u202f%"


def _labels(scores: Floats, curves: ThresholdCurves) -> tuple[str, ...]:
    """Every threshold by the fewest digits that judge the same clips alike."""
    ordered = np.sort(scores)
    side: Literal["left", "right"] = "left" if curves.direction == "ge" else "right"

    def short(cut: float) -> str:
        place = np.searchsorted(ordered, cut, side)
        return shortest_threshold(cut, lambda other: np.searchsorted(ordered, other, side) == place)

    return tuple(short(float(cut)).replace("-", "\u2212") for cut in curves.thresholds)


def _clips(db: Session, study: Study, result: FilterResult, end: End) -> tuple[BenchClip, ...]:
    numbers = {one.clip: one for one in result.clips}
    query = select(col(StudyClip.id), col(StudyClip.clip), col(StudyClip.media_key)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
    )
    media = {number: (clip, f"/media/{key}.mp4") for number, clip, key in db.execute(query) if number in numbers}
    fails = _fails_elsewhere(result.rule, end, np.array([one.score for one in result.clips], dtype=np.float64))
    return tuple(
        BenchClip(*media[one.clip], one.score, one.verdict, bool(out))
        for one, out in zip(result.clips, fails, strict=True)
    )


def _pool(study: Study, rule: Filter, end: End, thresholds: Floats) -> tuple[Kept | None, str]:
    """What each threshold keeps of the pool the study was drawn from, or why that is not known."""
    try:
        rows = scanning.scan_pool(study.pool)
        schema = rows.collect_schema()
        if rule.score not in schema:
            return None, f"the pool has no score {rule.score} any more"
        timed = "duration" in schema
        hours = pl.col("duration").cast(pl.Float64).fill_null(0) / 3600 if timed else pl.lit(1.0)
        score = pl.col(rule.score).cast(pl.Float64)
        inside = pl.lit(value=True)
        if end == "min" and rule.maximum is not None:
            inside = score <= rule.maximum
        if end == "max" and rule.minimum is not None:
            inside = score >= rule.minimum
        read = rows.select(score=score, hours=hours, inside=inside & score.is_not_nan()).collect(engine="streaming")
    except (AppError, pl.exceptions.PolarsError) as error:
        return None, str(error)
    whole = float(read["hours"].sum())
    usable = read.filter(pl.col("inside").fill_null(value=False))
    values = _at_thresholds(usable["score"].to_numpy(), usable["hours"].to_numpy(), thresholds, end)
    if timed and whole < 1:
        return Kept("minutes", [60 * hours for hours in values], 60 * whole, read.height), ""
    return Kept("hours" if timed else "clips", values, whole, read.height), ""


def pool_scores(study: Study, rule: Filter) -> Floats | None:
    """The score of every clip of the pool, to be drawn behind the judged ones; None where the pool is gone."""
    try:
        found = scanning.scan_pool(study.pool).select(pl.col(rule.score).cast(pl.Float64)).collect(engine="streaming")
    except (AppError, pl.exceptions.PolarsError):
        return None
    scores: Floats = found[rule.score].drop_nulls().to_numpy()
    return scores[np.isfinite(scores)]


def _at_thresholds(scores: Floats, amounts: Floats, thresholds: Floats, end: End) -> list[float]:
    sign = 1.0 if end == "min" else -1.0
    order = np.argsort(-sign * scores, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(amounts[order])])
    taken = np.searchsorted(-sign * scores[order], -sign * thresholds, side="right")
    found: list[float] = summed[taken].tolist()
    return found


def _plain(values: Floats) -> Sequence[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
