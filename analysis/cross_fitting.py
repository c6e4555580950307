"""What a choice is worth on clips that had no say in it: split, choose on one half, look at the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.rates import Confusion, tabulate

SPLITS = 20
"""Repetitions of the two-fold split: one split alone depends on its seed too much."""
Choose = Callable[[Bools], Bools | None]
"""From the clips to choose on to the clips accepted, of all; None where nothing can be chosen."""
Reach = Callable[[tuple[float, float, float, float]], float]
"""From the weight of true and false accepts, false and true rejects to the aim reached."""


@dataclass(frozen=True)
class HeldOut:
    """Performance on clips that had no say: `value` of the objective, the mean over `splits` splits, and the table.

    Each clip enters `table` as accepted with the share of splits in which the cut found without it accepts it, so
    its rates are means over the splits and their intervals hold for the procedure, not for one cut.
    """

    value: float
    table: Confusion
    splits: int


def halves(design: Design, seed: int, splits: int = SPLITS) -> Iterator[Bools]:
    """Seeded halves of every stratum, shape (clips,); with sources, halves of the sources.

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
    choose: Choose,
    reach: Reach,
    *,
    seed: int,
    confidence: float,
    splits: int = SPLITS,
) -> HeldOut | None:
    """Choose on each half, judge on the other, over seeded splits. None where a half allows no choice."""
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
    return HeldOut(float(np.mean(found)), tabulate(accepted, good, design, confidence), splits)
