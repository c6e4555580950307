"""Sample sizes: how many clips and raters proportions, mean opinion scores and exact claims need.

A sample is planned in effective clips, those of a simple random sample from an infinite pool. Design effects multiply
their number, and a finite pool reduces it to n / (1 + (n - 1) / N), with n not rounded (Cochran 1977, section 4.4).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binom, norm, t

from analysis.design import Design
from analysis.estimate import Floats
from analysis.proportions import wilson

Interval = Literal["wilson", "wald"]
MAX_SIZE = 1_000_000_000
"""A plan that needs more clips or raters is refused: no study has as many, and the arithmetic becomes inexact."""
_MIN_HALF_WIDTH = 1e-100
_ROUNDING = 1e-9  # a size of 385.0000000001 is 385


@dataclass(frozen=True)
class VarianceComponents:
    """Variance components: the variance between and within groups (clips or sources), and the mean.

    `size` is the group size of the average member.
    """

    mean: float
    between: float
    within: float
    size: float

    @property
    def icc(self) -> float:
        """The intraclass correlation: the share of the variance between groups, 0 to 1; 0 if nothing varies."""
        whole = self.between + self.within
        return self.between / whole if whole else 0.0


def size_for(
    p: float,
    half_width: float,
    *,
    interval: Interval = "wilson",
    confidence: float = 0.95,
    design_effect: float = 1.0,
    pool: int | None = None,
) -> int:
    """The number of clips for which the interval of a proportion near `p` has this half-width.

    Wald: z^2 p (1 - p) / d^2 (Cochran 1977, section 4.4). Wilson: its half-width (Wilson 1927,
    doi:10.1080/01621459.1927.10502953), which falls with every clip added, solved for n. `pool` is the number of clips
    in the pool. Raises ValueError for a half-width outside (0, 0.5), a `p` outside [0, 1], for Wald with p = 0 or 1
    (it would need no clips), for more than `MAX_SIZE` clips, and for other numbers out of range.

    >>> [size_for(*wish, interval="wald") for wish in ((0.5, 0.05), (0.5, 0.03), (0.9, 0.03), (0.95, 0.02))]
    [385, 1068, 385, 457]
    >>> size_for(0.95, 0.02), size_for(0.5, 0.05, interval="wald", pool=1000)
    (469, 278)
    """
    _check(p, confidence, design_effect, pool)
    if not 0 < half_width < 0.5:
        raise ValueError(f"a half-width of {half_width:g} is not possible: it must lie between 0 and 0.5")
    # Smaller half-widths need more than MAX_SIZE clips anyway, and their squares would become 0.
    z2, spread, d2 = _z(confidence) ** 2, p * (1 - p), max(half_width, _MIN_HALF_WIDTH) ** 2
    if interval == "wald":
        if not spread:
            raise ValueError(f"Wald's interval at {p:g} has no width; plan with Wilson's")
        effective = z2 * spread / d2
    else:  # d^2 (n + z^2)^2 = z^2 p (1 - p) n + z^4 / 4
        b = 2 * d2 * z2 - z2 * spread
        effective = (-b + math.sqrt(b * b + 4 * d2 * z2 * z2 * (0.25 - d2))) / (2 * d2)
    clips = design_effect * effective
    if pool is not None:
        clips = min(clips / (1 + (clips - 1) / pool), pool)
    return whole_size(clips)


def whole_size(count: float, least: int = 1, *, of: str = "clips") -> int:
    """A computed number of clips or raters as a whole number, at least `least`; raises ValueError beyond `MAX_SIZE`.

    >>> whole_size(384.2), whole_size(0.3, 2)
    (385, 2)
    """
    if not count <= MAX_SIZE:
        raise ValueError(f"it takes more than {MAX_SIZE:,} {of}")
    return max(least, math.ceil(count - _ROUNDING))


def half_width(
    p: float,
    clips: int,
    *,
    interval: Interval = "wilson",
    confidence: float = 0.95,
    design_effect: float = 1.0,
    pool: int | None = None,
) -> float:
    """The half-width of the interval of a proportion near `p` with `clips` clips, the inverse of `size_for`.

    It is 0 if the whole pool is rated. Raises ValueError as `size_for` does, and for less than one clip or more clips
    than the pool has.

    >>> round(half_width(0.95, 469), 4), half_width(0.5, 100, pool=100)
    (0.02, 0.0)
    """
    _check(p, confidence, design_effect, pool)
    if clips < 1 or (pool is not None and clips > pool):
        raise ValueError(f"{clips} clips cannot be rated" + (f": the pool has {pool}" if pool is not None else ""))
    if clips == pool:
        return 0.0
    effective = clips / design_effect
    if pool is not None:
        effective *= (pool - 1) / (pool - clips)
    if interval == "wald":
        return _z(confidence) * math.sqrt(p * (1 - p) / effective)
    low, high = wilson(p * effective, effective, confidence)
    return (high - low) / 2


def cluster_effect(size: float, icc: float) -> float:
    """The design effect 1 + (m - 1) ICC of drawing m clips per source, or of counting m ratings per clip.

    Source: Kish (1965), Survey Sampling, section 5.4. Raises ValueError for m below 1 or an ICC outside 0 ... 1.

    >>> cluster_effect(5, 0.1)
    1.4
    """
    if size < 1 or not 0 <= icc <= 1:
        raise ValueError(f"{size:g} clips per source with an intraclass correlation of {icc:g} is not possible")
    return 1 + (size - 1) * icc


def rater_effect(agreement: float, raters: int) -> float:
    """The variance of a clip's mean vote with m raters, in units of p (1 - p): a + (1 - a) / m.

    `agreement` a is the correlation of two raters' votes on a clip (nominal alpha, 0 to 1). At 1, as for consensus
    verdicts, more raters do not make a rate more precise; only more clips do. Raises ValueError for numbers out of
    range.

    >>> rater_effect(0.6, 1), rater_effect(0.6, 4)
    (1.0, 0.7)
    """
    if not 0 <= agreement <= 1 or raters < 1:
        raise ValueError(f"agreement {agreement:g} among {raters} raters is not possible")
    return agreement + (1 - agreement) / raters


def rate_from(numerator: Floats, denominator: Floats, design: Design) -> tuple[float, float]:
    """A rate R of a pilot, as a ratio of weighted sums, and its design effect n V / (R (1 - R)) for n rated clips.

    Both arrays have shape (clips,) and hold 0 or 1; for recall they are "accepted and good" and "good". V is the
    linearised variance within strata (Cochran 1977, section 6.13), for the same shares of the sample per stratum,
    without finite population correction. The effect includes the cost of clips outside the denominator: that of recall
    in a simple random sample is 1 / prevalence. Raises ValueError for an empty denominator, a ratio of 0 or 1, and a
    stratum of one clip, because such a pilot shows no variance.

    >>> good, accepted = np.array([1.0, 1.0, 0.0, 0.0] * 50), np.array([1.0, 0.0, 0.0, 0.0] * 50)
    >>> rate, effect = rate_from(good * accepted, good, Design.build(200))
    >>> rate, round(effect, 2)
    (0.5, 2.01)
    """
    weight = design.clip_weight
    total = float((weight * denominator).sum())
    ratio = float((weight * numerator).sum()) / total if total else 0.0
    if not 0 < ratio < 1:
        raise ValueError(f"a pilot with a rate of {ratio:g} shows no variance; plan from a guess with --p instead")
    if (design.drawn < 2).any():
        alone = design.labels[int(np.argmax(design.drawn < 2))]
        raise ValueError(f"stratum {alone!r} of the pilot has one clip; each needs two to show its variance")
    error = numerator - ratio * denominator
    means = np.bincount(design.of, error) / design.drawn
    variances = np.bincount(design.of, (error - means[design.of]) ** 2) / (design.drawn - 1)
    variance = float(((design.weight * design.drawn) ** 2 * variances / design.drawn).sum()) / total**2
    return ratio, len(numerator) * variance / (ratio * (1 - ratio))


def variance_components(values: Floats, groups: Floats | list[str]) -> VarianceComponents:
    """Estimate the variance between and within groups of any size by one-way analysis of variance.

    `values` and `groups` have one entry per member. A negative variance between groups becomes 0. `size` is sum m^2 /
    sum m, which the design effect of unequal groups needs. Raises ValueError with fewer than two groups, or without a
    group of two. Source: Searle, Casella & McCulloch (1992), Variance Components, section 3.6; Kish (1965), section
    5.4.

    >>> variance_components(np.array([1.0, 2.0, 4.0, 5.0]), ["a", "a", "b", "b"])
    VarianceComponents(mean=3.0, between=4.25, within=0.5, size=2.0)
    """
    _, of, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    if k < 2 or n == k:
        raise ValueError(f"{n} values in {k} groups show no variance between and within: two groups, one of two values")
    means = np.bincount(of, values) / sizes
    within = float(((values - means[of]) ** 2).sum()) / (n - k)
    among = float((sizes * (means - values.mean()) ** 2).sum()) / (k - 1)
    each = (n - float((sizes**2).sum()) / n) / (k - 1)
    return VarianceComponents(
        float(values.mean()), max(0.0, (among - within) / each), within, float((sizes**2).sum()) / n
    )


def mos_half_width(sd: float, raters: int, *, known: bool = False, confidence: float = 0.95) -> float:
    """The half-width of one clip's mean opinion score: t(m - 1) S / sqrt(m), or z S / sqrt(m) if S is `known`.

    `sd` is the standard deviation of raters on one clip, in points of the scale. ITU-R BT.500 and ITU-T P.910 use the
    form with z, which is too short for few raters. Raises ValueError for fewer than two raters (one if `known`).
    """
    if sd <= 0 or raters < (1 if known else 2):
        raise ValueError(f"{raters} rater(s) with a standard deviation of {sd:g} give no interval; it takes two")
    factor = _z(confidence) if known else float(t.ppf((1 + confidence) / 2, raters - 1))
    return factor * sd / math.sqrt(raters)


def mos_raters(sd: float, half_width: float, *, known: bool = False, confidence: float = 0.95) -> int:
    """The number of raters per clip for a half-width of its mean opinion score, in points of the scale.

    `sd` and `known` are as in `mos_half_width`. Raises ValueError for numbers that are not above 0, and for more than
    `MAX_SIZE` raters.

    >>> mos_raters(0.7, 0.25, known=True), mos_raters(0.7, 0.25)
    (31, 33)
    """
    if sd <= 0 or half_width <= 0:
        raise ValueError(f"a half-width of {half_width:g} with a standard deviation of {sd:g} is not possible")
    ratio = _z(confidence) * sd / half_width
    raters = whole_size(ratio * ratio, 1 if known else 2, of="raters")
    while mos_half_width(sd, raters, known=known, confidence=confidence) > half_width + _ROUNDING:
        raters += 1
    return raters


def mean_variance(clip_variance: float, rater_variance: float, clips: int, raters: int) -> float:
    """The variance of a mean over n clips, each rated by m different raters: s2_clip / n + s2_err / (n m).

    Raises ValueError for less than one clip or rater, and for negative variances.

    >>> round(mean_variance(0.64, 0.49, 100, 2), 6)
    0.00885
    """
    if clips < 1 or raters < 1 or min(clip_variance, rater_variance) < 0:
        raise ValueError(f"{clips} clips with {raters} raters each give no mean")
    return (clip_variance + rater_variance / raters) / clips


def claim_size(target: float, confidence: float = 0.95, failures: int = 0) -> int:
    """The smallest number of accepted clips that proves precision >= `target` if `failures` of them are bad.

    This is the smallest n with P(Bin(n, 1 - target) <= failures) <= 1 - confidence; the one-sided lower bound of
    Clopper & Pearson (1934), doi:10.1093/biomet/26.4.404, is then at least the target. The clips must be drawn
    independently from those accepted, with n and the threshold fixed beforehand. Raises ValueError for shares outside
    (0, 1) and for negative failures.

    >>> [claim_size(0.95, failures=bad) for bad in (0, 1, 2, 5, 10)], claim_size(0.99)
    ([59, 93, 124, 208, 336], 299)
    """
    if not (0 < target < 1 and 0 < confidence < 1) or failures < 0:
        raise ValueError(f"precision >= {target:g} with confidence {confidence:g} cannot be proved by any sample")
    low, high = failures, 2 * failures + 2  # low never suffices, high is doubled until it does
    while binom.cdf(failures, high, 1 - target) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = binom.cdf(failures, middle, 1 - target) <= 1 - confidence
        low, high = (low, middle) if enough else (middle, high)
    return high


def claim_chance(precision: float, clips: int, failures: int) -> float:
    """The probability that at most `failures` of `clips` accepted clips are bad, for a filter of this precision.

    >>> round(claim_chance(0.99, 59, 0), 3)
    0.553
    """
    return float(binom.cdf(failures, clips, 1 - precision))


def claim_plan(target: float, precision: float, *, confidence: float = 0.95, power: float = 0.8) -> tuple[int, int]:
    """The smallest number of accepted clips, and of bad ones allowed, for which the claim succeeds with this power.

    `precision` is the guessed precision of the filter. Raises ValueError unless it is above the target, and if it is
    so close that more than 1,000 bad clips would have to be allowed.

    >>> claim_plan(0.95, 0.98)
    (234, 6)
    """
    if not target < precision <= 1:
        raise ValueError(f"a filter of precision {precision:g} cannot be shown to reach {target:g}")
    for failures in range(1001):
        clips = claim_size(target, confidence, failures)
        if claim_chance(precision, clips, failures) >= power:
            return clips, failures
    raise ValueError(f"precision {precision:g} is too near the target {target:g}: over {clips} clips would be needed")


def _z(confidence: float) -> float:
    return float(norm.ppf((1 + confidence) / 2))


def _check(p: float, confidence: float, design_effect: float, pool: int | None) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"the guess {p:g} is no proportion: it must lie between 0 and 1")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence:g} is not possible: it must lie between 0 and 1")
    if not 0 < design_effect < math.inf or (pool is not None and pool < 1):
        raise ValueError(f"a design effect of {design_effect:g} in a pool of {pool} clips is not possible")
