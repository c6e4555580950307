"""Borderline draws: the n clips that just pass a filter and the n that just fail it, as TalkVid validated its filters.

The nearest clips are taken without chance, so their inclusion probability is 1; only equally near clips compete for
the last places at random, with a known probability. Estimates from such a draw describe the borderline only. Source:
TalkVid, arXiv:2508.13618, section on human validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.random_numbers import NEAR, Codes, Keys, numbers

BORDERLINE_ONLY = "These clips lie next to the threshold: figures describe the borderline only, not the pool."
PASSES, FAILS = "just passes", "just fails"
_FIRST_LOOK = 64


@dataclass(frozen=True, eq=False)
class BorderlineSide:
    """One side of a threshold: the clips that can be drawn there.

    `clips` are their positions in the pool, `distance` their distances from the threshold in units of the score, and
    `chance` their inclusion probabilities in (0, 1], shapes (candidates,). `n` clips are drawn, or all if there are
    fewer. `population` counts all clips on this side. With a limit per source, `source` is the source of each candidate
    and `most` the limit.
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
        """The clips that a seed draws, nearest first, as positions in `clips`, shape (drawn,).

        `digest` holds the digests of the pool; draws of different lots are independent.
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
        """The largest distance of a candidate from the threshold; None without candidates."""
        return float(self.distance.max()) if len(self.distance) else None


def near_threshold(
    scores: Floats,
    *,
    low: float | None,
    high: float | None,
    n: int,
    eligible: Bools | None = None,
    source: Codes | None = None,
    most: int | None = None,
) -> tuple[BorderlineSide, BorderlineSide]:
    """The candidates that just pass and those that just fail low <= score <= high; either end may be None.

    `scores` (NaN: no score), `eligible` and `source` have shape (clips,). `eligible` says which clips may be drawn, for
    example those that pass all other filters. With `most`, a source gives at most that many clips to a side, the
    nearest first. Raises ValueError if neither end is given, low > high, or n < 1.

    >>> passing, failing = near_threshold(np.array([1.0, 2, 3, 4, 5, 6]), low=3.5, high=None, n=2)
    >>> passing.clips.tolist(), passing.farthest, failing.clips.tolist()
    ([3, 4], 1.5, [1, 2])
    """
    if (low is None and high is None) or n < 1:
        raise ValueError(f"a borderline draw needs a threshold and at least one clip a side, not {low}, {high}, {n}")
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


def _side(label: str, clips: Ints, distance: Floats, n: int, source: Codes | None, most: int | None) -> BorderlineSide:
    if source is None or most is None:
        kept = (
            np.arange(len(clips))
            if len(clips) <= n
            else np.flatnonzero(distance <= np.partition(distance, n - 1)[n - 1])
        )
        chance = _lottery(distance[kept], np.ones(len(kept)), n)
        return BorderlineSide(label, clips[kept], distance[kept], chance, n, len(clips))
    if most < 1:
        raise ValueError(f"at most {most} clips of a source leaves none")
    reach = _FIRST_LOOK * n
    while True:
        # Only the nearest clips, ties included: clips farther away cannot change the result.
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
    return BorderlineSide(label, clips[kept], distance[kept], own, n, len(clips), source[clips[kept]], most)


def _stay(distance: Floats, source: Codes, most: int) -> Floats:
    """The probability that a clip is among the `most` nearest of its source, ties broken at random, (candidates,)."""
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
    """The probability that a candidate is among the n nearest, shape of `distance`.

    `stays` holds the probabilities to be a candidate at all; their sum at one distance is a whole number, because only
    ties within a source are broken at random.
    """
    levels, level = np.unique(distance, return_inverse=True)
    running = np.rint(np.bincount(level, stays, len(levels)))
    before = np.cumsum(running) - running
    return np.clip((n - before) / np.maximum(running, 1), 0, 1)[level]


def _place(groups: Codes) -> Ints:
    """The positions 0, 1, 2, ... within each run of equal numbers."""
    start = np.flatnonzero(np.r_[True, np.diff(groups) != 0]) if len(groups) else np.empty(0, dtype=np.int64)
    return np.arange(len(groups)) - np.repeat(start, np.diff(np.append(start, len(groups))))


def joint_probabilities(sides: Sequence[BorderlineSide]) -> tuple[Ints, Floats]:
    """All candidates of several sides, each once, with the probability of being drawn by at least one side.

    The draws of the sides are independent, so this is 1 - (1 - p1)(1 - p2)...; shapes (candidates,).

    >>> up, down = near_threshold(np.array([1.0, 1, 5]), low=3, high=None, n=1)
    >>> [values.tolist() for values in joint_probabilities([up, down, down])]
    [[0, 1, 2], [0.75, 0.75, 1.0]]
    """
    clips, place = np.unique(np.concatenate([side.clips for side in sides]), return_inverse=True)
    missed = np.ones(len(clips))
    np.multiply.at(missed, place, 1 - np.concatenate([side.chance for side in sides]))
    return clips, 1 - missed


def remarks(sides: tuple[BorderlineSide, BorderlineSide], n: int, absent: int) -> list[str]:
    """Notes for the researcher about a draw of n clips per side; `absent` clips have no score."""
    notes = [BORDERLINE_ONLY]
    if absent:
        notes.append(f"{absent} clips without a score cannot be near the threshold and were left out.")
    for side in sides:
        got = min(n, round(float(side.chance.sum())))
        if got < n:
            verb = "pass" if side.label == PASSES else "fail"
            limit = "" if side.most is None else f" (at most {side.most} of a source)"
            notes.append(f"Only {got} clips {verb} where {n} were asked for{limit}.")
        if (lot := side.chance < 1).any():
            drawn = round(float(side.chance[lot].sum()))
            notes.append(f"{drawn} of the clips in '{side.label}' were drawn at random among equally near ones.")
    return notes
