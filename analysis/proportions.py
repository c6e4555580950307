"""Intervals of a proportion: Wilson's, and Wilson's on an effective number of clips."""

from functools import cache

import numpy as np
from scipy.stats import norm


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; `successes` and `n` may be effective, not whole, numbers.

    Raises ValueError unless 0 <= successes <= n and n > 0. Source: Wilson (1927),
    doi:10.1080/01621459.1927.10502953; Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<857, method 3.

    >>> [round(end, 4) for end in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"{successes} of {n} is no proportion")
    z2 = _quantile(confidence) ** 2
    p = successes / n
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # With no success, or only successes, one end equals the value exactly; rounding must not move it.
    low = 0.0 if successes == 0 else max(0.0, float(middle - half))
    high = 1.0 if successes == n else min(1.0, float(middle + half))
    return low, high


@cache  # a quantile takes longer than the rest of the interval
def _quantile(confidence: float) -> float:
    return float(norm.ppf((1 + confidence) / 2))


def effective_wilson(p: float, effective_n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion `p` (0 to 1) on its effective sample size.

    The effective size is that of a simple random sample with the same variance. Source: Korn & Graubard (1998),
    Survey Methodology 24, 193-201, with Wilson's interval in place of the exact one.

    >>> effective_wilson(0.9, 100) == wilson(90, 100)
    True
    """
    return wilson(p * effective_n, effective_n, confidence)
