"""Agreement coefficients (alpha, Gwet's AC, Fleiss' kappa, raw agreement) for many bootstrap replicates at once.

Every coefficient depends on a clip only through how many raters chose each level. Clips with equal counts are
therefore one pattern (five raters on five levels with gaps: at most 251 patterns), and a replicate of a bootstrap
over clips is a row of weights of patterns.
"""

import numpy as np

from analysis.estimate import Floats, Ints
from analysis.ratings import Metric

_CELLS = 16_000_000  # numbers of the coincidence tables held at once: 128 MB


def collapse(counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Collapse clips with equal `counts` (clips, levels) to patterns.

    Returns the patterns (patterns, levels), the pattern of each clip (clips,), and the clips of each pattern
    (patterns,).

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


def alpha(patterns: Ints, weights: Floats, metric: Metric, points: Floats | None = None) -> Floats:
    """Krippendorff's alpha of every replicate, shape (replicates,); NaN if fewer than two levels are used.

    `patterns` (patterns, levels) counts votes, `weights` (replicates, patterns) counts the clips of each pattern.
    `points` (levels,) are the numbers of an interval or ratio scale, by default 0, 1, .... Clips with one vote are left
    out; ordinal distances are recomputed in every replicate. Formula: Krippendorff (2011), Computing Krippendorff's
    Alpha-Reliability, https://repository.upenn.edu/asc_papers/43.

    >>> alpha(np.array([[2, 0], [1, 1], [0, 2]]), np.array([[4.0, 2.0, 4.0]]), "nominal").round(2)
    array([0.62])
    """
    votes = patterns.sum(axis=1)
    paired = votes >= 2
    n, drawn = patterns[paired].astype(np.float64), weights[:, paired]
    marginal = drawn @ n
    if metric == "ordinal":
        observed, expected = _ordinal(n, drawn, marginal)
    else:
        distance = _distances(metric, np.arange(n.shape[1], dtype=np.float64) if points is None else points)
        observed = drawn @ (((n @ distance) * n).sum(axis=1) / (votes[paired] - 1))
        expected = ((marginal @ distance) * marginal).sum(axis=1)
    several = np.count_nonzero(marginal > 0, axis=1) >= 2
    ratio = np.divide(observed, expected, out=np.full(len(observed), np.nan), where=several)
    return np.asarray(1.0 - (marginal.sum(axis=1) - 1) * ratio)


def _distances(metric: Metric, points: Floats) -> Floats:
    """The squared distances between levels of a metric that does not depend on the votes, shape (levels, levels)."""
    if metric == "nominal":
        return np.asarray(1.0 - np.eye(len(points)))
    apart = np.subtract.outer(points, points)
    if metric == "ratio":
        together = np.add.outer(points, points)
        apart = np.divide(apart, together, out=np.zeros_like(apart), where=together > 0)
    return np.asarray(apart**2)


def _ordinal(n: Floats, drawn: Floats, marginal: Floats) -> tuple[Floats, Floats]:
    """Observed and expected disagreement of every replicate, with ordinal distances from its own marginals."""
    levels = n.shape[1]
    middle = np.cumsum(marginal, axis=1) - marginal / 2
    observed, expected = np.zeros(len(drawn)), np.zeros(len(drawn))
    rows = max(1, _CELLS // levels**2)
    for start in range(0, len(drawn), rows):
        part = slice(start, start + rows)
        together = np.zeros((len(drawn[part]), levels * levels))
        for first in range(0, len(n), rows):
            some = n[first : first + rows]
            pairs = some[:, :, None] * some[:, None, :] - some[:, :, None] * np.eye(levels)
            pairs /= (some.sum(axis=1) - 1)[:, None, None]
            together += drawn[part, first : first + rows] @ pairs.reshape(len(some), levels * levels)
        distance = (middle[part, :, None] - middle[part, None, :]) ** 2
        observed[part] = np.einsum("rij,rij->r", together.reshape(-1, levels, levels), distance)
        expected[part] = np.einsum("ri,rj,rij->r", marginal[part], marginal[part], distance)
    return observed, expected


def percent(patterns: Ints, weights: Floats) -> Floats:
    """The share of agreeing pairs of raters (0 to 1), averaged over clips with two votes; shapes as in `alpha`."""
    return _credited(patterns, weights, np.eye(patterns.shape[1]))


def gwet(patterns: Ints, weights: Floats, metric: Metric, points: Floats | None = None) -> Floats:
    """Gwet's AC1 (nominal) or AC2 with quadratic weights (any other metric); shapes as in `alpha`.

    Clips with one vote count for the shares of levels, not for the observed agreement. The number of levels is that of
    the scale, including unused ones. Source: Gwet (2008), doi:10.1348/000711006X126600; missing votes and weights: Gwet
    (2014), Handbook of Inter-Rater Reliability, 4th edition.

    >>> gwet(np.array([[2, 0], [1, 1], [0, 2]]), np.array([[8.0, 1.0, 1.0]]), "nominal").round(3)
    array([0.866])
    """
    levels = patterns.shape[1]
    points = np.arange(levels, dtype=np.float64) if points is None else points
    step = np.subtract.outer(points, points) / np.ptp(points)
    credit = np.eye(levels) if metric == "nominal" else 1.0 - step**2
    shares = _shares(patterns, weights)
    chance = credit.sum() / (levels * (levels - 1)) * (shares * (1 - shares)).sum(axis=1)
    return np.asarray((_credited(patterns, weights, credit) - chance) / (1 - chance))


def fleiss(patterns: Ints, weights: Floats) -> Floats:
    """Fleiss' kappa, extended to unequal numbers of votes per clip after Gwet (2014); shapes as in `alpha`.

    Chance agreement is that of two draws from the shares of levels, in which every clip has the same weight. NaN if
    only one level is used. Source: Fleiss (1971), doi:10.1037/h0031619.

    >>> fleiss(np.array([[2, 0], [1, 1], [0, 2]]), np.array([[4.0, 2.0, 4.0]])).round(2)
    array([0.6])
    """
    shares = _shares(patterns, weights)
    chance = (shares**2).sum(axis=1)
    above = _credited(patterns, weights, np.eye(patterns.shape[1])) - chance
    several = np.count_nonzero(shares > 0, axis=1) >= 2
    return np.asarray(np.divide(above, 1 - chance, out=np.full(len(chance), np.nan), where=several))


def _shares(patterns: Ints, weights: Floats) -> Floats:
    """The share of each level, averaged over clips, shape (replicates, levels)."""
    votes = patterns.sum(axis=1)
    rated = votes >= 1
    totals = weights[:, rated] @ (patterns[rated] / votes[rated][:, None])
    return np.asarray(totals / totals.sum(axis=1, keepdims=True))


def _credited(patterns: Ints, weights: Floats, credit: Floats) -> Floats:
    """The mean over clips of the credit of a random pair of votes; NaN in a replicate without clips of two votes."""
    votes = patterns.sum(axis=1)
    paired = votes >= 2
    n, m = patterns[paired], votes[paired]
    per_clip = (n * (n @ credit - 1)).sum(axis=1) / (m * (m - 1))
    clips = weights[:, paired].sum(axis=1)
    total = weights[:, paired] @ per_clip
    return np.asarray(np.divide(total, clips, out=np.full(len(clips), np.nan), where=clips > 0))
