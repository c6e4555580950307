"""Mean opinion scores of clips with intervals, and the rules of ITU recommendations that screen raters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from analysis.estimate import Floats, Ints

FEW_RATINGS = 4
"""A clip with fewer ratings gets the standard deviation pooled over all clips instead of its own."""
MIN_VOTES = 15
"""Votes per clip below which BT.500's test of their shape is unreliable; results then say so."""
MIN_CORRELATION = 0.75
"""The smallest correlation of a rater with the others, ITU-T P.913 clause 11.4."""


@dataclass(frozen=True, eq=False)
class MeanOpinionScores:
    """The mean opinion score of every clip, in points of the scale, shapes (clips,).

    `spread` is the standard deviation with n - 1 (pooled over clips for a clip with fewer than four ratings). `t_half`
    is the half-width of the interval with Student's t, `z_half` the one with 1.96 as in BT.500 and P.910, which is
    30 % too short at five ratings. Both are NaN if no clip has two ratings.
    """

    mean: Floats
    ratings: Ints
    spread: Floats
    t_half: Floats
    z_half: Floats


def mean_opinion(clip_of: Ints, points: Floats, *, confidence: float = 0.95) -> MeanOpinionScores:
    """Mean and intervals of every clip; `clip_of` (numbered from 0 without gaps) and `points` have shape (ratings,).

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
    spread = np.where(n < FEW_RATINGS, pooled, own)
    of_t = np.where(n < FEW_RATINGS, together, freedom)
    quantile = np.full(len(n), np.nan)
    quantile[of_t > 0] = student.ppf((1 + confidence) / 2, of_t[of_t > 0])
    error = spread / np.sqrt(n)
    return MeanOpinionScores(mean, n, spread, quantile * error, float(norm.ppf((1 + confidence) / 2)) * error)


def bt500(table: Floats) -> list[bool]:
    """Which raters the screening of ITU-R BT.500 rejects; `table` holds points (clips, raters), NaN without a rating.

    Per clip the limit is 2 S if the votes look normal (kurtosis 2 to 4), else sqrt(20) S; P and Q count a rater's
    votes at or beyond the limit above and below. A rater is rejected if (P + Q) / n > .05 and |P - Q| / (P + Q) < .3.
    S is the population's standard deviation and n counts all clips, as in sureal 0.9 (with n - 1 one rater fewer is
    rejected on the data set nflx_public_outliers). The rule is applied once. It finds raters who vote at random, not
    raters who are biased.

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


def bt500_bias_removed(table: Floats) -> list[bool]:
    """Which raters BT.500's rule rejects after every rater's mean deviation is removed (ITU-T P.913 clause 12.4)."""
    deviation = np.nanmean(table - np.nanmean(table, axis=1, keepdims=True), axis=0)
    return bt500(table - deviation)


def low_correlation(table: Floats) -> list[bool]:
    """Which raters correlate with the mean of the others by less than r = .75 (ITU-T P.913 clause 11.4).

    A rater with fewer than three clips, or with a single value, has no correlation and is not rejected.
    """
    return [bool(r < MIN_CORRELATION) for r in correlation_with_others(table)]


def correlation_with_others(table: Floats) -> Floats:
    """Pearson's correlation of each rater with the mean of all others, shape (raters,); NaN where it is undefined."""
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


SCREENING_RULES: dict[str, Callable[[Floats], list[bool]]] = {
    "bt500": bt500,
    "p913_bias_removed": bt500_bias_removed,
    "p913_correlation": low_correlation,
}
"""Screening rules by name; each takes points (clips, raters) and says for every rater whether to reject it."""
