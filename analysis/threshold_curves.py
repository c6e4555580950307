"""What a filter would do at every threshold: its rates with bootstrap bands, for a slider and its curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.roc import Direction

MOST = 400
"""Thresholds at most: above that, evenly by rank, and always those asked for."""
SURE = 0.95
"""A band is drawn where at least this share of the resamples has a value."""


@dataclass(frozen=True, eq=False)
class Band:
    """A rate at every threshold, shape (thresholds,) each: NaN where it is undefined."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """Thresholds from strict to loose with the rated clips on both sides and the rates.

    `counts` are rated clips and `weighted` the pool clips they stand for, shape (thresholds, 4): good and bad ones
    accepted, good and bad ones rejected. `rates` holds precision, recall, f1, specificity and kept (the share of
    clips accepted), by the weighted counts.
    """

    direction: Direction
    thresholds: Floats
    counts: Ints
    weighted: Floats
    rates: dict[str, Band]
    confidence: float
    resamples: int

    def at(self, threshold: float) -> int:
        """Position of the threshold that accepts just what this one accepts, or is next to it on the strict side."""
        sign = 1.0 if self.direction == "ge" else -1.0
        looser = np.flatnonzero(sign * self.thresholds < sign * threshold)
        return int(looser[0]) - 1 if len(looser) and looser[0] else 0 if len(looser) else len(self.thresholds) - 1


def threshold_curves(
    scores: Floats,
    good: Floats,
    design: Design,
    *,
    direction: Direction,
    always: Sequence[float] = (),
    out: Bools | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> ThresholdCurves:
    """Rates at each score found, and at the thresholds in `always`; percentile bands of resampled clips.

    `scores` and `good` (0 or 1) have shape (clips,). Clips in `out` are rejected at every threshold: another rule
    does so. Bands hold one threshold at a time, not all at once.
    Source of the bands: the percentile bootstrap (Efron & Tibshirani 1993, chapter 13), drawn as the design was;
    for a rate of 0 or 1, where resamples do not vary, Wilson's interval (1927) on Kish's effective clips.

    >>> curves = threshold_curves(
    ...     np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0]), Design.build(3), direction="ge", resamples=10
    ... )
    >>> curves.thresholds.tolist(), curves.rates["precision"].value.round(3).tolist()
    ([3.0, 2.0, 1.0], [1.0, 1.0, 0.667])
    """
    sign = 1.0 if direction == "ge" else -1.0
    values = sign * scores if out is None else np.where(out, -np.inf, sign * scores)
    cuts = _cuts(values[np.isfinite(values)], sign * np.asarray(always, dtype=np.float64))
    order = np.argsort(-values, kind="stable")
    taken = np.searchsorted(-values[order], -cuts, side="right")
    mass = design.clip_weight[order]
    truth = good[order]
    point = _rates(*_cells(mass[None], truth, taken))
    drawn: dict[str, list[Floats]] = {name: [] for name in RATES}
    for block in design.replicates(resamples, seed):
        for name, values_drawn in _rates(*_cells(block[:, order] * mass, truth, taken)).items():
            drawn[name].append(values_drawn)
    clips = _effective_clips(mass, truth, taken)
    rates = {
        name: Band(point[name][0], *_ends(name, np.concatenate(drawn[name]), point[name][0], clips[name], confidence))
        for name in RATES
    }
    plain = _table(*_cells(np.ones((1, len(order))), truth, taken)).round().astype(np.int64)
    weighted = _table(*_cells(mass[None], truth, taken))
    return ThresholdCurves(direction, sign * cuts, plain, weighted, rates, confidence, resamples)


def _cuts(values: Floats, always: Floats) -> Floats:
    """The thresholds looked at, from strict to loose, as scores that rise with quality."""
    found = np.unique(values)
    if len(found) > MOST:
        found = found[np.unique(np.linspace(0, len(found) - 1, MOST).round().astype(np.int64))]
    return np.union1d(found, always)[::-1]


def _cells(weights: Floats, good: Floats, taken: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Weighted good accepted and all accepted, shape (rows, thresholds); all good and all, shape (rows, 1)."""
    hits = np.zeros((len(weights), len(good) + 1))
    accepted = np.zeros_like(hits)
    np.cumsum(weights * good, axis=1, out=hits[:, 1:])
    np.cumsum(weights, axis=1, out=accepted[:, 1:])
    return hits[:, taken], accepted[:, taken], hits[:, -1:], accepted[:, -1:]


def _table(hits: Floats, accepted: Floats, good: Floats, clips: Floats) -> Floats:
    """True and false accepts, false and true rejects of one row, shape (thresholds, 4)."""
    wrong = accepted - hits
    table: Floats = np.stack([hits, wrong, good - hits, clips - good - wrong], axis=-1)[0]
    return table


def _share(part: Floats, whole: Floats) -> Floats:
    """A share; NaN of nothing."""
    part, whole = np.broadcast_arrays(part, whole)
    share: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 1e-12)
    return share


RATES = ("precision", "recall", "f1", "specificity", "kept")


def _rates(hits: Floats, accepted: Floats, good: Floats, clips: Floats) -> dict[str, Floats]:
    """The rates by name, shape (rows, thresholds)."""
    return {
        "precision": _share(hits, accepted),
        "recall": _share(hits, good),
        "f1": _share(2 * hits, accepted + good),
        "specificity": _share(clips - good - accepted + hits, clips - good),
        "kept": _share(accepted, clips),
    }


def _effective_clips(mass: Floats, good: Floats, taken: Ints) -> dict[str, Floats]:
    """Kish's effective number (1965, section 8.2) of the rated clips that each rate speaks of, shape (thresholds,)."""
    both = _cells(np.stack([mass, mass**2]), good, taken)
    hits, accepted, all_good, clips = (np.broadcast_to(part, both[0].shape) for part in both)
    spoken_of = {
        "precision": accepted,
        "recall": all_good,
        "f1": accepted + all_good - hits,
        "specificity": clips - all_good,
        "kept": clips,
    }
    return {name: _share(weight**2, squares) for name, (weight, squares) in spoken_of.items()}


def _ends(name: str, drawn: Floats, value: Floats, clips: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Both ends of the band, shape (thresholds,); NaN where too many resamples have no value.

    Where the rate is 0 or 1 all resamples say the same: the open end is Wilson's (1927) on the effective clips.
    """
    tail = (1 - confidence) / 2
    known = np.isfinite(drawn)
    clear = (known.mean(axis=0) >= SURE) & np.isfinite(value)
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if clear.any():
        low[clear], high[clear] = np.nanquantile(drawn[:, clear], [tail, 1 - tail], axis=0)
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    far, near = z2 / (clips + z2), clips / (clips + z2)
    if name == "f1":  # 2 J / (1 + J), J the share of good or accepted clips that are both
        far, near = 2 * far / (1 + far), 2 * near / (1 + near)
    return np.where(value == 1, np.minimum(low, near), low), np.where(value == 0, np.maximum(high, far), high)
