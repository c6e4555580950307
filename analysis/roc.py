"""How well a score separates good clips from bad ones at every threshold: the ROC curve and its area."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score, roc_curve

from analysis.design import Design, binary, scored
from analysis.estimate import Bools, Estimate, Floats, Ints, absent, signature
from analysis.resampling import percentile_interval, within_strata

Direction = Literal["ge", "le"]
"""Which clips a filter accepts: "ge" score >= threshold, "le" score <= threshold."""


@dataclass(frozen=True, eq=False)
class Roc:
    """The curve: at `thresholds[k]` the filter accepts `tpr[k]` of the good clips and `fpr[k]` of the bad ones.

    From strict to loose; the first threshold is infinite (nothing accepted). Empty arrays when a class is empty;
    `auc` then says so. `good` and `bad` count the rated clips.
    """

    thresholds: Floats
    tpr: Floats
    fpr: Floats
    auc: Estimate
    direction: Direction
    good: int
    bad: int

    def at(self, threshold: float) -> tuple[float, float]:
        """(fpr, tpr) of the filter with this threshold; raises ValueError on an empty curve."""
        if not len(self.thresholds):
            raise ValueError("there is no curve: " + str(self.auc.undefined))
        sign = 1.0 if self.direction == "ge" else -1.0
        looser = np.flatnonzero(sign * self.thresholds >= sign * threshold)
        return float(self.fpr[looser[-1]]), float(self.tpr[looser[-1]])


def roc(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Bools,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    *,
    direction: Direction = "ge",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Roc:
    """ROC curve and AUC of a score against the raters' consensus, one entry per rated clip.

    Curve and area come from scikit-learn, weighted to the pool when `weights` differ. The interval is DeLong's
    when all clips weigh the same (on the logit scale where it would leave [0, 1]) and a bootstrap within strata
    when they do not. When the classes separate completely there is no variance to estimate: the result is then a
    one-sided bound, see `separation_bound`. The order of the clips changes nothing, seeds included.

    >>> curve = roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.auc.value, curve.at(0.35)
    (0.75, (0.5, 1.0))
    """
    is_good = binary(good, "good")
    values = scored(scores, len(is_good)) * (1.0 if direction == "ge" else -1.0)
    design = Design.build(len(is_good), weights, strata)
    order = canonical_order(design, values, is_good)
    values, is_good, design = values[order], is_good[order], design.reordered(order)
    clips, positives = len(is_good), int(is_good.sum())
    made = signature(
        "auc",
        ("scikit-learn", "scipy"),
        direction=direction,
        weights="equal" if design.equal_weights else "inverse-inclusion",
        resamples=None if design.equal_weights else resamples,
        seed=None if design.equal_weights else seed,
        confidence=confidence,
    )
    if positives in (0, clips):
        reason = "no rated clip is good" if positives == 0 else "no rated clip is bad"
        auc = absent("auc", reason, signature=made, confidence=confidence, clips=clips)
        empty = np.empty(0)
        return Roc(empty, empty, empty, auc, direction, positives, clips - positives)
    weight = design.clip_weight
    fpr, tpr, thresholds = roc_curve(is_good, values, sample_weight=weight, drop_intermediate=False)
    area = float(roc_auc_score(is_good, values, sample_weight=weight))
    lost = 0
    separated = values[is_good].min() > values[~is_good].max() or values[is_good].max() < values[~is_good].min()
    if separated or np.ptp(values) == 0:
        area = float(round(area, 9))
        low, high, method = _no_spread(area, is_good, weight, confidence)
    elif design.equal_weights:
        low, high, method = _delong_interval(values, is_good, confidence)
    else:
        areas = _resampled_areas(values, is_good, design, resamples, seed)
        low, high, lost = percentile_interval(areas, confidence)
        method = f"percentile interval of {resamples} resamples within {len(design.labels)} strata"
        if low is None:
            method = f"no interval: the resamples show no spread, {lost} of {resamples} were undefined"
    auc = Estimate("auc", area, low, high, confidence, clips, None, None, method, made, resamples_undefined=lost)
    return Roc(
        thresholds * (1.0 if direction == "ge" else -1.0), tpr, fpr, auc, direction, positives, clips - positives
    )


def canonical_order(design: Design, values: Floats, good: Bools) -> Ints:
    """Positions of the clips by stratum, score and verdict: what is drawn by lot must not depend on their order.

    Weights are equal inside a stratum, so clips that this leaves in the order given are alike in all respects.

    >>> canonical_order(Design.build(3), np.array([2.0, 1.0, 1.0]), np.array([True, True, False])).tolist()
    [2, 1, 0]
    """
    return np.lexsort((good, values, design.of))


def short_cut(cut: float, same: Callable[[float], bool], digits: int = 4) -> str:
    """The shortest decimal for which `same` holds, rounded from `cut` to `digits` significant digits or more.

    `same` says whether a threshold accepts the same clips as the cut. The nearest decimal is tried first, then
    those just below and above; trailing zeros are dropped. The cut itself is the last resort.

    >>> short_cut(0.123456, lambda threshold: threshold <= 0.123456), short_cut(2.0, lambda threshold: True)
    ('0.1234', '2')
    """
    exact = Decimal(repr(float(cut)))
    for count in range(digits, 17):
        unit = Decimal(1).scaleb(exact.adjusted() - count + 1)
        for rounding in (ROUND_HALF_EVEN, ROUND_FLOOR, ROUND_CEILING):
            rounded = exact.quantize(unit, rounding)
            if same(float(rounded)):
                return f"{rounded.normalize():f}"
    return f"{exact.normalize():f}"


def delong_variance(scores: Floats, good: Bools) -> tuple[float, float]:
    """AUC and DeLong's variance of it, by mid-ranks in O(n log n); needs two clips of each class.

    Source: DeLong, DeLong & Clarke-Pearson (1988), doi:10.2307/2531595; Sun & Xu (2014),
    doi:10.1109/LSP.2014.2337313.

    >>> delong_variance(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    (0.75, 0.125)
    """
    m, n = int(good.sum()), int((~good).sum())
    if min(m, n) < 2:
        raise ValueError(f"DeLong's variance needs two good and two bad clips, not {m} and {n}")
    ranks = rankdata(scores)
    beats = (ranks[good] - rankdata(scores[good])) / n
    beaten = 1.0 - (ranks[~good] - rankdata(scores[~good])) / m
    return float(beats.mean()), float(beats.var(ddof=1) / m + beaten.var(ddof=1) / n)


def separation_bound(pairs: float, confidence: float) -> float:
    """Lowest AUC that would separate `pairs` independent good-bad pairs completely with probability 1 - confidence.

    Pair every clip of the smaller class with one of the larger: the pairs are independent and each is in order
    with probability AUC, so AUC ** pairs bounds the chance of complete separation. Exact and cautious.

    >>> round(separation_bound(30, 0.95), 3)
    0.905
    """
    return float((1.0 - confidence) ** (1.0 / pairs))


def _no_spread(area: float, good: Bools, weight: Floats, confidence: float) -> tuple[float | None, float | None, str]:
    if area not in (0.0, 1.0):
        return None, None, "no interval: all scores are equal"
    pairs = min(float(part.sum() ** 2 / (part**2).sum()) for part in (weight[good], weight[~good]))
    bound = separation_bound(pairs, confidence)
    kind = "one-sided bound" if np.ptp(weight) == 0 else "one-sided bound, approximate under weights"
    method = f"{kind}: the classes separate completely, so the variance is 0 ({pairs:.4g} independent pairs)"
    return (bound, 1.0, method) if area == 1.0 else (0.0, 1.0 - bound, method)


def _delong_interval(values: Floats, good: Bools, confidence: float) -> tuple[float | None, float | None, str]:
    if min(good.sum(), (~good).sum()) < 2:
        return None, None, "no interval: DeLong's variance needs two good and two bad clips"
    area, variance = delong_variance(values, good)
    if variance == 0:
        return None, None, "no interval: DeLong's variance is 0"
    z, error = float(norm.ppf((1 + confidence) / 2)), float(np.sqrt(variance))
    low, high = area - z * error, area + z * error
    if low >= 0 and high <= 1:
        return low, high, "DeLong"
    slope = error / (area * (1 - area))
    return float(expit(logit(area) - z * slope)), float(expit(logit(area) + z * slope)), "DeLong on the logit scale"


def _resampled_areas(values: Floats, good: Bools, design: Design, resamples: int, seed: int) -> Floats:
    """Weighted AUC in every replicate, NaN where a replicate lacks a class."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf) > 0)
    weight, is_good = design.clip_weight[order], good[order]
    areas = []
    for block in within_strata(design.of, resamples, seed):
        drawn = block[:, order] * weight
        above = np.add.reduceat(drawn * is_good, starts, axis=1)
        below = np.add.reduceat(drawn * ~is_good, starts, axis=1)
        won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
        pairs = above.sum(axis=1) * below.sum(axis=1)
        areas.append(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))
    return np.concatenate(areas)
