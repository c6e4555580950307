"""Two scores of the same clips: which one follows the mean opinion better, and how sure is that?"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, hypot, sqrt
from typing import Literal

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from analysis.association.correlations import COEFFICIENTS, PERFECT, fisher_ends, unvarying
from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    LARGE,
    PLAIN,
    Described,
    DesignEstimate,
    Interval,
    by_design,
    infinitesimal,
    is_simple,
    too_few,
)
from analysis.estimate import Floats

Compared = Literal["spearman", "pearson"]
COMPARED: tuple[Compared, ...] = ("spearman", "pearson")


@dataclass(frozen=True)
class ScoreDifference:
    """The correlation of the first score with the mean opinion minus that of the second.

    `p` tests, two-sided, that they are equal; None where no interval exists. `method` names the test.
    """

    scores: tuple[str, str]
    statistic: Compared
    difference: DesignEstimate
    p: float | None
    method: str


def differences(
    names: Sequence[str], scores: Sequence[Floats], opinion: Floats, described: Described
) -> tuple[ScoreDifference, ...]:
    """The first score against each other one, by Spearman's and by Pearson's correlation.

    `scores` rise with quality, each of shape (clips,).
    """
    return tuple(
        score_difference(statistic, (names[0], name), (scores[0], other), opinion, described)
        for name, other in zip(names[1:], scores[1:], strict=True)
        for statistic in COMPARED
    )


def score_difference(
    statistic: Compared, names: tuple[str, str], scores: tuple[Floats, Floats], opinion: Floats, described: Described
) -> ScoreDifference:
    """Compare two scores of the same clips, each of shape (clips,).

    In a simple random sample the interval is Zou's (2007) from both single intervals, and p that of Meng, Rosenthal &
    Rubin (1992); for Spearman both use ranks. With sources, strata or weights the difference is recomputed in a
    jackknife or a bootstrap, and p comes from the same standard error.

    >>> from analysis.association.design_intervals import Resampling
    >>> from analysis.design import Design
    >>> y = np.arange(20.0)
    >>> near, far = y + np.tile([1.0, -1.0], 10), y + np.tile([9.0, -9.0], 10)
    >>> found = score_difference("pearson", ("near", "far"), (near, far), y, Described(Design.build(20), Resampling()))
    >>> round(found.difference.estimate.value, 3), found.p < 0.001
    (0.499, True)
    """
    name = f"{statistic}_difference"
    for label, score in zip(names, scores, strict=True):
        reason = unvarying(score, opinion)
        if reason:
            refused = described.absent(name, f"{label}: {reason}")
            return ScoreDifference(names, statistic, refused, None, "no test")
    make, design = COEFFICIENTS[statistic].correlation, described.design
    first, second = (make(score, opinion) for score in scores)

    def difference(weights: Floats) -> Floats:
        return np.asarray(first(weights) - second(weights))

    weight = design.clip_weight[None]
    r1, r2, r12 = (float(one(weight)[0]) for one in (first, second, make(*scores)))
    if np.isnan(r1 - r2):
        refused = described.absent(name, "a score or the rating hardly varies")
        return ScoreDifference(names, statistic, refused, None, "no test")
    if described.clips < FEWEST_CLIPS:
        found, p, test = too_few(described.clips), None, "no test"
    elif is_simple(design):
        found, p, test = _paired(statistic, r1, r2, r12, described)
    else:
        if described.clips >= LARGE:
            moved = [COEFFICIENTS[statistic].influence(score, opinion, design.clip_weight) for score in scores]
            found = infinitesimal(r1 - r2, moved[0] - moved[1], design, described.how, PLAIN)
        else:
            found = by_design(r1 - r2, difference, design, described.how)
        p, test = _normal_test(r1 - r2, found)
    sample = float(difference(np.ones((1, described.clips)))[0])
    return ScoreDifference(names, statistic, described.estimate(name, r1 - r2, sample, found), p, test)


def _paired(
    statistic: Compared, r1: float, r2: float, r12: float, described: Described
) -> tuple[Interval, float | None, str]:
    """Zou's interval and the test of Meng, Rosenthal & Rubin."""
    if max(abs(r1), abs(r2), abs(r12)) > PERFECT:
        reason = "a correlation is perfect" if abs(r12) <= PERFECT else "both scores say the same"
        return Interval(None, None, None, f"no interval: {reason}"), None, "no test"
    clips, confidence = described.clips, described.how.confidence
    ends = [fisher_ends(r, sqrt(COEFFICIENTS[statistic].variance(r, clips)), confidence) for r in (r1, r2)]
    low, high = zou_interval(r1, r2, r12, ends[0], ends[1])
    method = f"Zou (2007) from both intervals by {COEFFICIENTS[statistic].method}"
    kind = " on ranks" if statistic == "spearman" else ""
    return Interval(low, high, None, method), meng_test(r1, r2, r12, clips)[1], f"Meng, Rosenthal & Rubin (1992){kind}"


def _normal_test(value: float, found: Interval) -> tuple[float | None, str]:
    if found.se is None or found.freedom is None:
        return None, "no test"
    p = float(2 * student.sf(abs(value) / found.se, found.freedom))
    return p, f"t with {found.freedom:.4g} degrees of freedom, standard error of the {found.method.split(',')[0]}"


def zou_interval(
    r1: float, r2: float, r12: float, first: tuple[float, float], second: tuple[float, float]
) -> tuple[float, float]:
    """The interval of r1 - r2, two correlations with the same variable, from the ends of both single intervals.

    `r12` is the correlation of the two other variables. Source: Zou (2007), doi:10.1037/1082-989X.12.4.399, with the
    covariance of Olkin & Siotani (1976).

    >>> one, other = (fisher_ends(r, 63**-0.5, 0.95) for r in (0.396, 0.179))
    >>> [round(end, 3) for end in zou_interval(0.396, 0.179, 0.088, one, other)]
    [-0.093, 0.517]
    """
    shared = (r12 - r1 * r2 / 2) * (1 - r1**2 - r2**2 - r12**2) + r12**3
    c = min(1.0, max(-1.0, shared / ((1 - r1**2) * (1 - r2**2))))

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, hypot(one, other) ** 2 - 2 * c * one * other))

    difference = r1 - r2
    return difference - reach(r1 - first[0], second[1] - r2), difference + reach(first[1] - r1, r2 - second[0])


def meng_test(r1: float, r2: float, r12: float, clips: int) -> tuple[float, float]:
    """z and two-sided p of the test that two correlations with the same variable are equal.

    Source: Meng, Rosenthal & Rubin (1992), doi:10.1037/0033-2909.111.1.172.

    >>> [round(number, 2) for number in meng_test(0.63, -0.03, -0.19, 15)]
    [1.68, 0.09]
    """
    mean = (r1**2 + r2**2) / 2
    f = min(1.0, (1 - r12) / (2 * (1 - mean)))
    h = (1 - f * mean) / (1 - mean)
    z = (atanh(r1) - atanh(r2)) * sqrt((clips - 3) / (2 * (1 - r12) * h))
    return z, float(2 * norm.sf(abs(z)))
