"""Signs of careless answering by a rater: long runs of one answer, haste, wrong gold clips, drift."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.proportions import wilson

MIN_ANSWERS = 10
"""A rater with fewer answers is never flagged."""
SHUFFLES = 1000
ENOUGH_LONG_RUNS = 20
"""Random orders with so long a run after which p is clearly above `MAX_P` and the search can stop."""
HASTY_SHARE = 1 / 3
"""A rater is hasty if the median time per answer is below this share of the median over raters."""
MAX_P = 0.01


@dataclass(frozen=True)
class AnswerRuns:
    """Straight-lining: a rater's longest run of one answer and the share (0 to 1) of the most common answer.

    `p` is the share of random orders of the rater's answers with so long a run. `straight` flags p < .01, or the same
    answer throughout, for at least ten answers. `longest` and `p` are None if the order of answers is not known.
    """

    longest: int | None
    commonest_share: float
    p: float | None
    straight: bool


def answer_runs(values: Ints, position: Floats | None, *, seed: int = 0) -> AnswerRuns:
    """Test one rater's answers for straight-lining.

    `values` (answers,) are answers as numbers from 0, `position` (answers,) their place in the rater's order, if known.

    >>> answer_runs(np.array([3] * 12), None).straight
    True
    """
    share = float(np.bincount(values).max() / len(values))
    enough = len(values) >= MIN_ANSWERS
    if position is None:
        return AnswerRuns(None, share, None, enough and share == 1.0)
    ordered = values[np.argsort(position, kind="stable")]
    longest = _longest(ordered)
    if share == 1.0:
        return AnswerRuns(longest, share, None, enough)
    p = _as_long(ordered, longest, seed)
    return AnswerRuns(longest, share, p, enough and p < MAX_P)


def _as_long(ordered: Ints, longest: int, seed: int) -> float:
    """The share of random orders with so long a run, by simulation that stops after `ENOUGH_LONG_RUNS` of them.

    Source: Besag & Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78, 301-304.
    """
    generator, found = np.random.default_rng(seed), 0
    for tried in range(1, SHUFFLES + 1):
        found += _longest(generator.permutation(ordered)) >= longest
        if found == ENOUGH_LONG_RUNS:
            return found / tried
    return (1 + found) / (1 + SHUFFLES)


def _longest(values: Ints) -> int:
    breaks = np.flatnonzero(np.diff(values)) + 1
    return int(np.diff(np.concatenate([[0], breaks, [len(values)]])).max())


def hasty(medians: Floats) -> list[bool]:
    """Which raters have a median time below a third of the median over raters; NaN for raters without times.

    >>> hasty(np.array([9.0, 8.0, 2.0]))
    [False, False, True]
    """
    known = medians[~np.isnan(medians)]
    if len(known) < 2:
        return [False] * len(medians)
    return [bool(one < HASTY_SHARE * np.median(known)) for one in medians]


def gold_accuracy(right: int, asked: int, *, confidence: float = 0.95) -> Estimate:
    """The share of gold clips answered within the tolerance (0 to 1), with Wilson's interval.

    >>> gold_accuracy(9, 10).value
    0.9
    """
    made = signature("gold_accuracy", ("scipy",), confidence=confidence)
    if not asked:
        return absent("gold_accuracy", "no gold clip was answered", signature=made, confidence=confidence, clips=0)
    low, high = wilson(right, asked, confidence)
    return Estimate("gold_accuracy", right / asked, low, high, confidence, asked, 1, asked, "Wilson", made)


def drift(points: Floats, rest: Floats, position: Floats, *, confidence: float = 0.95) -> Estimate:
    """The change of a rater's answers against those of the others over 100 positions of the rater's order, in points.

    The slope of a least-squares line of (own - mean of the others on the same clip) on position / 100. `points`, `rest`
    and `position` have shape (answers,), NaN where unknown. Undefined with fewer than ten clips that others rated too,
    if all have the same position, or if the difference is the same on every clip.

    >>> places = np.arange(200.0)
    >>> round(drift(3 + places / 100, np.full(200, 3.0), places).value, 3)
    1.0
    """
    made = signature("drift_per_100_clips", ("scipy",), confidence=confidence)
    known = np.isfinite(points) & np.isfinite(rest) & np.isfinite(position)
    clips = int(known.sum())
    if clips < MIN_ANSWERS or np.ptp(position[known]) == 0:
        reason = f"fewer than {MIN_ANSWERS} clips in an order with others' ratings"
        return absent("drift_per_100_clips", reason, signature=made, confidence=confidence, clips=clips)
    if np.ptp((points - rest)[known]) == 0:  # the line fits exactly, so it has no interval
        reason = "the difference from the others is the same on every clip"
        return absent("drift_per_100_clips", reason, signature=made, confidence=confidence, clips=clips)
    line = linregress(position[known] / 100, (points - rest)[known])
    half = float(student.ppf((1 + confidence) / 2, clips - 2) * line.stderr)
    low, high = float(line.slope) - half, float(line.slope) + half
    method = f"least squares, t with {clips - 2} degrees of freedom"
    return Estimate("drift_per_100_clips", float(line.slope), low, high, confidence, clips, 1, clips, method, made)
