"""What a correlation among clips of a narrow range of scores says about a pool of a wider range."""

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class RangeRestriction:
    """`ratio` of the standard deviations of the score, pool to sample, and Pearson's correlation `corrected` for it."""

    ratio: float
    corrected: float


def range_restriction(pearson: float, pool_spread: float, sample_spread: float) -> RangeRestriction:
    """Correct Pearson's correlation for a sample that was chosen by the score: Thorndike's case 2.

    `pool_spread` and `sample_spread` are standard deviations of the score, above 0. The correction assumes that the
    rating rises in a straight line and spreads equally everywhere; with a ratio above 3 it multiplies errors as well.
    Prefer design weights. Raises ValueError unless both spreads are above 0. Source: Thorndike (1949), Personnel
    Selection; Sackett & Yang (2000), doi:10.1037/0021-9010.85.1.112.

    >>> round(range_restriction(0.3, 2.0, 1.0).corrected, 3)
    0.532
    """
    if not (pool_spread > 0 and sample_spread > 0):
        raise ValueError(f"standard deviations {pool_spread} and {sample_spread} must be above 0")
    ratio = pool_spread / sample_spread
    return RangeRestriction(ratio, ratio * pearson / sqrt(1 + pearson**2 * (ratio**2 - 1)))
