"""A filter's workbench: rates at every threshold, suggested thresholds, and the clips whose verdict changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Bools, Estimate, Floats
from analysis.figures import Table, score_histogram_table
from analysis.filters.roc import Direction, shortest_threshold
from analysis.number_format import estimate_text
from analysis.thresholds.threshold_curves import ThresholdCurves, threshold_curves
from app.errors import AppError
from app.models import Study, StudyClip
from app.results.filter_results import CONFIDENCE, FilterResult, curve_of
from app.results.judged_sample import JudgedSample
from app.stats.calibration import Calibration
from app.thresholds.filter_ends import End, direction_of, end_to_move, fails_other_end, threshold_at
from app.thresholds.pool_retention import RetentionCurve, amount_text, pool_scores, retention_curve
from app.thresholds.suggestions import Suggestion, ThresholdAims, suggestions


@dataclass(frozen=True)
class WorkbenchClip:
    """A judged clip as the page shows it. The browser receives these fields by their names."""

    name: str
    media: str
    score: float
    verdict: str | None
    fails_elsewhere: bool
    """Whether the other end of the filter's band rejects the clip at every threshold."""


AUC_WITHIN: dict[End, str] = {
    "min": "AUC of clips below the upper end",
    "max": "AUC of clips above the lower end",
}
"""What the area is called by the end that moves, where it is not that of the results page."""


@dataclass(frozen=True, eq=False)
class Workbench:
    """Everything that the page shows of one end of a filter.

    Positions, such as `preset_at`, count the thresholds of `curves` from 0.
    """

    result: FilterResult
    end: End
    aims: ThresholdAims
    curves: ThresholdCurves
    auc: Estimate
    labels: tuple[str, ...]
    """Every threshold as text."""
    preset_at: int
    suggestions: tuple[Suggestion, ...]
    clips: tuple[WorkbenchClip, ...]
    retention: RetentionCurve | None
    histogram: Table
    """The judged clips by score and verdict, and the pool's clips, in the bins that the figure draws."""
    no_pool: str
    """The reason why `retention` is None; empty otherwise."""

    @property
    def auc_label(self) -> str:
        """What `auc` is called: "AUC" is the area of all judged clips, as on the results page."""
        if self.result.curve is not None and self.auc == self.result.curve.auc:
            return "AUC"
        return AUC_WITHIN[self.end]

    @property
    def preset(self) -> float:
        """The preset threshold, which the results of the study describe."""
        return threshold_at(self.result.rule, self.end)

    def nearest(self, threshold: float | None) -> int:
        """The position of the threshold that accepts the same rated clips as this one; the preset's for None."""
        return self.preset_at if threshold is None else self.curves.at(threshold)

    def flips(self, at: int) -> list[WorkbenchClip]:
        """The judged clips that change sides between the preset and the threshold at this position, nearest first."""
        low, high = sorted((float(self.curves.thresholds[at]), self.preset))
        between = [
            clip
            for clip in self.clips
            if not clip.fails_elsewhere and self._accepts(clip, low) != self._accepts(clip, high)
        ]
        return sorted(between, key=lambda clip: (abs(clip.score - self.preset), clip.name))

    def _accepts(self, clip: WorkbenchClip, threshold: float) -> bool:
        return clip.score >= threshold if self.curves.direction == "ge" else clip.score <= threshold

    def slider_data(self) -> dict[str, Any]:
        """Everything that the browser's slider needs, as JSON."""
        kept = self.retention
        return {
            "direction": self.curves.direction,
            "thresholds": self.curves.thresholds.tolist(),
            "labels": list(self.labels),
            "counts": self.curves.counts.tolist(),
            "rates": {
                name: {part: _finite_or_none(getattr(band, part)) for part in ("value", "low", "high")}
                | {"text": [estimate_text(one) for one in band.estimates]}
                for name, band in self.curves.rates.items()
            },
            "kept": vars(kept) | {"text": [amount_text(value) for value in kept.values]} if kept else None,
            "preset": self.preset,
            "now": self.preset_at,
            "clips": [vars(clip) for clip in self.clips],
        }


