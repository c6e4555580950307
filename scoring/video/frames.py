"""What scorers see and hear of a clip: frames, whose scaled versions and faces are computed once and shared; sound."""

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
"""Width in pixels of the frames on which motion is measured."""
TALLEST = 1920
"""Greatest height in pixels of those frames, for pictures that are a narrow strip."""
PICTURE_SIDE = 1920
"""Longest side in pixels of the pictures for scorers of single frames."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"})
"""Pixel formats whose first plane is the luma, one byte per pixel; it can be viewed without a copy."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
"""OpenCV's codes for the rotations, in degrees, that a file may ask for."""


@dataclass(frozen=True)
class Facts:
    """Facts of a clip, known after decoding: duration in s, size in pixels as displayed, frames per second, codec and
    number of frames.

    `sound` is None for a clip without a sound track, "" for sound that could be decoded, else the reason why it could
    not. `skipped` is True if only reference frames were decoded.
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
class ClipHeader:
    """What a clip's file states before the first frame is decoded.

    `fps` are frames per second and `frames` their number (None: not stated); `sound` says whether there is a sound
    track, `skipping` whether frames will be skipped.
    """

    path: Path
    fps: float | None = None
    frames: int | None = None
    sound: bool = False
    skipping: bool = False


@dataclass(frozen=True, eq=False)
class Sound:
    """A piece of sound: `samples` (channels, n), -1 to 1; `rate` in samples per second; `time` of the first in s."""

    samples: NDArray[np.float32]
    rate: int
    time: float


class Frame:
    """One frame of a clip, upright. It is valid only until the next frame is read: copy what is needed longer.

    `index` counts from 0, `time` is in s from the first frame. `second` is k for the frame that stands for second k
    (the first frame at k s or later), else None.
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
        """The luma, (height, width), unscaled; where the format allows, a view of the decoder's memory."""
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
        """The picture, (height, width, 3), blue first, unscaled; for models that need every pixel of a few frames."""
        return _turned(np.asarray(self._raw.to_ndarray(format="bgr24"), np.uint8), self._turn)

    @cached_property
    def bgr(self) -> Image:
        """The picture, (height, width, 3), blue first, at most 1920 pixels long. Slow: use it once per second."""
        full = self.full
        height, width = full.shape[:2]
        scale = PICTURE_SIDE / max(height, width)
        return full if scale >= 1 else resized(full, max(1, round(width * scale)), max(1, round(height * scale)))

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """All faces in `bgr`, in its pixels, the most confident first."""
        return self._find(self.bgr)


def _turned(image: Image, turn: int | None) -> Image:
    """The image as a player shows it: phones store portrait video on its side, with a note to rotate it."""
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)
