"""Strata of a pool: bands of a score, values of a column, patterns of verdicts, and combinations of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Literal

import numpy as np

from analysis.estimate import Floats, Ints
from analysis.sampling.random_numbers import Codes

NO_SCORE = "no score"
"""Name of the stratum of clips without a score."""
_TABLE = 10_000_000  # combinations that are looked up in a table; if there are more, they are sorted
OUTSIDE = -1
"""The stratum number of clips that cannot be drawn."""


@dataclass(frozen=True)
class Stratum:
    """A stratum: how many clips of the pool it has, and how many of them are drawn.

    A band of scores holds low <= score < high (None: open). `farthest` is set in borderline draws only: the largest
    distance of a drawn clip from the threshold, in units of the score.
    """

    label: str
    low: float | None
    high: float | None
    population: int
    drawn: int
    farthest: float | None = None


@dataclass(frozen=True, eq=False)
class Division:
    """A division of the pool into strata, with what to tell the researcher about it in `notes`.

    `of` (clips,) is the stratum of each clip, OUTSIDE if it cannot be drawn; `labels` and `ends` (low, high) describe
    the strata.
    """

    of: Codes
    labels: tuple[str, ...]
    ends: tuple[tuple[float | None, float | None], ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def sizes(self) -> Ints:
        """The clips of the pool in each stratum, shape (strata,)."""
        return counts(self.of, len(self.labels))


def counts(of: Codes | Ints, strata: int) -> Ints:
    """The number of clips in each stratum, shape (strata,); clips outside are not counted.

    >>> counts(np.array([0, 2, 2, -1], dtype=np.int32), 3).tolist()
    [1, 0, 2]
    """
    return np.bincount(of + 1, minlength=strata + 1)[1:].astype(np.int64)


def everything(clips: int) -> Division:
    """The whole pool as a single stratum.

    >>> everything(3).sizes.tolist()
    [3]
    """
    return Division(np.zeros(clips, dtype=np.int32), ("all",), ((None, None),))


def bands(
    scores: Sequence[float | None] | Floats,
    k: int,
    threshold: float | None = None,
    *,
    direction: Literal["ge", "le"] = "ge",
    upper: float | None = None,
) -> tuple[float, ...]:
    """The inner edges of k bands with about equal numbers of clips; the threshold is one of the edges.

    The k bands are divided among the sides of the threshold by the number of clips there, at least one per side, and
    edges are quantiles within a side. `direction` says which clips the filter accepts: "ge" score >= threshold, "le"
    score <= threshold; for "le" the edge is the next number above the threshold, so that accepted clips stay in the
    lower band. `upper` is a second threshold that accepts score <= upper. Tied scores can make bands coincide; fewer
    edges are then returned. Raises ValueError for k < 2, or if no clip has a score.

    >>> bands([1, 2, 3, 4, 5, 6, 7, 8], 4, threshold=5)
    (2.5, 5.0, 6.5)
    """
    values = np.asarray(scores, dtype=np.float64)  # None becomes NaN
    known = values[~np.isnan(values)]
    if k < 2 or not known.size:
        raise ValueError(f"{k} bands of {known.size} scored clips; at least two bands and one score are needed")
    edges: list[float] = []
    if threshold is not None:
        edges.append(float(threshold if direction == "ge" else np.nextafter(threshold, np.inf)))
    if upper is not None:
        edges.append(float(np.nextafter(upper, np.inf)))
    side = _band(known, edges)
    parts = [known[side == number] for number in range(len(edges) + 1)] if edges else [known]
    inner = list(edges)
    for part, share in zip(parts, _shares([len(part) for part in parts], k), strict=True):
        if share > 1 and part.size:
            inner += np.quantile(part, np.arange(1, share) / share).tolist()
    return tuple(np.unique(inner).tolist())


def _shares(sizes: Sequence[int], k: int) -> list[int]:
    """How many of the k bands each side of the thresholds gets, by its number of clips; at least one."""
    shares = np.ones(len(sizes), dtype=np.int64)
    for _ in range(k - len(sizes)):
        shares[np.argmax(np.asarray(sizes) / (shares + 0.5))] += 1
    return shares.tolist()


def _band(scores: Floats, edges: Sequence[float]) -> Codes:
    """How many of the edges each score reaches; for few edges this is faster than a binary search."""
    of = np.zeros(len(scores), dtype=np.int32)
    for edge in edges:
        of += scores >= edge
    return of


def by_edges(scores: Floats, edges: Sequence[float], *, include_missing: bool = True) -> Division:
    """Divide the pool into bands of a score between inner edges; a clip on an edge belongs to the band above.

    `scores` has shape (clips,), NaN without a score; such clips form a stratum of their own, or stay outside without
    `include_missing`. Raises ValueError for an infinite score.

    >>> division = by_edges(np.array([1.0, 5.0, np.nan]), [5])
    >>> division.labels, division.of.tolist()
    (('below 5', '5 and above', 'no score'), [0, 1, 2])
    """
    if np.isinf(scores).any():
        raise ValueError(f"clip {int(np.flatnonzero(np.isinf(scores))[0])} (from 0) has an infinite score")
    inner = np.unique(np.asarray(edges, dtype=np.float64))
    bounds = [None, *inner.tolist(), None]
    of = _band(scores, inner.tolist())
    labels, ends = names_of(bounds), list(pairwise(bounds))
    missing = np.isnan(scores)
    absent = int(missing.sum())
    if absent:
        of[missing] = len(labels) if include_missing else OUTSIDE
    if absent and include_missing:
        labels, ends = [*labels, NO_SCORE], [*ends, (None, None)]
    left = f"{absent} clips without a score were left out: no figure speaks of them."
    return Division(of, tuple(labels), tuple(ends), (left,) if absent and not include_missing else ())


def by_values(of: Codes, labels: Sequence[str], *, most: int | None = None, rest: str = "other") -> Division:
    """Divide the pool by the values of a column: `of` (clips,) numbers them from 0, `labels` names them.

    With `most`, only that many of the most common values have a stratum; all others together form the stratum `rest`.

    >>> division = by_values(np.array([0, 1, 1, 2], dtype=np.int32), ["en", "fr", "de"], most=1)
    >>> division.labels, division.of.tolist()
    (('fr', 'other'), [1, 0, 0, 1])
    """
    if most is None or len(labels) <= most:
        return Division(of, tuple(labels), ((None, None),) * len(labels))
    order = np.lexsort((np.asarray(labels, dtype=np.str_), -counts(of, len(labels))))
    number = np.full(len(labels), most, dtype=np.int32)
    number[order[:most]] = np.arange(most)
    names = tuple(labels[place] for place in order[:most].tolist())
    return Division(number[of], (*names, rest), ((None, None),) * (most + 1))


def crossed(divisions: Sequence[Division]) -> Division:
    """Divide the pool by every combination of strata that has clips, ordered by the first division, then the second.

    >>> one = by_values(np.array([0, 1, 1], dtype=np.int32), ["en", "fr"])
    >>> both = crossed([one, by_edges(np.array([1.0, 2.0, 9.0]), [5])])
    >>> both.labels
    ('en × below 5', 'fr × below 5', 'fr × 5 and above')
    """
    first, *others = divisions
    if not others:
        return first
    outside = np.any([one.of == OUTSIDE for one in divisions], axis=0)
    joint = first.of.astype(np.int64)
    for one in others:
        joint = joint * len(one.labels) + one.of
    joint[outside] = OUTSIDE
    present, numbers = _renumbered(joint, prod(len(one.labels) for one in divisions))
    labels = []
    for code in present.tolist():
        words: list[str] = []
        for one in reversed(divisions):
            code, part = divmod(code, len(one.labels))
            words.insert(0, one.labels[part])
        labels.append(" × ".join(words))
    notes = tuple(note for one in divisions for note in one.notes)
    return Division(numbers, tuple(labels), ((None, None),) * len(labels), notes)


def _renumbered(joint: Ints, top: int) -> tuple[Ints, Codes]:
    """The codes (0 ... top - 1, or OUTSIDE) that occur, and the position of each clip's code among them."""
    if top > _TABLE:
        present = np.unique(joint[joint != OUTSIDE])
        place = np.searchsorted(present, joint).astype(np.int32)
        return present, np.where(joint == OUTSIDE, np.int32(OUTSIDE), place)
    present = np.flatnonzero(counts(joint, top))
    table = np.full(top + 1, OUTSIDE, dtype=np.int32)  # OUTSIDE is -1 and so indexes the last entry
    table[present] = np.arange(len(present))
    return present, table[joint]


