"""DeLong's variance of the area under a ROC curve (AUC), and his test of two areas on the same clips."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from analysis.estimate import Bools, Floats


@dataclass(frozen=True)
class AreaDifference:
    """The AUC of the first score minus that of the second, its interval, and the two-sided test that it is 0.

    The ends, `z` and `p` are None if both scores order the clips alike, so that the difference has no variance.
    """

    difference: float
    low: float | None
    high: float | None
    z: float | None
    p: float | None


def delong_variance(scores: Floats, good: Bools) -> tuple[float, float]:
    """The AUC (0 to 1) and its variance by DeLong, from mid-ranks in O(n log n).

    `scores` and `good` have shape (clips,). Raises ValueError with fewer than two good or two bad clips. Source:
    DeLong, DeLong & Clarke-Pearson (1988), doi:10.2307/2531595; Sun & Xu (2014),
    doi:10.1109/LSP.2014.2337313.

    >>> delong_variance(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    (0.75, 0.125)
    """
    beats, beaten = _placements(scores, good)
    return float(beats.mean()), float(beats.var(ddof=1) / len(beats) + beaten.var(ddof=1) / len(beaten))


def delong_test(first: Floats, second: Floats, good: Bools, *, confidence: float = 0.95) -> AreaDifference:
    """Test whether two scores of the same clips have different AUCs.

    `first`, `second` and `good` have shape (clips,). The clips must be one simple random sample, because the test uses
    no weights. Raises ValueError with fewer than two good or two bad clips. Source: DeLong, DeLong & Clarke-Pearson
    (1988).

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
    """One-sided lower bound of the AUC if all `pairs` independent pairs of a good and a bad clip are in order.

    Pair every clip of the smaller class with a different clip of the larger one. The pairs are independent and each
    is in order with probability AUC, so AUC ** pairs bounds the chance of complete separation. The bound is exact and
    conservative.

    >>> round(separation_bound(30, 0.95), 3)
    0.905
    """
    return float((1.0 - confidence) ** (1.0 / pairs))


def _placements(scores: Floats, good: Bools) -> tuple[Floats, Floats]:
    """For each good clip the share of bad clips below it, and for each bad clip the share of good clips above it."""
    m, n = int(good.sum()), int((~good).sum())
    if min(m, n) < 2:
        raise ValueError(f"DeLong's variance needs two good and two bad clips, not {m} and {n}")
    ranks = rankdata(scores)
    beats = (ranks[good] - rankdata(scores[good])) / n
    return beats, 1.0 - (ranks[~good] - rankdata(scores[~good])) / m
