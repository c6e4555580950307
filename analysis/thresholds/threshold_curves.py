"""Rates of a filter at every threshold with their intervals: the data of the workbench's slider and curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Estimate, Floats, Ints
from analysis.filters.rates import rates_at
from analysis.filters.roc import Direction

MAX_THRESHOLDS = 400
"""Thresholds computed at most; beyond this number they are evenly spaced by rank. Those asked for are always kept."""


@dataclass(frozen=True, eq=False)
class Band:
    """A rate at every threshold."""

    estimates: tuple[Estimate, ...]

    @cached_property
    def value(self) -> Floats:
        """Shape (thresholds,); NaN where the rate is undefined."""
        return _numbers([one.value for one in self.estimates])

    @cached_property
    def low(self) -> Floats:
        """Lower ends, shape (thresholds,); NaN where there is none."""
        return _numbers([one.low for one in self.estimates])

    @cached_property
    def high(self) -> Floats:
        """Upper ends, shape (thresholds,); NaN where there is none."""
        return _numbers([one.high for one in self.estimates])


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """Thresholds from strict to loose, the clips on both sides of each, and the rates.

    `counts` holds rated clips and `weighted` the pool clips they stand for, both of shape (thresholds, 4): good and
    bad clips accepted, good and bad clips rejected. `rates` maps precision, recall, f1, specificity and kept (the
    share of clips accepted) to their bands, computed from the weighted counts.
    """

    direction: Direction
    thresholds: Floats
    counts: Ints
    weighted: Floats
    rates: dict[str, Band]
    confidence: float

    def at(self, threshold: float) -> int:
        """Position of the threshold that accepts the same clips as this one, or the next stricter one."""
        sign = 1.0 if self.direction == "ge" else -1.0
        looser = np.flatnonzero(sign * self.thresholds < sign * threshold)
        return int(looser[0]) - 1 if len(looser) and looser[0] else 0 if len(looser) else len(self.thresholds) - 1


def threshold_curves(
    scores: Floats,
    good: Floats,
    design: Design,
    *,
    direction: Direction,
    always: Sequence[float] = (),
    rejected: Bools | None = None,
    confidence: float = 0.95,
) -> ThresholdCurves:
    """Rates at every score of the sample and at the thresholds in `always`, with the intervals of `rates.tabulate`.

    `scores` and `good` (0 or 1) have shape (clips,). Clips in `rejected`, shape (clips,), are rejected at every
    threshold, because another condition rejects them. An interval covers one threshold at a time, not all of them
    together.

    >>> curves = threshold_curves(
    ...     np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0]), Design.build(3), direction="ge"
    ... )
    >>> curves.thresholds.tolist(), curves.rates["precision"].value.round(3).tolist()
    ([3.0, 2.0, 1.0], [1.0, 1.0, 0.667])
    """
    sign = 1.0 if direction == "ge" else -1.0
    values = sign * scores if rejected is None else np.where(rejected, -np.inf, sign * scores)
    thresholds = _thresholds(values[np.isfinite(values)], sign * np.asarray(always, dtype=np.float64))
    order = np.argsort(-values, kind="stable")
    accepted = np.searchsorted(-values[order], -thresholds, side="right")
    # Thresholds that accept the same clips have the same rates.
    _, first, place = np.unique(accepted, return_index=True, return_inverse=True)
    rates = rates_at((values >= threshold for threshold in thresholds[first]), good, design, confidence)
    return ThresholdCurves(
        direction,
        sign * thresholds,
        _tables(np.ones(len(order)), good[order], accepted).round().astype(np.int64),
        _tables(design.clip_weight[order], good[order], accepted),
        {name: Band(tuple(estimates[number] for number in place)) for name, estimates in rates.items()},
        confidence,
    )


def _thresholds(values: Floats, always: Floats) -> Floats:
    """The thresholds to compute, from strict to loose, as scores that rise with quality."""
    found = np.unique(values)
    if len(found) > MAX_THRESHOLDS:
        found = found[np.unique(np.linspace(0, len(found) - 1, MAX_THRESHOLDS).round().astype(np.int64))]
    return np.union1d(found, always)[::-1]


def _tables(weight: Floats, good: Floats, accepted: Ints) -> Floats:
    """True and false accepts, false and true rejects if the first `accepted` clips pass, shape (thresholds, 4)."""
    hits = np.concatenate([[0.0], np.cumsum(weight * good)])
    passed = np.concatenate([[0.0], np.cumsum(weight)])
    wrong = passed[accepted] - hits[accepted]
    bad = passed[-1] - hits[-1]
    tables: Floats = np.stack([hits[accepted], wrong, hits[-1] - hits[accepted], bad - wrong], axis=-1)
    return tables


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
