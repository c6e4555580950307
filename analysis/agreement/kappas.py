"""Cohen's kappa, unweighted and weighted, for every pair of raters and averaged over pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import sqrt
from typing import Literal

import numpy as np
from scipy.stats import t

from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.ratings import Ratings, Scale

Weighting = Literal["none", "linear", "quadratic"]
NAMES: dict[str, Weighting] = {
    "cohen_kappa": "none",
    "weighted_kappa_linear": "linear",
    "weighted_kappa_quadratic": "quadratic",
}
"""The three kappas by name, with their weighting of disagreement."""

ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Kappa:
    """Kappa of two raters (-1 to 1); `value` is NaN if chance alone would make them agree completely.

    `influence` (clips,) is the influence of each clip: its mean is 0, and its sum of squares divided by clips squared
    is the large-sample variance of Fleiss, Cohen & Everitt (1969).
    """

    value: float
    influence: Floats


@dataclass(frozen=True, eq=False)
class RaterPair:
    """Two raters, by position, the clips that both rated, and the two levels that they gave, shapes (clips,)."""

    first: int
    second: int
    clips: Ints
    said: tuple[Ints, Ints]


def disagreement(scale: Scale, weighting: Weighting) -> Floats:
    """The weight of a disagreement between two levels, 0 to 1, shape (levels, levels); unused levels count.

    >>> disagreement(Scale("s", ("1", "2", "3"), "ordinal"), "linear")[0].tolist()
    [0.0, 0.5, 1.0]
    """
    if weighting == "none":
        return np.asarray(1.0 - np.eye(len(scale.levels)))
    apart = np.abs(np.subtract.outer(scale.points, scale.points)) / np.ptp(scale.points)
    return np.asarray(apart if weighting == "linear" else apart**2)


def kappa(first: Ints, second: Ints, weights: Floats) -> Kappa:
    """Kappa of two parallel sequences of levels, shapes (clips,): 1 - observed / expected disagreement.

    `weights` (levels, levels) come from `disagreement`. Source: Cohen (1968), doi:10.1037/h0026256; variance: Fleiss,
    Cohen & Everitt (1969), doi:10.1037/h0028106. Raises ValueError without clips.

    >>> two = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    >>> round(kappa(*two, 1.0 - np.eye(2)).value, 3)
    0.5
    """
    if not len(first):
        raise ValueError("kappa needs at least one clip that both raters judged")
    levels = len(weights)
    rows = np.bincount(first, minlength=levels) / len(first)
    columns = np.bincount(second, minlength=levels) / len(first)
    seen = weights[first, second]
    observed, expected = float(seen.mean()), float(rows @ weights @ columns)
    if expected < ROUNDING:
        return Kappa(float("nan"), np.zeros(len(first)))
    margins = (weights @ columns)[first] + (rows @ weights)[second]
    influence = -(seen - observed) / expected + observed / expected**2 * (margins - 2 * expected)
    return Kappa(1 - observed / expected, influence)


def pairs(ratings: Ratings) -> list[RaterPair]:
    """Every pair of raters, in order of names, with the clips that both rated (possibly none)."""
    of = [ratings.rater_of == rater for rater in range(len(ratings.raters))]
    clips, levels = [ratings.clip_of[mine] for mine in of], [ratings.level[mine] for mine in of]
    found = []
    for one, other in combinations(range(len(ratings.raters)), 2):
        both, here, there = np.intersect1d(clips[one], clips[other], assume_unique=True, return_indices=True)
        found.append(RaterPair(one, other, both, (levels[one][here], levels[other][there])))
    return found


def pair_estimate(statistic: str, pair: RaterPair, ratings: Ratings, *, confidence: float = 0.95) -> Estimate:
    """One kappa of `NAMES` for one pair of raters, with the interval of Fleiss, Cohen & Everitt (1969)."""
    made = _signed(statistic, confidence)
    reason = _refused(statistic, ratings.scale)
    clips = len(pair.clips)
    if reason is None and not clips:
        reason = "no clip was rated by both"
    found = None if reason else kappa(*pair.said, disagreement(ratings.scale, NAMES[statistic]))
    if found is not None and np.isnan(found.value):
        reason = "both raters gave the same single answer: without variation, agreement cannot be told from chance"
    if found is None or reason:
        return absent(statistic, str(reason), signature=made, confidence=confidence, clips=clips, raters=2)
    ends = student_ends(found.value, found.influence / clips, confidence)
    return Estimate(statistic, found.value, *ends, confidence, clips, 2, 2 * clips, METHOD, made)


METHOD = "large-sample standard error (Fleiss, Cohen & Everitt 1969), Student's t"


def mean_kappa(
    statistic: str, ratings: Ratings, *, confidence: float = 0.95, groups: Mapping[str, str] | None = None
) -> Estimate:
    """The mean of one kappa of `NAMES` over all pairs of raters that have it (Light 1971, doi:10.1037/h0031643).

    Every pair has the same weight. The standard error sums the influence of a clip over all its pairs, because clips
    are independent and pairs are not; with `groups` (clip to source) sources are independent. Raises ValueError for a
    clip without a source.
    """
    unit = "clip" if groups is None else "source"
    made = signature(statistic, ["scipy"], weights=NAMES[statistic], average="pairs", unit=unit, confidence=confidence)
    reason = _refused(statistic, ratings.scale)
    clips = int((ratings.votes >= 2).sum())
    if reason:
        return absent(statistic, reason, signature=made, confidence=confidence, clips=clips)
    weights = disagreement(ratings.scale, NAMES[statistic])
    overlapping = [pair for pair in pairs(ratings) if len(pair.clips)]
    found = [(pair, kappa(*pair.said, weights)) for pair in overlapping]
    known = [(pair, one) for pair, one in found if not np.isnan(one.value)]
    if not known:
        reason = "no two raters rated the same clip"
        if found:
            reason = "no pair of raters shows variation: agreement cannot be told from chance"
        return absent(statistic, reason, signature=made, confidence=confidence, clips=clips)
    influence = np.zeros(len(ratings.clips))
    for pair, one in known:
        influence[pair.clips] += one.influence / len(pair.clips) / len(known)
    entering = np.unique(np.concatenate([pair.clips for pair, _ in known]))
    value = float(np.mean([one.value for _, one in known]))
    raters = np.unique([(pair.first, pair.second) for pair, _ in known])
    votes = int(np.isin(ratings.clip_of, entering)[np.isin(ratings.rater_of, raters)].sum())
    left_out = f"; {len(found) - len(known)} pairs without variation left out" if len(found) > len(known) else ""
    method = f"mean of {len(known)} pairs; linearised over {unit}s, Student's t{left_out}"
    ends = student_ends(
        value, _by_group(influence[entering], [ratings.clips[clip] for clip in entering], groups), confidence
    )
    return Estimate(statistic, value, *ends, confidence, len(entering), len(raters), votes, method, made)


@cache
def _signed(statistic: str, confidence: float) -> str:
    """Cached, because looking up versions takes longer than a kappa and 40 raters make 780 pairs."""
    return signature(statistic, ["scipy"], weights=NAMES[statistic], confidence=confidence)


def _refused(statistic: str, scale: Scale) -> str | None:
    if scale.metric == "nominal" and NAMES[statistic] != "none":
        return "the scale is nominal: no answer is nearer to another, so nothing can be weighted"
    return None


def _by_group(influence: Floats, clips: list[str], groups: Mapping[str, str] | None) -> Floats:
    if groups is None:
        return influence
    unknown = [clip for clip in clips if clip not in groups]
    if unknown:
        raise ValueError(f"clip {unknown[0]} has no source in groups ({len(unknown)} such clips)")
    source_of = np.unique([groups[clip] for clip in clips], return_inverse=True)[1]
    return np.asarray(np.bincount(source_of, weights=influence), dtype=np.float64)


def student_ends(value: float, influence: Floats, confidence: float) -> tuple[float | None, float | None]:
    """Student's interval within [-1, 1] from the influence of each unit; None for both ends without any influence."""
    error = sqrt(float((influence**2).sum()))
    if len(influence) < 2 or error < ROUNDING:
        return None, None
    half = float(t.ppf((1 + confidence) / 2, len(influence) - 1)) * error
    return max(-1.0, value - half), min(1.0, value + half)
