"""The motion scorer: tracked points, shake, frozen frames and scene cuts, from the luma at 480 pixels width."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scoring.images import Image, resized
from scoring.motion.formulas import camera_shake, jitter, likeness, longest_freeze, repeats
from scoring.motion.tracking import FLOW_WIDTH, SHIFT_WIDTH, Flow, for_points, for_shift, tracked_ratio
from scoring.scorer import Column, Measurement, Scorer, Series, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame

LIKENESS_WIDTH = 120
"""Pixels: the width at which likeness is computed. At this size shake hardly changes it, a new picture does."""
TRACKED_PER_SECOND = 2
"""Pictures per second between which points are tracked."""
SLACK = 1e-3
"""Seconds by which a time stamp may be early: some containers round to milliseconds."""
BAND = (0.85, 0.999)
"""TalkVid's band for the share of points that CoTracker follows: below is too much motion, above too little."""
UNLIKE = 0.85
"""Likeness: neighbouring frames below it may be a scene cut ..."""
LOST = 0.25
"""... and are one if a smaller share of the points than this can be tracked. Clips without a cut have .4 or more, cuts
have .03 or less."""


class MotionWatch(Watch):
    """Computes the motion of one clip: between neighbouring frames, and between pictures half a second apart."""

    def __init__(self, flow: Flow, *, skipping: bool) -> None:
        self._neighbours = None if skipping else NeighbouringFrames(flow)
        self._tracks = TrackedPictures(flow)

    def see(self, frame: Frame) -> None:
        """Compare the frame with earlier ones."""
        due = int((frame.time + SLACK) * TRACKED_PER_SECOND)
        if self._neighbours:
            points = self._neighbours.compare(frame)
        elif self._tracks.wants(due):
            points = for_points(frame.small)
        else:
            return
        self._tracks.follow(due, frame.time, points)

    def result(self, facts: Facts) -> Measurement:  # noqa: ARG002 - every watch gets the facts
        """The scores of the clip, from all pairs of frames."""
        tracked = self._tracks.result()
        if self._neighbours:
            every = self._neighbours.result()
        else:
            names = [column.name for column in EVERY_FRAME]
            every = Measurement(
                dict.fromkeys(names), reasons=dict.fromkeys(names, "Frames were skipped, to save time.")
            )
        return Measurement(
            tracked.scores | every.scores, tracked.series | every.series, tracked.reasons | every.reasons, every.times
        )


class TrackedPictures:
    """Pictures half a second apart, and the share of points that can be tracked from each to the next."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._last: tuple[int, Image] | None = None
        self._times: list[float] = []
        self._ratios: list[float | None] = []

    def wants(self, due: int) -> bool:
        """True if a frame of half second `due` is the first of it."""
        return self._last is None or due > self._last[0]

    def follow(self, due: int, time: float, points: Image) -> None:
        """Track points into the frame `points` (240 pixels wide) if its half second directly follows the last one."""
        if not self.wants(due):
            return
        if self._last and due == self._last[0] + 1 and points.shape == self._last[1].shape:
            self._times.append(time)
            self._ratios.append(tracked_ratio(self._flow, self._last[1], points))
        self._last = due, points

    def result(self) -> Measurement:
        """The mean, the minimum and its time; `too_still` is 1 if the mean is above TalkVid's band."""
        known = [(ratio, time) for ratio, time in zip(self._ratios, self._times, strict=True) if ratio is not None]
        mean = math.fsum(ratio for ratio, _ in known) / len(known) if known else None
        lowest, at = min(known, default=(None, None))
        scores = {
            "tracked_ratio": mean,
            "min_tracked_ratio": lowest,
            "min_tracked_ratio_at": at,
            "too_still": None if mean is None else float(mean > BAND[1]),
        }
        why = "The pictures are even surfaces." if self._ratios else "No two pictures are half a second apart."
        series = {"tracked_ratio": _per_second(self._times, self._ratios, _mean)}
        return Measurement(scores, series, {} if known else dict.fromkeys(scores, why))


class LumaSizes(NamedTuple):
    """A frame's luma at 480, 240, 120 and 60 pixels width: for repeats, points, likeness and the global shift."""

    small: Image
    points: Image
    alike: Image
    whole: Image


