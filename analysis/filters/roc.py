"""ROC curve of a score and the area under it (AUC): how well the score separates good clips from bad ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from analysis.design import Design, graded, scored
from analysis.estimate import Bools, Estimate, Floats, Ints, absent, signature
from analysis.filters.delong import delong_variance, separation_bound
from analysis.resampling import percentile_interval

Direction = Literal["ge", "le"]
"""Which clips a filter accepts: "ge" score >= threshold, "le" score <= threshold."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """The curve: at `thresholds[k]` the filter accepts a share `tpr[k]` of good clips and `fpr[k]` of bad ones.

    Thresholds go from strict to loose and begin with an infinite one, which accepts nothing. The arrays are empty if
    no clip is good or none is bad; `auc` then gives the reason. `good` and `bad` count the rated clips.
    """

    thresholds: Floats
    tpr: Floats
    fpr: Floats
    auc: Estimate
    direction: Direction
    good: int
    bad: int

    def at(self, threshold: float) -> tuple[float, float]:
        """(fpr, tpr) of the filter with this threshold; raises ValueError if the curve is empty."""
        if not len(self.thresholds):
            raise ValueError("there is no curve: " + str(self.auc.undefined))
        sign = 1.0 if self.direction == "ge" else -1.0
        looser = np.flatnonzero(sign * self.thresholds >= sign * threshold)
        return float(self.fpr[looser[-1]]), float(self.tpr[looser[-1]])


def roc(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Sequence[float] | Bools | Floats,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    *,
    sources: Sequence[str] | None = None,
    direction: Direction = "ge",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> RocCurve:
    """ROC curve and AUC of a score against the raters' consensus.

    All sequences have one entry per rated clip. Curve and area come from scikit-learn, weighted to the pool if
    `weights` differ. `good` may hold shares from 0 to 1: such a clip counts as good with its share and as bad with the
    rest, also when compared with itself. The interval is DeLong's if all clips weigh the same (on the logit scale
    where it would leave [0, 1]); it is a bootstrap within strata if weights differ, labels are shares, or `sources`
    are given (whole sources are then resampled). If the score separates the classes completely, there is no variance
    to estimate and the interval is a one-sided bound (`delong.separation_bound`). The result does not depend on the
    order of the clips. Raises ValueError for malformed input (see `Design.build`).

    >>> curve = roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> curve.auc.value, curve.at(0.35)
    (0.75, (0.5, 1.0))
    """
    share = graded(good, "good")
    values = scored(scores, len(share)) * (1.0 if direction == "ge" else -1.0)
    return roc_for_design(
        values,
        share,
        Design.build(len(share), weights, strata, sources=sources),
        direction,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )


def roc_for_design(
    values: Floats, share: Floats, design: Design, direction: Direction, *, resamples: int, seed: int, confidence: float
) -> RocCurve:
    """`roc` for a checked design; `values` rise with quality in both directions, `share` is the share of good."""
    order = canonical_order(design, values, share)
    values, share, design = values[order], share[order], design.reordered(order)
    clips, positives = len(share), round(float(share.sum()))
    made = _signature(share, design, direction, resamples, seed, confidence)
    if not share.any() or (share == 1).all():
        reason = "no rated clip is bad" if share.any() else "no rated clip is good"
        auc = absent("auc", reason, signature=made, confidence=confidence, clips=clips)
        empty = np.empty(0)
        return RocCurve(empty, empty, empty, auc, direction, positives, clips - positives)
    of_class = np.repeat([True, False], [int((share > 0).sum()), int((share < 1).sum())])
    clip = np.concatenate([np.flatnonzero(share > 0), np.flatnonzero(share < 1)])
    weight = design.clip_weight[clip] * np.where(of_class, share[clip], 1 - share[clip])
    fpr, tpr, thresholds = roc_curve(of_class, values[clip], sample_weight=weight, drop_intermediate=False)
    area = float(roc_auc_score(of_class, values[clip], sample_weight=weight))
    lost = 0
    above, below = values[share > 0], values[share < 1]
    if above.min() > below.max() or above.max() < below.min() or np.ptp(values) == 0:
        area = float(round(area, 9))
        low, high, method = _no_spread(area, of_class, weight, confidence)
    elif _simple(share, design):
        low, high, method = _delong_interval(values, share > 0, confidence)
    else:
        low, high, lost, method = _bootstrap_interval(values, share, design, resamples, seed, confidence)
    auc = Estimate("auc", area, low, high, confidence, clips, None, None, method, made, resamples_undefined=lost)
    sign = 1.0 if direction == "ge" else -1.0
    return RocCurve(thresholds * sign, tpr, fpr, auc, direction, positives, clips - positives)


def _simple(share: Floats, design: Design) -> bool:
    """Whether DeLong's variance applies: labels 0 or 1, equal weights, no sources."""
    return design.equal_weights and design.source is None and bool(np.isin(share, (0.0, 1.0)).all())


