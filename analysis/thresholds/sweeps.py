"""Search for the best threshold of one score: all thresholds at once, for the sample and for its resamples."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from analysis.design import Design
from analysis.estimate import Floats, Ints
from analysis.thresholds.objectives import Objective

MAX_RESAMPLED = 512
"""Thresholds that a resample searches at most; beyond this number they are taken at quantiles of the scores."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Clips sorted from the highest score down, ready to try every score as a threshold.

    `order` (clips,) holds their positions and `good` their shares of good, sorted. `thresholds` holds the different
    scores from high to low, and `ends` the sorted position of the last clip that each of them accepts.
    """

    order: Ints
    good: Floats
    ends: Ints
    thresholds: Floats

    @classmethod
    def over(cls, values: Floats, good: Floats) -> "Sweep":
        """Sort the clips by `values`, which rise with quality; `good` (0 to 1) has the same shape (clips,).

        >>> Sweep.over(np.array([1.0, 3.0, 3.0]), np.array([0.0, 1.0, 1.0])).thresholds
        array([3., 1.])
        """
        order = np.argsort(-values, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(values[order]) < 0), len(values) - 1)
        return cls(order, good[order], ends, values[order][ends])

    def best(self, weights: Floats, objective: Objective) -> Ints:
        """Position in `thresholds` of the best one for each row of weights, shape (rows, clips) to (rows,).

        The threshold that accepts every clip is never chosen.
        """
        sorted_weights = weights[:, self.order]
        hits = np.cumsum(sorted_weights * self.good, axis=1)
        accepted = np.cumsum(sorted_weights, axis=1)
        return loosest_best(hits[:, self.ends], accepted[:, self.ends], objective)


def loosest_best(hits: Floats, accepted: Floats, objective: Objective) -> Ints:
    """Position of the best threshold in each row; of equally good ones, the loosest.

    `hits` (weight of good clips accepted) and `accepted` (weight of all clips accepted) have shape (rows, thresholds)
    and go from strict to loose; the last threshold accepts every clip and is never chosen.

    >>> from analysis.thresholds.objectives import F1
    >>> int(loosest_best(np.array([[1.0, 2.0, 2.0]]), np.array([[1.0, 2.0, 4.0]]), F1)[0])
    1
    """
    reached = objective.value(hits, accepted, hits[:, -1:], accepted[:, -1:])[:, :-1]
    top = reached >= reached.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(top.shape[1] - 1 - np.argmax(top[:, ::-1], axis=1))


def resampled_thresholds(
    sweep: Sweep, design: Design, objective: Objective, chosen: int, resamples: int, seed: int
) -> tuple[Floats, float]:
    """The best threshold of every resample, shape (resamples,), and the share of resamples that chose `chosen`.

    `chosen` is a position in `sweep.thresholds`. With more than `MAX_RESAMPLED` thresholds the resamples search that
    many of them, at quantiles of the scores, and the chosen one.
    """
    if len(sweep.thresholds) <= MAX_RESAMPLED:
        blocks = design.replicates(resamples, seed)
        picks = np.concatenate([sweep.best(block * design.clip_weight, objective) for block in blocks])
        return sweep.thresholds[picks], float((picks == chosen).mean())
    edges = np.linspace(0, len(sweep.thresholds) - 1, MAX_RESAMPLED).round().astype(np.int64)
    edges = np.union1d(edges, chosen)
    cell = np.empty(len(sweep.order), dtype=np.int64)
    cell[sweep.order] = np.searchsorted(sweep.ends[edges], np.arange(len(sweep.order)))
    good = np.empty(len(sweep.order))
    good[sweep.order] = sweep.good
    found = [loosest_best(hits, accepted, objective) for hits, accepted in _binned(design, cell, good, resamples, seed)]
    picks = edges[np.concatenate(found)]
    return sweep.thresholds[picks], float((picks == chosen).mean())


def _binned(design: Design, cell: Ints, good: Floats, resamples: int, seed: int) -> list[tuple[Floats, Floats]]:
    """Weights of the good and of all clips accepted at the end of every bin, in blocks of shape (rows, bins)."""
    clips, bins = len(cell), int(cell.max()) + 1
    unit = np.arange(clips) if design.source is None else design.source
    rows, columns = np.concatenate([cell, cell + bins]), np.concatenate([unit, unit])
    parts = np.concatenate([design.clip_weight * good, design.clip_weight])
    good_and_all = csr_array((parts, (rows, columns)), shape=(2 * bins, int(unit.max()) + 1))
    made = []
    for block in design.unit_replicates(resamples, seed):
        in_cells = (good_and_all @ np.ascontiguousarray(block.T)).T.reshape(len(block), 2, bins)
        sums = np.cumsum(in_cells, axis=2)
        made.append((sums[:, 0], sums[:, 1]))
    return made