class NeighbouringFrames:
    """Comparisons of every frame with the one before it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._before: LumaSizes | None = None
        self._times: list[float] = []
        self._repeats: list[bool] = []
        self._likenesses: list[float | None] = []
        self._shifts: list[tuple[float, float]] = []
        self._cuts: list[float] = []

    def compare(self, frame: Frame) -> Image:
        """Compare a frame with the one before; return it at 240 pixels width, for tracking points."""
        now = _seen(frame.small)
        before, self._before = self._before, now
        alike, cut, again, shift = None, False, False, (0.0, 0.0)
        if before is not None and before.small.shape == now.small.shape:  # some streams change their size midway
            alike = likeness(before.alike, now.alike)
            again = repeats(before.small, now.small)
            cut = alike is not None and alike < UNLIKE and self._is_lost(before, now)
            if not cut:  # across a scene cut there is no motion
                right, down = self._flow.shift(before.whole, now.whole)
                shift = float(right), float(down)
        self._times.append(frame.time)
        self._likenesses.append(alike)
        self._repeats.append(again)
        self._shifts.append(shift)
        if cut:
            self._cuts.append(frame.time)
        return now.points

    def _is_lost(self, before: LumaSizes, now: LumaSizes) -> bool:
        ratio = tracked_ratio(self._flow, before.points, now.points)
        return ratio is not None and ratio < LOST

    def result(self) -> Measurement:
        """The scores of all pairs. The first frame has no frame before it and counts in no share."""
        times, flow = self._times[1:], np.array(self._shifts[1:])
        repeated = [float(again) for again in self._repeats[1:]]
        alike = self._likenesses[1:]
        known = [(value, time) for value, time in zip(alike, times, strict=True) if value is not None]
        lowest, at = min(known, default=(None, None))
        scores: dict[str, float | None] = {
            "jitter": jitter(flow) if len(flow) > 2 else None,
            "camera_shake": _shake(self._shifts, self._times),
            "repeated_share": _mean(repeated),
            "longest_freeze": longest_freeze(self._times, self._repeats[1:]),
            "cuts": float(len(self._cuts)),
            "lowest_correlation": lowest,
            "lowest_correlation_at": at,
        }
        series = {
            "repeated_share": _per_second(times, repeated, _mean),
            "lowest_correlation": _per_second(times, alike, min),
        }
        missing = {name: WHY[name] for name, value in scores.items() if value is None}
        return Measurement(scores, series, missing, {"cuts": self._cuts})


def _seen(small: Image) -> LumaSizes:
    points = for_points(small)
    alike = resized(points, LIKENESS_WIDTH, points.shape[0] // 2)
    return LumaSizes(small, points, alike, for_shift(alike))


def watch(flow: Flow, header: ClipHeader) -> MotionWatch:
    """The watch of one clip."""
    return MotionWatch(flow, skipping=header.skipping)


def _shake(shifts: list[tuple[float, float]], times: list[float]) -> float | None:
    try:
        return camera_shake(np.array(shifts), times)
    except ValueError:
        return None


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _per_second(
    times: Sequence[float], values: Sequence[float | None], join: Callable[[list[float]], float]
) -> list[float | None]:
    """Values of pairs of frames, combined by `join` for each second in which the later frame is shown."""
    seconds: list[list[float]] = [[] for _ in range(int(times[-1] + SLACK) + 1)] if times else []
    for time, value in zip(times, values, strict=True):
        if value is not None:
            seconds[int(time + SLACK)].append(value)
    return [join(found) if found else None for found in seconds]


EVEN = "The pictures are even surfaces."
WHY = {
    "jitter": "The clip has fewer than four frames.",
    "camera_shake": "The clip is not longer than a second.",
    "lowest_correlation": EVEN,
    "lowest_correlation_at": EVEN,
}

TRACKED = Column(
    "tracked_ratio",
    "share of points that can be followed for half a second; TalkVid's band is .85 to .999",
    "band",
    low=0,
    high=1,
    approximate=True,
)
REPEATED = Column("repeated_share", "share of frames that repeat the one before", "lower", low=0, high=1)
LIKENESS = Column("lowest_correlation", "likeness of the two most unlike neighbouring frames", "higher", low=-1, high=1)
HALF_SECONDS = (
    TRACKED,
    Column("min_tracked_ratio", "tracked_ratio at the worst half second", "higher", low=0, high=1, approximate=True),
    Column("min_tracked_ratio_at", "when tracked_ratio is lowest", "none", "s", low=0, approximate=True),
    Column("too_still", "1 if tracked_ratio is above .999, else 0", "lower", low=0, high=1, approximate=True),
)
EVERY_FRAME = (
    Column("jitter", "shake of the whole picture, per frame and at 480 px width", "lower", "px", low=0),
    Column("camera_shake", "sway of the whole picture about its one-second mean, at 480 px", "lower", "px", low=0),
    REPEATED,
    Column("longest_freeze", "longest stretch without a new picture", "lower", "s", low=0),
    Column("cuts", "hard cuts; blind to dissolves, and to a zoom by less than about a fifth", "lower", low=0),
    LIKENESS,
    Column("lowest_correlation_at", "when neighbouring frames are most unlike", "none", "s", low=0),
)


def motion(_: Settings) -> Scorer:
    """The motion scorer. It has no settings; if frames are skipped, it computes only `tracked_ratio` and its like."""
    return Scorer(
        name="motion",
        version="2",
        backend=f"OpenCV DIS flow at {FLOW_WIDTH} and {SHIFT_WIDTH} px",
        columns=(*HALF_SECONDS, *EVERY_FRAME),
        series=(
            Series(TRACKED, overall="tracked_ratio", worst="min_tracked_ratio"),
            Series(REPEATED, overall="repeated_share"),
            Series(LIKENESS, worst="lowest_correlation"),
        ),
        times=(Column("cuts", "hard cuts", "none", "s"),),
        setup=Flow,
        watch=watch,
    )
