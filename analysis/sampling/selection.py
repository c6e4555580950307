"""Drawing a sample: a `DrawPlan` fixes the inclusion probabilities, and a seed then selects the clips."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.random_numbers import SELECT, THIN, Codes, Keys, numbers
from analysis.sampling.source_limits import SourceLimit
from analysis.sampling.strata import OUTSIDE, Division, Stratum

DesignName = Literal["simple", "stratified", "borderline", "two_phase"]
_ALL = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class Draw:
    """A drawn sample; arrays have one entry per drawn clip.

    `indices` are positions in the pool; `inclusion_probability` lies in (0, 1] and its inverse `weight` is the number
    of pool clips that a drawn clip stands for. `estimated` marks probabilities estimated by simulation. `phase` is 1,
    or 2 for the clips of a top-up. `notes` tell the researcher where the draw differs from what was asked for, and
    which questions it cannot answer.
    """

    design: DesignName
    indices: Ints
    stratum: tuple[str, ...]
    inclusion_probability: Floats
    strata: tuple[Stratum, ...]
    seed: int
    estimated: Bools
    phase: Ints
    notes: tuple[str, ...] = ()

    @cached_property
    def weight(self) -> Floats:
        """The inverse of the inclusion probability, shape (drawn,)."""
        return 1.0 / self.inclusion_probability


@dataclass(frozen=True, eq=False)
class DrawPlan:
    """Everything about a draw except its seed.

    `digest` holds the clips' digests (`random_numbers.digests`) and `division.of` their strata, shapes (clips,);
    `shares` (strata,) is the number of clips to draw from each stratum; `limit` is the limit per source, made for the
    same division.
    """

    digest: Keys
    division: Division
    shares: Ints
    limit: SourceLimit | None = None
    notes: tuple[str, ...] = ()
    kind: DesignName = "stratified"

    @cached_property
    def sizes(self) -> Ints:
        """The clips of the pool in each stratum, shape (strata,)."""
        return self.division.sizes

    @cached_property
    def _bounds(self) -> Keys:
        """A number per stratum below which its sample almost certainly lies, and a last one for clips outside."""
        supply = self.sizes if self.limit is None else np.maximum(1, self.limit.supply)
        reach = (self.shares + 12 * np.sqrt(self.shares) + 40) / np.maximum(1, supply)
        open_ = reach >= 1
        near = (np.where(open_, 0.0, reach) * 2.0**64).astype(np.uint64)
        return np.append(np.where(open_, _ALL, near), np.uint64(0))

    @cached_property
    def _cells(self) -> Floats:
        return np.empty(0) if self.limit is None else self.limit.chances(self.shares)

    def probability(self, clips: Ints) -> Floats:
        """The inclusion probability of the clips at these positions, shape of `clips`; each must lie in a stratum."""
        if self.limit is not None:
            return self.limit.of_clips(clips, self._cells)
        return (self.shares / np.maximum(1, self.sizes))[self.division.of[clips]]

    def estimated(self, clips: Ints) -> Bools:
        """Whether that probability is estimated by simulation, shape of `clips`."""
        if self.limit is None:
            return np.zeros(len(clips), dtype=np.bool_)
        return ~self.limit.certain[self.division.of[clips]]


def drawn_clips(plan: DrawPlan, seed: int) -> Ints:
    """The positions of the clips that a seed draws, sorted by stratum and then by random number.

    Within a stratum the draw of a smaller share is the beginning of that of a larger one.
    """
    of = plan.division.of
    if plan.limit is not None:
        of = plan.limit.thinned(numbers(plan.digest, seed, THIN))
    return _smallest(numbers(plan.digest, seed, SELECT), of, plan)


def draw(plan: DrawPlan, seed: int) -> Draw:
    """Draw a sample; the same pool and seed give the same clips on every machine and in every order of rows.

    >>> from analysis.sampling.random_numbers import digests
    >>> from analysis.sampling.strata import everything
    >>> import polars as pl
    >>> plan = DrawPlan(digests(pl.Series(list("abcd"))), everything(4), np.array([2]), kind="simple")
    >>> draw(plan, seed=1).weight.tolist()
    [2.0, 2.0]
    """
    indices = drawn_clips(plan, seed)
    of = plan.division.of[indices]
    labels = plan.division.labels
    got = np.bincount(of, minlength=len(labels))
    short = [
        f"Stratum {label}: {have} of {wish} clips drawn, for the limit per source left no more candidates."
        for label, have, wish in zip(labels, got.tolist(), plan.shares.tolist(), strict=True)
        if have < wish
    ]
    ends = zip(labels, plan.division.ends, plan.sizes.tolist(), got.tolist(), strict=True)
    return Draw(
        design=plan.kind,
        indices=indices,
        stratum=tuple(labels[number] for number in of.tolist()),
        inclusion_probability=plan.probability(indices),
        strata=tuple(Stratum(label, low, high, size, have) for label, (low, high), size, have in ends),
        seed=seed,
        estimated=plan.estimated(indices),
        phase=np.ones(len(indices), dtype=np.int64),
        notes=(*plan.division.notes, *plan.notes, *short),
    )


def top_up_draw(earlier: DrawPlan, later: DrawPlan, seed: int) -> Draw:
    """Draw `later`, with phase 1 for the clips that `earlier` drew with the same seed and phase 2 for new ones.

    Both plans must have the same pool and strata. The clips of both phases together are those that `later` alone
    draws, so their joint probability is that of `later`: clips drawn / clips of the pool in each stratum. Raises
    ValueError if the plans differ in more than their shares, or a share shrinks.
    """
    same = len(earlier.digest) == len(later.digest) and earlier.division.labels == later.division.labels
    if not same or not np.array_equal(earlier.division.of, later.division.of):
        raise ValueError("a top-up keeps pool and strata as they were")
    if (earlier.limit is None) != (later.limit is None):
        raise ValueError("a top-up keeps the limit per source as it was")
    for label, before, after in zip(later.division.labels, earlier.shares, later.shares, strict=True):
        if after < before:
            raise ValueError(f"stratum {label}: {before} clips were drawn, a top-up cannot leave {after}")
    found = draw(later, seed)
    known = np.isin(found.indices, drawn_clips(earlier, seed))
    return replace(found, phase=np.where(known, 1, 2))


def _smallest(lots: Keys, of: Codes, plan: DrawPlan) -> Ints:
    """The positions of the clips with the smallest numbers in each stratum, as many as its share, or all."""
    parts = len(plan.shares)
    near = np.flatnonzero(lots <= plan._bounds[of])
    near = near[of[near] != OUTSIDE]
    have = np.bincount(of[near], minlength=parts)
    if (have < plan.shares).any():  # a bound was too low, or the stratum has no more clips
        near = np.flatnonzero(of != OUTSIDE)
        have = np.bincount(of[near], minlength=parts)
    near = near[np.lexsort((lots[near], of[near]))]
    place = np.arange(len(near)) - np.repeat(np.cumsum(have) - have, have)
    return near[place < plan.shares[of[near]]]
