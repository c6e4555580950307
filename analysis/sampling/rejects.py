"""Rejected clips in a sample: without them, the good clips that the filters lose cannot be estimated."""

from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Ints
from analysis.sampling.allocation import allocate
from analysis.sampling.random_numbers import Codes
from analysis.sampling.strata import OUTSIDE, Division, counts

SLICE = "random slice of rejects"
DEFAULT_REJECTS = 30
"""Rejected clips drawn if the design does not say: if none of 30 is good, at most 10 % of all rejects are good."""
MAX_SHARE = 0.3
"""The default number of rejects is at most this share of the clips that the design asks for."""


@dataclass(frozen=True, eq=False)
class DivisionWithRejects:
    """A division and its shares, shape (strata,), that draw enough rejected clips.

    `parent` (strata,) is the stratum from which each comes, OUTSIDE for the added stratum of rejects.
    """

    division: Division
    shares: Ints
    parent: Ints
    notes: tuple[str, ...]


def expected_rejects(division: Division, shares: Ints, rejected: Bools) -> float:
    """The expected number of rejected clips in the sample; `rejected` has shape (clips,).

    >>> division = Division(np.array([0, 0, 0, 0], dtype=np.int32), ("all",), ((None, None),))
    >>> expected_rejects(division, np.array([2]), np.array([True, False, False, False]))
    0.5
    """
    turned = counts(np.where(rejected, division.of, OUTSIDE), len(division.labels))
    sizes = division.sizes
    return float(np.divide(shares * turned, sizes, out=np.zeros(len(sizes)), where=sizes > 0).sum())


def with_enough_rejects(division: Division, shares: Ints, rejected: Bools, wanted: int) -> DivisionWithRejects:
    """Change the strata so that `wanted` rejected clips are drawn, or all if there are fewer.

    If the shares draw that many on average, nothing changes. Else every stratum with accepted and rejected clips is
    split into the two, with its share divided in proportion, and rejected clips are added in proportion to the
    rejected clips of each stratum. The strata stay disjoint, so every probability remains clips drawn / clips of the
    stratum. `rejected` has shape (clips,).

    >>> division = Division(np.array([0] * 10, dtype=np.int32), ("all",), ((None, None),))
    >>> sliced = with_enough_rejects(division, np.array([4]), np.arange(10) < 2, 2)
    >>> sliced.division.labels, sliced.shares.tolist()
    (('all, accepted', 'all, rejected'), [3, 2])
    """
    there = int((rejected & (division.of != OUTSIDE)).sum())
    if expected_rejects(division, shares, rejected) >= min(wanted, there):
        return DivisionWithRejects(division, shares, np.arange(len(shares)), ())
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
    return DivisionWithRejects(split, total, parent, (words, few) if there < wanted else (words,))


def _numbered(
    division: Division, rejected: Bools
) -> tuple[Ints, tuple[str, ...], tuple[tuple[float | None, float | None], ...]]:
    """The new number of each (stratum, rejected), shape (strata, 2), OUTSIDE if it has no clips; names and ends."""
    strata = len(division.labels)
    turned = counts(np.where(rejected, division.of, OUTSIDE), strata)
    kept = division.sizes - turned
    numbers = np.full((strata, 2), OUTSIDE, dtype=np.int64)
    labels: list[str] = []
    ends: list[tuple[float | None, float | None]] = []
    for number, label in enumerate(division.labels):
        mixed = turned[number] > 0 and kept[number] > 0
        for side, there, word in ((0, kept[number], "accepted"), (1, turned[number], "rejected")):
            if there or (side == 0 and not turned[number]):  # an empty stratum stays as it is
                numbers[number, side] = len(labels)
                labels.append(f"{label}, {word}" if mixed else label)
                ends.append(division.ends[number])
    return numbers, tuple(labels), tuple(ends)


def _split_shares(shares: Ints, numbers: Ints, sizes: Ints) -> Ints:
    """Each stratum's share divided between its accepted and rejected clips in proportion, at least one accepted."""
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


def with_reject_stratum(division: Division, shares: Ints, rejected: Bools, wanted: int) -> DivisionWithRejects:
    """Add a stratum of rejected clips that lie in no other stratum, and draw `wanted` of them, or all.

    For designs whose strata hold no rejected clips, or only some of them. Rejected clips that lie in another stratum
    are not part of the new one, so that every clip can be drawn in one way only.
    """
    free = rejected & (division.of == OUTSIDE)
    there = int(free.sum())
    if not there:
        none = "The pool has no rejected clips beside those: there is no slice of rejects."
        return DivisionWithRejects(division, shares, np.arange(len(shares)), (none,))
    labels = (*division.labels, SLICE)
    of: Codes = np.where(free, len(division.labels), division.of).astype(np.int32)
    few = (f"The pool has only {there} other rejected clips where {wanted} were wanted: all are taken.",)
    return DivisionWithRejects(
        Division(of, labels, (*division.ends, (None, None)), division.notes),
        np.append(shares, min(wanted, there)),
        np.append(np.arange(len(shares)), OUTSIDE),
        few if there < wanted else (),
    )


def default_rejects(clips: int) -> int:
    """The number of rejects to draw if a design of so many clips does not say.

    >>> default_rejects(700), default_rejects(12)
    (30, 3)
    """
    return min(DEFAULT_REJECTS, int(MAX_SHARE * clips))