def _signature(
    share: Floats, design: Design, direction: Direction, resamples: int, seed: int, confidence: float
) -> str:
    simple = _simple(share, design)
    return signature(
        "auc",
        ("scikit-learn", "scipy"),
        direction=direction,
        weights="equal" if design.equal_weights else "inverse-inclusion",
        labels=None if np.isin(share, (0.0, 1.0)).all() else "shares",
        unit=None if design.source is None else "source",
        resamples=None if simple else resamples,
        seed=None if simple else seed,
        confidence=confidence,
    )


def _bootstrap_interval(
    values: Floats, share: Floats, design: Design, resamples: int, seed: int, confidence: float
) -> tuple[float | None, float | None, int, str]:
    low, high, lost = percentile_interval(_resampled_areas(values, share, design, resamples, seed), confidence)
    if low is None:
        return None, None, lost, f"no interval: the resamples show no spread, {lost} of {resamples} were undefined"
    unit = "" if design.source is None else " of sources"
    method = f"percentile interval of {resamples} resamples{unit} within {len(design.labels)} strata"
    return low, high, lost, method


def canonical_order(design: Design, values: Floats, good: Bools | Floats) -> Ints:
    """Positions that sort the clips by stratum, score and verdict, so that seeded draws do not depend on their order.

    Clips that keep the order given are alike in stratum, score, verdict, weight and source.

    >>> canonical_order(Design.build(3), np.array([2.0, 1.0, 1.0]), np.array([True, True, False])).tolist()
    [2, 1, 0]
    """
    keys: list[Floats | Bools | Ints] = [good, values, design.of]
    if not design.even.all():
        keys.insert(0, design.clip_weight)
    if design.source is not None:
        keys.insert(0, design.source)
    return np.lexsort(keys)


def shortest_threshold(threshold: float, same: Callable[[float], bool], digits: int = 4) -> str:
    """The shortest decimal that accepts the same clips as `threshold`, with `digits` significant digits or more.

    `same` says whether a number accepts the same clips. The nearest decimal is tried first, then those just below and
    above; trailing zeros are dropped. If no shorter decimal will do, the threshold itself is returned.

    >>> shortest_threshold(0.123456, lambda x: x <= 0.123456), shortest_threshold(2.0, lambda x: True)
    ('0.1234', '2')
    """
    exact = Decimal(repr(float(threshold)))
    for count in range(digits, 17):
        unit = Decimal(1).scaleb(exact.adjusted() - count + 1)
        for rounding in (ROUND_HALF_EVEN, ROUND_FLOOR, ROUND_CEILING):
            rounded = exact.quantize(unit, rounding)
            if same(float(rounded)):
                return f"{rounded.normalize():f}"
    return f"{exact.normalize():f}"


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


def _resampled_areas(values: Floats, good: Floats, design: Design, resamples: int, seed: int) -> Floats:
    """The weighted AUC of every replicate, shape (resamples,); NaN where a replicate lacks a class."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf) > 0)
    weight, is_good = design.clip_weight[order], good[order]
    tied = len(starts) < len(order)
    areas = []
    for block in design.replicates(resamples, seed):
        drawn = block[:, order] * weight
        above, below = drawn * is_good, drawn * (1 - is_good)
        if tied:
            above, below = (np.add.reduceat(part, starts, axis=1) for part in (above, below))
        won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
        pairs = above.sum(axis=1) * below.sum(axis=1)
        areas.append(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))
    return np.concatenate(areas)
