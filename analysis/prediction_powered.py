"""Prediction-powered inference: the share of good clips in a pool, from few judged clips and a prediction for each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student
from sklearn.isotonic import IsotonicRegression

from analysis.design import Design
from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.filters.rates import tabulate

FOLDS = 5
MIN_TUNED = 20
"""Judged clips needed to fit a weight of the predictions; with fewer the weight would fit chance."""
ROUNDING = 1e-18
"""A variance below this is a rounding error: labels that the predictions repeat exactly have none."""
FLAT = 1e-7
"""Predictions of one stratum that differ by less count as equal."""


@dataclass(frozen=True)
class PoolShare:
    """The share of good clips in the pool, estimated with the predictions and from the judged clips alone.

    `judged_alone` is the share of good clips as in every table of rates (`rates.tabulate`): it takes the pool as a draw
    from the clips to come, while `with_predictions` is about this finite pool.

    `gain` is how many times as many judged clips the classical estimate needs for the same variance (1 if the
    predictions are uninformative). `tuning` holds the weight of the predictions in each stratum (usually 0 to 1).
    """

    with_predictions: Estimate
    judged_alone: Estimate
    gain: float | None
    tuning: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Stratum:
    """A stratum: its share of the pool, the judged clips' labels `y` and predictions `f`, and all its predictions."""

    share: float
    y: Floats
    f: Floats
    every: Floats

    @property
    def unseen(self) -> float:
        """The finite population correction, 0 to 1."""
        return max(0.0, 1 - len(self.y) / len(self.every))

    @property
    def pull(self) -> float:
        """The factor of the residual variance s2 in the variance of the pool's share."""
        return self.share**2 * self.unseen / len(self.y)

    def mean(self, tuning: float) -> float:
        """The estimate of the stratum; if every clip is judged, the mean of the labels."""
        if len(self.y) == len(self.every):
            return float(self.y.mean())
        return float(tuning * self.every.mean() + (self.y - tuning * self.f).mean())

    def variance(self, tuning: float) -> float:
        """The stratum's part of the variance of the pool's share."""
        return float(self.pull * np.var(self.y - tuning * self.f, ddof=1))


