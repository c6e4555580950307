"""Formulas of motion: jitter, camera shake, repeated frames, likeness. Shifts are in pixels at 480 pixels width."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image

Shifts = NDArray[np.float64]
"""(n, 2) pixels: the global shift to the right and down from each frame to the next."""

CELL = 16
"""Pixels at 480 width: a frame repeats the last one if the mean change of every cell of this size is below STILL."""
STILL = 0.7
"""Grey levels (0 to 255)."""


def jitter(flow: Shifts) -> float:
    """Jitter in pixels per frame: the 90th percentile of the length of the second difference of `flow`.

    `flow` is (n, 2), the picture's shift from each frame to the next in pixels. A steady pan gives 0, and so does one
    that accelerates steadily. With the percentile half a second of shake in five counts in full, a single scene cut
    not at all. Raises ValueError for n below 3.

    >>> jitter(np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]]))
    0.0
    >>> jitter(np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]]))
    4.0
    """
    if len(flow) < 3:
        raise ValueError(f"jitter needs the flow between 4 frames or more, not {len(flow) + 1}")
    return float(np.percentile(np.linalg.norm(np.diff(flow, n=2, axis=0), axis=1), 90))


def camera_shake(flow: Shifts, times: Sequence[float]) -> float:
    """Camera shake in pixels: RMS deviation of the camera's path from the path's own one-second moving mean.

    `flow` is (n, 2), the shift into each frame; `times` (n,) are the times of these frames in s. They need not be
    equidistant: the path is interpolated on an equidistant grid. A steady pan gives 0; a sway of amplitude A gives
    0.71 A at 1 Hz and above, a third of that at 0.5 Hz. It measures slow sway, which jitter hardly sees. Raises
    ValueError for a second of frames or less.

    >>> camera_shake(np.full((50, 2), 3.0), [k / 25 for k in range(50)]) < 1e-9
    True
    >>> sway = 10 * np.sin(np.arange(101) * 2 * np.pi / 25)
    >>> round(camera_shake(np.stack([np.diff(sway), np.zeros(100)], axis=1), [k / 25 for k in range(1, 101)]), 1)
    7.0
    """
    frames = len(times)
    step = (times[-1] - times[0]) / (frames - 1) if frames > 1 else 0.0
    reach = round(0.5 / step) if step > 0 else 0
    if frames <= 2 * reach + 1 or not reach:
        raise ValueError(f"camera shake needs more than a second of frames, not {frames} of them")
    grid = times[0] + step * np.arange(frames)
    deviations = []
    for way in np.cumsum(flow, axis=0).T:
        path = np.interp(grid, times, way)
        mean = np.convolve(path, np.full(2 * reach + 1, 1 / (2 * reach + 1)), "valid")
        deviations.append(path[reach:-reach] - mean)
    return float(np.sqrt(np.square(deviations).sum(axis=0).mean()))


def change(before: Image, after: Image) -> float:
    """Mean absolute difference of two luma frames in the cell of 16x16 pixels that changes most, 0 to 255.

    One cell is enough, since a mouth may move in an otherwise still picture.

    >>> change(np.zeros((32, 32), np.uint8), np.pad(np.full((16, 16), 50, np.uint8), ((16, 0), (0, 16))))
    50.0
    """
    sums = cv2.integral(cv2.absdiff(before, after))
    rows, columns = (np.linspace(0, side, max(1, side // CELL) + 1).astype(np.int64) for side in before.shape)
    totals = np.diff(np.diff(sums[np.ix_(rows, columns)], axis=0), axis=1)
    return float((totals / np.outer(np.diff(rows), np.diff(columns))).max())


def repeats(before: Image, after: Image) -> bool:
    """True if a frame repeats the one before: no cell changes by 0.7 grey levels or more on average."""
    # The mean over the picture is fast to compute and never exceeds that of the cell that changes most.
    return cv2.norm(before, after, cv2.NORM_L1) < STILL * before.size and change(before, after) < STILL


def longest_freeze(times: Sequence[float], repeated: Sequence[bool]) -> float:
    """The longest freeze in s: the time from a frame to the last frame that repeats it; 0 if no frame is repeated.

    `times` (n,) are the frames' times in s; `repeated` (n - 1,) says for each frame but the first whether it repeats
    the one before.

    >>> longest_freeze([0, 1, 2, 3, 4, 5], [False, True, True, False, True])
    2.0
    """
    longest, since = 0.0, times[0]
    for time, again in zip(times[1:], repeated, strict=True):
        since = since if again else time
        longest = max(longest, time - since)
    return float(longest)


def likeness(before: Image, after: Image) -> float | None:
    """Pearson's correlation of two luma frames, -1 to 1; None if one of them is uniform.

    >>> likeness(np.array([[0, 9]], np.uint8), np.array([[9, 0]], np.uint8))
    -1.0
    """
    # Sums of integers are exact in float64, so the means need not be subtracted first.
    a, b = (frame.astype(np.float64).ravel() for frame in (before, after))
    sum_a, sum_b = float(a.sum()), float(b.sum())
    spread_a = float(np.dot(a, a)) - sum_a * sum_a / a.size
    spread_b = float(np.dot(b, b)) - sum_b * sum_b / b.size
    if spread_a <= 0 or spread_b <= 0:
        return None
    together = float(np.dot(a, b)) - sum_a * sum_b / a.size
    return max(-1.0, min(1.0, together / math.sqrt(spread_a * spread_b)))
