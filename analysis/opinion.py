"""Mean opinion scores of clips with intervals, and the raters whom screening rules single out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from analysis.estimate import Floats, Ints

FEW = 4
"""With fewer ratings a clip's own spread says too little: the spread of all clips together stands in."""
LEAST_VOTES = 15
"""BT.500 looks at the shape of a clip's votes; with fewer it has little to see, and that is said."""
LEAST_CORRELATION = 0.75
"""Of a rater with the others, ITU-T P.913 clause 11.4."""


@dataclass(frozen=True, eq=False)
class MeanOpinion:
    """Mean opinion score of every clip, in points, shapes (clips,).

    `spread` is the standard deviation with n - 1 (pooled over clips where a clip has under four ratings), `t_half` the
    half-width of the interval with Student's t, `z_half` the one with 1.96 that BT.500 and P.910 print: at five
    ratings it is 30 % too short. NaN with a single rating in all.
    """

    mean: Floats
    ratings: Ints
    spread: Floats
    t_half: Floats
    z_half: Floats


def mean_opinion(clip_of: Ints, points: Floats, *, confidence: float = 0.95) -> MeanOpinion:
    """Mean and intervals per clip; one entry per rating, clips counted from 0 without gaps.

    >>> made = mean_opinion(np.array([0, 0, 0, 0, 0]), np.array([3.0, 4.0, 4.0, 5.0, 4.0]))
    >>> made.mean.tolist(), made.t_half.round(3).tolist(), made.z_half.round(3).tolist()
    ([4.0], [0.878], [0.62])
    """
    n = np.bincount(clip_of)
    mean = np.bincount(clip_of, points) / n
    square = np.bincount(clip_of, (points - mean[clip_of]) ** 2)
    freedom = np.maximum(n - 1, 0)
    together = int(freedom.sum())
    pooled = float(np.sqrt(square.sum() / together)) if together else np.nan
    own = np.sqrt(np.divide(square, freedom, out=np.full(len(n), np.nan), where=freedom > 0))
    spread = np.where(n < FEW, pooled, own)
    of_t = np.where(n < FEW, together, freedom)
    quantile = np.full(len(n), np.nan)
    quantile[of_t > 0] = student.ppf((1 + confidence) / 2, of_t[of_t > 0])
    error = spread / np.sqrt(n)
    return MeanOpinion(mean, n, spread, quantile * error, float(norm.ppf((1 + confidence) / 2)) * error)


def bt500(table: Floats) -> list[bool]:
    """Raters that ITU-R BT.500 rejects, from points in shape (clips, raters), NaN where there is no rating.

    Per clip the limit is 2 S when the votes look normal (kurtosis 2 to 4), else sqrt(20) S; P and Q count a rater's
    votes at or beyond it above and below. Rejected: (P + Q) / n > .05 and |P - Q| / (P + Q) < .3. S is the
    population's standard deviation and n counts all clips, as in sureal 0.9 (with n - 1 one rater fewer is rejected
    on the set nflx_public_outliers). One pass. It finds raters who vote at random and not those who are biased.

    >>> bt500(np.array([[1.0, 1.0, 2.0], [4.0, 5.0, 4.0]]))
    [False, False, False]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = table - np.nanmean(table, axis=1, keepdims=True)
        second, fourth = (np.nanmean(rest**power, axis=1) for power in (2, 4))
        kurtosis = fourth / second**2
    spread = np.sqrt(second)
    limit = np.where((kurtosis >= 2) & (kurtosis <= 4), 2 * spread, np.sqrt(20) * spread)[:, None]
    some = np.where(np.isnan(rest) | (limit == 0), 0.0, rest)
    above, below = (some >= limit) & (some > 0), (some <= -limit) & (some < 0)
    high, low = above.sum(axis=0), below.sum(axis=0)
    beyond = high + low
    lopsided = np.abs(high - low) / np.maximum(beyond, 1)
    rejected = (beyond / len(table) > 0.05) & (lopsided < 0.3)
    return [bool(one) for one in rejected]


def bias_removed(table: Floats) -> list[bool]:
    """Raters whom BT.500's rule rejects once everybody's mean deviation is taken away (ITU-T P.913 clause 12.4)."""
    deviation = np.nanmean(table - np.nanmean(table, axis=1, keepdims=True), axis=0)
    return bt500(table - deviation)


def correlation(table: Floats) -> list[bool]:
    """Raters whose ratings follow the mean of the others with Pearson's r under .75 (ITU-T P.913 clause 11.4).

    A rater with fewer than three clips, or one value only, has no correlation and is not rejected by it.
    """
    return [bool(r < LEAST_CORRELATION) for r in with_the_rest(table)]


def with_the_rest(table: Floats) -> Floats:
    """Pearson's correlation of each rater with the mean of all others, shape (raters,); NaN where it does not exist."""
    here = ~np.isnan(table)
    filled = np.where(here, table, 0.0)
    total, count = filled.sum(axis=1, keepdims=True), here.sum(axis=1, keepdims=True)
    found = np.full(table.shape[1], np.nan)
    for rater in range(table.shape[1]):
        both = here[:, rater] & (count[:, 0] > 1)
        if both.sum() < 3:
            continue
        own = table[both, rater]
        others = (total[both, 0] - own) / (count[both, 0] - 1)
        if np.ptp(own) > 0 and np.ptp(others) > 0:
            found[rater] = np.corrcoef(own, others)[0, 1]
    return found


RULES: dict[str, Callable[[Floats], list[bool]]] = {
    "bt500": bt500,
    "p913_bias_removed": bias_removed,
    "p913_correlation": correlation,
}
"""Screening rules by name; each takes points in shape (clips, raters) and says who is rejected."""
