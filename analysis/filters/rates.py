"""Rates of a filter against the raters' consensus, weighted to the pool: precision, recall, F1 and others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.design import Design, graded
from analysis.estimate import Bools, Estimate, Floats, absent, signature
from analysis.filters.verdict_table import RatedClips, VerdictTable
from analysis.proportions import effective_wilson, wilson

# Cells of the two-by-two table, indexed [accepted, good]; each rate is a ratio of sums over them.
_TP, _FP, _FN, _TN = (np.array(cell, dtype=np.float64) for cell in np.eye(4).reshape(4, 2, 2)[[3, 2, 1, 0]])

_NO_VARIANCE = 1e-15  # of a ratio between 0 and 1: less is rounding
_NO_REJECTS = "no clip that the filter rejects was rated, so what it loses is unknown"


@dataclass(frozen=True)
class _Rate:
    """A rate as a ratio of sums over cells, shapes (2, 2); `nothing` is the reason for an empty denominator.

    A rate `about_rejected` clips is undefined where no rejected clip was rated.
    """

    numerator: Floats
    denominator: Floats
    nothing: str
    about_rejected: bool = True

    def reason(self, raw: Floats) -> str | None:
        """Why the rate is undefined for these counts of rated clips, shape (2, 2); None if it is defined."""
        if not raw[self.denominator > 0].sum():
            return self.nothing
        return _NO_REJECTS if self.about_rejected and not raw[0].sum() else None

    def value(self, cells: Floats) -> float:
        return float((cells * self.numerator).sum() / (cells * self.denominator).sum())


_RATES = {
    "precision": _Rate(_TP, _TP + _FP, "the filter accepts none of the rated clips", about_rejected=False),
    "recall": _Rate(_TP, _TP + _FN, "no rated clip is good"),
    "specificity": _Rate(_TN, _TN + _FP, "every rated clip is good"),
    "f1": _Rate(2 * _TP, 2 * _TP + _FP + _FN, "no rated clip is good or accepted"),
    "accuracy": _Rate(_TP + _TN, _TP + _FP + _FN + _TN, "no clip was rated"),
    "prevalence": _Rate(_TP + _FN, _TP + _FP + _FN + _TN, "no clip was rated", about_rejected=False),
}
_KEPT = _Rate(_TP + _FP, _TP + _FP + _FN + _TN, "no clip was rated", about_rejected=False)
AT_THRESHOLDS = ("precision", "recall", "f1", "specificity", "kept")
"""What `rates_at` gives of every threshold; `kept` is the share of the clips that the filter accepts."""
NAMES = ("precision", "recall", "specificity", "f1", "mcc", "accuracy", "prevalence")
"""Every rate of a table, in the order to print."""


@dataclass(frozen=True)
class Confusion:
    """The confusion table of a filter and its rates; a clip is positive if the filter accepts it.

    `tp, fp, fn, tn` count rated clips (rounded where labels are shares; `counts` has the exact numbers), `weighted`
    the pool clips they stand for, in the same order. Precision is the share of good clips among those accepted,
    recall the share of good clips that is accepted, specificity the share of bad clips that is rejected, prevalence
    the share of good clips among all, and `mcc` Matthews' correlation of the two verdicts (-1 to 1). `se` maps each
    rate to its linearised standard error, or None. `max_weight_share` is the largest share of the total weight that
    one clip carries; near 1, a single clip determines the rates.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    counts: tuple[float, float, float, float]
    weighted: tuple[float, float, float, float]
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    mcc: Estimate
    accuracy: Estimate
    prevalence: Estimate
    se: Mapping[str, float | None]
    max_weight_share: float

    def sample_value(self, name: str) -> float | None:
        """The unweighted rate among the rated clips; it estimates the pool's rate only if all weights are equal."""
        tp, fp, fn, tn = self.counts
        raw = np.array([[tn, fn], [fp, tp]])
        if name == "mcc":
            return None if _mcc_reason(raw) else _mcc(raw)
        return None if _RATES[name].reason(raw) else _RATES[name].value(raw)


