"""Pairs of clips: does a score tell clips apart that raters tell apart, and does it order them as raters do?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    LOGIT,
    Described,
    DesignEstimate,
    Interval,
    infinitesimal,
    too_few,
)
from analysis.association.opinion import Opinion
from analysis.estimate import Bools, Floats, Ints

DIFFERENT = 1.96
"""Two clips count as different if their means differ by more standard errors than this."""
FEWEST_DIFFERENT = 30
"""With fewer different pairs the analysis of better and worse is refused."""
MOST_CLIPS = 2000
"""Of more clips a random part is compared; they have two million pairs."""


@dataclass(frozen=True)
class PairAnalysis:
    """What a score says about pairs of clips (Krasula et al. 2016).

    `pairs` counts pairs of distinct clips that have at least two ratings each, `different` those whose mean ratings
    differ by more than 1.96 standard errors. `auc_different_similar` is the chance (0 to 1) that a different pair is
    further apart in the score than a similar one; `auc_better_worse` and `correct_at_zero` tell how well the sign of
    the score's difference names the better clip of a different pair. Of similar pairs 95 % are no further apart in the
    score than `threshold_95`; None without similar pairs. `clips` counts the clips compared.
    """

    pairs: int
    different: int
    clips: int
    auc_different_similar: DesignEstimate
    auc_better_worse: DesignEstimate
    correct_at_zero: DesignEstimate
    threshold_95: float | None


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All pairs of distinct clips, shapes (pairs,): both clips, whether they differ, and how the score differs.

    `apart` is the score of the better clip less that of the worse one.
    """

    first: Ints
    second: Ints
    different: Bools
    apart: Floats

    @classmethod
    def of(cls, score: Floats, opinion: Floats, variance: Floats, limit: float) -> "_Pairs":
        """`variance` is that of each clip's mean rating; `limit` is in standard errors of a difference."""
        first, second = np.triu_indices(len(score), 1)
        distance = opinion[first] - opinion[second]
        different = np.abs(distance) > limit * np.sqrt(variance[first] + variance[second])
        # Scores such as 0.3 and 0.1 must be as far apart as 0.2 and 0: rounding errors of subtraction are no order.
        size = max(float(np.abs(score).max(initial=0.0)), np.finfo(np.float64).tiny)
        gap = np.round((score[first] - score[second]) / size, 12) * size
        return cls(first, second, different, gap * np.where(distance < 0, -1.0, 1.0))

    def part(self, chosen: Bools | Ints) -> "_Pairs":
        return _Pairs(self.first[chosen], self.second[chosen], self.different[chosen], self.apart[chosen])

    def weights(self, clip_weights: Floats) -> Floats:
        return np.asarray(clip_weights[self.first] * clip_weights[self.second])


def pair_analysis(score: Floats, opinion: Opinion, described: Described) -> PairAnalysis | None:
    """Compare all pairs of clips; `score` rises with quality, shape (clips,). None if no single ratings are known.

    Clips differ if |y_i - y_j| / sqrt(s_i^2 / m_i + s_j^2 / m_j) > 1.96, with the variance s^2 of each clip's own m
    ratings; a clip with one rating is left out. A pair counts with the product of its clips' weights. Pairs share
    clips, so that intervals come from the spread over clips, or sources, and not from the number of pairs. Source:
    Krasula, Fliegel, Le Callet & Klima (2016), QoMEX, doi:10.1109/QoMEX.2016.7498936.

    >>> grid = np.array([[1.0, 2], [3, 4], [5, 5], [2, 2]])
    >>> from analysis.association.design_intervals import Resampling
    >>> from analysis.design import Design
    >>> described = Described(Design.build(4), Resampling())
    >>> found = pair_analysis(np.array([0.1, 0.5, 0.9, 0.3]), Opinion.of_grid(grid), described)
    >>> found.pairs, found.different, found.correct_at_zero.estimate.value
    (6, 5, 1.0)
    """
    if opinion.grid is None or opinion.votes is None:
        return None
    kept = np.flatnonzero(opinion.votes >= 2)
    if len(kept) > MOST_CLIPS:
        kept = np.sort(np.random.default_rng(described.how.seed).choice(kept, MOST_CLIPS, replace=False))
    chosen = np.zeros(len(score), dtype=np.bool_)
    chosen[kept] = True
    grid = opinion.grid[kept]
    variance = np.nanvar(grid, axis=1, ddof=1) / opinion.votes[kept] if len(kept) else np.empty(0)
    pairs = _Pairs.of(score[kept], opinion.mean[kept], variance, DIFFERENT)
    design = described.design if chosen.all() else described.design.part(chosen)
    here = Described(design, described.how, opinion.raters, int(opinion.votes[kept].sum()))
    different = int(pairs.different.sum())
    return PairAnalysis(
        pairs=len(pairs.first),
        different=different,
        clips=len(kept),
        auc_different_similar=_different_similar(pairs, here),
        auc_better_worse=_better_worse(pairs, here),
        correct_at_zero=_correct(pairs, here),
        threshold_95=_threshold(pairs.part(~pairs.different), design.clip_weight),
    )


