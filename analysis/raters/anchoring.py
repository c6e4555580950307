"""Anchoring: whether raters who see the filter's score follow it, from arms with the score shown and hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from analysis.estimate import Bools, Estimate, Floats, Ints, absent, signature

MIN_CLUSTERS = 2
TERMS = 4
"""Terms of the regression: constant, filter, shown, filter x shown."""
ROUNDING = 1e-18
"""A variance below this is a rounding error: answers that the model fits exactly have none."""


@dataclass(frozen=True)
class Anchoring:
    """The effect of showing scores, as a difference in differences.

    `shown` and `hidden` measure how closely answers follow the filter in each arm: for verdicts P(accept | filter
    accepts) - P(accept | filter rejects), for ratings the slope of the rating on the score. `effect` is shown - hidden:
    0 if seeing the score changes nothing, above 0 if raters follow it. `p` tests that the effect is 0.
    """

    shown: Estimate
    hidden: Estimate
    effect: Estimate
    p: float | None


def anchoring(
    answers: Sequence[float] | Floats,
    filter_says: Sequence[float] | Floats,
    shown: Sequence[bool] | Bools,
    raters: Sequence[str],
    clips: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Anchoring:
    """Estimate the effect of showing scores, with variance clustered by rater and by clip.

    All sequences have one entry per answer. `answers` are 1 (accept) or 0 (reject), or ratings in points;
    `filter_says` is 1 (the filter accepts) or 0 (it rejects), or the filter's score. The effect is d in the least
    squares fit answer = a + b filter + c shown + d filter x shown. The variance is clustered two ways (Cameron, Gelbach
    & Miller 2011, Journal of Business & Economic Statistics 29, 238-249), each clustering with G/(G-1) (n-1)/(n-4);
    t has the smaller number of clusters less one degrees of freedom. Every answer counts in the arm that was drawn for
    it, whether the rater looked at the score or not (intention to treat). For verdicts, intervals are limited to the
    range of a difference of shares: -1 to 1 for an arm, -2 to 2 for the effect.

    Raises ValueError if lengths differ or a number is not finite. The estimates are undefined, with the reason, if an
    arm is empty, the filter says the same of every clip of an arm, or there are fewer than two raters or clips.

    >>> says = [1, 0] * 8
    >>> seen = [True] * 8 + [False] * 8
    >>> votes = [1, 0] * 4 + [1, 0, 0, 0, 1, 0, 0, 1]
    >>> found = anchoring(votes, says, seen, list("abcd") * 4, [str(k) for k in range(16)])
    >>> round(found.shown.value, 2), round(found.hidden.value, 2), round(found.effect.value, 2)
    (1.0, 0.25, 0.75)
    """
    y, x = np.asarray(answers, dtype=np.float64), np.asarray(filter_says, dtype=np.float64)
    arm = np.asarray(shown, dtype=np.bool_)
    if not len(y) == len(x) == len(arm) == len(raters) == len(clips):
        raise ValueError(f"{len(y)} answers, {len(x)} verdicts, {len(arm)} arms, {len(raters)} raters, {len(clips)}")
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("every answer and every verdict of the filter must be a finite number")
    rater_of: Ints = np.unique(np.asarray(raters, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
    clip_of: Ints = np.unique(np.asarray(clips, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
    nothing = _nothing(x, arm, rater_of, clip_of)
    counts = (len(np.unique(clip_of)), len(np.unique(rater_of)), len(y))
    if nothing:
        first, second, third = (_absent(name, nothing, confidence, counts) for name in ("shown", "hidden", "effect"))
        return Anchoring(first, second, third, p=None)
    design = np.column_stack([np.ones(len(y)), x, arm, x * arm])
    beta: Floats = np.linalg.lstsq(design, y, rcond=None)[0].astype(np.float64)
    bread = np.linalg.inv(design.T @ design)
    scores = design * (y - design @ beta)[:, None]
    pair = rater_of * (clip_of.max() + 1) + clip_of
    meat = _clustered(scores, rater_of) + _clustered(scores, clip_of) - _clustered(scores, pair)
    variance = bread @ meat @ bread
    freedom = min(counts[0], counts[1]) - 1
    hidden, d = np.array([0, 1.0, 0, 0]), np.array([0, 0, 0, 1.0])
    shares = bool(np.isin(y, (0, 1)).all() and np.isin(x, (0, 1)).all())  # differences of shares end at -1 and 1
    made = {
        name: _estimate(name, vector, beta, variance, freedom, confidence, counts, most if shares else np.inf)
        for name, vector, most in (("shown", hidden + d, 1.0), ("hidden", hidden, 1.0), ("effect", d, 2.0))
    }
    spread = float(d @ variance @ d)
    p = float(2 * student.sf(abs(beta[3]) / np.sqrt(spread), freedom)) if spread > ROUNDING else None
    return Anchoring(made["shown"], made["hidden"], made["effect"], p)


def _nothing(x: Floats, arm: Bools, rater_of: Ints, clip_of: Ints) -> str | None:
    for name, of_arm in (("shown", arm), ("hidden", ~arm)):
        if not of_arm.any():
            return f"no answer was given with the score {name}"
        if np.ptp(x[of_arm]) == 0:
            return f"the filter says the same of every clip in the arm with the score {name}"
    if len(np.unique(rater_of)) < MIN_CLUSTERS or len(np.unique(clip_of)) < MIN_CLUSTERS:
        return "fewer than two raters or clips: nothing tells their own ways from the score's effect"
    if len(x) <= TERMS:
        return f"{len(x)} answers are too few: {TERMS + 1} are the least"
    return None


def _clustered(scores: Floats, cluster_of: Ints) -> Floats:
    """The sum over clusters of the outer product of their scores, corrected for few clusters and few rows."""
    sums = np.zeros((int(cluster_of.max()) + 1, scores.shape[1]))
    np.add.at(sums, cluster_of, scores)
    used, (rows, terms) = len(np.unique(cluster_of)), scores.shape
    return np.asarray(sums.T @ sums * (used / (used - 1)) * ((rows - 1) / (rows - terms)))


def _signature(name: str, confidence: float) -> str:
    return signature(f"anchoring_{name}", ("scipy",), clusters="rater+clip", confidence=confidence)


def _absent(name: str, reason: str, confidence: float, counts: tuple[int, int, int]) -> Estimate:
    made = _signature(name, confidence)
    return absent(f"anchoring_{name}", reason, signature=made, confidence=confidence, clips=counts[0], raters=counts[1])


def _estimate(
    name: str,
    vector: Floats,
    beta: Floats,
    variance: Floats,
    freedom: int,
    confidence: float,
    counts: tuple[int, int, int],
    most: float,
) -> Estimate:
    value, spread = float(vector @ beta), float(vector @ variance @ vector)
    low = high = None
    method = "no interval: the clustered variance is not above zero"
    if spread > ROUNDING:
        half = float(student.ppf((1 + confidence) / 2, freedom) * np.sqrt(spread))
        low, high = max(-most, value - half), min(most, value + half)
        method = f"least squares, clustered by rater and clip, t with {freedom} degrees of freedom"
    made = _signature(name, confidence)
    return Estimate(f"anchoring_{name}", value, low, high, confidence, *counts, method, made)
