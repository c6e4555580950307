"""Motion between two frames: dense optical flow, the global shift, and the share of points that can be tracked."""

from functools import cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image, resized
from scoring.video.frames import MOTION_WIDTH

FLOW_WIDTH = 240
"""Pixels: the width at which points are tracked, four times faster than at 480."""
LEAST_HEIGHT = 32
"""Pixels: 8 at a quarter of the size. With fewer OpenCV 5.0 crashes, so flat pictures are stretched to it."""
SHIFT_WIDTH = 60
"""Pixels: the width at which the global shift is found. The fastest preset computes flow on every fourth pixel only;
at 60 with all pixels it is as exact as at 240 (within .1 to .2 px of known shifts of up to 24 px) in half the time."""
STEPS = 8
"""Iterations of gradient descent; the preset has 12, which is no more exact."""
GRID = 50
"""Points along each side of the grid that is tracked from one frame to the other."""
RETURN = 3.0
"""Pixels at 480 width: a point is lost if the way there and back ends further than this from its start."""
GREY = 15.0
"""Grey levels (0 to 255): a point is lost if the mean of its 3x3 pixels changes by more than this."""

Field = NDArray[np.float32]
"""(height, width, 2): the motion of each pixel to the right and down, in pixels of the compared pictures."""


class Flow:
    """Dense inverse search flow (Kroeger et al., ECCV 2016), fastest preset, for points and for the global shift."""

    def __init__(self) -> None:
        self._points = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._whole = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._whole.setFinestScale(0)
        self._whole.setGradientDescentIterations(STEPS)

    def of_points(self, before: Image, after: Image) -> Field:
        """The motion of each pixel between two frames of 240 pixels width."""
        return _field(self._points, before, after)

    def shift(self, before: Image, after: Image) -> NDArray[np.float64]:
        """The global shift (right, down) between two frames of 60 pixels width, in pixels at 480 width.

        It is the median of the flow, so a head that fills more than half of the picture counts as the whole.
        """
        ways = _field(self._whole, before, after).reshape(-1, 2).T.copy()
        median = np.median(ways, axis=1, overwrite_input=True)
        return median.astype(np.float64) * (MOTION_WIDTH / SHIFT_WIDTH)


def for_points(frame: Image) -> Image:
    """A luma frame scaled for tracking points: 240 pixels wide."""
    return resized(frame, FLOW_WIDTH, max(LEAST_HEIGHT, round(frame.shape[0] * FLOW_WIDTH / frame.shape[1])))


def for_shift(frame: Image) -> Image:
    """A luma frame scaled for the global shift: 60 pixels wide."""
    least = LEAST_HEIGHT * SHIFT_WIDTH // FLOW_WIDTH
    return resized(frame, SHIFT_WIDTH, max(least, round(frame.shape[0] * SHIFT_WIDTH / frame.shape[1])))


def tracked_ratio(flow: Flow, before: Image, after: Image) -> float | None:
    """The share (0 to 1) of a grid of 50x50 points that can be tracked from one frame to another, both 240 pixels wide.

    A point is tracked if the flow forward and back returns it to within 3 px (at 480 width) of its start, it stays
    inside the picture, and its brightness changes by at most 15 grey levels. The forward-backward error is that of
    Kalal et al., Forward-Backward Error, ICPR 2010. The score approximates the share of points that CoTracker follows:
    the bounds are chosen so that the mean over released TalkVid clips, at two frames per second, is the .92 published
    for CoTracker. It hardly changes with shake and is highest on a freeze. None for two uniform pictures.
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
    # No initial field; the types do not know that None is allowed.
    return np.asarray(dis.calc(before, after, cast(NDArray[np.float32], None)), np.float32)


@cache
def _grid(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The positions of the points: the centres of 50x50 equal cells."""
    x, y = ((np.arange(GRID) + 0.5) * side / GRID - 0.5 for side in (width, height))
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return across, down


def _at(values: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values interpolated between pixels; outside the picture those of its edge."""
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _soft(frame: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(frame, (3, 3)), np.float32)