def _different_similar(pairs: _Pairs, described: Described) -> DesignEstimate:
    name, different = "auc_different_similar", int(pairs.different.sum())
    if different in (0, len(pairs.first)):
        kind = "similar" if different else "different"
        return described.absent(name, f"no pair of clips is {kind}")
    distance = np.abs(pairs.apart)
    return _estimate(name, pairs, described, lambda weights: _area(distance, pairs.different, weights))


def _better_worse(pairs: _Pairs, described: Described) -> DesignEstimate:
    name, chosen = "auc_better_worse", pairs.part(pairs.different)
    count = len(chosen.first)
    if count < FEWEST_DIFFERENT:
        reason = f"{count} pairs of clips differ by more than the raters' noise, and this needs {FEWEST_DIFFERENT}"
        return described.absent(name, reason)
    both, is_better = np.concatenate([chosen.apart, -chosen.apart]), np.repeat([True, False], count)

    def area(weights: Floats) -> tuple[float, Floats]:
        value, slope = _area(both, is_better, np.concatenate([weights, weights]))
        return value, slope[:count] + slope[count:]

    return _estimate(name, chosen, described, area)


def _correct(pairs: _Pairs, described: Described) -> DesignEstimate:
    """The share of different pairs whose better clip has the higher score; equal scores are wrong."""
    chosen = pairs.part(pairs.different)
    if not len(chosen.first):
        return described.absent("correct_at_zero", "no pair of clips is different")
    right = (chosen.apart > 0).astype(np.float64)

    def share(weights: Floats) -> tuple[float, Floats]:
        value = float(np.average(right, weights=weights))
        return value, weights * (right - value) / weights.sum()

    return _estimate("correct_at_zero", chosen, described, share)


def _area(values: Floats, positive: Bools, weights: Floats) -> tuple[float, Floats]:
    """The weighted area under the ROC curve of `values` (ties count half), and its slope in each pair's log weight.

    All shapes are (pairs,). The slope is w (placement - area) / W, with the placement among pairs of the other kind
    (DeLong, DeLong & Clarke-Pearson 1988) and W the weight of the pairs of the same kind.
    """
    level_of = np.unique(values, return_inverse=True)[1]
    above, below = (np.bincount(level_of, weights * kind) for kind in (positive, ~positive))
    beats = (np.cumsum(below) - below / 2) / below.sum()
    beaten = 1 - (np.cumsum(above) - above / 2) / above.sum()
    placement = np.where(positive, beats[level_of], beaten[level_of])
    value = float((above * beats).sum() / above.sum())
    return value, weights * (placement - value) / np.where(positive, above.sum(), below.sum())


def _estimate(
    name: str, pairs: _Pairs, described: Described, statistic: Callable[[Floats], tuple[float, Floats]]
) -> DesignEstimate:
    """`statistic` maps weights of pairs to a value and its slope in each pair's log weight.

    A clip's slope is the sum of those of its pairs: the infinitesimal jackknife (Jaeckel 1972; Efron 1982, chapter 6).
    """
    design, how = described.design, described.how
    value, of_pair = statistic(pairs.weights(design.clip_weight))
    sample = None if design.equal_weights else statistic(np.ones(len(pairs.first)))[0]
    sums = (np.bincount(clip, of_pair, minlength=described.clips) for clip in (pairs.first, pairs.second))
    if described.clips < FEWEST_CLIPS:
        found = too_few(described.clips)
    elif min(value, 1 - value) < 1e-12:
        found = Interval(None, None, None, "no interval: every pair of clips says the same")
    else:
        found = infinitesimal(value, np.asarray(sum(sums), dtype=np.float64), design, how, LOGIT)
    return described.estimate(name, value, sample, found, different=DIFFERENT)


def _threshold(similar: _Pairs, clip_weight: Floats) -> float | None:
    """The 95th percentile of the distance of similar pairs in the score, weighted where weights differ."""
    if not len(similar.first):
        return None
    distance, mass = np.abs(similar.apart), similar.weights(clip_weight)
    if np.ptp(mass) <= 1e-9 * mass.max():
        return float(np.quantile(distance, 0.95))
    return float(np.quantile(distance, 0.95, weights=mass, method="inverted_cdf"))
