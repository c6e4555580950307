"""Draws from plain sequences of ids and scores, for pools of any size that fits a list."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from analysis.estimate import Floats
from analysis.sampling.allocation import allocate, claims
from analysis.sampling.boundary import near_cut, remarks
from analysis.sampling.ranks import Keys, digests, twice
from analysis.sampling.selection import Draw, Plan, draw
from analysis.sampling.strata import Stratum, by_edges

Allocation = Literal["equal", "proportional"]


def stratified(
    ids: Sequence[str],
    scores: Sequence[float | None],
    *,
    edges: Sequence[float],
    n: int,
    allocation: Allocation = "equal",
    seed: int,
    include_missing: bool = True,
) -> Draw:
    """Simple random sampling without replacement within bands of the score.

    `edges` are the inner edges of the bands (`bands` makes them); a clip on an edge belongs to the band above.
    Clips without a score (None or NaN) form a stratum of their own, or are left out when `include_missing` is
    false. "equal" gives every stratum the same number of clips, "proportional" its share of the pool; see
    `allocate`. Clips come by stratum and then by id.

    The same ids, scores and seed give the same draw whatever the order of the rows, and a larger n within a
    stratum contains the smaller. Source: Cochran (1977), Sampling Techniques, 3rd ed., chapter 5.

    Raises ValueError for a repeated id, an infinite score, or an n below the number of strata.

    >>> draw = stratified(list("abcdef"), [1, 2, 3, 7, 8, 9], edges=[5], n=4, seed=1)
    >>> draw.weight.tolist(), [stratum.drawn for stratum in draw.strata]
    ([1.5, 1.5, 1.5, 1.5], [2, 2])
    """
    values, digest = _checked(ids, scores)
    division = by_edges(values, edges, include_missing=include_missing)
    sizes = division.sizes
    shares, notes = allocate(sizes, n, claims(sizes, allocation), division.labels)
    plan = Plan(digest, division, shares, notes=notes)
    found = draw(plan, seed)
    names = np.array([ids[index] for index in found.indices.tolist()], dtype=np.str_)
    order = np.lexsort((names, division.of[found.indices]))
    return Draw(
        design="stratified",
        indices=found.indices[order],
        stratum=tuple(found.stratum[place] for place in order.tolist()),
        inclusion_probability=found.inclusion_probability[order],
        strata=found.strata,
        seed=seed,
        estimated=found.estimated,
        phase=found.phase,
        notes=found.notes,
    )


def borderline(
    ids: Sequence[str],
    scores: Sequence[float | None],
    *,
    low: float | None = None,
    high: float | None = None,
    n_each: int,
    seed: int,
) -> Draw:
    """The n clips that just pass a filter and the n that just fail it, as TalkVid validated its filters.

    A filter accepts low <= score <= high, either end may be None. On each side the clips nearest to the end they
    pass or miss are taken, which involves no chance: their inclusion probability is 1. Only clips tied at the
    last distance are drawn by lot (seeded, whatever the order of rows), with their true probability. Figures of
    such a draw speak of the boundary alone: no weight turns them into the pool's, and the notes say so. The
    strata hold the numbers of clips that pass and fail in the pool. Clips come by stratum and then by id.
    Source: TalkVid, arXiv:2508.13618.

    Raises ValueError when neither end is given, low > high, n_each < 1 or an id repeats.

    >>> draw = borderline(list("abcdef"), [1, 2, 3, 4, 5, 6], low=3.5, n_each=2, seed=0)
    >>> sorted(zip(draw.stratum, [list("abcdef")[i] for i in draw.indices]))
    [('just fails', 'b'), ('just fails', 'c'), ('just passes', 'd'), ('just passes', 'e')]
    """
    values, digest = _checked(ids, scores)
    sides = near_cut(values, low=low, high=high, n=n_each)
    taken = [
        np.array(
            sorted(side.drawn(digest, seed, lot).tolist(), key=lambda one: ids[int(side.clips[one])]), dtype=np.int64
        )
        for lot, side in enumerate(sides)
    ]
    clips = np.concatenate([side.clips[places] for side, places in zip(sides, taken, strict=True)])
    return Draw(
        design="borderline",
        indices=clips,
        stratum=tuple(side.label for side, places in zip(sides, taken, strict=True) for _ in places),
        inclusion_probability=np.concatenate([side.chance[places] for side, places in zip(sides, taken, strict=True)]),
        strata=tuple(
            Stratum(side.label, low, high, side.population, len(places), side.farthest)
            for side, places in zip(sides, taken, strict=True)
        ),
        seed=seed,
        estimated=np.zeros(len(clips), dtype=np.bool_),
        phase=np.ones(len(clips), dtype=np.int64),
        notes=tuple(remarks(sides, n_each, int(np.isnan(values).sum()))),
    )


def _checked(ids: Sequence[str], scores: Sequence[float | None]) -> tuple[Floats, Keys]:
    """The scores as numbers, and the ids' digests."""
    values = np.array(scores, dtype=np.float64)  # None becomes NaN
    if np.isinf(values).any():
        raise ValueError(f"clip {int(np.flatnonzero(np.isinf(values))[0])} (from 0) has an infinite score")
    if len(ids) != len(values):
        raise ValueError(f"{len(ids)} clip ids and {len(values)} scores are not parallel")
    names = pl.Series(ids, dtype=pl.String)
    digest = digests(names)
    again = twice(digest, names)
    if again is not None:
        raise ValueError(f"clip {again} is in the pool twice")
    return values, digest
