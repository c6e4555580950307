"""The share of good clips in a whole pool, from few judged clips and a prediction for every clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student
from sklearn.isotonic import IsotonicRegression

from analysis.estimate import Estimate, Floats, Ints, absent, signature

FOLDS = 5


@dataclass(frozen=True)
class PoolShare:
    """Two answers to one question: with the predictions, and from the judged clips alone.

    `gain` says how many times as many judged clips the classical estimate would need for the same variance (1 when
    the predictions say nothing), `tuning` the weight the predictions got (0 to 1 as a rule; one per stratum).
    """

    with_predictions: Estimate
    judged_alone: Estimate
    gain: float | None
    tuning: tuple[float, ...]


@dataclass(frozen=True)
class _Stratum:
    value: float
    variance: float
    plain: float
    plain_variance: float
    tuning: float
    clips: int


def pool_share(
    labels: Sequence[float] | Floats,
    predicted: Sequence[float] | Floats,
    pool_predicted: Sequence[float] | Floats,
    strata: Sequence[str] | None = None,
    pool_strata: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
) -> PoolShare:
    """Mean of the labels over the whole pool, prediction-powered.

    `labels` (0 to 1) and `predicted` stand for the judged clips, `pool_predicted` for every clip of the pool, the
    judged ones included. Per stratum theta = l mean(pool f) + mean(y - l f) with l = Cov(y, f) / Var(f); strata
    are joined by their share of the pool. The pool is finite and wholly predicted, so its own mean has no error: V =
    (1 - n/N) s2(y - l f) / n, t with n - (strata) degrees of freedom. This is the survey's difference estimator. The
    judged clips must be a random sample of their stratum, and the predictions must not have learnt from their
    labels (`cross_fitted` sees to it). Sources: Angelopoulos et al. (2023), Science 382, 669-674; Angelopoulos,
    Duchi & Zrnic (2023), arXiv 2311.01453 (the weight l); Fisch et al. (2024), arXiv 2406.04291 (strata).

    Raises ValueError when lengths differ, a number is not finite, or a stratum of labels is not in the pool.
    Undefined when a stratum of the pool has fewer than two judged clips.

    >>> pool = [0.9] * 80 + [0.1] * 20
    >>> found = pool_share([1, 1, 1, 1, 0, 0], [0.9] * 4 + [0.1] * 2, pool)
    >>> round(found.with_predictions.value, 3), round(found.judged_alone.value, 3)
    (0.8, 0.667)
    """
    y, f, every = (np.asarray(numbers, dtype=np.float64) for numbers in (labels, predicted, pool_predicted))
    own = np.asarray(["all"] * len(y) if strata is None else list(strata), dtype=np.str_)
    of_pool = np.asarray(["all"] * len(every) if pool_strata is None else list(pool_strata), dtype=np.str_)
    if not len(y) == len(f) == len(own) or len(every) != len(of_pool):
        raise ValueError(f"{len(y)} labels, {len(f)} predictions and {len(own)} strata are not parallel")
    if not all(np.isfinite(numbers).all() for numbers in (y, f, every)):
        raise ValueError("labels and predictions must be finite numbers: leave clips without a score out of both files")
    unknown = sorted(set(own.tolist()) - set(of_pool.tolist()))
    if unknown:
        raise ValueError(f"the stratum {unknown[0]!r} of the judged clips does not occur in the pool")
    sizes = dict(zip(*(part.tolist() for part in np.unique(of_pool, return_counts=True)), strict=True))
    thin = [name for name in sizes if (own == name).sum() < 2]
    if thin:
        where = "" if len(sizes) == 1 else f" in the stratum {thin[0]!r}"
        return _undefined(f"fewer than two judged clips{where}: their spread cannot be seen", confidence, len(y))
    parts = {name: _stratum(y[own == name], f[own == name], every[of_pool == name]) for name in sizes}
    shares = np.array([sizes[name] / len(every) for name in sizes])
    freedom = len(y) - len(sizes)

    def joined(name: str, value: str, variance: str, method: str) -> Estimate:
        values = np.array([getattr(part, value) for part in parts.values()])
        spread = float((shares**2 * np.array([getattr(part, variance) for part in parts.values()])).sum())
        return _estimate(name, float(shares @ values), spread, freedom, method, confidence, len(y), len(sizes))

    powered = joined("pool_share", "value", "variance", "prediction-powered")
    alone = joined("pool_share_judged_alone", "plain", "plain_variance", "stratified mean" if strata else "mean")
    spread = [
        float((shares**2 * [getattr(p, v) for p in parts.values()]).sum()) for v in ("plain_variance", "variance")
    ]
    gain = spread[0] / spread[1] if spread[1] > 0 else None
    return PoolShare(powered, alone, gain, tuple(part.tuning for part in parts.values()))


def cross_fitted(
    scores: Sequence[float] | Floats,
    labels: Sequence[float] | Floats,
    pool_scores: Sequence[float] | Floats,
    *,
    rising: bool = True,
    seed: int = 0,
    folds: int = FOLDS,
) -> tuple[Floats, Floats]:
    """P(good | score) for the judged clips and for the pool, no clip predicted by a curve that saw its label.

    A rising (or falling) curve is fitted to each set of folds less one; a judged clip gets the curve of its own fold's
    absence, a clip of the pool the mean of all curves. Cross-prediction: Zrnic & Candes (2024), PNAS 121 (15).
    Raises ValueError for fewer than two clips per fold.

    >>> judged, pool = cross_fitted([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0] * 5 + [1] * 5, [0.0, 20.0])
    >>> pool.round(2).tolist()
    [0.0, 1.0]
    """
    x, y, every = (np.asarray(numbers, dtype=np.float64) for numbers in (scores, labels, pool_scores))
    if len(x) < 2 * folds:
        raise ValueError(f"{len(x)} judged clips are too few to learn a prediction from: {2 * folds} are the least")
    fold_of: Ints = np.random.default_rng(seed).permutation(len(x)) % folds
    judged, pool = np.empty(len(x)), np.zeros(len(every))
    for fold in range(folds):
        held_out = fold_of == fold
        curve = IsotonicRegression(y_min=0, y_max=1, increasing=rising, out_of_bounds="clip")
        curve.fit(x[~held_out], y[~held_out])
        judged[held_out] = curve.predict(x[held_out])
        pool += curve.predict(every) / folds
    return judged, pool


def _stratum(y: Floats, f: Floats, every: Floats) -> _Stratum:
    n, size = len(y), len(every)
    spread = float(np.var(f, ddof=1))
    tuning = float(np.cov(y, f, ddof=1)[0, 1] / spread) if spread > 1e-15 else 0.0
    rest = y - tuning * f
    unseen = max(0.0, 1 - n / size)
    return _Stratum(
        value=float(tuning * every.mean() + rest.mean()),
        variance=float(unseen * np.var(rest, ddof=1) / n),
        plain=float(y.mean()),
        plain_variance=float(unseen * np.var(y, ddof=1) / n),
        tuning=tuning,
        clips=n,
    )


def _signature(name: str, confidence: float, strata: int) -> str:
    return signature(name, ("scipy",), strata=strata, fpc="yes", confidence=confidence)


def _undefined(reason: str, confidence: float, clips: int) -> PoolShare:
    gone = [
        absent(name, reason, signature=_signature(name, confidence, 0), confidence=confidence, clips=clips)
        for name in ("pool_share", "pool_share_judged_alone")
    ]
    return PoolShare(gone[0], gone[1], None, ())


def _estimate(
    name: str, value: float, variance: float, freedom: int, method: str, confidence: float, clips: int, strata: int
) -> Estimate:
    low = high = None
    value = min(1.0, max(0.0, value))
    words = f"{method}; no interval: the judged clips show no spread"
    if variance > 0:
        half = float(student.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance))
        low, high = max(0.0, value - half), min(1.0, value + half)
        words = f"{method}, t with {freedom} degrees of freedom"
    made = _signature(name, confidence, strata)
    return Estimate(name, value, low, high, confidence, clips, None, None, words, made)
