"""How the picture moves between two frames: dense optical flow, the shift of the whole, and what can be followed."""

from functools import cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.frames import MOTION_WIDTH, Image, resized

FLOW_WIDTH = 240
"""Optical flow is computed at this width (pixels) and reported at 480: four times faster, and shake shows as well."""
LEAST_HEIGHT = 32
"""Of 8 pixels at a quarter of the size: on fewer OpenCV 5.0 crashes, however flat the picture."""
EVERY = 4
"""The fastest preset finds flow on every fourth pixel and fills in between: the rest says nothing more."""
GRID = 50
"""Points a side that are followed from one frame to the other."""
RETURN = 3.0
"""Pixels at 480 width. A point is lost if it comes back farther than this from where it began."""
GREY = 15.0
"""Grey levels of 255. A point is lost if it changes by more than this, 3x3 pixels taken together."""

Field = NDArray[np.float32]
"""(height, width, 2): how far each pixel moves right and down, in pixels at 240 width."""


def flow_finder() -> cv2.DISOpticalFlow:
    """Dense inverse search flow (Kroeger et al., ECCV 2016), the fastest preset."""
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def for_flow(frame: Image) -> Image:
    """A luma frame as flow is computed on it: 240 pixels wide."""
    return resized(frame, FLOW_WIDTH, max(LEAST_HEIGHT, round(frame.shape[0] * FLOW_WIDTH / frame.shape[1])))


def shift(dis: cv2.DISOpticalFlow, before: Image, after: Image) -> NDArray[np.float64]:
    """The whole picture's shift (right, down) between two frames at 240 width, in pixels at 480: its median flow.

    A head that fills more than half of the picture is taken for the whole.
    """
    known = _flow(dis, before, after)[EVERY // 2 :: EVERY, EVERY // 2 :: EVERY].reshape(-1, 2)
    return np.median(known, axis=0).astype(np.float64) * (MOTION_WIDTH / FLOW_WIDTH)


def tracked_ratio(dis: cv2.DISOpticalFlow, before: Image, after: Image) -> float | None:
    """Share of a grid of 50x50 points that can be followed from one frame at 240 width to another, 0 to 1.

    A point is followed if the flow forth and back brings it home within 3 px (at 480 width), it stays inside the
    picture, and looks as before within 15 grey levels. Forth and back as in Kalal et al., Forward-Backward Error,
    ICPR 2010. A stand-in for the points that CoTracker follows: the bounds are chosen so that the mean over released
    TalkVid clips, at two frames per second, is the .92 published for CoTracker. It barely sees shake and is highest on
    a freeze. None for two even surfaces, on which nothing can be followed.
    """
    if before.min() == before.max() and after.min() == after.max():
        return None
    forth, back = _flow(dis, before, after), _flow(dis, after, before)
    height, width = before.shape
    x, y = _grid(width, height)
    there = _at(forth, x, y)
    to_x, to_y = x + there[..., 0], y + there[..., 1]
    home = there + _at(back, to_x, to_y)
    astray = np.hypot(home[..., 0], home[..., 1]) * (MOTION_WIDTH / FLOW_WIDTH)
    unlike = np.abs(_at(_soft(after), to_x, to_y) - _at(_soft(before), x, y))
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    return float(np.mean((astray <= RETURN) & (unlike <= GREY) & inside))


def _flow(dis: cv2.DISOpticalFlow, before: Image, after: Image) -> Field:
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
