"""Votes of raters on the clips of one criterion, checked once and stored in the two shapes that statistics need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimate import Floats, Ints

Metric = Literal["nominal", "ordinal", "interval", "ratio"]


@dataclass(frozen=True)
class Scale:
    """The answers that a criterion allows, in order, and the level of measurement.

    `metric` is "nominal" if answers are only different, "ordinal" if they are ordered, "interval" if differences have
    a meaning, and "ratio" if zero has one too; the last two need levels that are rising numbers. `missing` holds
    answers that are not votes (a rater who is unsure): they are counted and never compared. Raises ValueError for
    fewer than two levels, a repeated answer, or levels that do not fit the metric.

    >>> Scale("seconds", ("0", "2.5", "10"), "ratio").numbers
    array([ 0. ,  2.5, 10. ])
    """

    name: str
    levels: tuple[str, ...]
    metric: Metric
    missing: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.levels) < 2:
            raise ValueError(f"scale {self.name} has {len(self.levels)} level(s); agreement needs at least two")
        if len(set(self.levels)) < len(self.levels) or self.missing & set(self.levels):
            raise ValueError(f"scale {self.name} names one answer twice: {self.levels}, missing {self.missing}")
        if self.metric in ("interval", "ratio"):
            points = self.numbers
            if points is None or not (np.diff(points) > 0).all() or (self.metric == "ratio" and points[0] < 0):
                needed = "rising numbers" if self.metric == "interval" else "rising numbers from 0 up"
                raise ValueError(f"scale {self.name} is {self.metric}, so its levels must be {needed}: {self.levels}")

    @property
    def numbers(self) -> Floats | None:
        """The levels as finite numbers, shape (levels,); None if one of them is not a number."""
        try:
            points = np.array([float(level) for level in self.levels])
        except ValueError:
            return None
        return points if np.isfinite(points).all() else None

    @property
    def points(self) -> Floats:
        """The numbers of an interval or ratio scale, else the positions 0, 1, ..., shape (levels,)."""
        numbers = self.numbers if self.metric in ("interval", "ratio") else None
        return np.arange(len(self.levels), dtype=np.float64) if numbers is None else numbers


ACR5 = Scale("acr5", ("1", "2", "3", "4", "5"), "ordinal")
"""Absolute category rating, bad to excellent (ITU-T P.910)."""

VERDICT = Scale("verdict", ("reject", "accept"), "nominal", frozenset({"unsure"}))
"""Acceptable or not; "unsure" is counted as missing."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """All votes on one criterion.

    `clips` and `raters` are sorted, so that the order in which votes arrive does not matter. `counts` (clips, levels)
    says how many raters gave each level. Vote k is `level[k]` (position on the scale) by rater `rater_of[k]` on clip
    `clip_of[k]`; `missing_of` (clips,) counts the missing answers of each clip.

    >>> ratings = Ratings.from_votes(["a", "a", "b"], ["x", "y", "x"], ["accept", "unsure", "reject"], VERDICT)
    >>> ratings.counts.tolist(), ratings.missing
    ([[0, 1], [1, 0]], 1)
    """

    scale: Scale
    clips: tuple[str, ...]
    raters: tuple[str, ...]
    counts: Ints
    clip_of: Ints
    rater_of: Ints
    level: Ints
    missing_of: Ints

    @classmethod
    def from_votes(cls, clips: Sequence[str], raters: Sequence[str], values: Sequence[str], scale: Scale) -> "Ratings":
        """Build from parallel sequences with one entry per answer.

        Raises ValueError, naming the entry, if the sequences differ in length, an answer is not on the scale, or a
        rater answered a clip twice.
        """
        if not len(clips) == len(raters) == len(values):
            raise ValueError(f"{len(clips)} clips, {len(raters)} raters and {len(values)} values are not parallel")
        position = {answer: number for number, answer in enumerate(scale.levels)}
        position |= dict.fromkeys(scale.missing, -1)
        for clip, rater, value in zip(clips, raters, values, strict=True):
            if value not in position:
                allowed = ", ".join([*scale.levels, *sorted(scale.missing)])
                raise ValueError(f"rater {rater} gave clip {clip} the value {value!r}; {scale.name} has {allowed}")
        clip_ids, clip_of = np.unique(np.array(clips, dtype=np.str_), return_inverse=True)
        rater_ids, rater_of = np.unique(np.array(raters, dtype=np.str_), return_inverse=True)
        pair = clip_of * max(1, len(rater_ids)) + rater_of
        order = np.argsort(pair, kind="stable")
        again = np.flatnonzero(np.diff(pair[order]) == 0)
        if again.size:
            first, second = (int(row) for row in order[again[0] : again[0] + 2])
            raise ValueError(
                f"rater {raters[first]} rated clip {clips[first]} twice ({values[first]!r} and {values[second]!r}); "
                "keep the current answer only"
            )
        level = np.array([position[value] for value in values], dtype=np.int64)[order]
        clip_of, rater_of, voted = clip_of[order], rater_of[order], level >= 0
        counts = np.zeros((len(clip_ids), len(scale.levels)), dtype=np.int64)
        np.add.at(counts, (clip_of[voted], level[voted]), 1)
        return cls(
            scale=scale,
            clips=tuple(clip_ids.tolist()),
            raters=tuple(rater_ids.tolist()),
            counts=counts,
            clip_of=clip_of[voted],
            rater_of=rater_of[voted],
            level=level[voted],
            missing_of=np.bincount(clip_of[~voted], minlength=len(clip_ids)),
        )

    @property
    def missing(self) -> int:
        """The number of missing answers."""
        return int(self.missing_of.sum())

    @property
    def votes(self) -> Ints:
        """The number of votes per clip, shape (clips,)."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def matrix(self) -> Floats:
        """Levels as positions 0, 1, ..., shape (raters, clips); NaN where a rater has no vote on a clip."""
        table = np.full((len(self.raters), len(self.clips)), np.nan)
        table[self.rater_of, self.clip_of] = self.level
        return table