def confusion(
    accepted: Sequence[bool] | Bools,
    good: Sequence[bool] | Sequence[float] | Bools | Floats,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    sources: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Confusion:
    """Compare the filter's verdicts with the raters' on the rated clips; leave out clips without a consensus.

    All sequences have one entry per clip. `good` may be a share from 0 to 1 (of raters, for example): such a clip
    counts as good with this share and as bad with the rest. Rates are weighted ratios (Hajek). Their variance is
    linearised within strata, e = numerator - ratio x denominator, with finite population correction where
    `stratum_sizes` are given (Cochran 1977, section 6.13; Sarndal, Swensson & Wretman 1992, section 5.6); see
    `Design.total_variance` for sources and for weights that differ inside a stratum. Intervals are Wilson's on the
    effective number of clips, and plain Wilson intervals for one simple random sample. Special cases:

    - A stratum whose clips are all good, or all bad, shows no variance: its share of good clips counts as
      (x + 1/2) / (n + 1).
    - A stratum with one rated clip cannot show its variance: the effective number (before the correction for a finite
      pool) is then at most that of a simple random sample of the clips concerned, lone clips counting by weight, so
      that stratifying gains nothing.
    - A rate of 0 or 1 without variance gets Wilson's interval on the clips concerned, counted in units of the largest
      weight, because a clip that was missed may weigh that much.

    If no rejected clip was rated, only precision and prevalence are defined, because the good clips among those
    rejected are unknown. Raises ValueError for malformed input (see `Design.build`).

    >>> table = confusion([1, 1, 1, 0, 0], [1, 1, 0, 0, 0])
    >>> round(table.precision.value, 3), round(table.recall.value, 3), table.fp
    (0.667, 1.0, 1)
    """
    accepts, is_good = graded(accepted, "accepted"), graded(good, "good")
    if len(accepts) != len(is_good):
        raise ValueError(f"{len(accepts)} verdicts of the filter for {len(is_good)} of the raters")
    design = Design.build(len(is_good), weights, strata, stratum_sizes, sources)
    return tabulate(accepts, is_good, design, confidence)


def tabulate(accepted: Bools | Floats, good: Bools | Floats, design: Design, confidence: float) -> Confusion:
    """`confusion` for a checked design; `accepted` and `good` (0 to 1) have shape (clips,) and may both be shares."""
    table = VerdictTable(accepted.astype(np.float64), RatedClips.sort(good.astype(np.float64), design))
    rates = {name: _estimate(name, rate, table, confidence) for name, rate in _RATES.items()}
    rates["mcc"] = _mcc_estimate(table, confidence)
    raw, pool = table.raw, table.pool
    tp, fp, fn, tn = (float(raw[cell]) for cell in ((1, 1), (1, 0), (0, 1), (0, 0)))
    return Confusion(
        tp=round(tp),
        fp=round(fp),
        fn=round(fn),
        tn=round(tn),
        counts=(tp, fp, fn, tn),
        weighted=(float(pool[1, 1]), float(pool[1, 0]), float(pool[0, 1]), float(pool[0, 0])),
        **{name: estimate for name, (estimate, _) in rates.items()},
        se={name: error for name, (_, error) in rates.items()},
        max_weight_share=float(design.clip_weight.max() / pool.sum()) if len(design.labels) else 0.0,
    )


def rates_at(accepted: Iterable[Bools], good: Floats, design: Design, confidence: float) -> dict[str, list[Estimate]]:
    """The rates of `AT_THRESHOLDS` for many verdicts of a filter on the same clips, equal to those of `tabulate`.

    `good` (0 to 1) and each item of `accepted` have shape (clips,). The clips are sorted once, for speed.

    >>> both = rates_at([np.array([True, True]), np.array([True, False])], np.array([1.0, 0.0]), Design.build(2), 0.95)
    >>> [estimate.value for estimate in both["precision"]]
    [0.5, 1.0]
    """
    clips = RatedClips.sort(good, design)
    found: dict[str, list[Estimate]] = {name: [] for name in AT_THRESHOLDS}
    for verdicts in accepted:
        table = VerdictTable(verdicts.astype(np.float64), clips)
        for name, estimates in found.items():
            estimates.append(_estimate(name, _RATES.get(name, _KEPT), table, confidence)[0])
    return found


def _signature(name: str, design: Design, confidence: float) -> str:
    weights = "equal" if design.equal_weights else "inverse-inclusion"
    return _made_by(name, weights, len(design.labels), design.source is not None, design.finite, confidence)


@cache  # looking up the versions of packages takes longer than the estimates themselves
def _made_by(name: str, weights: str, strata: int, by_source: bool, finite: bool, confidence: float) -> str:
    return signature(
        name,
        ("scipy",),
        weights=weights,
        strata=strata,
        unit="source" if by_source else None,
        fpc="yes" if finite else "no",
        confidence=confidence,
    )


def _estimate(name: str, rate: _Rate, table: VerdictTable, confidence: float) -> tuple[Estimate, float | None]:
    clips = round(float(table.raw[rate.denominator > 0].sum()))
    made = _signature(name, table.design, confidence)
    reason = rate.reason(table.raw)
    if reason:
        return absent(name, reason, signature=made, confidence=confidence, clips=clips), None
    value = min(1.0, max(0.0, rate.value(table.pool)))
    low, high, method, error = _interval(value, rate, table, confidence)
    return Estimate(name, value, low, high, confidence, clips, None, None, method, made), error


def _interval(
    value: float, rate: _Rate, table: VerdictTable, confidence: float
) -> tuple[float, float, str, float | None]:
    """Both ends, the method and the standard error of a defined rate."""
    design = table.design
    concerned = table.cells[:, rate.denominator > 0].sum(axis=1)
    clips = float(concerned.sum())
    effective, error = effective_n(value, rate.numerator, rate.denominator, table)
    if design.plain and table.hard and rate.numerator.max() == 1:
        successes = float((table.raw * rate.numerator).sum())
        return *wilson(successes, clips, confidence), "Wilson", error
    unrated = design.drawn < design.population
    if not unrated[(concerned > 0) | rate.about_rejected].any():
        return value, value, "no sampling error: every clip concerned was rated", 0.0
    if effective is not None:
        made_by = f"linearised variance by strata, Wilson on {effective:.4g} effective clips"
        return *effective_wilson(value, effective, confidence), made_by, error
    weighted = float((table.pool * (rate.denominator > 0)).sum())
    effective = min(clips, weighted / float(design.clip_weight[unrated[design.of]].max()))
    low, high = effective_wilson(value, effective, confidence)
    if rate.numerator.max() > 1:  # F1 = 2 J / (1 + J), J the share of good or accepted clips that are both
        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
    return low, high, f"no variance seen, Wilson on {effective:.4g} effective clips", None


def effective_n(
    value: float, numerator: Floats, denominator: Floats, table: VerdictTable
) -> tuple[float | None, float | None]:
    """The effective number of clips of a ratio and its standard error; None for both if no variance is observed.

    The effective number is the size of a simple random sample whose proportion has the same variance. A simple random
    sample of n clips has n effective clips for a proportion, and n (1 + J)^2 / 2 for F1 = 2 J / (1 + J) by the delta
    method; if a stratum has one rated clip, the result is at most that number (before the finite correction).
    """
    finite, endless, smooth = table.variance(numerator - value * denominator)
    size = float((table.pool * denominator).sum()) ** 2
    variance, parts = finite / size, endless / size
    if variance < _NO_VARIANCE:
        return None, None
    level = value
    if value in (0.0, 1.0):
        level = float((smooth * numerator).sum() / (smooth * denominator).sum())
    effective = float(level * (1 - level) / variance)
    if ((table.design.units == 1) & (table.design.population > 1)).any():
        most = table.most_effective(denominator)
        if numerator.max() > 1:
            most *= 2 / (2 - value) ** 2
        effective = min(effective, most * parts / variance)
    return effective, float(np.sqrt(variance))


def _mcc_reason(raw: Floats) -> str | None:
    if not raw.sum():
        return "no clip was rated"
    if not raw[0].sum():
        return _NO_REJECTS
    if not raw[1].sum():
        return "the filter accepts none of the rated clips"
    if not raw[:, 1].sum():
        return "no rated clip is good"
    return None if raw[:, 0].sum() else "every rated clip is good"


def _mcc(cells: Floats) -> float:
    margins = float(np.prod(cells.sum(axis=0)) * np.prod(cells.sum(axis=1)))
    return float(min(1.0, max(-1.0, np.linalg.det(cells) / np.sqrt(margins))))


def _mcc_estimate(table: VerdictTable, confidence: float) -> tuple[Estimate, float | None]:
    """Matthews' correlation (1975) with linearised variance; the interval treats (1 + mcc) / 2 as a proportion."""
    clips, made = round(float(table.raw.sum())), _signature("mcc", table.design, confidence)
    reason = _mcc_reason(table.raw)
    if reason:
        return absent("mcc", reason, signature=made, confidence=confidence, clips=clips), None
    pool = table.pool / table.pool.sum()
    value, rows, columns = _mcc(pool), pool.sum(axis=1), pool.sum(axis=0)
    root = float(np.sqrt(np.prod(rows) * np.prod(columns)))
    slope = pool[::-1, ::-1] * np.array([[1, -1], [-1, 1]]) / root - value / 2 * (1 / rows[:, None] + 1 / columns)
    finite, _, smooth = table.variance(slope)
    variance = finite / float(table.pool.sum()) ** 2
    if (table.design.drawn >= table.design.population).all():
        method = "no sampling error: every clip concerned was rated"
        return Estimate("mcc", value, value, value, confidence, clips, None, None, method, made), 0.0
    if variance < _NO_VARIANCE:
        method = "no interval: no variance seen"
        return Estimate("mcc", value, None, None, confidence, clips, None, None, method, made), None
    level = (1 + value) / 2
    seen = (1 + _mcc(smooth)) / 2 if level in (0.0, 1.0) else level
    effective = seen * (1 - seen) / (variance / 4)
    low, high = (2 * end - 1 for end in effective_wilson(level, effective, confidence))
    method = f"linearised variance by strata, Wilson on {effective:.4g} effective clips for (1 + mcc) / 2"
    return Estimate("mcc", value, low, high, confidence, clips, None, None, method, made), float(np.sqrt(variance))


def effective_precision(accepted: Bools, good: Floats, design: Design) -> tuple[float, float]:
    """Weighted precision (0 to 1) and its effective number of clips, at most the number of clips accepted.

    If no bad clip was seen, the effective number is at most Kish's, (sum w)^2 / sum w^2 (1965), because a missed bad
    clip may carry the largest weight. Returns (0, 0) if no clip is accepted.

    >>> value, n = effective_precision(np.array([True, True, False]), np.array([1.0, 0.0, 1.0]), Design.build(3))
    >>> value, n <= 2
    (0.5, True)
    """
    if not accepted.any():
        return 0.0, 0.0
    table, rate = VerdictTable(accepted.astype(np.float64), RatedClips.sort(good, design)), _RATES["precision"]
    value, weight = min(1.0, rate.value(table.pool)), design.clip_weight[accepted]
    effective, _ = effective_n(value, rate.numerator, rate.denominator, table)
    kish = float(weight.sum() ** 2 / (weight**2).sum())
    if effective is None or value in (0.0, 1.0):
        return value, min(kish, effective or kish)
    return value, min(float(len(weight)), effective)
