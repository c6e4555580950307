"""DeLong's variance of the area under a ROC curve, and the test of two areas on the same clips, in O(n log n)."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from analysis.estimate import Bools, Floats


@dataclass(frozen=True)
class AreaDifference:
    """Area of the first score minus that of the second, its interval, and the test that they are equal (p two-sided).

    `z` and `p` are None when the two scores order the clips alike, so that the difference has no variance.
    """

    difference: float
    low: float | None
    high: float | None
    z: float | None
    p: float | None


def delong_variance(scores: Floats, good: Bools) -> tuple[float, float]:
    """AUC and DeLong's variance of it, by mid-ranks in O(n log n); needs two clips of each class.

    Source: DeLong, DeLong & Clarke-Pearson (1988), doi:10.2307/2531595; Sun & Xu (2014),
    doi:10.1109/LSP.2014.2337313.

    >>> delong_variance(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    (0.75, 0.125)
    """
    beats, beaten = _placements(scores, good)
    return float(beats.mean()), float(beats.var(ddof=1) / len(beats) + beaten.var(ddof=1) / len(beaten))


def delong_test(first: Floats, second: Floats, good: Bools, *, confidence: float = 0.95) -> AreaDifference:
    """Whether two scores of the same clips have different areas; each needs two clips of each class.

    Source: DeLong, DeLong & Clarke-Pearson (1988). Clips are taken as one simple random sample: no weights.

    >>> good = np.array([False, False, True, True])
    >>> test = delong_test(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.3, 0.1, 0.9, 0.2]), good)
    >>> test.difference
    0.0
    """
    pairs = [_placements(scores, good) for scores in (first, second)]
    difference = float(pairs[0][0].mean() - pairs[1][0].mean())
    variance = sum(float(np.var(one - other, ddof=1) / len(one)) for one, other in zip(*pairs, strict=True))
    if variance < 1e-15:
        return AreaDifference(difference, None, None, None, None)
    error = float(np.sqrt(variance))
    half, z = float(norm.ppf((1 + confidence) / 2)) * error, difference / error
    return AreaDifference(difference, difference - half, difference + half, z, float(2 * norm.sf(abs(z))))


def separation_bound(pairs: float, confidence: float) -> float:
    """Lowest AUC that would separate `pairs` independent good-bad pairs completely with probability 1 - confidence.

    Pair every clip of the smaller class with one of the larger: the pairs are independent and each is in order
    with probability AUC, so AUC ** pairs bounds the chance of complete separation. Exact and cautious.

    >>> round(separation_bound(30, 0.95), 3)
    0.905
    """
    return float((1.0 - confidence) ** (1.0 / pairs))


def _placements(scores: Floats, good: Bools) -> tuple[Floats, Floats]:
    """Of each good clip the share of bad ones below it, and of each bad clip the share of good ones above."""
    m, n = int(good.sum()), int((~good).sum())
    if min(m, n) < 2:
        raise ValueError(f"DeLong's variance needs two good and two bad clips, not {m} and {n}")
    ranks = rankdata(scores)
    beats = (ranks[good] - rankdata(scores[good])) / n
    return beats, 1.0 - (ranks[~good] - rankdata(scores[~good])) / m
