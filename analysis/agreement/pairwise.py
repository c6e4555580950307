"""Each rater against the others: agreement with their majority and mean; and the disagreement on each clip."""

from dataclasses import dataclass, replace
from math import atanh, sqrt, tanh

import numpy as np
from scipy.stats import norm, rankdata, t

from analysis.agreement.kappas import METHOD, disagreement, kappa, student_ends
from analysis.estimate import Estimate, Floats, absent, signature
from analysis.proportions import wilson
from analysis.ratings import Ratings


@dataclass(frozen=True)
class RaterAgainstOthers:
    """One rater compared with the others; `ties` counts clips on which the others have no strict majority.

    `estimates` holds rest_agreement and rest_kappa (with the others' strict majority) and, on a scale with points,
    rest_pearson, rest_spearman, rest_bias and rest_rmse (with the others' mean).
    """

    rater: str
    ratings: int
    ties: int
    estimates: tuple[Estimate, ...]


def votes_of_others(ratings: Ratings) -> tuple[Floats, Floats]:
    """The strict majority (a level) and the mean (in points) of the other votes on the clip of each vote.

    Both have shape (votes,); NaN without a strict majority, or without other votes.
    """
    rest = ratings.counts[ratings.clip_of].astype(np.float64)
    rest[np.arange(len(rest)), ratings.level] -= 1
    votes = rest.sum(axis=1)
    majority = np.where(2 * rest.max(axis=1) > votes, rest.argmax(axis=1), np.nan)
    points = ratings.scale.points if ratings.scale.numbers is None else ratings.scale.numbers
    mean = np.divide(rest @ points, votes, out=np.full(len(rest), np.nan), where=votes > 0)
    return majority, mean


def raters_against_others(ratings: Ratings, *, confidence: float = 0.95) -> list[RaterAgainstOthers]:
    """Compare every rater who has a vote with the other raters, in order of names; own votes never count as others'."""
    majority, mean = votes_of_others(ratings)
    numbers = ratings.scale.numbers if ratings.scale.metric != "nominal" else None
    found = []
    for rater in np.unique(ratings.rater_of):
        mine = ratings.rater_of == rater
        level, their, shared = ratings.level[mine], majority[mine], ~np.isnan(mean[mine])
        decided = ~np.isnan(their)
        estimates = list(_with_majority(ratings, level[decided], their[decided].astype(np.int64), confidence))
        if numbers is not None:
            estimates += _with_mean(numbers[level[shared]], mean[mine][shared], confidence)
        ties = int((shared & ~decided).sum())
        found.append(RaterAgainstOthers(ratings.raters[rater], int(mine.sum()), ties, tuple(estimates)))
    return found


def without_rater(ratings: Ratings, rater: str) -> Ratings:
    """The ratings without one rater; the clips stay. Raises ValueError if there is no rater of this name."""
    if rater not in ratings.raters:
        raise ValueError(f"no rater {rater!r} among {', '.join(ratings.raters)}")
    kept = ratings.rater_of != ratings.raters.index(rater)
    counts = np.zeros_like(ratings.counts)
    np.add.at(counts, (ratings.clip_of[kept], ratings.level[kept]), 1)
    return replace(
        ratings,
        counts=counts,
        clip_of=ratings.clip_of[kept],
        rater_of=ratings.rater_of[kept],
        level=ratings.level[kept],
    )


def _with_majority(ratings: Ratings, own: np.ndarray, their: np.ndarray, confidence: float) -> tuple[Estimate, ...]:
    names, n = ("rest_agreement", "rest_kappa"), len(own)
    made = {name: signature(name, ["scipy"], rest="strict majority", confidence=confidence) for name in names}
    if not n:
        reason = "no clip of this rater has a strict majority of other raters"
        return tuple(absent(name, reason, signature=made[name], confidence=confidence, clips=0) for name in names)
    same = int((own == their).sum())
    ends = wilson(same, n, confidence)
    agreement = Estimate(names[0], same / n, *ends, confidence, n, None, n, "Wilson", made[names[0]])
    one = kappa(own, their, disagreement(ratings.scale, "none"))
    if np.isnan(one.value):
        reason = "rater and majority gave the same single answer: there is no variation"
        return agreement, absent(names[1], reason, signature=made[names[1]], confidence=confidence, clips=n)
    ends_ = student_ends(one.value, one.influence / n, confidence)
    return agreement, Estimate(names[1], one.value, *ends_, confidence, n, None, n, METHOD, made[names[1]])


