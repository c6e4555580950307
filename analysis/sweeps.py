"""Every cut of one score at once, for the sample and for its resamples."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from analysis.design import Design
from analysis.estimate import Floats, Ints
from analysis.objectives import Objective

BINS = 512
"""With more cuts than this, resamples look at as many cuts only, at quantiles of the scores."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Clips sorted from the highest score down; `ends` closes each group of ties and `cuts` is its score."""

    order: Ints
    good: Floats
    ends: Ints
    cuts: Floats

    @classmethod
    def over(cls, values: Floats, good: Floats) -> "Sweep":
        """From scores that rise with quality and shares of good, one per clip.

        >>> Sweep.over(np.array([1.0, 3.0, 3.0]), np.array([0.0, 1.0, 1.0])).cuts
        array([3., 1.])
        """
        order = np.argsort(-values, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(values[order]) < 0), len(values) - 1)
        return cls(order, good[order], ends, values[order][ends])

    def best(self, weights: Floats, objective: Objective) -> Ints:
        """Position in `cuts` of the best cut for each row of weights; never the one that accepts every clip."""
        sorted_weights = weights[:, self.order]
        hits = np.cumsum(sorted_weights * self.good, axis=1)
        accepted = np.cumsum(sorted_weights, axis=1)
        return loosest_best(hits[:, self.ends], accepted[:, self.ends], objective)


def loosest_best(hits: Floats, accepted: Floats, objective: Objective) -> Ints:
    """The best cut of each row, shapes (rows, cuts) from strict to loose, the last accepting all; of equals the last.

    >>> from analysis.objectives import F1
    >>> int(loosest_best(np.array([[1.0, 2.0, 2.0]]), np.array([[1.0, 2.0, 4.0]]), F1)[0])
    1
    """
    reached = objective.value(hits, accepted, hits[:, -1:], accepted[:, -1:])[:, :-1]
    top = reached >= reached.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(top.shape[1] - 1 - np.argmax(top[:, ::-1], axis=1))


def resampled_picks(
    sweep: Sweep, design: Design, objective: Objective, chosen: int, resamples: int, seed: int
) -> tuple[Floats, float]:
    """The best cut of every resample, shape (resamples,), and the share of them that is the one chosen.

    Above 512 cuts the resamples choose among 512 of them at quantiles, the chosen one included.
    """
    if len(sweep.cuts) <= BINS:
        blocks = design.replicates(resamples, seed)
        picks = np.concatenate([sweep.best(block * design.clip_weight, objective) for block in blocks])
        return sweep.cuts[picks], float((picks == chosen).mean())
    edges = np.linspace(0, len(sweep.cuts) - 1, BINS).round().astype(np.int64)
    edges = np.union1d(edges, chosen)
    cell = np.empty(len(sweep.order), dtype=np.int64)
    cell[sweep.order] = np.searchsorted(sweep.ends[edges], np.arange(len(sweep.order)))
    good = np.empty(len(sweep.order))
    good[sweep.order] = sweep.good
    found = [loosest_best(hits, accepted, objective) for hits, accepted in _binned(design, cell, good, resamples, seed)]
    picks = edges[np.concatenate(found)]
    return sweep.cuts[picks], float((picks == chosen).mean())


def _binned(design: Design, cell: Ints, good: Floats, resamples: int, seed: int) -> list[tuple[Floats, Floats]]:
    """Weighted good and all accepted clips at every bin's end, in blocks of shape (rows, bins)."""
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
