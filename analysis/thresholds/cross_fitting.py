"""Cross-fitting: how well a choice does on held-out clips. Choose on one half of the clips, judge on the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.rates import Confusion, tabulate

SPLITS = 20
"""Repetitions of the two-fold split; the result of a single split depends too much on its seed."""
ChooseAccepted = Callable[[Bools], Bools | None]
"""A function from the clips to choose on to the clips accepted, shapes (clips,); None if no choice is possible."""
ObjectiveOfCells = Callable[[tuple[float, float, float, float]], float]
"""A function from the weights (tp, fp, fn, tn) to the value of the objective."""


@dataclass(frozen=True)
class HeldOutResult:
    """Performance on held-out clips: the mean `value` of the objective over `splits` splits, and a table of rates.

    A clip counts as accepted in `table` with the share of splits in which the threshold found without it accepts
    it. The rates are therefore means over the splits, and their intervals describe the procedure, not one threshold.
    """

    value: float
    table: Confusion
    splits: int


def halves(design: Design, seed: int, splits: int = SPLITS) -> Iterator[Bools]:
    """Yield a seeded random half of every stratum, shape (clips,), once per split; with sources, half of the sources.

    >>> [int(half.sum()) for half in halves(Design.build(5), seed=0, splits=3)]
    [3, 2, 3]
    """
    generator = np.random.default_rng([seed, 1])
    clips = len(design.of)
    for _ in range(splits):
        first = np.zeros(clips, dtype=np.bool_)
        if design.source is not None:
            kept = generator.permutation(int(design.source.max()) + 1)
            yield np.isin(design.source, kept[: (len(kept) + int(generator.integers(2))) // 2])
            continue
        for stratum in range(len(design.labels)):
            members = generator.permutation(np.flatnonzero(design.of == stratum))
            first[members[: (len(members) + int(generator.integers(2))) // 2]] = True
        yield first


def cross_fitted(
    good: Floats,
    design: Design,
    choose: ChooseAccepted,
    reach: ObjectiveOfCells,
    *,
    seed: int,
    confidence: float,
    splits: int = SPLITS,
) -> HeldOutResult | None:
    """Choose on each half, judge on the other, and average over seeded splits; None if a half allows no choice.

    `good` (0 to 1) has shape (clips,). `choose` finds the clips accepted and `reach` rates the result.
    """
    weight, found, accepted = design.clip_weight, [], np.zeros(len(good))
    for first in halves(design, seed, splits):
        passes = np.zeros(len(good), dtype=np.bool_)
        for fit in (first, ~first):
            chosen = choose(fit) if fit.any() else None
            if chosen is None:
                return None
            passes |= ~fit & chosen
        hits, taken = float((weight * good)[passes].sum()), float(weight[passes].sum())
        right, whole = float((weight * good).sum()), float(weight.sum())
        found.append(reach((hits, taken - hits, right - hits, whole - taken - right + hits)))
        accepted += passes / splits
    accepted = np.clip(accepted.round(12), 0.0, 1.0)
    return HeldOutResult(float(np.mean(found)), tabulate(accepted, good, design, confidence), splits)
