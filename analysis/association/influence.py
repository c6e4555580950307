"""How much each clip moves a weighted correlation: the infinitesimal jackknife, without any resampling.

For every clip the functions give weight x slope of the correlation in that weight, shape (clips,); the sum is 0.
`Design.total_variance` of these values is the variance of the correlation. Source: Jaeckel (1972), Bell Laboratories;
Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.
"""

from collections.abc import Callable

import numpy as np

from analysis.association.ranks import RankOrder, bit_levels
from analysis.estimate import Floats

Influence = Callable[[Floats, Floats, Floats], Floats]


def pearson(x: Floats, y: Floats, weight: Floats) -> Floats:
    """The influence of each clip on the weighted Pearson correlation of `x` and `y`; all shapes are (clips,).

    >>> found = pearson(np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), np.ones(3))
    >>> abs(round(float(found.sum()), 9))
    0.0
    """
    total = weight.sum()
    a, b = (_standard(part, weight) for part in (x, y))
    r = float((weight * a * b).sum() / total)
    return np.asarray(weight * (a * b - r * (a**2 + b**2) / 2) / total)


def spearman(x: Floats, y: Floats, weight: Floats) -> Floats:
    """The influence of each clip on the weighted Spearman correlation; a clip also moves the ranks of all others."""
    orders = RankOrder.of(x), RankOrder.of(y)
    a, b = (order.midranks(weight[None])[0] - weight.sum() / 2 for order in orders)
    xy, xx, yy = (float((weight * one * other).sum()) for one, other in ((a, b), (a, a), (b, b)))
    slope_xy = a * b + _above(orders[0], weight * b) + _above(orders[1], weight * a)
    slope_xx, slope_yy = a**2 + 2 * _above(orders[0], weight * a), b**2 + 2 * _above(orders[1], weight * b)
    scale = np.sqrt(xx * yy)
    return np.asarray(weight * (slope_xy / scale - xy / scale / 2 * (slope_xx / xx + slope_yy / yy)))


def kendall_tau_b(x: Floats, y: Floats, weight: Floats) -> Floats:
    """The influence of each clip on the weighted Kendall tau-b."""
    orders = RankOrder.of(x), RankOrder.of(y)
    net = np.zeros(len(weight))
    for level in bit_levels(orders[0].level_of, orders[1].level_of):
        net += level.of_clips(weight)
    own = [order.totals(weight[None])[0] for order in orders]
    untied = [(weight.sum() ** 2 - (total**2).sum()) / 2 for total in own]
    scale = np.sqrt(untied[0] * untied[1])
    tau = float((weight * net).sum() / 2 / scale)
    ties = [
        (weight.sum() - total[order.level_of]) / whole for total, order, whole in zip(own, orders, untied, strict=True)
    ]
    return np.asarray(weight * (net / scale - tau / 2 * (ties[0] + ties[1])))


def _standard(values: Floats, weight: Floats) -> Floats:
    """Values with a weighted mean of 0 and a weighted variance of 1."""
    size = max(float(np.abs(values).max(initial=0.0)), np.finfo(np.float64).tiny)
    centred = values / size - np.average(values / size, weights=weight)
    return np.asarray(centred / np.sqrt(np.average(centred**2, weights=weight)))


def _above(order: RankOrder, values: Floats) -> Floats:
    """For each clip the sum of `values` above it plus half of those tied with it, less half of all."""
    own = order.totals(values[None])[0]
    return np.asarray((own.sum() - np.cumsum(own) + own / 2)[order.level_of] - own.sum() / 2)
