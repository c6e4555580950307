"""Signs that a rater's answers deserve a look: one answer throughout, haste, wrong gold answers, drift."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.rates import wilson

LEAST = 10
"""Answers below which nothing is flagged."""
SHUFFLES = 1000
SEEN_OFTEN = 20
"""Orders with so long a run after which their share is plainly above `CHANCE`."""
HASTE = 1 / 3
"""A rater is hasty whose median time is under this share of the median over raters."""
CHANCE = 0.01


@dataclass(frozen=True)
class Runs:
    """How monotonous a rater's answers are: the longest run of one answer, the share of the commonest one.

    `p` is the share of random orders of the rater's own answers with so long a run; `straight` flags p under .01, or
    one answer throughout, with at least ten answers. None where the order of answers is not known.
    """

    longest: int | None
    commonest_share: float
    p: float | None
    straight: bool


def runs(values: Ints, position: Floats | None, *, seed: int = 0) -> Runs:
    """One rater's answers as numbers, with the position of each in the rater's own order where it is known.

    >>> runs(np.array([3] * 12), None).straight
    True
    """
    share = float(np.bincount(values).max() / len(values))
    enough = len(values) >= LEAST
    if position is None:
        return Runs(None, share, None, enough and share == 1.0)
    ordered = values[np.argsort(position, kind="stable")]
    longest = _longest(ordered)
    if share == 1.0:
        return Runs(longest, share, None, enough)
    p = _as_long(ordered, longest, seed)
    return Runs(longest, share, p, enough and p < CHANCE)


def _as_long(ordered: Ints, longest: int, seed: int) -> float:
    """The share of random orders with so long a run: from 20 of them on it is known well enough and the search ends.

    Source: Besag & Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78, 301-304.
    """
    generator, found = np.random.default_rng(seed), 0
    for tried in range(1, SHUFFLES + 1):
        found += _longest(generator.permutation(ordered)) >= longest
        if found == SEEN_OFTEN:
            return found / tried
    return (1 + found) / (1 + SHUFFLES)


def _longest(values: Ints) -> int:
    breaks = np.flatnonzero(np.diff(values)) + 1
    return int(np.diff(np.concatenate([[0], breaks, [len(values)]])).max())


def hasty(medians: Floats) -> list[bool]:
    """Who answers in under a third of the time that the middle rater takes; NaN for raters without times.

    >>> hasty(np.array([9.0, 8.0, 2.0]))
    [False, False, True]
    """
    known = medians[~np.isnan(medians)]
    if len(known) < 2:
        return [False] * len(medians)
    return [bool(one < HASTE * np.median(known)) for one in medians]


def gold_accuracy(right: int, asked: int, *, confidence: float = 0.95) -> Estimate:
    """Share of gold clips answered within the tolerance, with Wilson's interval.

    >>> gold_accuracy(9, 10).value
    0.9
    """
    made = signature("gold_accuracy", ("scipy",), confidence=confidence)
    if not asked:
        return absent("gold_accuracy", "no gold clip was answered", signature=made, confidence=confidence, clips=0)
    low, high = wilson(right, asked, confidence)
    return Estimate("gold_accuracy", right / asked, low, high, confidence, asked, 1, asked, "Wilson", made)


def drift(points: Floats, rest: Floats, position: Floats, *, confidence: float = 0.95) -> Estimate:
    """How a rater's answers move against the others' over 100 positions of the rater's own order, in points.

    Least squares of (own - mean of the others on the same clip) on position / 100. Undefined with fewer than ten
    clips that others rated too, or where all have one position.

    >>> places = np.arange(200.0)
    >>> round(drift(3 + places / 100, np.full(200, 3.0), places).value, 3)
    1.0
    """
    made = signature("drift_per_100_clips", ("scipy",), confidence=confidence)
    known = np.isfinite(points) & np.isfinite(rest) & np.isfinite(position)
    clips = int(known.sum())
    if clips < LEAST or np.ptp(position[known]) == 0:
        reason = f"fewer than {LEAST} clips in an order with others' ratings"
        return absent("drift_per_100_clips", reason, signature=made, confidence=confidence, clips=clips)
    if np.ptp((points - rest)[known]) == 0:  # no spread at all: the line fits exactly and has no interval
        reason = "the difference from the others is the same on every clip"
        return absent("drift_per_100_clips", reason, signature=made, confidence=confidence, clips=clips)
    line = linregress(position[known] / 100, (points - rest)[known])
    half = float(student.ppf((1 + confidence) / 2, clips - 2) * line.stderr)
    low, high = float(line.slope) - half, float(line.slope) + half
    method = f"least squares, t with {clips - 2} degrees of freedom"
    return Estimate("drift_per_100_clips", float(line.slope), low, high, confidence, clips, 1, clips, method, made)
