"""Correlations of a score with the raters' mean opinion, with intervals that fit the sampling design."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from scipy.stats import norm

from analysis.association import influence, ranks
from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    FISHER,
    LARGE,
    Described,
    DesignEstimate,
    Interval,
    by_design,
    infinitesimal,
    is_simple,
    too_few,
)
from analysis.estimate import Floats

Name = Literal["spearman", "pearson", "kendall_tau_b"]
PERFECT = 1 - 1e-12
"""A correlation beyond this is 1 or -1 but for rounding."""


@dataclass(frozen=True)
class Coefficient:
    """A correlation: how it is computed, how much each clip moves it, its variance on Fisher's scale in a simple random
    sample, and its method.
    """

    correlation: Callable[[Floats, Floats], ranks.Correlation]
    influence: influence.Influence
    variance: Callable[[float, int], float]
    method: str


COEFFICIENTS: dict[Name, Coefficient] = {
    "spearman": Coefficient(
        ranks.spearman,
        influence.spearman,
        lambda r, n: (1 + r * r / 2) / (n - 3),
        "Fisher's z with Bonett & Wright's variance (2000)",
    ),
    "pearson": Coefficient(ranks.pearson, influence.pearson, lambda _r, n: 1 / (n - 3), "Fisher's z"),
    "kendall_tau_b": Coefficient(
        ranks.kendall_tau_b,
        influence.kendall_tau_b,
        lambda _r, n: 0.437 / (n - 4),
        "Fisher's z with the variance of Fieller et al. (1957)",
    ),
}


def correlation(name: Name, score: Floats, opinion: Floats, described: Described) -> DesignEstimate:
    """One correlation of a score with the mean opinion; both have shape (clips,).

    Weighted to the pool. In a simple random sample the interval comes from Fisher's z: with 1 / (n - 3) for Pearson,
    (1 + r^2 / 2) / (n - 3) for Spearman (Bonett & Wright 2000, doi:10.1007/BF02294183) and .437 / (n - 4) for
    Kendall (Fieller, Hartley & Pearson 1957, doi:10.1093/biomet/44.3-4.470). With sources it comes from a jackknife,
    with strata or weights from a bootstrap within strata (`by_design`), and for `LARGE` samples of either kind from the
    infinitesimal jackknife. There is none with fewer than ten clips, and none at 1 or -1. Undefined with fewer than two
    clips or if score or opinion do not vary.

    >>> from analysis.association.design_intervals import Resampling
    >>> from analysis.design import Design
    >>> described = Described(Design.build(12), Resampling())
    >>> found = correlation("spearman", np.arange(12.0), np.array([0.0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10]), described)
    >>> round(found.estimate.value, 3), round(found.estimate.low, 3), round(found.estimate.high, 3)
    (0.972, 0.87, 0.994)
    """
    reason = unvarying(score, opinion)
    if reason:
        return described.absent(name, reason)
    design = described.design
    coefficient = COEFFICIENTS[name].correlation(score, opinion)
    value, sample = (float(coefficient(weight[None])[0]) for weight in (design.clip_weight, np.ones(len(score))))
    if np.isnan(value):
        return described.absent(name, "the score or the rating hardly varies")
    return described.estimate(name, value, sample, interval(name, value, score, opinion, described))


def unvarying(score: Floats, opinion: Floats) -> str | None:
    """The reason why no correlation of these clips exists; None if there is one."""
    if len(score) < 2:
        return f"{len(score)} clip has a score and a rating; a correlation needs two"
    if np.ptp(score) == 0:
        return "every clip has the same score"
    if np.ptp(opinion) == 0:
        return "every clip has the same mean rating"
    return None


def interval(name: Name, value: float, score: Floats, opinion: Floats, described: Described) -> Interval:
    """The interval of a correlation that has the given value; see `correlation`."""
    design, how, clips = described.design, described.how, described.clips
    if abs(value) > PERFECT:
        return Interval(None, None, None, "no interval: a perfect correlation shows no spread")
    if clips < FEWEST_CLIPS:
        return too_few(clips)
    if not is_simple(design) and clips >= LARGE:
        return infinitesimal(
            value, COEFFICIENTS[name].influence(score, opinion, design.clip_weight), design, how, FISHER
        )
    if not is_simple(design):
        return by_design(value, COEFFICIENTS[name].correlation(score, opinion), design, how, FISHER)
    error = sqrt(COEFFICIENTS[name].variance(value, clips))
    low, high = fisher_ends(value, error, how.confidence)
    return Interval(low, high, (1 - value**2) * error, COEFFICIENTS[name].method)


def fisher_ends(value: float, error: float, confidence: float) -> tuple[float, float]:
    """The interval tanh(atanh r +- z error); the value lies strictly between -1 and 1."""
    half = float(norm.ppf((1 + confidence) / 2)) * error
    middle = np.arctanh(value)
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))
