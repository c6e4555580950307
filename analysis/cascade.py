"""Thresholds for several filters that must all accept: the joint search, and what each filter is worth in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.rates import effective_precision, effective_wilson

CUTS = 40
"""Candidate cuts of a filter, at quantiles of the bad clips' scores."""
RESTARTS = 30
_PATIENCE = 30  # rounds of pair moves from one start


@dataclass(frozen=True, eq=False)
class Problem:
    """Clips as cells of a grid of candidate cuts, ready for search.

    `cell[i, j]` counts how many candidates of filter j clip i passes: with the level k[j] chosen, clip i is accepted
    when cell >= k everywhere. `cuts[j]` are the candidates from loose to strict, the first -inf (open). `good` and
    `bad` are weights of shape (clips,).
    """

    cell: Ints
    cuts: tuple[Floats, ...]
    good: Floats
    bad: Floats

    @classmethod
    def of(cls, values: Floats, good: Floats, weight: Floats, cuts: int = CUTS) -> "Problem":
        """From scores that rise with quality, shape (clips, filters), shares of good and weights.

        Cuts lie just above quantiles of the bad clips, for moving a cut past good clips alone only loses.
        """
        ladders, cells = [], []
        for column in values.T:
            levels = np.unique(np.quantile(column[good < 1], np.linspace(0, 1, cuts), method="inverted_cdf"))
            scores = np.unique(column)
            next_up = np.searchsorted(scores, levels, side="right")
            ladder = np.append(-np.inf, np.unique(scores[next_up[next_up < len(scores)]]))
            ladders.append(ladder)
            cells.append(np.searchsorted(ladder, column, side="right") - 1)
        return cls(np.stack(cells, axis=1), tuple(ladders), weight * good, weight * (1 - good))

    def thresholds(self, levels: Ints) -> Floats:
        """The cuts of these levels, -inf where a filter is open."""
        return np.array([ladder[level] for ladder, level in zip(self.cuts, levels, strict=True)])

    def accepted(self, levels: Ints) -> Bools:
        """Which clips pass every filter."""
        return np.asarray((self.cell >= levels).all(axis=1))

    def yields(self, levels: Ints) -> tuple[float, float]:
        """Weight of the good and of the bad clips accepted."""
        kept = self.accepted(levels)
        return float(self.good[kept].sum()), float(self.bad[kept].sum())


