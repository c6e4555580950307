"""Pairs of minimum thresholds on two scores of the same clips, for example a clip's average and its worst moment."""

from dataclasses import dataclass

import numpy as np

from analysis.design import Design, graded, scored
from analysis.estimate import Bools, Floats
from analysis.filters import rates


@dataclass(frozen=True)
class ThresholdPair:
    """A pair of minimum thresholds, and the table of the filter that accepts the clips reaching both."""

    first: float
    second: float
    table: rates.Confusion


def thresholds_between(scores: Floats, preset: float, most: int) -> list[float]:
    """Thresholds to try on one score: `most` evenly spaced quantiles from lowest to highest score, and the preset.

    >>> thresholds_between(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2.5, 3)
    [1.0, 2.5, 3.0, 5.0]
    """
    quantiles = np.quantile(scores, np.linspace(0, 1, most), method="nearest")
    return [float(threshold) for threshold in np.unique([*quantiles, preset])]


def threshold_pairs(
    first: Floats,
    second: Floats,
    good: Bools | Floats,
    design: Design,
    *,
    firsts: list[float],
    seconds: list[float],
    confidence: float = 0.95,
) -> list[ThresholdPair]:
    """The table of every pair of the given thresholds; a clip is accepted if both of its scores reach theirs.

    `first`, `second` and `good` have shape (clips,). The intervals of each table (`rates.tabulate`) hold for a pair
    chosen beforehand: a pair chosen because it looks best is chosen on these same data. Raises ValueError if a score
    is missing or the numbers of scores differ.

    >>> design = Design.build(4, None, None)
    >>> [pair] = threshold_pairs(
    ...     np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1]), np.array([0.0, 1, 1, 0]), design,
    ...     firsts=[2.0], seconds=[2.0],
    ... )
    >>> pair.table.precision.value, pair.table.recall.value
    (1.0, 1.0)
    """
    labels = graded(good, "good")
    one, two = scored(first, len(labels)), scored(second, len(labels))
    return [
        ThresholdPair(a, b, rates.tabulate((one >= a) & (two >= b), labels, design, confidence))
        for a in firsts
        for b in seconds
    ]
