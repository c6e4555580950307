"""How firm a promised threshold is: over resamples, and on halves of the clips that had no say in it."""

import numpy as np

from analysis.cross_fitting import HeldOut, cross_fitted
from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.promise import STEPS, Promise, binomial_p, candidates, p_values, precision_promise, reached
from analysis.sweeps import Sweep


def promise_stability(
    values: Floats, good: Floats, design: Design, promise: Promise, *, resamples: int = 500, seed: int = 0
) -> tuple[float, float, float] | None:
    """Percentile range of the threshold over resamples in which one was found, and the share in which none was.

    The sequence is walked again in every resample, with the number of clips behind each p scaled as the accepted
    clips are. A sign of stability, no interval with coverage. None for bin-wise bounds, or when no resample has one.

    >>> scores = np.linspace(0, 1, 400)
    >>> good, design = (scores > 0.3).astype(float), Design.build(400)
    >>> promise = precision_promise(scores, good, design, target=0.9)
    >>> low, high, none = promise_stability(scores, good, design, promise)
    >>> low < promise.threshold <= high, none
    (True, 0.0)
    """
    if promise.method == "bin-wise":
        return None
    sweep, allowed = Sweep.over(values, good), 1 - promise.target
    cuts, at = candidates(sweep, promise.start, STEPS)
    accepted, _, _, size = p_values(values, good, sweep, design, cuts, at, allowed, promise.method)
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
        counts.append(reached(binomial_p(n * share, n, allowed) <= 1 - promise.confidence))
    count = np.concatenate(counts)
    found = cuts[count[count > 0] - 1]
    if not len(found):
        return None
    tail = (1 - promise.confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high), float((count == 0).mean())


def promise_held_out(
    values: Floats, good: Floats, design: Design, promise: Promise, *, seed: int = 0, confidence: float = 0.95
) -> HeldOut | None:
    """Precision and its kin where the sequence is walked on one half and judged on the other; None if a half fails.

    Halves are smaller than the whole, so the thresholds found on them are stricter: recall comes out lower than
    the promised threshold's.
    """
    start = promise.start if promise.start_rule == "declared" else None

    def choose(fit: Bools) -> Bools | None:
        half = precision_promise(
            values[fit],
            good[fit],
            design.part(fit),
            target=promise.target,
            confidence=promise.confidence,
            start=start,
            bin_wise=promise.method == "bin-wise",
            steps=30,
        )
        return None if half.threshold is None else np.asarray(values >= half.threshold)

    splits = 20 if promise.method in ("exact", "hoeffding-bentkus") else 5
    return cross_fitted(good, design, choose, _precision, seed=seed, confidence=confidence, splits=splits)


def _precision(cells: tuple[float, float, float, float]) -> float:
    return cells[0] / (cells[0] + cells[1])
