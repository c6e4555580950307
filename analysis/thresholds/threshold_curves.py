"""Rates of a filter at every threshold, with bootstrap bands: the data of the workbench's slider and curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.filters.roc import Direction

MAX_THRESHOLDS = 400
"""Thresholds computed at most; beyond this number they are evenly spaced by rank. Those asked for are always kept."""
MIN_DEFINED = 0.95
"""A band exists where the rate is defined in at least this share of the resamples."""


@dataclass(frozen=True, eq=False)
class Band:
    """A rate at every threshold with the ends of its band, shapes (thresholds,); NaN where it is undefined."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """Thresholds from strict to loose, the clips on both sides of each, and the rates.

    `counts` holds rated clips and `weighted` the pool clips they stand for, both of shape (thresholds, 4): good and
    bad clips accepted, good and bad clips rejected. `rates` maps precision, recall, f1, specificity and kept (the
    share of clips accepted) to their bands, computed from the weighted counts.
    """

    direction: Direction
    thresholds: Floats
    counts: Ints
    weighted: Floats
    rates: dict[str, Band]
    confidence: float
    resamples: int

    def at(self, threshold: float) -> int:
        """Position of the threshold that accepts the same clips as this one, or the next stricter one."""
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
    """Rates at every score of the sample and at the thresholds in `always`, with pointwise bands.

    `scores` and `good` (0 or 1) have shape (clips,). Clips in `out` are rejected at every threshold, because another
    filter rejects them. A band covers one threshold at a time, not all thresholds together. Bands are percentile
    bootstrap intervals (Efron & Tibshirani 1993, chapter 13) that resample as the design drew; for a rate of 0 or 1,
    where resamples do not vary, they are Wilson's intervals (1927) on Kish's effective number of clips.

    >>> curves = threshold_curves(
    ...     np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0]), Design.build(3), direction="ge", resamples=10
    ... )
    >>> curves.thresholds.tolist(), curves.rates["precision"].value.round(3).tolist()
    ([3.0, 2.0, 1.0], [1.0, 1.0, 0.667])
    """
    sign = 1.0 if direction == "ge" else -1.0
    values = sign * scores if out is None else np.where(out, -np.inf, sign * scores)
    thresholds = _chosen(values[np.isfinite(values)], sign * np.asarray(always, dtype=np.float64))
    order = np.argsort(-values, kind="stable")
    taken = np.searchsorted(-values[order], -thresholds, side="right")
    mass, is_good = design.clip_weight[order], good[order]
    point = _rates(*_cells(mass[None], is_good, taken))
    drawn: dict[str, list[Floats]] = {name: [] for name in RATES}
    for block in design.replicates(resamples, seed):
        for name, values_drawn in _rates(*_cells(block[:, order] * mass, is_good, taken)).items():
            drawn[name].append(values_drawn)
    clips = _effective_clips(mass, is_good, taken)
    rates = {
        name: Band(point[name][0], *_ends(name, np.concatenate(drawn[name]), point[name][0], clips[name], confidence))
        for name in RATES
    }
    counts = _table(*_cells(np.ones((1, len(order))), is_good, taken)).round().astype(np.int64)
    weighted = _table(*_cells(mass[None], is_good, taken))
    return ThresholdCurves(direction, sign * thresholds, counts, weighted, rates, confidence, resamples)


def _chosen(values: Floats, always: Floats) -> Floats:
    """The thresholds to compute, from strict to loose; `values` and `always` rise with quality."""
    found = np.unique(values)
    if len(found) > MAX_THRESHOLDS:
        found = found[np.unique(np.linspace(0, len(found) - 1, MAX_THRESHOLDS).round().astype(np.int64))]
    return np.union1d(found, always)[::-1]


def _cells(weights: Floats, good: Floats, taken: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights of the good and of all clips accepted, shape (rows, thresholds), and in the sample, shape (rows, 1)."""
    hits = np.zeros((len(weights), len(good) + 1))
    accepted = np.zeros_like(hits)
    np.cumsum(weights * good, axis=1, out=hits[:, 1:])
    np.cumsum(weights, axis=1, out=accepted[:, 1:])
    return hits[:, taken], accepted[:, taken], hits[:, -1:], accepted[:, -1:]


def _table(hits: Floats, accepted: Floats, good: Floats, clips: Floats) -> Floats:
    """The cells tp, fp, fn and tn of the first row, shape (thresholds, 4)."""
    wrong = accepted - hits
    table: Floats = np.stack([hits, wrong, good - hits, clips - good - wrong], axis=-1)[0]
    return table


def _share(part: Floats, whole: Floats) -> Floats:
    """`part` / `whole`; NaN where the whole is 0."""
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
    """Kish's effective number (1965, section 8.2) of the clips in each rate's denominator, shape (thresholds,)."""
    both = _cells(np.stack([mass, mass**2]), good, taken)
    hits, accepted, all_good, clips = (np.broadcast_to(part, both[0].shape) for part in both)
    denominators = {
        "precision": accepted,
        "recall": all_good,
        "f1": accepted + all_good - hits,
        "specificity": clips - all_good,
        "kept": clips,
    }
    return {name: _share(weight**2, squares) for name, (weight, squares) in denominators.items()}


def _ends(name: str, drawn: Floats, value: Floats, clips: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Both ends of the band, shapes (thresholds,); NaN where the rate is undefined in too many resamples.

    Where the rate is 0 or 1 all resamples agree, so the other end is that of Wilson's interval (1927) on the
    effective number of clips.
    """
    tail = (1 - confidence) / 2
    known = np.isfinite(drawn)
    clear = (known.mean(axis=0) >= MIN_DEFINED) & np.isfinite(value)
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if clear.any():
        low[clear], high[clear] = np.nanquantile(drawn[:, clear], [tail, 1 - tail], axis=0)
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    far, near = z2 / (clips + z2), clips / (clips + z2)
    if name == "f1":  # 2 J / (1 + J), J the share of good or accepted clips that are both
        far, near = 2 * far / (1 + far), 2 * near / (1 + near)
    return np.where(value == 1, np.minimum(low, near), low), np.where(value == 0, np.maximum(high, far), high)
