"""How the picture moves between two frames: dense optical flow, the shift of the whole, and what can be followed."""

from functools import cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image, resized
from scoring.video.frames import MOTION_WIDTH

FLOW_WIDTH = 240
"""Points are followed on pictures of this width in pixels: four times faster than at 480."""
LEAST_HEIGHT = 32
"""Of 8 pixels at a quarter of the size: on fewer OpenCV 5.0 crashes, however flat the picture."""
SHIFT_WIDTH = 60
"""The shift of the whole is found at this width: the fastest preset finds flow on every fourth pixel only, so at 60
with all of them it is as exact as at 240, within .1 to .2 px of known shifts by up to 24, in half the time."""
STEPS = 8
"""Of gradient descent, where the preset has 12: no less exact."""
GRID = 50
"""Points a side that are followed from one frame to the other."""
RETURN = 3.0
"""Pixels at 480 width. A point is lost if it comes back farther than this from where it began."""
GREY = 15.0
"""Grey levels of 255. A point is lost if it changes by more than this, 3x3 pixels taken together."""

Field = NDArray[np.float32]
"""(height, width, 2): how far each pixel moves right and down, in pixels of the pictures compared."""


class Flow:
    """Dense inverse search flow (Kroeger et al., ECCV 2016), the fastest preset, for points and for whole pictures."""

    def __init__(self) -> None:
        self._points = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._whole = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._whole.setFinestScale(0)
        self._whole.setGradientDescentIterations(STEPS)

    def of_points(self, before: Image, after: Image) -> Field:
        """How each pixel moves between two frames at 240 width."""
        return _field(self._points, before, after)

    def shift(self, before: Image, after: Image) -> NDArray[np.float64]:
        """How far the whole picture moves (right, down) between two frames at 60 width, in pixels at 480.

        The median of its flow: a head that fills more than half of the picture is taken for the whole.
        """
        ways = _field(self._whole, before, after).reshape(-1, 2).T.copy()
        median = np.median(ways, axis=1, overwrite_input=True)
        return median.astype(np.float64) * (MOTION_WIDTH / SHIFT_WIDTH)


def for_points(frame: Image) -> Image:
    """A luma frame as points are followed on it: 240 pixels wide."""
    return resized(frame, FLOW_WIDTH, max(LEAST_HEIGHT, round(frame.shape[0] * FLOW_WIDTH / frame.shape[1])))


def for_shift(frame: Image) -> Image:
    """A luma frame as the shift of the whole is found on it: 60 pixels wide."""
    least = LEAST_HEIGHT * SHIFT_WIDTH // FLOW_WIDTH
    return resized(frame, SHIFT_WIDTH, max(least, round(frame.shape[0] * SHIFT_WIDTH / frame.shape[1])))


def tracked_ratio(flow: Flow, before: Image, after: Image) -> float | None:
    """Share of a grid of 50x50 points that can be followed from one frame at 240 width to another, 0 to 1.

    A point is followed if the flow forth and back brings it home within 3 px (at 480 width), it stays inside the
    picture, and looks as before within 15 grey levels. Forth and back as in Kalal et al., Forward-Backward Error,
    ICPR 2010. A stand-in for the points that CoTracker follows: the bounds are chosen so that the mean over released
    TalkVid clips, at two frames per second, is the .92 published for CoTracker. It barely sees shake and is highest on
    a freeze. None for two even surfaces, on which nothing can be followed.
    """
    if before.min() == before.max() and after.min() == after.max():
        return None
    forth, back = flow.of_points(before, after), flow.of_points(after, before)
    height, width = before.shape
    x, y = _grid(width, height)
    there = _at(forth, x, y)
    to_x, to_y = x + there[..., 0], y + there[..., 1]
    home = there + _at(back, to_x, to_y)
    astray = np.hypot(home[..., 0], home[..., 1]) * (MOTION_WIDTH / FLOW_WIDTH)
    unlike = np.abs(_at(_soft(after), to_x, to_y) - _at(_soft(before), x, y))
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    return float(np.mean((astray <= RETURN) & (unlike <= GREY) & inside))


def _field(dis: cv2.DISOpticalFlow, before: Image, after: Image) -> Field:
    # Without a field to begin from; the types do not know that None is allowed.
    return np.asarray(dis.calc(before, after, cast(NDArray[np.float32], None)), np.float32)


@cache
def _grid(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The places of the points: the middles of 50x50 equal cells."""
    x, y = ((np.arange(GRID) + 0.5) * side / GRID - 0.5 for side in (width, height))
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return across, down


def _at(values: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values between pixels; outside, those of the edge."""
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _soft(frame: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(frame, (3, 3)), np.float32)
