"""Two cuts at once: what minimums on two scores of the same clips would do (an average and its worst moment)."""

from dataclasses import dataclass

import numpy as np

from analysis import rates
from analysis.design import Design, graded, scored
from analysis.estimate import Bools, Floats


@dataclass(frozen=True)
class CutPair:
    """One pair of cuts, and the table of the clips that reach both against the raters' labels."""

    first: float
    second: float
    table: rates.Confusion


def cuts_between(scores: Floats, preset: float, most: int) -> list[float]:
    """The lowest score, evenly spaced quantiles of the others, and the preset: at most `most` and one more.

    >>> cuts_between(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2.5, 3)
    [1.0, 2.5, 3.0, 5.0]
    """
    quantiles = np.quantile(scores, np.linspace(0, 1, most), method="nearest")
    return [float(cut) for cut in np.unique([*quantiles, preset])]


def cut_pairs(
    first: Floats,
    second: Floats,
    good: Bools | Floats,
    design: Design,
    *,
    firsts: list[float],
    seconds: list[float],
    confidence: float = 0.95,
) -> list[CutPair]:
    """Every pair of the given cuts, accepting a clip whose two scores, shape (clips,), both reach theirs.

    Each table's rates have their own intervals (`rates.tabulate`), for one pair by itself: a pair picked because it
    looks best is picked on these data. Raises ValueError where scores are missing or differ in number.

    >>> design = Design.build(4, None, None)
    >>> [pair] = cut_pairs(
    ...     np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1]), np.array([0.0, 1, 1, 0]), design,
    ...     firsts=[2.0], seconds=[2.0],
    ... )
    >>> pair.table.precision.value, pair.table.recall.value
    (1.0, 1.0)
    """
    labels = graded(good, "good")
    one, two = scored(first, len(labels)), scored(second, len(labels))
    return [
        CutPair(a, b, rates.tabulate((one >= a) & (two >= b), labels, design, confidence))
        for a in firsts
        for b in seconds
    ]
