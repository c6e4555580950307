"""Which clips to show to raters: draws whose inclusion probabilities are known and kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from analysis.estimate import Floats, Ints

Allocation = Literal["equal", "proportional"]
NO_SCORE = "no score"
"""Name of the stratum of clips whose score is absent."""


@dataclass(frozen=True)
class Stratum:
    """A band of scores, low <= score < high (None: open), its clips in the pool and how many were drawn."""

    label: str
    low: float | None
    high: float | None
    population: int
    drawn: int


@dataclass(frozen=True, eq=False)
class Draw:
    """A drawn sample. Arrays have one entry per drawn clip, by stratum and then by clip id.

    `indices` points into the sequences given; `inclusion_probability` lies in (0, 1] and `weight` is its inverse:
    how many clips of its stratum a drawn clip stands for. `notes` says, in words for the researcher, where the
    draw is not what was asked for or what its figures cannot speak of.
    """

    design: Literal["stratified", "borderline"]
    indices: Ints
    stratum: tuple[str, ...]
    inclusion_probability: Floats
    strata: tuple[Stratum, ...]
    seed: int
    notes: tuple[str, ...] = ()
    weight: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1.0 / self.inclusion_probability)


def bands(
    scores: Sequence[float | None], k: int, cut: float | None = None, *, direction: Literal["ge", "le"] = "ge"
) -> tuple[float, ...]:
    """Inner edges of k bands with about equal numbers of clips, the cut being one of the edges.

    Quantiles are taken on each side of the cut; the k bands are shared out by how many clips lie there, at least
    one a side. `direction` says which clips the filter accepts: "ge" score >= cut, "le" score <= cut; for "le"
    the edge is the next number above the cut, so that accepted clips stay in the lower band. Tied scores can make
    bands coincide; then fewer edges come back. Raises ValueError for k < 2 or when no clip has a score.

    >>> bands([1, 2, 3, 4, 5, 6, 7, 8], 4, cut=5)
    (2.5, 5.0, 6.5)
    """
    values = _numbers(scores)
    known = values[~np.isnan(values)]
    if k < 2 or not known.size:
        raise ValueError(f"{k} bands of {known.size} scored clips; at least two bands and one score are needed")
    if cut is None:
        inner = np.quantile(known, np.arange(1, k) / k)
    else:
        edge = float(cut) if direction == "ge" else float(np.nextafter(cut, np.inf))
        below, above = known[known < edge], known[known >= edge]
        lower = min(k - 1, max(1, round(k * len(below) / len(known))))
        sides = [(below, lower), (above, k - lower)]
        inner = np.concatenate(
            [[edge], *(np.quantile(side, np.arange(1, n) / n) for side, n in sides if side.size and n > 1)]
        )
    return tuple(np.unique(inner).tolist())


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
    false. "equal" gives every stratum the same number of clips, "proportional" its share of the pool; each
    stratum gets at least two (one, if n is too small for two), since a stratum never drawn from cannot be
    spoken of. Where a stratum has too few clips all are taken and the rest is spread over the others.

    The same ids, scores and seed give the same draw whatever the order of the rows, and a larger n within a
    stratum contains the smaller. Source: Cochran (1977), Sampling Techniques, 3rd ed., chapter 5.

    Raises ValueError for a repeated id, an infinite score, or an n below the number of strata.

    >>> draw = stratified(list("abcdef"), [1, 2, 3, 7, 8, 9], edges=[5], n=4, seed=1)
    >>> draw.weight.tolist(), [stratum.drawn for stratum in draw.strata]
    ([1.5, 1.5, 1.5, 1.5], [2, 2])
    """
    values = _numbers(scores)
    order = _by_id(ids, values)
    missing = np.isnan(values)
    bounds = [None, *np.unique(np.asarray(edges, dtype=np.float64)).tolist(), None]
    band = np.searchsorted(np.array(bounds[1:-1]), values, side="right")
    frames = [(name, low, high) for name, (low, high) in zip(_names(bounds), pairwise(bounds), strict=True)]
    members = [order[(band == number)[order] & ~missing[order]] for number in range(len(frames))]
    notes = []
    if missing.any() and include_missing:
        frames.append((NO_SCORE, None, None))
        members.append(order[missing[order]])
    elif missing.any():
        notes.append(f"{int(missing.sum())} clips without a score were left out: no figure speaks of them.")
    sizes = np.array([len(clips) for clips in members], dtype=np.int64)
    shares, remarks = _allocate(sizes, n, allocation, [frame[0] for frame in frames])
    drawn = [
        np.random.default_rng([seed, number]).permutation(clips)[:share]
        for number, (clips, share) in enumerate(zip(members, shares, strict=True))
    ]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    drawn = [clips[np.argsort(rank[clips])] for clips in drawn]
    strata = tuple(
        Stratum(*frame, population=int(size), drawn=int(share))
        for frame, size, share in zip(frames, sizes, shares, strict=True)
    )
    probability = np.divide(shares, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    return Draw(
        design="stratified",
        indices=np.concatenate(drawn),
        stratum=tuple(np.repeat([stratum.label for stratum in strata], shares).tolist()),
        inclusion_probability=np.repeat(probability, shares),
        strata=strata,
        seed=seed,
        notes=(*notes, *remarks),
    )


def _allocate(sizes: Ints, n: int, allocation: Allocation, labels: list[str]) -> tuple[Ints, list[str]]:
    """Clips to draw from each stratum, and what to tell the researcher about them.

    After a floor for each stratum, every next clip goes to the stratum that is furthest behind its claim and not
    yet exhausted: the rounding of Webster (Sainte-Lague).
    """
    present, total = int((sizes > 0).sum()), int(sizes.sum())
    if n < max(1, present):
        raise ValueError(f"{n} clips cannot cover {present} strata; draw at least {present}, or use fewer bands")
    floor = 2 if n >= 2 * present else 1
    claim = sizes.astype(np.float64) if allocation == "proportional" else np.ones(len(sizes))
    shares = np.minimum(sizes, floor)
    for _ in range(min(n, total) - int(shares.sum())):
        behind = np.divide(shares + 0.5, claim, out=np.full(len(sizes), np.inf), where=shares < sizes)
        shares[np.argmin(behind)] += 1
    remarks = [f"Stratum {label} has no clips." for label, size in zip(labels, sizes, strict=True) if not size]
    if floor == 1:
        remarks.append("Some strata get a single clip: sampling error cannot be estimated within them.")
    if total < n:
        return shares, [*remarks, f"The pool has {total} clips where {n} were asked for: all are taken."]
    remarks += [
        f"Stratum {label} has only {size} clips: all are taken, the rest comes from the other strata."
        for label, size in zip(labels, sizes, strict=True)
        if allocation == "equal" and 0 < size < n // present
    ]
    return shares, remarks


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
    strata hold the numbers of clips that pass and fail in the pool. Source: TalkVid, arXiv:2508.13618.

    Raises ValueError when neither end is given, low > high, n_each < 1 or an id repeats.

    >>> draw = borderline(list("abcdef"), [1, 2, 3, 4, 5, 6], low=3.5, n_each=2, seed=0)
    >>> sorted(zip(draw.stratum, [list("abcdef")[i] for i in draw.indices]))
    [('just fails', 'b'), ('just fails', 'c'), ('just passes', 'd'), ('just passes', 'e')]
    """
    if (low is None and high is None) or n_each < 1:
        raise ValueError(f"a borderline draw needs a cut and at least one clip a side, not {low}, {high}, {n_each}")
    floor, ceiling = (-np.inf if low is None else low), (np.inf if high is None else high)
    if floor > ceiling:
        raise ValueError(f"no score passes: low {low} is above high {high}")
    values = _numbers(scores)
    order = _by_id(ids, values)
    order = order[~np.isnan(values[order])]
    margin = np.minimum(values - floor, ceiling - values)
    notes = ["These clips lie next to the cut: figures speak of the boundary only, not of the pool."]
    if len(order) < len(values):
        notes.append(f"{len(values) - len(order)} clips without a score cannot be near the cut and were left out.")
    strata, drawn, chances = [], [], []
    for number, (label, passes) in enumerate((("just passes", True), ("just fails", False))):
        side = order[(margin[order] >= 0) == passes]
        taken, chance = _nearest(side, np.abs(margin[side]), n_each, np.random.default_rng([seed, number]))
        strata.append(Stratum(label, low, high, population=len(side), drawn=len(taken)))
        if len(taken) < n_each:
            notes.append(f"Only {len(taken)} clips {'pass' if passes else 'fail'} where {n_each} were asked for.")
        if (chance < 1).any():
            tied = int((chance < 1).sum())
            notes.append(f"{tied} of the clips in '{label}' were drawn by lot among equally near ones.")
        drawn.append(taken)
        chances.append(chance)
    return Draw(
        design="borderline",
        indices=np.concatenate(drawn),
        stratum=tuple(np.repeat([stratum.label for stratum in strata], [len(side) for side in drawn]).tolist()),
        inclusion_probability=np.concatenate(chances),
        strata=tuple(strata),
        seed=seed,
        notes=tuple(notes),
    )


def _nearest(clips: Ints, distance: Floats, n: int, generator: np.random.Generator) -> tuple[Ints, Floats]:
    """The n nearest of `clips` (already in id order) and the probability with which each was taken."""
    if len(clips) <= n:
        return clips, np.ones(len(clips))
    edge = np.partition(distance, n - 1)[n - 1]
    sure, tied = np.flatnonzero(distance < edge), np.flatnonzero(distance == edge)
    places = n - len(sure)
    lucky = generator.permutation(tied)[:places]
    taken = np.sort(np.concatenate([sure, lucky]))
    return clips[taken], np.where(distance[taken] < edge, 1.0, places / len(tied))


def _numbers(scores: Sequence[float | None]) -> Floats:
    values = np.array(scores, dtype=np.float64)  # None becomes NaN
    if np.isinf(values).any():
        raise ValueError(f"clip {int(np.flatnonzero(np.isinf(values))[0])} (from 0) has an infinite score")
    return values


def _by_id(ids: Sequence[str], values: Floats) -> Ints:
    """Positions in the order of clip ids, so that the order of rows cannot change a draw."""
    if len(ids) != len(values):
        raise ValueError(f"{len(ids)} clip ids and {len(values)} scores are not parallel")
    names = np.array(ids, dtype=np.str_)
    order = np.argsort(names, kind="stable")
    again = np.flatnonzero(names[order][1:] == names[order][:-1])
    if again.size:
        raise ValueError(f"clip {names[order[again[0]]]} is in the pool twice")
    return order


def _names(bounds: list[float | None]) -> list[str]:
    """Names of the bands, in four significant digits or as many more as keep the edges apart."""
    shown = {bound: _spoken(bound) for bound in bounds if bound is not None}
    different = len({value for value, _ in shown.values()})
    for digits in range(4, 18):
        words = {bound: (_rounded(value, digits), through) for bound, (value, through) in shown.items()}
        if len({word for word, _ in words.values()}) == different:
            break
    ends = [None if bound is None else words[bound] for bound in bounds]
    return [_name(low, high) for low, high in pairwise(ends)]


def _spoken(edge: float) -> tuple[float, bool]:
    """The number to name an edge by, and whether that number still belongs to the band below the edge.

    An edge that follows next on a far shorter number, as `bands` makes them for "le", is named by that number.
    """
    before = float(np.nextafter(edge, -np.inf))
    through = len(repr(before)) + 3 <= len(repr(edge))
    return (before if through else edge), through


def _rounded(value: float, digits: int) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:.{max(digits, min(whole, 15))}g}"  # whole numbers stay whole, very large ones aside


def _name(low: tuple[str, bool] | None, high: tuple[str, bool] | None) -> str:
    """A band in words, each end a number and whether it belongs to the band below it."""
    if low is not None and high is not None:
        if low[0] == high[0]:
            return f"exactly {low[0]}"
        return f"{'above ' if low[1] else ''}{low[0]} to {'' if high[1] else 'below '}{high[0]}"
    if high is not None:
        return f"{high[0]} or below" if high[1] else f"below {high[0]}"
    if low is not None:
        return f"above {low[0]}" if low[1] else f"{low[0]} and above"
    return "all"
