"""Thresholds for a cascade, several filters that must all accept: the joint search, and what each filter adds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.filters.rates import effective_precision
from analysis.proportions import effective_wilson

CANDIDATES = 40
"""Candidate thresholds of a filter, at quantiles of the bad clips' scores."""
RESTARTS = 30
_MAX_ROUNDS = 30  # of pair moves from one start


@dataclass(frozen=True, eq=False)
class CascadeGrid:
    """Clips as cells of a grid of candidate thresholds, ready for search.

    `cell` (clips, filters) is the highest level, a position in `candidates`, that the clip passes: with levels k,
    shape (filters,), a clip is accepted if cell >= k for every filter. `candidates[j]` holds the thresholds of filter j
    from loose to strict; the first is -inf (filter open). `good` and `bad` are weights of shape (clips,).
    """

    cell: Ints
    candidates: tuple[Floats, ...]
    good: Floats
    bad: Floats

    @classmethod
    def of(cls, values: Floats, good: Floats, weight: Floats, count: int = CANDIDATES) -> "CascadeGrid":
        """Build from scores that rise with quality, shape (clips, filters), shares of good and weights (clips,).

        Candidates lie just above quantiles of the bad clips' scores: a threshold moved past good clips only loses them.
        """
        ladders, cells = [], []
        for column in values.T:
            levels = np.unique(np.quantile(column[good < 1], np.linspace(0, 1, count), method="inverted_cdf"))
            scores = np.unique(column)
            next_up = np.searchsorted(scores, levels, side="right")
            ladder = np.append(-np.inf, np.unique(scores[next_up[next_up < len(scores)]]))
            ladders.append(ladder)
            cells.append(np.searchsorted(ladder, column, side="right") - 1)
        return cls(np.stack(cells, axis=1), tuple(ladders), weight * good, weight * (1 - good))

    def thresholds(self, levels: Ints) -> Floats:
        """The thresholds of these levels, shape (filters,); -inf where a filter is open."""
        return np.array([ladder[level] for ladder, level in zip(self.candidates, levels, strict=True)])

    def accepted(self, levels: Ints) -> Bools:
        """Which clips pass every filter, shape (clips,)."""
        return np.asarray((self.cell >= levels).all(axis=1))

    def accepted_weight(self, levels: Ints) -> tuple[float, float]:
        """The weights of the good and of the bad clips accepted."""
        kept = self.accepted(levels)
        return float(self.good[kept].sum()), float(self.bad[kept].sum())


@dataclass(frozen=True)
class FilterContribution:
    """What one filter contributes to a cascade, in counts of rated clips and weighted shares of the pool.

    `rejects` clips fail the filter; `unique` of them fail no other filter. `unique_good` is the weighted share of good
    clips among those (None if there are none), with the interval `unique_good_low` to `unique_good_high`
    (`proportions.effective_wilson`). Without the filter the share of good clips kept would change by `yield_change`
    and the precision by `precision_change` (None if no clip is accepted).
    """

    name: str
    threshold: float | None
    rejects: int
    unique: int
    rejected_share: float
    unique_share: float
    unique_good: float | None
    unique_good_low: float | None
    unique_good_high: float | None
    yield_change: float | None
    precision_change: float | None


def search(grid: CascadeGrid, target: float, *, restarts: int = RESTARTS, seed: int = 0) -> Ints | None:
    """The levels, shape (filters,), that keep the most good clips at precision >= `target`; None if none reach it.

    The first start opens all filters and tightens, step by step, the one that removes the most bad clips per good clip
    lost until the target holds (after the patient rule induction of Friedman & Fisher 1999, Statistics and Computing
    9, 123-143); the other starts are random. From each start, pairs of filters move to their best levels given the
    other filters until nothing improves. This is a heuristic: it need not find the optimum.

    >>> generator = np.random.default_rng(0)
    >>> scores = generator.random((300, 2))
    >>> grid = CascadeGrid.of(scores, (scores.min(axis=1) > 0.4).astype(float), np.ones(300))
    >>> kept = grid.accepted(search(grid, 0.99))
    >>> int(kept.sum()), int(grid.good.sum())
    (114, 119)
    """
    generator = np.random.default_rng(seed)
    best: tuple[tuple[float, float], Ints] | None = None
    for start in range(restarts + 1):
        levels = _greedy(grid, target) if start == 0 else None
        if levels is None:
            strictness = generator.random() * 0.6
            levels = np.array([int(generator.random() * strictness * len(ladder)) for ladder in grid.candidates])
        levels = _improved(grid, levels, target, generator)
        if best is not None and start > 1:  # also restart from the best levels, with two filters moved at random
            levels = max(levels, _shaken(grid, best[1], target, generator), key=lambda k: _worth(grid, k, target))
        worth = _worth(grid, levels, target)
        if best is None or worth > best[0]:
            best = worth, levels
    assert best is not None, "there is a start"
    good, bad = grid.accepted_weight(best[1])
    return best[1] if good > 0 and good >= target * (good + bad) * (1 - 1e-12) else None


def _shaken(grid: CascadeGrid, levels: Ints, target: float, generator: np.random.Generator) -> Ints:
    moved = levels.copy()
    for filter_ in generator.permutation(len(levels))[:2]:
        moved[filter_] = int(generator.integers(len(grid.candidates[filter_])))
    return _improved(grid, moved, target, generator)