def build(db: Session, study: Study, result: FilterResult, aims: ThresholdAims) -> Workbench:
    """Build the workbench of a filter. Raises AppError, which says what is missing, if no judged clip has a score."""
    sample = result.sample
    if sample is None:
        raise AppError("There is nothing to move a threshold on yet.", f"{result.missing['current'].capitalize()}.")
    rule, end = result.rule, end_to_move(result.rule, aims.end)
    direction, preset = direction_of(end), threshold_at(rule, end)
    rejected = fails_other_end(rule, end, sample.scores)
    suggested = suggestions(_calibration(sample, ~rejected, direction, study.seed), aims)
    curves = threshold_curves(
        sample.scores,
        sample.good.astype(np.float64),
        sample.design,
        direction=direction,
        always=[preset, *(one.threshold for one in suggested if one.threshold is not None)],
        rejected=rejected,
        confidence=CONFIDENCE,
    )
    retention, no_pool = retention_curve(study, rule, end, curves.thresholds)
    return Workbench(
        result=result,
        end=end,
        aims=aims,
        curves=curves,
        auc=_auc(result, rejected, direction, study.seed),
        labels=_labels(sample.scores[~rejected], curves),
        preset_at=curves.at(preset),
        suggestions=tuple(
            replace(one, at=None if one.threshold is None else curves.at(one.threshold)) for one in suggested
        ),
        clips=_clips(db, study, result, end),
        retention=retention,
        histogram=score_histogram_table(
            [one.score for one in result.clips],
            [one.verdict for one in result.clips],  # type: ignore[misc]  # accept, reject or None
            name=rule.score,
            low=rule.minimum,
            high=rule.maximum,
            pool=pool_scores(study, rule),
        ),
        no_pool=no_pool,
    )


def _auc(result: FilterResult, rejected: Bools, direction: Direction, seed: int) -> Estimate:
    """The AUC of the results page; for an end of a band, the AUC of the clips that the other end accepts."""
    assert result.sample is not None, "the caller has checked that there is a sample"
    if not rejected.any() and direction == result.direction and result.curve is not None:
        return result.curve.auc
    return curve_of(result.sample, direction, seed, without=rejected).auc


def _calibration(sample: JudgedSample, used: Bools, direction: Direction, seed: int) -> Calibration:
    """The calibration of the clips that are used, shape (clips,): those that the other end accepts."""
    design = sample.design if used.all() else sample.design.part(used)
    good = sample.good[used].astype(np.float64)
    return Calibration(sample.scores[used], good, design, direction, CONFIDENCE, seed)


def _labels(scores: Floats, curves: ThresholdCurves) -> tuple[str, ...]:
    """Every threshold, written with the fewest digits that accept the same clips."""
    ordered = np.sort(scores)
    side: Literal["left", "right"] = "left" if curves.direction == "ge" else "right"

    def short(threshold: float) -> str:
        place = np.searchsorted(ordered, threshold, side)
        return shortest_threshold(threshold, lambda other: np.searchsorted(ordered, other, side) == place)

    return tuple(short(float(threshold)).replace("-", "\u2212") for threshold in curves.thresholds)


def _clips(db: Session, study: Study, result: FilterResult, end: End) -> tuple[WorkbenchClip, ...]:
    numbers = {one.clip: one for one in result.clips}
    query = select(col(StudyClip.id), col(StudyClip.clip), col(StudyClip.media_key)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
    )
    media = {number: (clip, f"/media/{key}.mp4") for number, clip, key in db.execute(query) if number in numbers}
    fails = fails_other_end(result.rule, end, np.array([one.score for one in result.clips], dtype=np.float64))
    return tuple(
        WorkbenchClip(*media[one.clip], one.score, one.verdict, bool(rejected))
        for one, rejected in zip(result.clips, fails, strict=True)
    )


def _finite_or_none(values: Floats) -> Sequence[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
