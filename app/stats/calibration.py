"""Calibration of one score on rated clips: its ROC curve, and thresholds that reach an aim or carry a guarantee."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.design import Design
from analysis.estimate import Floats
from analysis.filters.rates import Confusion, tabulate
from analysis.filters.roc import Direction, RocCurve, roc_for_design
from analysis.thresholds.calibration import ChosenThreshold, best_threshold
from analysis.thresholds.cross_fitting import HeldOutResult
from analysis.thresholds.guarantee_checks import guarantee_held_out, guarantee_stability
from analysis.thresholds.objectives import Objective
from analysis.thresholds.precision_guarantee import PrecisionThreshold, precision_threshold
from analysis.thresholds.recall_guarantee import RecallThreshold, recall_threshold

POINTS = 2000
"""The largest number of points of a curve; a longer curve is thinned evenly."""
NO_REJECTS = "no clip that the filter rejects was rated, so what it loses is unknown"

Interval = tuple[float | None, float | None]
"""All thresholds that accept the same rated clips, from low to high; None for an open end."""


@dataclass(frozen=True)
class GuaranteeStability:
    """Range of the guaranteed threshold over resamples, and the share of resamples without such a threshold."""

    low: float
    high: float
    none_share: float


@dataclass(frozen=True)
class PrecisionGuarantee:
    """The loosest threshold with a guaranteed precision, or None and the reason in `undefined`.

    `threshold`, `start` and `interval` are in the units of the score. `tests` says how the guarantee was tested.
    """

    tests: PrecisionThreshold
    start: float
    threshold: float | None
    interval: Interval | None
    stability: GuaranteeStability | None
    held_out: HeldOutResult | None
    undefined: str | None

    @property
    def approximate(self) -> bool:
        """Whether the confidence rests on an effective number of clips, because they weigh unequally."""
        return self.tests.approximate


@dataclass(frozen=True)
class RecallGuarantee:
    """The strictest threshold with a guaranteed recall, or None and the reason in `undefined`.

    `threshold` and `interval` are in the units of the score. `found` says how the guarantee was computed.
    """

    found: RecallThreshold
    threshold: float | None
    interval: Interval | None
    undefined: str | None

    @property
    def approximate(self) -> bool:
        """Whether the guarantee rests on an effective number of clips, because they weigh unequally."""
        return self.found.approximate


@dataclass(frozen=True)
class CurvePoint:
    """A point of the ROC curve with the precision there; `threshold` is None where nothing is accepted."""

    threshold: float | None
    tpr: float
    fpr: float
    precision: float | None


@dataclass(frozen=True, eq=False)
class Calibration:
    """One score of rated clips: `scores` and `good` (0 to 1) have shape (clips,).

    Clips are accepted at `score >= threshold` ("ge") or `score <= threshold` ("le").
    """

    scores: Floats
    good: Floats
    design: Design
    direction: Direction
    confidence: float
    seed: int

    @cached_property
    def values(self) -> Floats:
        """The scores with their sign changed for "le", so that larger is better; shape (clips,)."""
        return self.scores * self._sign

    @property
    def weighted(self) -> bool:
        """Whether the clips stand for different numbers of pool clips."""
        return not self.design.equal_weights

    @property
    def binary(self) -> bool:
        """Whether every label is 0 or 1; otherwise labels are shares of good verdicts."""
        return bool(np.isin(self.good, (0.0, 1.0)).all())

    @property
    def _sign(self) -> float:
        return 1.0 if self.direction == "ge" else -1.0

    def curve(self, resamples: int) -> RocCurve:
        """The ROC curve with the area under it."""
        return self._curve(self.design, resamples, self.seed)

    def unweighted_auc(self) -> float | None:
        """The area under the curve of the rated clips alone, without weights; None where it is undefined."""
        return self._curve(Design.build(len(self.good)), 2, 0).auc.value

    def _curve(self, design: Design, resamples: int, seed: int) -> RocCurve:
        return roc_for_design(
            self.values,
            self.good,
            design,
            self.direction,
            resamples=resamples,
            seed=seed,
            confidence=self.confidence,
        )

    def table(self, threshold: float) -> Confusion:
        """The confusion matrix at a threshold."""
        return tabulate(self.values >= self._sign * threshold, self.good, self.design, self.confidence)

    def rejects_rated(self, threshold: float) -> bool:
        """Whether any clip that this threshold rejects was rated."""
        return bool((self.values < self._sign * threshold).any())

    def best(self, objective: Objective, resamples: int) -> ChosenThreshold:
        """The best threshold for an objective. Raises ValueError where the clips allow no choice."""
        return best_threshold(
            self.scores,
            self.good,
            self.design,
            objective,
            direction=self.direction,
            resamples=resamples,
            seed=self.seed,
            confidence=self.confidence,
        )

    def precision_guarantee(
        self, target: float, confidence: float, start: float | None, *, bin_wise: bool
    ) -> PrecisionGuarantee:
        """The loosest threshold at which "precision >= target" holds with the confidence."""
        promise = precision_threshold(
            self.values,
            self.good,
            self.design,
            target=target,
            confidence=confidence,
            start=None if start is None else self._sign * start,
            bin_wise=bin_wise,
        )
        begin = self._sign * promise.start
        if promise.threshold is None:
            return PrecisionGuarantee(promise, begin, None, None, None, None, promise.undefined)
        given = self.values, self.good, self.design, promise
        return PrecisionGuarantee(
            tests=promise,
            start=begin,
            threshold=self._sign * promise.threshold,
            interval=self._interval(promise.threshold),
            stability=self._stability(guarantee_stability(*given, seed=self.seed)),
            held_out=guarantee_held_out(*given, seed=self.seed, confidence=self.confidence),
            undefined=promise.undefined,
        )

    def _stability(self, found: tuple[float, float, float] | None) -> GuaranteeStability | None:
        if found is None:
            return None
        low, high = sorted(self._sign * end for end in found[:2])
        return GuaranteeStability(low, high, found[2])

    def recall_guarantee(self, target: float, confidence: float | None, refused: str | None) -> RecallGuarantee:
        """The strictest threshold that keeps the recall, on average or with the confidence.

        `refused` is a reason of the caller why no recall can be guaranteed; it becomes `undefined`.
        """
        found = recall_threshold(self.values, self.good, self.design, target=target, confidence=confidence)
        reason = refused or found.undefined
        if reason or found.threshold is None:
            return RecallGuarantee(found, None, None, reason)
        return RecallGuarantee(found, self._sign * found.threshold, self._interval(found.threshold), None)

    def _interval(self, value: float) -> Interval:
        lower = self.values[self.values < value]
        beyond = self._sign * float(lower.max()) if len(lower) else None
        threshold = self._sign * value
        return (beyond, threshold) if self.direction == "ge" else (threshold, beyond)

    def points(self, curve: RocCurve) -> list[CurvePoint]:
        """The points of the curve, from strict to loose thresholds, at most `POINTS` of them."""
        mass = self.design.clip_weight
        good, bad = float((mass * self.good).sum()), float((mass * (1 - self.good)).sum())
        kept = np.arange(len(curve.thresholds))
        if len(kept) > POINTS:
            kept = np.unique(np.linspace(0, len(kept) - 1, POINTS).round().astype(np.int64))
        found = []
        for k in kept:
            tpr, fpr, threshold = float(curve.tpr[k]), float(curve.fpr[k]), float(curve.thresholds[k])
            hits, wrong = good * tpr, bad * fpr
            precision = hits / (hits + wrong) if hits + wrong > 0 else None
            found.append(CurvePoint(threshold if np.isfinite(threshold) else None, tpr, fpr, precision))
        return found
