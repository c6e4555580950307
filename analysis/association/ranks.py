"""Weighted Pearson, Spearman and Kendall correlations, for one set of weights or for many replicates at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints

Correlation = Callable[[Floats], Floats]
"""A function from weights (replicates, clips) to correlations (replicates,), NaN where a side does not vary."""
FLAT = 1e-12
"""A share of a variance below this is a rounding error: the values do not vary."""


@dataclass(frozen=True, eq=False)
class RankOrder:
    """Values sorted once, so that mid-ranks under other weights need no sorting.

    >>> RankOrder.of(np.array([5.0, 1.0, 5.0])).midranks(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[4.0, 1.0, 4.0]]
    """

    order: Ints
    starts: Ints
    level_of: Ints

    @classmethod
    def of(cls, values: Floats) -> "RankOrder":
        """The order of `values`, shape (clips,)."""
        order = np.argsort(values, kind="stable")
        level_of = np.unique(values, return_inverse=True)[1]
        return cls(order, np.flatnonzero(np.diff(level_of[order], prepend=-1)), level_of)

    def totals(self, weights: Floats) -> Floats:
        """The weight of each distinct value in rising order, shape (replicates, distinct values)."""
        return np.asarray(np.add.reduceat(weights[:, self.order], self.starts, axis=1))

    def midranks(self, weights: Floats) -> Floats:
        """The weight below each clip plus half of the weight tied with it, shape (replicates, clips)."""
        own = self.totals(weights)
        return np.asarray((np.cumsum(own, axis=1) - own / 2)[:, self.level_of])


def pearson(x: Floats, y: Floats) -> Correlation:
    """Weighted Pearson correlation of `x` and `y`, shape (clips,)."""
    # Scores may be as small as 1e-300 or as large as 1e300, whose squares are 0 or infinite.
    x, y = (part / max(float(np.abs(part).max(initial=0.0)), np.finfo(np.float64).tiny) for part in (x, y))
    x, y = (part - part.mean() for part in (x, y))
    moments = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])

    def correlation(weights: Floats) -> Floats:
        total, *rest = (weights @ moments).T
        mean_x, mean_y, xx, yy, xy = (part / total for part in rest)
        return _ratio(xy - mean_x * mean_y, (xx - mean_x**2, xx), (yy - mean_y**2, yy))

    return correlation


def spearman(x: Floats, y: Floats) -> Correlation:
    """Weighted Spearman correlation: the weighted Pearson correlation of the weighted mid-ranks."""
    order_x, order_y = RankOrder.of(x), RankOrder.of(y)

    def correlation(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        # The weighted mean of mid-ranks is half of the total weight.
        a, b = (order.midranks(weights) - total[:, None] / 2 for order in (order_x, order_y))
        of_a = weights * a
        xx, xy = np.einsum("ij,ij->i", of_a, a), np.einsum("ij,ij->i", of_a, b)
        yy = np.einsum("ij,ij,ij->i", weights, b, b)
        scale = total**3 / 12  # the sum of squares without ties
        return _ratio(xy, (xx, scale), (yy, scale))

    return correlation


def kendall_tau_b(x: Floats, y: Floats) -> Correlation:
    """Weighted Kendall tau-b: a pair of clips counts with the product of their weights.

    Whole weights give the tau-b of clips repeated so many times. Source: Kendall (1945), doi:10.1093/biomet/33.3.239.
    """
    order_x, order_y = RankOrder.of(x), RankOrder.of(y)
    levels = bit_levels(order_x.level_of, order_y.level_of)

    def correlation(weights: Floats) -> Floats:
        agreement = np.zeros(len(weights))
        for level in levels:
            agreement += level.agreement(weights)
        square = weights.sum(axis=1) ** 2
        untied_x, untied_y = ((square - (order.totals(weights) ** 2).sum(axis=1)) / 2 for order in (order_x, order_y))
        return _ratio(agreement, (untied_x, square), (untied_y, square))

    return correlation


@dataclass(frozen=True, eq=False)
class BitLevel:
    """Pairs of clips whose y differ first in one binary digit: they share a block, sorted by x inside it.

    `order` sorts the clips (clips,), `digit` is the digit of each sorted clip, and the other arrays hold positions in
    that order: start and end of the clip's block, and of the clips of the block that have the same x.
    """

    order: Ints
    digit: Bools
    block: tuple[Ints, Ints]
    tied: tuple[Ints, Ints]

    def agreement(self, weights: Floats) -> Floats:
        """The weight of concordant pairs minus that of discordant ones, shape (replicates,)."""
        mine = weights[:, self.order]
        lead = self._lead(mine * ~self.digit, np.flatnonzero(self.digit))
        return np.asarray(np.einsum("ij,ij->i", mine[:, self.digit], lead))

    def of_clips(self, weight: Floats) -> Floats:
        """For each clip the weight of its concordant pairs minus that of its discordant ones; shapes are (clips,)."""
        mine, every = weight[self.order][None], np.arange(len(self.order))
        found = np.empty(len(every))
        below, above = (self._lead(mine * kind, every)[0] for kind in (~self.digit, self.digit))
        found[self.order] = np.where(self.digit, below, -above)
        return found

    def _lead(self, weights: Floats, places: Ints) -> Floats:
        """For sorted clips at `places` the weight in their block at smaller x minus that at greater x."""
        before = np.zeros((len(weights), len(self.order) + 1))
        np.cumsum(weights, axis=1, out=before[:, 1:])
        start, end, first, last = (part[places] for part in (*self.block, *self.tied))
        return np.asarray((before[:, first] - before[:, start]) - (before[:, end] - before[:, last]))


def bit_levels(x: Ints, y: Ints) -> list[BitLevel]:
    """Split the pairs with different y by the highest binary digit in which they differ, in O(n log n).

    `x` and `y` hold the numbers of the distinct values, shape (clips,).
    """
    found = []
    for bit in range(int(y.max(initial=0)).bit_length()):
        block = y >> (bit + 1)
        order = np.lexsort((x, block))
        blocks, ties = _run_ends(block[order][None]), _run_ends(np.stack([block[order], x[order]]))
        found.append(BitLevel(order, (y[order] >> bit) & 1 == 1, blocks, ties))
    return found


def _run_ends(keys: Ints) -> tuple[Ints, Ints]:
    """Start and end (exclusive) of the run of equal columns of `keys` (keys, clips) around each position."""
    new = np.ones(keys.shape[1] + 1, dtype=np.bool_)
    new[1:-1] = (np.diff(keys, axis=1) != 0).any(axis=0)
    bounds = np.flatnonzero(new)
    run = np.cumsum(new[:-1]) - 1
    return bounds[run], bounds[run + 1]


def _ratio(covariance: Floats, x: tuple[Floats, Floats], y: tuple[Floats, Floats]) -> Floats:
    """covariance / sqrt(x y), at most 1 in absolute value; each variance comes with the size that rounding affects."""
    varies = (x[0] > FLAT * x[1]) & (y[0] > FLAT * y[1])
    below = np.sqrt(np.where(varies, x[0] * y[0], 1.0))
    return np.asarray(np.where(varies, np.clip(covariance / below, -1, 1), np.nan))
