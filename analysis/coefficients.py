"""Agreement coefficients valued for many weightings of the same rating patterns at once.

Every coefficient here depends on a clip only through how many raters chose each level. Clips with equal counts are
therefore one pattern (five raters on five levels with gaps: at most 251), and a replicate of a bootstrap over clips
is a row of weights over patterns.
"""

from typing import Literal

import numpy as np

from analysis.estimate import Floats, Ints

Metric = Literal["nominal", "ordinal"]


def collapse(counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Distinct rows of `counts` (clips, levels): patterns (patterns, levels), pattern of each clip, clips of each.

    >>> collapse(np.array([[2, 0], [0, 2], [2, 0]]))[2]
    array([1, 2])
    """
    base, levels = int(counts.max()) + 1, counts.shape[1]
    if base**levels >= 2**62:
        patterns, pattern_of, sizes = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
        return patterns, pattern_of.ravel(), sizes
    code = counts @ base ** np.arange(levels - 1, -1, -1, dtype=np.int64)
    _, first, pattern_of, sizes = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    return counts[first], pattern_of, sizes


def alpha(patterns: Ints, weights: Floats, metric: Metric) -> Floats:
    """Krippendorff's alpha per row of weights.

    `patterns` has shape (patterns, levels), `weights` shape (replicates, patterns): how many clips show each
    pattern. Returns shape (replicates,), NaN where fewer than two levels are used. Clips with one vote drop out;
    the ordinal distances are recomputed in every replicate. Formula: Krippendorff (2011), Computing
    Krippendorff's Alpha-Reliability, https://repository.upenn.edu/asc_papers/43.

    >>> alpha(np.array([[2, 0], [1, 1], [0, 2]]), np.array([[4.0, 2.0, 4.0]]), "nominal").round(2)
    array([0.62])
    """
    levels = patterns.shape[1]
    votes = patterns.sum(axis=1)
    paired = votes >= 2
    n = patterns[paired].astype(np.float64)
    pairs = n[:, :, None] * n[:, None, :] - n[:, :, None] * np.eye(levels)
    pairs /= (votes[paired] - 1)[:, None, None]
    together = (weights[:, paired] @ pairs.reshape(len(n), levels * levels)).reshape(-1, levels, levels)
    marginal = together.sum(axis=2)
    if metric == "nominal":
        distance = np.broadcast_to(1.0 - np.eye(levels), together.shape)
    else:
        middle = np.cumsum(marginal, axis=1) - marginal / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = np.einsum("rij,rij->r", together, distance)
    expected = np.einsum("ri,rj,rij->r", marginal, marginal, distance)
    several = np.count_nonzero(marginal > 0, axis=1) >= 2
    ratio = np.divide(observed, expected, out=np.full(len(observed), np.nan), where=several)
    return np.asarray(1.0 - (marginal.sum(axis=1) - 1) * ratio)


def percent(patterns: Ints, weights: Floats) -> Floats:
    """Share of agreeing pairs of raters, averaged over clips with two votes; shapes as in `alpha`."""
    return _credited(patterns, weights, np.eye(patterns.shape[1]))


def gwet(patterns: Ints, weights: Floats, metric: Metric) -> Floats:
    """Gwet's AC1 (nominal) or AC2 with quadratic weights (ordinal); shapes as in `alpha`.

    Clips with one vote count for the level shares, not for the observed agreement, and the number of levels is
    the scale's, used or not. Source: Gwet (2008), doi:10.1348/000711006X126600; missing votes and weights: Gwet
    (2014), Handbook of Inter-Rater Reliability, 4th edition.

    >>> gwet(np.array([[2, 0], [1, 1], [0, 2]]), np.array([[8.0, 1.0, 1.0]]), "nominal").round(3)
    array([0.866])
    """
    levels = patterns.shape[1]
    step = np.subtract.outer(np.arange(levels), np.arange(levels)) / (levels - 1)
    credit = np.eye(levels) if metric == "nominal" else 1.0 - step**2
    votes = patterns.sum(axis=1)
    rated = votes >= 1
    totals = weights[:, rated] @ (patterns[rated] / votes[rated][:, None])
    shares = totals / totals.sum(axis=1, keepdims=True)
    chance = credit.sum() / (levels * (levels - 1)) * (shares * (1 - shares)).sum(axis=1)
    return np.asarray((_credited(patterns, weights, credit) - chance) / (1 - chance))


def _credited(patterns: Ints, weights: Floats, credit: Floats) -> Floats:
    """Mean over clips of the credit of a random pair of votes; NaN in a replicate without paired clips."""
    votes = patterns.sum(axis=1)
    paired = votes >= 2
    n, m = patterns[paired], votes[paired]
    per_clip = (n * (n @ credit - 1)).sum(axis=1) / (m * (m - 1))
    clips = weights[:, paired].sum(axis=1)
    total = weights[:, paired] @ per_clip
    return np.asarray(np.divide(total, clips, out=np.full(len(clips), np.nan), where=clips > 0))