def _score(good: Floats, bad: Floats, target: float) -> Floats:
    """The good weight kept if the target holds; else how far the target is missed, below every feasible value."""
    slack = (1 - target) * good - target * bad
    feasible = (slack >= -1e-9 * (good + bad)) & (good > 0)
    return np.where(feasible, good, np.minimum(slack, -1e-12) - (good <= 0) * 1e12)


def _worth(grid: CascadeGrid, levels: Ints, target: float) -> tuple[float, float]:
    good, bad = grid.accepted_weight(levels)
    return float(_score(np.array(good), np.array(bad), target)), -bad


def _greedy(grid: CascadeGrid, target: float) -> Ints:
    levels = np.zeros(len(grid.candidates), dtype=np.int64)
    for _ in range(sum(len(ladder) for ladder in grid.candidates)):
        kept = grid.accepted(levels)
        good, bad = float(grid.good[kept].sum()), float(grid.bad[kept].sum())
        if good >= target * (good + bad) or not bad:
            break
        gains = []
        for filter_, ladder in enumerate(grid.candidates):
            cell, size = grid.cell[kept, filter_], len(ladder)
            lost = np.cumsum(np.bincount(cell, grid.good[kept], minlength=size))[:-1]
            removed = np.cumsum(np.bincount(cell, grid.bad[kept], minlength=size))[:-1]
            rate = np.where(removed > 0, removed / (lost + 0.5 * grid.good.mean()), -1.0)
            rate[: levels[filter_]] = -1.0
            if len(rate) and rate.max() > 0:
                gains.append((float(rate.max()), filter_, int(np.argmax(rate)) + 1))
        if not gains:
            break
        _, filter_, level = max(gains)
        levels[filter_] = level
    return levels


def _improved(grid: CascadeGrid, levels: Ints, target: float, generator: np.random.Generator) -> Ints:
    """Move pairs of filters to their best levels, given all other filters, until no move helps."""
    levels, now = levels.copy(), _worth(grid, levels, target)[0]
    filters = len(levels)
    pairs = list(combinations(range(filters), 2)) if filters > 1 else [(0, 0)]
    for _ in range(_MAX_ROUNDS):
        before = now
        for number in generator.permutation(len(pairs)):
            first, second = pairs[number]
            others = np.delete(np.arange(filters), [first, second])
            kept = np.asarray((grid.cell[:, others] >= levels[others]).all(axis=1))
            good, bad = (_from_above(grid, kept, first, second, part[kept]) for part in (grid.good, grid.bad))
            reached = _score(good, bad, target)
            place = np.unravel_index(np.argmax(reached), reached.shape)
            if reached[place] > now + 1e-9 * max(1.0, abs(now)):
                levels[first], levels[second], now = int(place[0]), int(place[1]), float(reached[place])
                if first == second:
                    levels[first] = int(max(place))
        if now <= before:
            break
    return levels


def _from_above(grid: CascadeGrid, kept: Bools, first: int, second: int, weight: Floats) -> Floats:
    """The weight that passes levels (a, b) of two filters, for all a and b, shape (levels, levels)."""
    shape = len(grid.candidates[first]), len(grid.candidates[second])
    flat = grid.cell[kept, first] * shape[1] + grid.cell[kept, second]
    table = np.bincount(flat, weight, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(table[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1])


def filter_contributions(
    names: Sequence[str],
    values: Floats,
    thresholds: Floats,
    good: Floats,
    design: Design,
    confidence: float = 0.95,
) -> list[FilterContribution]:
    """What every filter rejects, what it alone rejects, and what would change without it.

    `values` (clips, filters) rise with quality, `thresholds` has shape (filters,) and `good` (0 to 1) shape (clips,).

    >>> one, two = filter_contributions(["a", "b"], np.array([[1.0, 1], [0, 1], [0, 0]]), np.array([1.0, 1]),
    ...     np.array([1.0, 0, 1]), Design.build(3))
    >>> one.rejects, one.unique, one.precision_change, two.unique
    (2, 1, -0.5, 0)
    """
    passes, weight = values >= thresholds, design.clip_weight
    fails = (~passes).sum(axis=1)
    now = _kept(fails == 0, good, weight)
    shares = []
    for number, name in enumerate(names):
        rejected = ~passes[:, number]
        unique = rejected & (fails == 1)
        without = _kept((fails == 0) | unique, good, weight)
        alone = float(weight[unique].sum())
        share, clips = effective_precision(unique, good, design)
        low, high = effective_wilson(share, clips, confidence) if alone else (None, None)
        shares.append(
            FilterContribution(
                name=name,
                threshold=float(thresholds[number]) if np.isfinite(thresholds[number]) else None,
                rejects=int(rejected.sum()),
                unique=int(unique.sum()),
                rejected_share=float(weight[rejected].sum() / weight.sum()),
                unique_share=float(alone / weight.sum()),
                unique_good=share if alone else None,
                unique_good_low=low,
                unique_good_high=high,
                yield_change=_difference(without[0], now[0]),
                precision_change=_difference(without[1], now[1]),
            )
        )
    return shares


def _kept(accepted: Bools, good: Floats, weight: Floats) -> tuple[float | None, float | None]:
    """The share of good clips that is accepted, and the precision; None where it is undefined."""
    hits, whole, size = float((weight * good)[accepted].sum()), float((weight * good).sum()), weight[accepted].sum()
    return hits / whole if whole else None, float(hits / size) if size else None


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