@dataclass(frozen=True)
class FilterShare:
    """What one filter does among the others, on the rated clips, counts and weighted shares of the pool.

    `rejects` clips fail it; `unique` fail it alone, all others passing; `unique_good` is the weighted good share
    among those (None when there are none), between `unique_good_low` and `unique_good_high` with the confidence asked
    for (`rates.effective_wilson`). Dropping it would change the share of good clips kept by
    `yield_change` and the precision by `precision_change` (None where nothing is accepted).
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


def search(problem: Problem, target: float, *, restarts: int = RESTARTS, seed: int = 0) -> Ints | None:
    """Levels with the largest weight of good clips kept subject to precision >= target; None where none has it.

    From all open, the cut with the most bad removed per good lost is tightened until the target holds (after the
    patient rule induction of Friedman & Fisher 1999, Statistics and Computing 9, 123-143); then every pair of
    filters is moved to its best place given the others until nothing improves, from there and from seeded random
    starts. A heuristic: the optimum is not certain.

    >>> g = np.random.default_rng(0)
    >>> scores = g.random((300, 2))
    >>> problem = Problem.of(scores, (scores.min(axis=1) > 0.4).astype(float), np.ones(300))
    >>> kept = problem.accepted(search(problem, 0.99))
    >>> int(kept.sum()), int(problem.good.sum())
    (114, 119)
    """
    generator = np.random.default_rng(seed)
    best: tuple[tuple[float, float], Ints] | None = None
    for start in range(restarts + 1):
        levels = _greedy(problem, target) if start == 0 else None
        if levels is None:
            strictness = generator.random() * 0.6
            levels = np.array([int(generator.random() * strictness * len(ladder)) for ladder in problem.cuts])
        levels = _improved(problem, levels, target, generator)
        if best is not None and start > 1:  # shake the best one, too
            levels = max(levels, _shaken(problem, best[1], target, generator), key=lambda k: _worth(problem, k, target))
        worth = _worth(problem, levels, target)
        if best is None or worth > best[0]:
            best = worth, levels
    assert best is not None, "there is a start"
    good, bad = problem.yields(best[1])
    return best[1] if good > 0 and good >= target * (good + bad) * (1 - 1e-12) else None


def _shaken(problem: Problem, levels: Ints, target: float, generator: np.random.Generator) -> Ints:
    moved = levels.copy()
    for filter_ in generator.permutation(len(levels))[:2]:
        moved[filter_] = int(generator.integers(len(problem.cuts[filter_])))
    return _improved(problem, moved, target, generator)


def _score(good: Floats, bad: Floats, target: float) -> Floats:
    """Good weight kept where the target holds, else how far it is missed, below every feasible value."""
    slack = (1 - target) * good - target * bad
    feasible = (slack >= -1e-9 * (good + bad)) & (good > 0)
    return np.where(feasible, good, np.minimum(slack, -1e-12) - (good <= 0) * 1e12)


def _worth(problem: Problem, levels: Ints, target: float) -> tuple[float, float]:
    good, bad = problem.yields(levels)
    return float(_score(np.array(good), np.array(bad), target)), -bad


def _greedy(problem: Problem, target: float) -> Ints:
    levels = np.zeros(len(problem.cuts), dtype=np.int64)
    for _ in range(sum(len(ladder) for ladder in problem.cuts)):
        kept = problem.accepted(levels)
        good, bad = float(problem.good[kept].sum()), float(problem.bad[kept].sum())
        if good >= target * (good + bad) or not bad:
            break
        gains = []
        for filter_, ladder in enumerate(problem.cuts):
            cell, size = problem.cell[kept, filter_], len(ladder)
            lost = np.cumsum(np.bincount(cell, problem.good[kept], minlength=size))[:-1]
            removed = np.cumsum(np.bincount(cell, problem.bad[kept], minlength=size))[:-1]
            rate = np.where(removed > 0, removed / (lost + 0.5 * problem.good.mean()), -1.0)
            rate[: levels[filter_]] = -1.0
            if len(rate) and rate.max() > 0:
                gains.append((float(rate.max()), filter_, int(np.argmax(rate)) + 1))
        if not gains:
            break
        _, filter_, level = max(gains)
        levels[filter_] = level
    return levels


def _improved(problem: Problem, levels: Ints, target: float, generator: np.random.Generator) -> Ints:
    """Pair moves until none helps: the best levels of two filters, given all the others, are found at once."""
    levels, now = levels.copy(), _worth(problem, levels, target)[0]
    filters = len(levels)
    pairs = list(combinations(range(filters), 2)) if filters > 1 else [(0, 0)]
    for _ in range(_PATIENCE):
        before = now
        for number in generator.permutation(len(pairs)):
            first, second = pairs[number]
            others = np.delete(np.arange(filters), [first, second])
            kept = np.asarray((problem.cell[:, others] >= levels[others]).all(axis=1))
            good, bad = (_from_above(problem, kept, first, second, part[kept]) for part in (problem.good, problem.bad))
            reached = _score(good, bad, target)
            place = np.unravel_index(np.argmax(reached), reached.shape)
            if reached[place] > now + 1e-9 * max(1.0, abs(now)):
                levels[first], levels[second], now = int(place[0]), int(place[1]), float(reached[place])
                if first == second:
                    levels[first] = int(max(place))
        if now <= before:
            break
    return levels


def _from_above(problem: Problem, kept: Bools, first: int, second: int, weight: Floats) -> Floats:
    """Weight passing levels (a, b) of two filters, for all a and b."""
    shape = len(problem.cuts[first]), len(problem.cuts[second])
    flat = problem.cell[kept, first] * shape[1] + problem.cell[kept, second]
    table = np.bincount(flat, weight, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(table[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1])


def filter_shares(
    names: Sequence[str],
    values: Floats,
    thresholds: Floats,
    good: Floats,
    design: Design,
    confidence: float = 0.95,
) -> list[FilterShare]:
    """What every filter rejects, rejects alone, and what dropping it would change; `values` rise with quality.

    >>> one, two = filter_shares(["a", "b"], np.array([[1.0, 1], [0, 1], [0, 0]]), np.array([1.0, 1]),
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
            FilterShare(
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
    """Share of the good clips accepted, and precision."""
    hits, whole, size = float((weight * good)[accepted].sum()), float((weight * good).sum()), weight[accepted].sum()
    return hits / whole if whole else None, float(hits / size) if size else None


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
