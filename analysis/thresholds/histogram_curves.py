"""ROC curve, its area and the best threshold for millions of scores in one pass, by a histogram."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.estimate import Bools, Floats
from analysis.thresholds.objectives import F1, Objective

Singles = NDArray[np.float32]
BINS = 1 << 16


@dataclass(frozen=True, eq=False)
class HistogramCurve:
    """The ROC curve at the lower edge of every bin, from strict to loose, and bounds of its area.

    `thresholds`, `tpr` and `fpr` have one entry per bin that is not empty; they are exact except for rounding at the
    edges. The area lies between `auc_low` and `auc_high` whatever the order inside the bins; `auc` is their middle.
    """

    thresholds: Floats
    tpr: Floats
    fpr: Floats
    auc: float
    auc_low: float
    auc_high: float


def histogram_curve(scores: Floats | Singles, good: Bools, bins: int = BINS) -> HistogramCurve:
    """ROC curve and area of `scores`, which rise with quality, in O(n).

    `scores` (float32 or float64) and `good` have shape (clips,). Raises ValueError if no clip is good, none is bad,
    or a score is not finite.

    >>> curve = histogram_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    >>> curve.auc, curve.auc_low == curve.auc_high
    (0.75, True)
    """
    _, edge, every, hits = _histogram(scores, good, bins)
    filled = np.flatnonzero(every)[::-1]
    above, below = hits[filled], (every - hits)[filled]
    won = np.cumsum(above)
    pairs = float(above.sum()) * float(below.sum())
    inside = float((above * below).sum())
    sure = float((below * (won - above)).sum())
    return HistogramCurve(
        thresholds=edge[filled],
        tpr=won / above.sum(),
        fpr=np.cumsum(below) / below.sum(),
        auc=(sure + inside / 2) / pairs,
        auc_low=sure / pairs,
        auc_high=(sure + inside) / pairs,
    )


def histogram_threshold(
    scores: Floats | Singles, good: Bools, objective: Objective = F1, bins: int = BINS
) -> tuple[float, float]:
    """The best threshold of `scores` and the value of the objective there.

    The histogram finds the best bin; the clips of that bin and its two neighbours are then sorted, so that the
    threshold is exact among them. A threshold in another bin can be better only by less than the clips of one bin
    change the objective. Raises ValueError as `histogram_curve` does.

    >>> histogram_threshold(np.array([0.1, 0.3, 0.6, 0.8]), np.array([False, False, True, True]))
    (0.6, 1.0)
    """
    cell, edge, every, hits = _histogram(scores, good, bins)
    accepted, right = np.cumsum(every[::-1])[::-1], np.cumsum(hits[::-1])[::-1]
    all_good, clips = float(right[0]), float(accepted[0])
    top = int(np.argmax(np.where(every > 0, objective.value(right, accepted, all_good, clips), -np.inf)))
    low, high = max(0, top - 1), min(len(edge) - 1, top + 1)
    beyond = high + 1 < len(edge)
    near = (cell >= low) & (cell <= high)
    order = np.argsort(-scores[near], kind="stable")
    values, is_good = scores[near][order], good[near][order]
    ends = np.append(np.flatnonzero(np.diff(values) < 0), len(values) - 1)
    hit = np.cumsum(is_good)[ends] + (right[high + 1] if beyond else 0.0)
    taken = ends + 1 + (accepted[high + 1] if beyond else 0.0)
    reached = objective.value(hit, taken, all_good, clips)
    best = len(reached) - 1 - int(np.argmax(reached[::-1]))
    return float(values[ends[best]]), float(reached[best])


def _histogram(scores: Floats | Singles, good: Bools, bins: int) -> tuple[NDArray[np.int32], Floats, Floats, Floats]:
    """The bin of each clip, the lower edges of the bins, and the numbers of clips and of good clips in each bin."""
    low, high = float(scores.min()), float(scores.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ValueError("some clips have no score; leave them out and say so")
    scale = bins / (high - low) if high > low else 0.0
    cell = ((scores - scores.dtype.type(low)) * scores.dtype.type(scale)).astype(np.int32)
    np.minimum(cell, bins - 1, out=cell)
    counts = np.bincount(cell + good.astype(np.int32) * np.int32(bins), minlength=2 * bins)
    hits, every = counts[bins:].astype(np.float64), (counts[:bins] + counts[bins:]).astype(np.float64)
    if not hits.any() or (hits == every).all():
        raise ValueError("no rated clip is good" if not hits.any() else "no rated clip is bad")
    edges = low + np.arange(bins, dtype=np.float64) * ((high - low) / bins)
    return cell, edges, every, hits
