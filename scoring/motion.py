"""What neighbouring frames say: shake, frozen stretches, cuts. Every frame counts, its luma at 480 pixels width."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.scorer import Column, Measured, Scorer
from scoring.video import MOTION_WIDTH, Clip, Image

FLOW_WIDTH = 240
"""Optical flow is computed at this width (pixels) and reported at 480: four times faster, and shake shows as well."""
LIKENESS_WIDTH = 120
"""Likeness is computed at this width (pixels): so small, a shake leaves it high and only a new picture lowers it."""
CELL = 16
"""Pixels at 480 width. A frame repeats the last one if no cell of this size changes by more than STILL on average."""
STILL = 0.7
"""Grey levels of 255."""


def jitter(flow: NDArray[np.float64]) -> float:
    """How unsteadily the whole picture moves: 90th percentile of the second difference of `flow`, as a length.

    `flow` is (n, 2), the picture's shift from each frame to the next in pixels; n must be 3 or more. A steady pan
    and a steadily quickening one give 0. The percentile lets half a second of shake in five count in full, and one
    cut not at all.

    >>> jitter(np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]]))
    0.0
    >>> jitter(np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]]))
    4.0
    """
    if len(flow) < 3:
        raise ValueError(f"jitter needs the flow between 4 frames or more, not {len(flow) + 1}")
    return float(np.percentile(np.linalg.norm(np.diff(flow, n=2, axis=0), axis=1), 90))


def change(before: Image, after: Image) -> float:
    """Mean absolute difference of two luma frames in their most changed cell of 16x16 pixels, 0 to 255.

    The most changed cell, for a mouth may move in an otherwise still picture.
    """
    difference = cv2.absdiff(before, after).astype(np.float32)
    cells = (max(1, difference.shape[1] // CELL), max(1, difference.shape[0] // CELL))
    return float(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA).max())


def likeness(before: Image, after: Image) -> float | None:
    """Pearson's correlation of two luma frames, -1 to 1; None if one of them is an even surface."""
    spread = float(before.std()) * float(after.std())
    if spread == 0:
        return None
    a, b = before.astype(np.float64), after.astype(np.float64)
    return float(((a - a.mean()) * (b - b.mean())).mean()) / spread


def setup() -> cv2.DISOpticalFlow:
    """Dense inverse search flow (Kroeger et al., ECCV 2016), the fastest preset."""
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def score(dis: cv2.DISOpticalFlow, clip: Clip) -> Measured:
    """`jitter`, `repeated_share` and `lowest_correlation` of one clip, with the second of the latter."""
    repeats = [float(change(a, b) < STILL) for a, b in pairwise(clip.small)]
    likenesses = [likeness(a, b) for a, b in pairwise(_scaled(clip.small, LIKENESS_WIDTH))]
    flow = _flow(dis, clip.small)
    lowest, at = min(
        ((value, time) for value, time in zip(likenesses, clip.times[1:], strict=True) if value is not None),
        default=(None, None),
    )
    scores = {
        "jitter": jitter(flow) if len(flow) > 2 else None,
        "repeated_share": math.fsum(repeats) / len(repeats),
        "lowest_correlation": lowest,
        "lowest_correlation_at": at,
    }
    even = "The pictures are even surfaces."
    whys = {
        "jitter": "The clip has fewer than four frames.",
        "lowest_correlation": even,
        "lowest_correlation_at": even,
    }
    series = {
        "repeated_share": _per_second(clip, repeats, lambda values: math.fsum(values) / len(values)),
        "lowest_correlation": _per_second(clip, likenesses, min),
    }
    return Measured(scores, series, {name: why for name, why in whys.items() if scores[name] is None})


def _flow(dis: cv2.DISOpticalFlow, frames: Sequence[Image]) -> NDArray[np.float64]:
    """The picture's shift from each frame to the next: medians of dense flow, (frames - 1, 2), pixels at 480 width."""
    shifts = []
    for before, after in pairwise(_scaled(frames, FLOW_WIDTH)):
        field = np.asarray(dis.calc(before, after, np.zeros((*before.shape, 2), np.float32)))
        shifts.append(np.median(field.reshape(-1, 2), axis=0))
    return np.array(shifts, np.float64).reshape(-1, 2) * (MOTION_WIDTH / FLOW_WIDTH)


def _scaled(frames: Sequence[Image], width: int) -> Iterator[Image]:
    for frame in frames:
        # Flow needs some pixels to stand on, however flat the picture.
        height = max(16, round(frame.shape[0] * width / frame.shape[1]))
        yield np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _per_second(clip: Clip, values: Sequence[float | None], join: Callable[[list[float]], float]) -> list[float | None]:
    """Values of frame pairs, joined by the second in which the later frame is shown."""
    seconds: list[list[float]] = [[] for _ in range(int(clip.times[-1]) + 1)]
    for time, value in zip(clip.times[1:], values, strict=True):
        if value is not None:
            seconds[int(time)].append(value)
    return [join(found) if found else None for found in seconds]


JITTER = Column("jitter", "shake of the whole picture, per frame and at 480 px width", "lower", "px", low=0)
REPEATED = Column("repeated_share", "share of frames that repeat the one before", "lower", low=0, high=1)
LIKENESS = Column("lowest_correlation", "likeness of the two most unlike neighbouring frames", "higher", low=-1, high=1)

MOTION = Scorer(
    name="motion",
    version="1",
    backend="OpenCV DIS flow at 240 px",
    columns=(
        JITTER,
        REPEATED,
        LIKENESS,
        Column("lowest_correlation_at", "when neighbouring frames are most unlike", "none", "s", low=0),
    ),
    series=(REPEATED, LIKENESS),
    setup=setup,
    score=score,
)
