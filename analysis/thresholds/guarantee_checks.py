"""Checks of a threshold with a precision guarantee: its stability over resamples, its rates on held-out clips."""

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.thresholds.cross_fitting import HeldOutResult, cross_fitted
from analysis.thresholds.precision_guarantee import (
    MAX_STEPS,
    PrecisionThreshold,
    binomial_p,
    candidates,
    p_values,
    passed_in_a_row,
    precision_threshold,
)
from analysis.thresholds.sweeps import Sweep


def guarantee_stability(
    values: Floats, good: Floats, design: Design, found: PrecisionThreshold, *, resamples: int = 500, seed: int = 0
) -> tuple[float, float, float] | None:
    """Percentile range of the threshold over resamples, and the share of resamples without one.

    The sequence of tests is repeated in every resample, with the number of clips behind each p-value scaled like the
    number of accepted clips. The range shows stability; it is not an interval with coverage. Returns None for bin-wise
    bounds, and if no resample has a threshold.

    >>> scores = np.linspace(0, 1, 400)
    >>> good, design = (scores > 0.3).astype(float), Design.build(400)
    >>> found = precision_threshold(scores, good, design, target=0.9)
    >>> low, high, none = guarantee_stability(scores, good, design, found)
    >>> low < found.threshold <= high, none
    (True, 0.0)
    """
    if found.method == "bin-wise":
        return None
    sweep, allowed = Sweep.over(values, good), 1 - found.target
    thresholds, at = candidates(sweep, found.start, MAX_STEPS)
    accepted, _, _, size = p_values(values, good, sweep, design, thresholds, at, allowed, found.method)
    counts = []
    for block in design.replicates(resamples, seed):
        drawn = block[:, sweep.order]
        weight = drawn * design.clip_weight[sweep.order]
        rows, all_, bad = (
            np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0)))[:, at]
            for part in (drawn, weight, weight * (1 - sweep.good))
        )
        n = size * rows / np.maximum(accepted, 1)
        share = np.clip(bad / np.maximum(all_, 1e-300), 0.0, 1.0)
        counts.append(passed_in_a_row(binomial_p(n * share, n, allowed) <= 1 - found.confidence))
    count = np.concatenate(counts)
    resampled = thresholds[count[count > 0] - 1]
    if not len(resampled):
        return None
    tail = (1 - found.confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high), float((count == 0).mean())


def guarantee_held_out(
    values: Floats,
    good: Floats,
    design: Design,
    found: PrecisionThreshold,
    *,
    seed: int = 0,
    confidence: float = 0.95,
) -> HeldOutResult | None:
    """Rates on held-out clips: the sequence is repeated on one half and judged on the other; None if a half fails.

    Halves are smaller than the whole sample, so the thresholds found on them are stricter and their recall is lower
    than that of the guaranteed threshold.
    """
    start = found.start if found.start_rule == "declared" else None

    def choose(fit: Bools) -> Bools | None:
        half = precision_threshold(
            values[fit],
            good[fit],
            design.part(fit),
            target=found.target,
            confidence=found.confidence,
            start=start,
            bin_wise=found.method == "bin-wise",
            steps=30,
        )
        return None if half.threshold is None else np.asarray(values >= half.threshold)

    splits = 20 if found.method in ("exact", "hoeffding-bentkus") else 5
    return cross_fitted(good, design, choose, _precision, seed=seed, confidence=confidence, splits=splits)


def _precision(cells: tuple[float, float, float, float]) -> float:
    return cells[0] / (cells[0] + cells[1])
