"""What scorers see and hear of a clip: frames whose costly views are made once, when the first scorer asks."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.faces.face import Face, FaceFinder
from scoring.images import Image, resized

MOTION_WIDTH = 480
"""Width in pixels of the frames that motion is measured on."""
TALLEST = 1920
"""Pixels: no taller are those frames, even if the picture is a narrow strip."""
PICTURE_SIDE = 1920
"""Longest side in pixels of the pictures for the scorers that look at single frames."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"})
"""Pixel formats whose first plane is the luma, one byte per pixel, and can be viewed without a copy."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class Facts:
    """What the decoded pictures say about a clip: seconds, pixels as displayed, frames per second, codec, frames.

    `sound` is None for a clip that is silent because it has no sound track; "" for sound that could be decoded; else
    the reason why it could not. `skipped` says that only reference frames were decoded.
    """

    duration: float
    width: int
    height: int
    fps: float
    codec: str
    frames: int
    sound: str | None = None
    skipped: bool = False


@dataclass(frozen=True)
class Opening:
    """What is known before the first frame: the file, its stated frames per second and number of frames (None: not
    stated), whether there is a sound track, and whether frames will be skipped.
    """

    path: Path
    fps: float | None = None
    frames: int | None = None
    sound: bool = False
    skipping: bool = False


@dataclass(frozen=True, eq=False)
class Sound:
    """A piece of sound: `samples` (channels, n) as float32 in -1..1, `rate` per second, `time` of the first in s."""

    samples: NDArray[np.float32]
    rate: int
    time: float


class Frame:
    """One frame of a clip, upright. Valid only while it is being looked at: copy what must outlive it.

    `index` counts from 0, `time` is in s from the first frame. `second` is k for the frame that stands for second k
    (the first at k or later), else None.
    """

    def __init__(
        self,
        raw: av.VideoFrame,
        index: int,
        time: float,
        second: int | None,
        find: FaceFinder,
    ) -> None:
        self.index = index
        self.time = time
        self.second = second
        self._raw = raw
        self._turn = TURNS.get(round(raw.rotation) % 360)
        self._find = find

    @cached_property
    def luma(self) -> Image:
        """(height, width) as decoded and unscaled; a view of the decoder's memory where the pixel format allows."""
        raw = self._raw if self._raw.format.name in PLANAR else self._raw.reformat(format="gray")
        plane = raw.planes[0]
        flat = np.asarray(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        return _turned(flat[: raw.height, : raw.width], self._turn)

    @cached_property
    def small(self) -> Image:
        """The luma, 480 pixels wide: (height, 480)."""
        height, width = self.luma.shape
        return resized(self.luma, MOTION_WIDTH, min(TALLEST, max(1, round(height * MOTION_WIDTH / width))))

    @cached_property
    def full(self) -> Image:
        """(height, width, 3), blue first, as decoded and unscaled; for models that want every pixel of few frames."""
        return _turned(np.asarray(self._raw.to_ndarray(format="bgr24"), np.uint8), self._turn)

    @cached_property
    def bgr(self) -> Image:
        """(height, width, 3), at most 1920 pixels long. Costly: ask only for the frames that stand for a second."""
        full = self.full
        height, width = full.shape[:2]
        scale = PICTURE_SIDE / max(height, width)
        return full if scale >= 1 else resized(full, max(1, round(width * scale)), max(1, round(height * scale)))

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """All faces in `bgr`, in its pixels, the surest first."""
        return self._find(self.bgr)


def _turned(image: Image, turn: int | None) -> Image:
    """Upright, as a player shows it: phones store portrait video lying down and say so beside it."""
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)