def correlation(
    x: Floats, y: Floats, confidence: float, *, ranks: bool = False
) -> tuple[float, float | None, float | None] | None:
    """Pearson's r with Fisher's interval; None without variation or with fewer than two pairs.

    `x` and `y` have shape (pairs,). If they are `ranks`, r is Spearman's and its variance on Fisher's scale is
    (1 + r^2 / 2) / (n - 3) instead of 1 / (n - 3) (Bonett & Wright 2000, doi:10.1007/BF02294183). The ends are None
    with fewer than four pairs and at |r| = 1.

    >>> correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]), 0.95)
    (1.0, None, None)
    """
    if len(x) < 2 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return None
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if len(x) < 4 or abs(r) > 1 - 1e-12:
        return r, None, None
    variance = (1 + r * r / 2 if ranks else 1.0) / (len(x) - 3)
    half = float(norm.ppf((1 + confidence) / 2)) * sqrt(variance)
    return r, tanh(atanh(r) - half), tanh(atanh(r) + half)


def _with_mean(own: Floats, mean: Floats, confidence: float) -> list[Estimate]:
    n = len(own)

    def made(name: str) -> str:
        return signature(name, ["scipy"], rest="mean", confidence=confidence)

    def refused(name: str, reason: str) -> Estimate:
        return absent(name, reason, signature=made(name), confidence=confidence, clips=n)

    found = []
    for name in ("rest_pearson", "rest_spearman"):
        ranks = name == "rest_spearman"
        one, other = (rankdata(own), rankdata(mean)) if ranks else (own, mean)
        r = correlation(one, other, confidence, ranks=ranks)
        if r is None:
            found.append(refused(name, "rater or rest do not vary, or share fewer than two clips"))
        else:
            value, low, high = r
            method = "Fisher's z" + (" with Bonett & Wright's variance (2000)" if ranks else "")
            found.append(Estimate(name, value, low, high, confidence, n, None, n, method, made(name)))
    if not n:
        return [*found, *(refused(name, "no clip was rated by anyone else") for name in ("rest_bias", "rest_rmse"))]
    apart = own - mean
    bias, rmse = float(apart.mean()), sqrt(float((apart**2).mean()))
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * float(apart.std(ddof=1)) / sqrt(n) if n > 1 else None
    low, high = (None, None) if half is None else (bias - half, bias + half)
    found.append(Estimate("rest_bias", bias, low, high, confidence, n, None, n, "Student's t", made("rest_bias")))
    low, high = student_square(apart**2, confidence)
    method = "Student's t on squared differences"
    return [*found, Estimate("rest_rmse", rmse, low, high, confidence, n, None, n, method, made("rest_rmse"))]


def student_square(squares: Floats, confidence: float) -> tuple[float | None, float | None]:
    """The interval of a root mean square, from Student's interval of the mean square, at least 0."""
    n = len(squares)
    if n < 2:
        return None, None
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * float(squares.std(ddof=1)) / sqrt(n)
    mean = float(squares.mean())
    return sqrt(max(0.0, mean - half)), sqrt(mean + half)


def clip_disagreement(ratings: Ratings) -> Floats:
    """The mean disagreement of two raters on each clip, 0 (no disagreement) to 1, shape (clips,); NaN below two votes.

    On a nominal scale two answers are equal or not; otherwise their squared distance counts, which is 1 from one end
    of the scale to the other. This is the clip's term of the observed disagreement in a weighted kappa (Conger 1980,
    doi:10.1037/0033-2909.88.2.322).

    >>> from analysis.ratings import VERDICT
    >>> votes = Ratings.from_votes(list("aabbc"), list("xyxyx"), ["accept", "reject", "accept", "accept", "accept"],
    ...     VERDICT)
    >>> clip_disagreement(votes).tolist()
    [1.0, 0.0, nan]
    """
    weights = disagreement(ratings.scale, "none" if ratings.scale.metric == "nominal" else "quadratic")
    counts = ratings.counts.astype(np.float64)
    votes = counts.sum(axis=1)
    apart = ((counts @ weights) * counts).sum(axis=1)
    pairs = votes * (votes - 1)
    return np.asarray(np.divide(apart, pairs, out=np.full(len(votes), np.nan), where=pairs > 0))
