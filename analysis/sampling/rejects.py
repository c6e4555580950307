"""The slice of rejects: no sample without clips that the filters refuse, or nothing can be said of what they lose."""

from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Ints
from analysis.sampling.allocation import allocate
from analysis.sampling.ranks import Codes
from analysis.sampling.strata import OUTSIDE, Division, counts

SLICE = "random slice of rejects"
REJECTS = 30
"""Rejected clips wanted where the design does not say: with none good among 30, at most 10 % of them are."""
SHARE = 0.3
"""The slice a design gets unasked is at most this share of the clips it asks for."""


@dataclass(frozen=True, eq=False)
class Sliced:
    """A division with its shares once rejected clips are sure to be drawn.

    `parent` is the stratum that each was before, shape (strata,), OUTSIDE for the slice itself.
    """

    division: Division
    shares: Ints
    parent: Ints
    notes: tuple[str, ...]


def expected(division: Division, shares: Ints, rejected: Bools) -> float:
    """How many rejected clips the shares draw on average.

    >>> division = Division(np.array([0, 0, 0, 0], dtype=np.int32), ("all",), ((None, None),))
    >>> expected(division, np.array([2]), np.array([True, False, False, False]))
    0.5
    """
    turned = counts(np.where(rejected, division.of, OUTSIDE), len(division.labels))
    sizes = division.sizes
    return float(np.divide(shares * turned, sizes, out=np.zeros(len(sizes)), where=sizes > 0).sum())


def guaranteed(division: Division, shares: Ints, rejected: Bools, wanted: int) -> Sliced:
    """See to it that `wanted` rejected clips (all, if there are fewer) are drawn.

    Where the shares draw that many on average already, nothing changes. Else every stratum that mixes accepted and
    rejected clips is split into the two, its share with it in proportion, and rejected clips are added until there
    are enough, to each stratum by the rejected clips it has. The strata stay disjoint: every probability remains
    clips drawn by clips there.

    `rejected` says it of each clip, shape (clips,).

    >>> division = Division(np.array([0] * 10, dtype=np.int32), ("all",), ((None, None),))
    >>> sliced = guaranteed(division, np.array([4]), np.arange(10) < 2, 2)
    >>> sliced.division.labels, sliced.shares.tolist()
    (('all, accepted', 'all, rejected'), [3, 2])
    """
    there = int((rejected & (division.of != OUTSIDE)).sum())
    if expected(division, shares, rejected) >= min(wanted, there):
        return Sliced(division, shares, np.arange(len(shares)), ())
    numbers, labels, ends = _numbered(division, rejected)
    of = np.where(division.of == OUTSIDE, OUTSIDE, numbers[division.of, rejected.astype(np.int64)]).astype(np.int32)
    split = Division(of, labels, ends, division.notes)
    sizes = split.sizes
    base = _split_shares(shares, numbers, sizes)
    turned = np.isin(np.arange(len(labels)), numbers[:, 1])
    supply = np.where(turned, sizes, 0)
    enough = max(min(wanted, there), int((supply > 0).sum()))
    kept = np.where(turned, np.maximum(base, np.minimum(supply, 1)), 0)
    more, _ = allocate(supply, enough, supply.astype(np.float64), labels, least=kept)
    total = np.where(turned, more, base)
    added = int(total.sum() - shares.sum())
    words = (
        f"{added} rejected clips were added so that {int(total[turned].sum())} of the sample are rejects drawn at "
        "random: without them nothing can be said of good clips that the filters lose."
    )
    few = f"The pool has only {there} rejected clips where {wanted} were wanted: all are taken."
    parent = np.array(
        [number for number, sides in enumerate(numbers) for side in sides if side != OUTSIDE], dtype=np.int64
    )
    return Sliced(split, total, parent, (words, few) if there < wanted else (words,))


def _numbered(
    division: Division, rejected: Bools
) -> tuple[Ints, tuple[str, ...], tuple[tuple[float | None, float | None], ...]]:
    """New numbers of (stratum, rejected), with names and ends; -1 where there are no such clips."""
    strata = len(division.labels)
    turned = counts(np.where(rejected, division.of, OUTSIDE), strata)
    kept = division.sizes - turned
    numbers = np.full((strata, 2), OUTSIDE, dtype=np.int64)
    labels: list[str] = []
    ends: list[tuple[float | None, float | None]] = []
    for number, label in enumerate(division.labels):
        mixed = turned[number] > 0 and kept[number] > 0
        for side, there, word in ((0, kept[number], "accepted"), (1, turned[number], "rejected")):
            if there or (side == 0 and not turned[number]):  # an empty stratum stays what it is
                numbers[number, side] = len(labels)
                labels.append(f"{label}, {word}" if mixed else label)
                ends.append(division.ends[number])
    return numbers, tuple(labels), tuple(ends)


def _split_shares(shares: Ints, numbers: Ints, sizes: Ints) -> Ints:
    """Each stratum's share between its accepted and its rejected clips in proportion, one accepted at least."""
    base = np.zeros(len(sizes), dtype=np.int64)
    for number, share in enumerate(shares.tolist()):
        accepted, turned = numbers[number]
        if OUTSIDE in (accepted, turned):
            base[max(accepted, turned)] = share
            continue
        ours = round(share * sizes[turned] / (sizes[accepted] + sizes[turned]))
        base[turned] = min(ours, share - 1, sizes[turned])
        base[accepted] = min(share - base[turned], sizes[accepted])
    return base


def with_slice(division: Division, shares: Ints, rejected: Bools, wanted: int) -> Sliced:
    """A further stratum: `wanted` of the rejected clips that lie in no stratum, all of them if there are fewer.

    For designs whose strata hold no rejected clips, or only some of them. Those that have a chance in a stratum
    are not in the slice's population, so that no clip can come in by two ways.
    """
    free = rejected & (division.of == OUTSIDE)
    there = int(free.sum())
    if not there:
        none = "The pool has no rejected clips beside those: there is no slice of rejects."
        return Sliced(division, shares, np.arange(len(shares)), (none,))
    labels = (*division.labels, SLICE)
    of: Codes = np.where(free, len(division.labels), division.of).astype(np.int32)
    few = (f"The pool has only {there} other rejected clips where {wanted} were wanted: all are taken.",)
    return Sliced(
        Division(of, labels, (*division.ends, (None, None)), division.notes),
        np.append(shares, min(wanted, there)),
        np.append(np.arange(len(shares)), OUTSIDE),
        few if there < wanted else (),
    )


def default(clips: int) -> int:
    """The rejects wanted where a design does not say how many.

    >>> default(700), default(12)
    (30, 3)
    """
    return min(REJECTS, int(SHARE * clips))
