"""A filter's verdict against the raters' consensus: precision, recall and their kin, weighted to the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from analysis.design import Design, binary
from analysis.estimate import Bools, Estimate, Floats, absent, signature

# Cells of the two-by-two table in the order [accepted, good]; each rate is a ratio of sums over them, and is
# refused when a cell of `needs` cannot be known because no rejected clip was rated.
_TP, _FP, _FN, _TN = (np.array(cell, dtype=np.float64) for cell in np.eye(4).reshape(4, 2, 2)[[3, 2, 1, 0]])

_NO_VARIANCE = 1e-15  # of a ratio between 0 and 1: less is rounding


@dataclass(frozen=True)
class _Rate:
    numerator: Floats
    denominator: Floats
    nothing: str
    about_rejected: bool = True


_RATES = {
    "precision": _Rate(_TP, _TP + _FP, "the filter accepts none of the rated clips", about_rejected=False),
    "recall": _Rate(_TP, _TP + _FN, "no rated clip is good"),
    "specificity": _Rate(_TN, _TN + _FP, "every rated clip is good"),
    "f1": _Rate(2 * _TP, 2 * _TP + _FP + _FN, "no rated clip is good or accepted"),
    "accuracy": _Rate(_TP + _TN, _TP + _FP + _FN + _TN, "no clip was rated"),
    "prevalence": _Rate(_TP + _FN, _TP + _FP + _FN + _TN, "no clip was rated", about_rejected=False),
}


@dataclass(frozen=True)
class Confusion:
    """Rated clips by verdict of the filter (positive: accepted) and of the raters (true: they agree).

    `tp, fp, fn, tn` count rated clips, `weighted` the pool clips they stand for in the same order. Precision is the
    good share of accepted clips, recall the accepted share of good ones, specificity the rejected share of bad
    ones, prevalence the good share of all. `max_weight_share` is the largest part of the total weight that one
    clip carries: near 1, a single clip decides.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    weighted: tuple[float, float, float, float]
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    accuracy: Estimate
    prevalence: Estimate
    max_weight_share: float


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion; `successes` and `n` may be effective, not whole, numbers.

    Raises ValueError unless 0 <= successes <= n and n > 0. Source: Wilson (1927),
    doi:10.1080/01621459.1927.10502953; Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<857, method 3.

    >>> [round(end, 4) for end in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"{successes} of {n} is no proportion")
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    p = successes / n
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def effective_wilson(p: float, effective_n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval on the sample size that a simple random sample would need for the same variance.

    Source: Korn & Graubard (1998), Survey Methodology 24, 193-201, with Wilson's in place of the exact interval.

    >>> effective_wilson(0.9, 100) == wilson(90, 100)
    True
    """
    return wilson(p * effective_n, effective_n, confidence)


def confusion(
    accepted: Sequence[bool] | Bools,
    good: Sequence[bool] | Bools,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    confidence: float = 0.95,
) -> Confusion:
    """Compare a filter with the raters on the rated clips (one entry each; clips without consensus left out).

    Weighted ratios (Hajek); variance by linearisation within strata, e = numerator - ratio x denominator, with
    finite population correction where `stratum_sizes` are given (Cochran 1977, section 6.13; Sarndal, Swensson &
    Wretman 1992, section 5.6); Wilson's interval on the effective number of clips. A stratum in which all clips
    are good, or all bad, shows no variance of its own: there (x + 1/2) / (n + 1) stands for its good share.
    One simple random sample gets plain Wilson intervals. With a stratum of one rated clip, which cannot show its
    variance, the effective number (before the correction for a finite pool) is at most what a simple random sample
    of the clips concerned would have: the gain of stratifying cannot be claimed. A rate of 0 or 1 that even so
    shows no variance gets Wilson's interval on the clips concerned, counted in units of the largest weight, for
    what was missed may lie there.

    When no rejected clip was rated, only precision and prevalence are defined: the good clips the filter rejects
    are unknown. Raises ValueError for malformed input (see `Design.build`).

    >>> table = confusion([1, 1, 1, 0, 0], [1, 1, 0, 0, 0])
    >>> round(table.precision.value, 3), round(table.recall.value, 3), table.fp
    (0.667, 1.0, 1)
    """
    accepts, is_good = binary(accepted, "accepted"), binary(good, "good")
    if len(accepts) != len(is_good):
        raise ValueError(f"{len(accepts)} verdicts of the filter for {len(is_good)} of the raters")
    design = Design.build(len(is_good), weights, strata, stratum_sizes)
    return tabulate(accepts, is_good, design, confidence)


def tabulate(accepted: Bools, good: Bools, design: Design, confidence: float) -> Confusion:
    """`confusion` for a design already checked."""
    cells = np.zeros((len(design.labels), 2, 2))
    np.add.at(cells, (design.of, accepted.astype(np.int64), good.astype(np.int64)), 1)
    pool = np.einsum("h,hag->ag", design.weight, cells)
    raw = cells.sum(axis=0)
    return Confusion(
        tp=int(raw[1, 1]),
        fp=int(raw[1, 0]),
        fn=int(raw[0, 1]),
        tn=int(raw[0, 0]),
        weighted=(float(pool[1, 1]), float(pool[1, 0]), float(pool[0, 1]), float(pool[0, 0])),
        **{name: _estimate(name, rate, cells, design, confidence) for name, rate in _RATES.items()},
        max_weight_share=float(design.weight.max() / pool.sum()) if len(design.labels) else 0.0,
    )


def _estimate(name: str, rate: _Rate, cells: Floats, design: Design, confidence: float) -> Estimate:
    raw = cells.sum(axis=0)
    clips = int(raw[rate.denominator > 0].sum())
    made = signature(
        name,
        ("scipy",),
        weights="equal" if design.equal_weights else "inverse-inclusion",
        strata=len(design.labels),
        fpc="yes" if np.isfinite(design.population).any() else "no",
        confidence=confidence,
    )
    reason = None
    if not clips:
        reason = rate.nothing
    elif rate.about_rejected and not raw[0].sum():
        reason = "no clip that the filter rejects was rated, so what it loses is unknown"
    if reason:
        return absent(name, reason, signature=made, confidence=confidence, clips=clips)
    pool = np.einsum("h,hag->ag", design.weight, cells)
    value = float((pool * rate.numerator).sum() / (pool * rate.denominator).sum())
    low, high, method = _interval(value, rate, cells, design, confidence)
    return Estimate(name, value, low, high, confidence, clips, None, None, method, made)


def _interval(value: float, rate: _Rate, cells: Floats, design: Design, confidence: float) -> tuple[float, float, str]:
    """Both ends and the method, for a rate whose denominator is not empty."""
    concerned = cells[:, rate.denominator > 0].sum(axis=1)
    clips = float(concerned.sum())
    if design.plain and rate.numerator.max() == 1:
        successes = float((cells.sum(axis=0) * rate.numerator).sum())
        return *wilson(successes, clips, confidence), "Wilson"
    unrated = cells.sum(axis=(1, 2)) < design.population
    if not unrated[(concerned > 0) | rate.about_rejected].any():
        return value, value, "no sampling error: every clip concerned was rated"
    effective = _effective_n(value, rate, cells, design)
    if effective is not None:
        made_by = f"linearised variance by strata, Wilson on {effective:.4g} effective clips"
        return *effective_wilson(value, effective, confidence), made_by
    effective = min(clips, float((design.weight * concerned).sum() / design.weight[unrated].max()))
    low, high = effective_wilson(value, effective, confidence)
    if rate.numerator.max() > 1:  # F1 = 2 J / (1 + J), J the share of good or accepted clips that are both
        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
    return low, high, f"no variance seen, Wilson on {effective:.4g} effective clips"


def _effective_n(value: float, rate: _Rate, cells: Floats, design: Design) -> float | None:
    """The size of a simple random sample whose proportion has the linearised variance of this ratio.

    None when no stratum shows any variance. A simple random sample of n clips has n effective ones for a
    proportion, and n (1 + J)^2 / 2 for F1 = 2 J / (1 + J) by the delta method: without finite population
    correction these are the most that is returned when a stratum has one rated clip.
    """
    error = rate.numerator - value * rate.denominator
    smooth = _smoothed(cells, error)
    n = cells.sum(axis=(1, 2))
    share = smooth / smooth.sum(axis=(1, 2), keepdims=True)
    mean = (share * error).sum(axis=(1, 2))
    spread = (share * error**2).sum(axis=(1, 2)) - mean**2
    spread = np.where(n > 1, spread * n / np.maximum(n - 1, 1), spread)
    total = design.weight * n
    parts = total**2 * np.maximum(spread, 0) / n
    parts /= (np.einsum("h,hag->ag", design.weight, cells) * rate.denominator).sum() ** 2
    variance = float((parts * (1 - n / design.population)).sum())
    if variance < _NO_VARIANCE:
        return None
    level = value
    if value in (0.0, 1.0):
        pool = np.einsum("h,hag->ag", total, share)
        level = float((pool * rate.numerator).sum() / (pool * rate.denominator).sum())
    effective = float(level * (1 - level) / variance)
    if not ((n == 1) & (design.population > 1)).any():
        return effective
    most = float(cells[:, rate.denominator > 0].sum())
    if rate.numerator.max() > 1:
        most *= 2 / (2 - value) ** 2
    return min(effective, most * float(parts.sum()) / variance)


def _smoothed(cells: Floats, error: Floats) -> Floats:
    """Half a good and half a bad clip added, spread over accepted and rejected as seen, where errors are all equal."""
    n = cells.sum(axis=(1, 2))
    seen = cells > 0
    least = np.where(seen, error, np.inf).min(axis=(1, 2))
    most = np.where(seen, error, -np.inf).max(axis=(1, 2))
    flat = most - least < 1e-12
    verdicts = cells.sum(axis=2, keepdims=True) / n[:, None, None]
    return cells + np.where(flat[:, None, None], 0.5 * verdicts, 0.0)
