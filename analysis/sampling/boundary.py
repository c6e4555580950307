"""The clips next to a filter's cut: n that just pass and n that just fail, as TalkVid validated its filters.

Nearness involves no chance, so these clips have probability 1; only where equally near clips compete for the last
places does a lot decide, with a probability that is known. Figures of such a draw speak of the boundary alone.
Source: TalkVid, arXiv:2508.13618, section on human validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.ranks import NEAR, Codes, Keys, numbers

BOUNDARY = "These clips lie next to the cut: figures speak of the boundary only, not of the pool."
PASSES, FAILS = "just passes", "just fails"
_FIRST_LOOK = 64


@dataclass(frozen=True, eq=False)
class Near:
    """One side of a cut: the clips that can be drawn there.

    `clips` are their positions in the pool, `distance` how far they lie from the cut in units of the score,
    `chance` their inclusion probabilities in (0, 1], each of shape (candidates,); `n` clips are drawn (all, if
    there are fewer). `population` counts all clips of the side.
    """

    label: str
    clips: Ints
    distance: Floats
    chance: Floats
    n: int
    population: int
    source: Codes | None = None
    most: int | None = None

    def drawn(self, digest: Keys, seed: int, lot: int) -> Ints:
        """The clips drawn by a seed, nearest first: places in `clips`, shape (drawn,).

        `digest` are the pool's digests; lots of different numbers are independent of each other.
        """
        own = digest[self.clips]
        stay = np.arange(len(self.clips))
        if self.source is not None and self.most is not None:
            order = np.lexsort((numbers(own, seed, NEAR + 2 * lot + 1), self.distance, self.source))
            stay = order[_place(self.source[order]) < self.most]
        lots = numbers(own[stay], seed, NEAR + 2 * lot)
        return stay[np.lexsort((lots, self.distance[stay]))][: self.n]

    @property
    def farthest(self) -> float | None:
        """The largest distance of a drawn clip from the cut; None when none is drawn."""
        return float(self.distance.max()) if len(self.distance) else None


def near_cut(
    scores: Floats,
    *,
    low: float | None,
    high: float | None,
    n: int,
    eligible: Bools | None = None,
    source: Codes | None = None,
    most: int | None = None,
) -> tuple[Near, Near]:
    """The candidates that just pass and just fail low <= score <= high (either end may be None; NaN: no score).

    `eligible` says which clips may be drawn at all, for instance those that all other filters pass. With `most` no
    source gives more than that many clips to a side, the nearest first; shapes (clips,). Raises ValueError when
    neither end is given, low > high or n < 1.

    >>> passing, failing = near_cut(np.array([1.0, 2, 3, 4, 5, 6]), low=3.5, high=None, n=2)
    >>> passing.clips.tolist(), passing.farthest, failing.clips.tolist()
    ([3, 4], 1.5, [1, 2])
    """
    if (low is None and high is None) or n < 1:
        raise ValueError(f"a borderline draw needs a cut and at least one clip a side, not {low}, {high}, {n}")
    floor, ceiling = (-np.inf if low is None else low), (np.inf if high is None else high)
    if floor > ceiling:
        raise ValueError(f"no score passes: low {low} is above high {high}")
    margin = np.minimum(scores - floor, ceiling - scores)
    if eligible is not None:
        margin = np.where(eligible, margin, np.nan)
    passing, failing = np.flatnonzero(margin >= 0), np.flatnonzero(margin < 0)
    return (
        _side(PASSES, passing, margin[passing], n, source, most),
        _side(FAILS, failing, -margin[failing], n, source, most),
    )


def _side(label: str, clips: Ints, distance: Floats, n: int, source: Codes | None, most: int | None) -> Near:
    if source is None or most is None:
        kept = (
            np.arange(len(clips))
            if len(clips) <= n
            else np.flatnonzero(distance <= np.partition(distance, n - 1)[n - 1])
        )
        chance = _lottery(distance[kept], np.ones(len(kept)), n)
        return Near(label, clips[kept], distance[kept], chance, n, len(clips))
    if most < 1:
        raise ValueError(f"at most {most} clips of a source leaves none")
    reach = _FIRST_LOOK * n
    while True:
        # Among the nearest clips, ties included: whoever is farther cannot change what happens here.
        whole = len(clips) <= reach
        seen = (
            np.arange(len(clips)) if whole else np.flatnonzero(distance <= np.partition(distance, reach - 1)[reach - 1])
        )
        stays = _stay(distance[seen], source[clips[seen]], most)
        if whole or stays.sum() >= n:
            break
        reach *= 8
    possible = stays > 0
    chance = np.zeros(len(seen))
    chance[possible] = stays[possible] * _lottery(distance[seen][possible], stays[possible], n)
    kept, own = seen[chance > 0], chance[chance > 0]
    return Near(label, clips[kept], distance[kept], own, n, len(clips), source[clips[kept]], most)


def _stay(distance: Floats, source: Codes, most: int) -> Floats:
    """Probability that a clip is among the `most` nearest of its source, ties drawn by lot, shape of `distance`."""
    if not len(distance):
        return np.empty(0)
    order = np.lexsort((distance, source))
    level = np.flatnonzero(np.r_[True, (np.diff(distance[order]) != 0) | (np.diff(source[order]) != 0)])
    tied = np.diff(np.append(level, len(order)))
    before = _place(source[order])[level]
    chance = np.empty(len(order))
    chance[order] = np.repeat(np.clip(most - before, 0, tied) / tied, tied)
    return chance


def _lottery(distance: Floats, stays: Floats, n: int) -> Floats:
    """Probability of a place among the n nearest for one that stays, shape of `distance`.

    `stays` are the probabilities to be in the running at all; their sum at a distance is a whole number, since only
    ties of one source are decided by lot there.
    """
    levels, level = np.unique(distance, return_inverse=True)
    running = np.rint(np.bincount(level, stays, len(levels)))
    before = np.cumsum(running) - running
    return np.clip((n - before) / np.maximum(running, 1), 0, 1)[level]


def _place(groups: Codes) -> Ints:
    """0, 1, 2, ... within each run of equal numbers."""
    start = np.flatnonzero(np.r_[True, np.diff(groups) != 0]) if len(groups) else np.empty(0, dtype=np.int64)
    return np.arange(len(groups)) - np.repeat(start, np.diff(np.append(start, len(groups))))


def joint(sides: Sequence[Near]) -> tuple[Ints, Floats]:
    """All candidates of several sides, each once, with the probability to come in by any of them.

    The lots of the sides are independent, so that is 1 - (1 - p1)(1 - p2)...; shapes (candidates,).

    >>> up, down = near_cut(np.array([1.0, 1, 5]), low=3, high=None, n=1)
    >>> [values.tolist() for values in joint([up, down, down])]
    [[0, 1, 2], [0.75, 0.75, 1.0]]
    """
    clips, place = np.unique(np.concatenate([side.clips for side in sides]), return_inverse=True)
    missed = np.ones(len(clips))
    np.multiply.at(missed, place, 1 - np.concatenate([side.chance for side in sides]))
    return clips, 1 - missed


def remarks(sides: tuple[Near, Near], n: int, absent: int) -> list[str]:
    """What to tell the researcher about a draw of n a side; `absent` clips have no score."""
    notes = [BOUNDARY]
    if absent:
        notes.append(f"{absent} clips without a score cannot be near the cut and were left out.")
    for side in sides:
        got = min(n, round(float(side.chance.sum())))
        if got < n:
            verb = "pass" if side.label == PASSES else "fail"
            limit = "" if side.most is None else f" (at most {side.most} of a source)"
            notes.append(f"Only {got} clips {verb} where {n} were asked for{limit}.")
        if (lot := side.chance < 1).any():
            drawn = round(float(side.chance[lot].sum()))
            notes.append(f"{drawn} of the clips in '{side.label}' were drawn by lot among equally near ones.")
    return notes