def pool_share(
    labels: Sequence[float] | Floats,
    predicted: Sequence[float] | Floats,
    pool_predicted: Sequence[float] | Floats,
    strata: Sequence[str] | None = None,
    pool_strata: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
) -> PoolShare:
    """The mean label of the whole pool by prediction-powered inference, and from the judged clips alone.

    `labels` (0 to 1) and `predicted` have one entry per judged clip, `pool_predicted` one per clip of the pool, judged
    clips included. Per stratum theta = l mean(pool f) + mean(y - l f) with l = Cov(y, f) / Var(f); strata are combined
    by their share of the pool. The pool is finite and every clip has a prediction, so the mean prediction has no error
    and V = (1 - n/N) s2(y - l f) / n, as for the regression estimator of survey sampling. Strata with fewer than
    `MIN_TUNED` judged clips share one l, the combined one of Cochran (1977, section 7.10); if they have fewer than that
    together, l is 0. A fitted l costs one degree of freedom, in s2 and in t. The judged clips must be a random sample
    of their stratum, and the predictions must not be fitted to their labels (`cross_fitted_predictions` ensures that).
    Sources: Angelopoulos et al. (2023), Science 382, 669-674; Angelopoulos, Duchi & Zrnic (2023), arXiv 2311.01453
    (the weight l); Fisch et al. (2024), arXiv 2406.04291 (strata).

    Raises ValueError if lengths differ, a number is not finite, or a stratum of the labels is not in the pool. The
    estimates are undefined if a stratum of the pool has fewer than two judged clips.

    >>> pool = [0.9] * 80 + [0.1] * 20
    >>> found = pool_share([1] * 16 + [0] * 8, [0.9] * 16 + [0.1] * 8, pool)
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
    names = sorted(set(of_pool.tolist()))
    unknown = sorted(set(own.tolist()) - set(names))
    if unknown:
        raise ValueError(f"the stratum {unknown[0]!r} of the judged clips does not occur in the pool")
    thin = [name for name in names if (own == name).sum() < 2]
    if thin:
        where = "" if len(names) == 1 else f" in the stratum {thin[0]!r}"
        return _undefined(f"fewer than two judged clips{where}: their spread cannot be seen", confidence, len(y))
    parts = []
    for name in names:
        of_own, of_all = own == name, of_pool == name
        parts.append(_Stratum(float(of_all.mean()), y[of_own], f[of_own], every[of_all]))
    return _joined(parts, confidence)


def _joined(parts: list[_Stratum], confidence: float) -> PoolShare:
    tuning, widened, fitted = _tunings(parts)
    alone = sum(part.variance(0.0) for part in parts)
    powered = sum(part.variance(weight) * wider for part, weight, wider in zip(parts, tuning, widened, strict=True))
    return PoolShare(
        with_predictions=_with_predictions(parts, tuning, powered, fitted, confidence),
        judged_alone=_judged_alone(parts, confidence),
        gain=alone / powered if powered > ROUNDING else None,
        tuning=tuple(tuning),
    )


def _judged_alone(parts: list[_Stratum], confidence: float) -> Estimate:
    """The share of good clips with the method of every table of rates, each clip for its part of the stratum."""
    y = np.concatenate([part.y for part in parts])
    weights = np.concatenate([np.full(len(part.y), len(part.every) / len(part.y)) for part in parts])
    strata = [str(number) for number, part in enumerate(parts) for _ in part.y]
    table = tabulate(np.ones(len(y)), y, Design.build(len(y), weights, strata), confidence)
    return replace(table.prevalence, statistic="pool_share_judged_alone")


def _tunings(parts: list[_Stratum]) -> tuple[list[float], list[float], int]:
    """For each stratum the weight l and the factor by which fitting it raises the variance; and the number fitted."""
    few = [part for part in parts if len(part.y) < MIN_TUNED]
    together = sum(len(part.y) - 1 for part in few)
    common = _slope(few) if together >= MIN_TUNED - 1 else None
    of_few = (common or 0.0, 1.0 if common is None else together / (together - 1))
    tuning, widened = [], []
    fitted = int(common is not None)
    for part in parts:
        weight, wider = of_few
        if len(part.y) >= MIN_TUNED:
            slope, n = _slope([part]), len(part.y)
            weight, wider = slope or 0.0, 1.0 if slope is None else (n - 1) / (n - 2)
            fitted += int(slope is not None)
        tuning.append(weight)
        widened.append(wider)
    return tuning, widened, fitted


def _slope(parts: list[_Stratum]) -> float | None:
    """The weight of the predictions that minimises the variance of these strata; None if the predictions are equal."""
    spread = sum(max(part.pull, ROUNDING) * float(np.var(part.f, ddof=1)) for part in parts)
    if not any(np.ptp(part.f) > FLAT for part in parts):
        return None
    joint = sum(max(part.pull, ROUNDING) * float(np.cov(part.y, part.f, ddof=1)[0, 1]) for part in parts)
    return joint / spread


def cross_fitted_predictions(
    scores: Sequence[float] | Floats,
    labels: Sequence[float] | Floats,
    pool_scores: Sequence[float] | Floats,
    *,
    rising: bool = True,
    seed: int = 0,
    folds: int = FOLDS,
) -> tuple[Floats, Floats]:
    """P(good | score) for the judged clips and for the pool; no clip is predicted by a curve fitted to its label.

    A rising (or falling) isotonic curve is fitted to all folds except one. A judged clip gets the curve fitted without
    its own fold, a clip of the pool the mean of all curves. Returns shapes (judged,) and (pool,), 0 to 1. Raises
    ValueError for fewer than two clips per fold. Source: cross-prediction, Zrnic & Candes (2024), PNAS 121 (15).

    >>> judged, pool = cross_fitted_predictions([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0] * 5 + [1] * 5, [0.0, 20.0])
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


def _signature(name: str, confidence: float, strata: int) -> str:
    return signature(name, ("scipy",), strata=strata, fpc="yes", confidence=confidence)


def _undefined(reason: str, confidence: float, clips: int) -> PoolShare:
    gone = [
        absent(name, reason, signature=_signature(name, confidence, 0), confidence=confidence, clips=clips)
        for name in ("pool_share", "pool_share_judged_alone")
    ]
    return PoolShare(gone[0], gone[1], None, ())


def _with_predictions(
    parts: list[_Stratum], tuning: list[float], variance: float, fitted: int, confidence: float
) -> Estimate:
    clips = sum(len(part.y) for part in parts)
    share = sum(part.share * part.mean(weight) for part, weight in zip(parts, tuning, strict=True))
    value, low, high = min(1.0, max(0.0, share)), None, None
    words = "prediction-powered; no interval: the judged clips show no spread"
    if not any(part.unseen for part in parts):
        low = high = value
        words = "no sampling error: every clip of the pool was judged"
    elif variance > ROUNDING:
        freedom = clips - len(parts) - fitted
        half = float(student.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance))
        low, high = max(0.0, value - half), min(1.0, value + half)
        words = f"prediction-powered, t with {freedom} degrees of freedom"
    made = _signature("pool_share", confidence, len(parts))
    return Estimate("pool_share", value, low, high, confidence, clips, None, None, words, made)
