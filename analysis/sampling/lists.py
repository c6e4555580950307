"""Stratified and borderline draws from plain lists of ids and scores, for use without the application."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from analysis.estimate import Floats
from analysis.sampling.allocation import allocate, claims
from analysis.sampling.borderline import near_threshold, remarks
from analysis.sampling.random_numbers import Keys, digests, repeated_id
from analysis.sampling.selection import Draw, DrawPlan, draw
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
    """Draw a simple random sample without replacement within bands of the score.

    `edges` are the inner edges of the bands (see `strata.bands`); a clip on an edge belongs to the band above. Clips
    without a score (None or NaN) form a stratum of their own, or are left out without `include_missing`. "equal" gives
    every stratum the same number of clips, "proportional" its share of the pool (`allocation.allocate`). Clips are
    sorted by stratum and then by id. The same ids, scores and seed give the same draw in every order of rows, and the
    draw of a larger n contains that of a smaller one within a stratum. Source: Cochran (1977), Sampling Techniques,
    3rd ed., chapter 5.

    Raises ValueError for a repeated id, an infinite score, or an n below the number of strata.

    >>> draw = stratified(list("abcdef"), [1, 2, 3, 7, 8, 9], edges=[5], n=4, seed=1)
    >>> draw.weight.tolist(), [stratum.drawn for stratum in draw.strata]
    ([1.5, 1.5, 1.5, 1.5], [2, 2])
    """
    values, digest = _checked(ids, scores)
    division = by_edges(values, edges, include_missing=include_missing)
    sizes = division.sizes
    shares, notes = allocate(sizes, n, claims(sizes, allocation), division.labels)
    plan = DrawPlan(digest, division, shares, notes=notes)
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
    """Draw the n clips that just pass a filter and the n that just fail it, as TalkVid validated its filters.

    The filter accepts low <= score <= high; either end may be None. On each side the clips nearest to the threshold
    are taken without chance, so their inclusion probability is 1. Only clips tied at the last distance are drawn at
    random (seeded, in every order of rows), with their exact probability. Estimates from such a draw describe the
    borderline only and cannot be weighted to the pool; the notes say so. The strata count the clips of the pool that
    pass and fail. Clips are sorted by stratum and then by id. Source: TalkVid, arXiv:2508.13618.

    Raises ValueError if neither end is given, low > high, n_each < 1, or an id repeats.

    >>> draw = borderline(list("abcdef"), [1, 2, 3, 4, 5, 6], low=3.5, n_each=2, seed=0)
    >>> sorted(zip(draw.stratum, [list("abcdef")[i] for i in draw.indices]))
    [('just fails', 'b'), ('just fails', 'c'), ('just passes', 'd'), ('just passes', 'e')]
    """
    values, digest = _checked(ids, scores)
    sides = near_threshold(values, low=low, high=high, n=n_each)
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
    """The scores as numbers and the digests of the ids; raises ValueError for malformed input."""
    values = np.array(scores, dtype=np.float64)  # None becomes NaN
    if np.isinf(values).any():
        raise ValueError(f"clip {int(np.flatnonzero(np.isinf(values))[0])} (from 0) has an infinite score")
    if len(ids) != len(values):
        raise ValueError(f"{len(ids)} clip ids and {len(values)} scores are not parallel")
    names = pl.Series(ids, dtype=pl.String)
    digest = digests(names)
    again = repeated_id(digest, names)
    if again is not None:
        raise ValueError(f"clip {again} is in the pool twice")
    return values, digest