def names_of(bounds: Sequence[float | None]) -> list[str]:
    """The names of the bands, with four significant digits, or more if needed to distinguish the edges.

    >>> names_of([None, 52.6612, 134.0871, None])
    ['below 52.66', '52.66 to below 134.1', '134.1 and above']
    """
    shown = {bound: _spoken(bound) for bound in bounds if bound is not None}
    different = len({value for value, _ in shown.values()})
    for digits in range(4, 18):
        words = {bound: (_rounded(value, digits), through) for bound, (value, through) in shown.items()}
        if len({word for word, _ in words.values()}) == different:
            break
    ends = [None if bound is None else words[bound] for bound in bounds]
    return [_name(low, high) for low, high in pairwise(ends)]


def _spoken(edge: float) -> tuple[float, bool]:
    """The number that names an edge, and whether that number still belongs to the band below the edge.

    An edge directly above a much shorter number, as `bands` makes them for "le", is named by that number.
    """
    before = float(np.nextafter(edge, -np.inf))
    through = len(repr(before)) + 3 <= len(repr(edge))
    return (before if through else edge), through


def _rounded(value: float, digits: int) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:.{max(digits, min(whole, 15))}g}"  # whole numbers stay whole unless they are very large


def _name(low: tuple[str, bool] | None, high: tuple[str, bool] | None) -> str:
    """The name of a band; each end is a number and whether that number belongs to the band below it."""
    if low is not None and high is not None:
        if low[0] == high[0]:
            return f"exactly {low[0]}"
        return f"{'above ' if low[1] else ''}{low[0]} to {'' if high[1] else 'below '}{high[0]}"
    if high is not None:
        return f"{high[0]} or below" if high[1] else f"below {high[0]}"
    if low is not None:
        return f"above {low[0]}" if low[1] else f"{low[0]} and above"
    return "all"
