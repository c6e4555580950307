"""Rated clips by the verdict of a filter and of the raters: sums by cell, and the variance of sums over the cells."""

from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class RatedClips:
    """The raters' labels and the design of the rated clips, sorted once for many verdicts of a filter.

    `order` holds the old positions. Clips are sorted so that rounding does not depend on their order. `hard` is True
    if every label is 0 or 1.
    """

    good: Floats
    design: Design
    order: Ints
    hard: bool

    @classmethod
    def sort(cls, good: Floats, design: Design) -> "RatedClips":
        """Sort the clips of labels from 0 to 1, shape (clips,)."""
        source = () if design.source is None else (design.source,)
        order = np.lexsort((*source, design.clip_weight, good, design.of))
        return cls(good[order], design.reordered(order), order, bool(np.isin(good, (0.0, 1.0)).all()))


class VerdictTable:
    """Counts and weights of clips by stratum and cell [accepted, good], and the variance of sums over the cells."""

    def __init__(self, accepted: Floats, clips: RatedClips) -> None:
        accepted = accepted[clips.order]
        order = np.lexsort((accepted, clips.design.of))  # stable: the clips of a cell keep their order
        self.accepted, self.good, self.design = accepted[order], clips.good[order], clips.design.reordered(order)
        strata = len(self.design.labels)
        self.weight = np.bincount(self.design.of, self.design.clip_weight, minlength=strata)
        self.squares = np.bincount(self.design.of, self.design.clip_weight**2, minlength=strata)
        self.cells, weighted = self._by_cell(np.ones(len(order))), self._by_cell(self.design.clip_weight)
        self.raw, self.pool = self.cells.sum(axis=0), weighted.sum(axis=0)
        self.hard = bool(clips.hard and np.isin(accepted, (0.0, 1.0)).all())

    def _by_cell(self, amount: Floats) -> Floats:
        """Sums per stratum and cell, shape (strata, 2, 2)."""
        strata = len(self.design.labels)
        both = (1 - self.accepted, self.accepted), (1 - self.good, self.good)
        sums = [[np.bincount(self.design.of, amount * a * g, minlength=strata) for g in both[1]] for a in both[0]]
        return np.moveaxis(np.array(sums), 2, 0)

    def errors(self, error: Floats) -> Floats:
        """The error of each clip, shape (clips,), from the errors of the cells, shape (2, 2)."""
        rejected = error[0, 0] + self.good * (error[0, 1] - error[0, 0])
        accepted = error[1, 0] + self.good * (error[1, 1] - error[1, 0])
        return np.asarray(rejected + self.accepted * (accepted - rejected))

    def most_effective(self, denominator: Floats) -> float:
        """The largest effective number of clips that may be claimed: (sum w)^2 / (sum w1^2 + (sum w2)^2 / n2).

        Only clips in the denominator count. w1 are the weights of strata with one clip (or one source), w2 those of
        the other n2 clips. With lone clips only this is Kish's number (1965, section 11.7), without any it is the
        number of clips.
        """
        concerned = self.errors((denominator > 0).astype(np.float64))
        weight, alone = self.design.clip_weight * concerned, self.design.units == 1
        lone = alone[self.design.of]
        strata = np.bincount(self.design.of, weight, minlength=len(alone))[alone]
        others = float(concerned[~lone].sum())
        spread = float((strata**2).sum()) + (float(weight[~lone].sum()) ** 2 / others if others else 0.0)
        return float(weight.sum()) ** 2 / spread

    def smoothed(self, each: Floats) -> tuple[Floats, Bools]:
        """The cells with half a good and half a bad clip added to strata of equal errors, and which strata those are.

        The added clip is split between accepted and rejected in the proportion observed.
        """
        strata = len(self.design.labels)
        least, most = np.full(strata, np.inf), np.full(strata, -np.inf)
        np.minimum.at(least, self.design.of, each)
        np.maximum.at(most, self.design.of, each)
        flat = most - least < 1e-12
        verdicts = self.cells.sum(axis=2, keepdims=True) / self.design.drawn[:, None, None]
        return self.cells + np.where(flat[:, None, None], 0.5 * verdicts, 0.0), flat

    def variance(self, error: Floats) -> tuple[float, float, Floats]:
        """The variance of the weighted sum of errors with and without finite correction, and smoothed pool cells."""
        design, each = self.design, self.errors(error)
        smooth, flat = self.smoothed(each)
        values = np.where(flat[design.of], 0.0, design.clip_weight * each)
        n, units = design.drawn, design.units
        weight, squares = self.weight, self.squares
        share = smooth / smooth.sum(axis=(1, 2), keepdims=True)
        first, second = (share * error).sum(axis=(1, 2)), (share * error**2).sum(axis=(1, 2))
        hidden = np.where(flat, np.maximum(squares * second - (weight * first) ** 2 / n, 0.0), 0.0)
        hidden *= np.where(n > 1, n / np.maximum(n - 1, 1), 1.0) * n / units
        finite = design.total_variance(values) + float((hidden * design.unseen).sum())
        endless = finite
        if design.finite:
            endless = design.total_variance(values, finite=False) + float(hidden.sum())
        return finite, endless, np.einsum("h,hag->ag", weight, share)
