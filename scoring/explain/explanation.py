"""What a contact sheet shows of one clip: the sampled frames, the scores, and where each series is at its worst."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from scoring.faces.face import Face
from scoring.head.pose import Pose
from scoring.images import Image
from scoring.pipeline import ClipScores
from scoring.scorer import Scorer, Series
from scoring.settings import Settings
from scoring.video.frames import Facts

TILES = 24
"""Frames on a sheet, at most: the worst seconds of each series, and an even choice of the rest."""


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """A frame that was looked at.

    `place` is its index in the head's series, `time` is in s, `size` is width and height in pixels, `pose` is that of
    the face if the frame shows exactly one, `jpeg` is the frame itself, at most 640 pixels long.
    """

    place: int
    time: float
    size: tuple[int, int]
    faces: tuple[Face, ...]
    pose: Pose | None
    jpeg: bytes

    @property
    def picture(self) -> Image:
        """The frame, (height, width, 3), red first, at most 640 pixels long."""
        bgr = np.asarray(cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, eq=False)
class WorstEntry:
    """Where a series is at its worst: the value, its index in the series and its time in s."""

    value: float
    place: int
    time: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that the sheet shows of one clip. `thresholds` are filters' bounds by the name of a score."""

    name: str
    settings: Settings
    scorers: tuple[Scorer, ...]
    result: ClipScores
    facts: Facts
    frames: tuple[SampledFrame, ...]
    thresholds: Mapping[str, float]

    def times(self, scorer: Scorer, length: int) -> list[float]:
        """The time in s of each of the `length` entries of a scorer's series."""
        shown = {frame.place: frame.time for frame in self.frames} if scorer.frame_scores else {}
        return [shown.get(place, float(place)) for place in range(length)]

    @cached_property
    def frame_series(self) -> tuple[Series, ...]:
        """The series that are printed below each frame, in the order that their scorer declares."""
        declared = {series.name: series for scorer in self.scorers for series in scorer.series}
        return tuple(declared[name] for scorer in self.scorers for name in scorer.frame_scores)

    @cached_property
    def worst_places(self) -> dict[str, int]:
        """The index of the worst entry of each series, by the series' name; without series that are constant."""
        found: dict[str, int] = {}
        for scorer in self.scorers:
            for series in scorer.series:
                worst = self.worst(scorer, series)
                if worst and len({*self.result.series[series.name]} - {None}) > 1:
                    found[series.name] = worst.place
        return found

    def worst(self, scorer: Scorer, series: Series) -> WorstEntry | None:
        """The lowest entry of a series, or the highest if lower is better; the first of equals.

        None for a series without entries or without a direction.
        """
        values = self.result.series.get(series.name, [])
        known = [(value, place) for place, value in enumerate(values) if value is not None]
        if not known or series.column.direction == "none":
            return None
        sign = -1 if series.column.direction == "lower" else 1
        value, place = min(known, key=lambda entry: (sign * entry[0], entry[1]))
        return WorstEntry(value, place, self.times(scorer, len(values))[place])


def chosen_frames(explanation: Explanation, most: int = TILES) -> tuple[SampledFrame, ...]:
    """The frames to show, in order: all, or at most `most`.

    If they are too many: the first and the last, each series' worst, then one after the other the frame that is
    furthest from those chosen.
    """
    frames = {frame.place: frame for frame in explanation.frames}
    places = np.array(sorted(frames))
    if len(places) <= most:
        return explanation.frames
    wanted = dict.fromkeys((int(places[0]), int(places[-1]), *explanation.worst_places.values()))
    kept = [place for place in wanted if place in frames][:most]
    while len(kept) < most:
        gaps = np.abs(places[:, None] - np.array(kept)).min(axis=1)
        kept.append(int(places[gaps.argmax()]))
    return tuple(frames[place] for place in sorted(kept))
