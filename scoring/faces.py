"""Faces in a picture: their boxes and five points each, found by YuNet through OpenCV, or by CenterFace."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image
from scoring.settings import Settings
from scoring.weights import CENTERFACE, YUNET, Weight, given, load

Points = NDArray[np.float64]
"""(5, 2) pixels: right eye, left eye, nose tip, right and left corner of the mouth; right and left of the person."""

SIDE = 640
"""Pixels on the longest side of the picture that a detector sees."""
OVERLAP = 0.3
"""Two boxes that share more than this (intersection over union) are one face."""
CERTAIN = 0.7
"""From this confidence on (0 to 1) YuNet's faces count."""
DOUBT = 0.1
"""Nearer to the cut than this a detector errs both ways: such faces are doubtful."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face found: box (x, y, width, height) and points in pixels of the picture, confidence up to 1, and the
    confidence from which its detector's faces count.
    """

    box: tuple[float, float, float, float]
    points: Points
    confidence: float
    cut: float = CERTAIN

    @property
    def certain(self) -> bool:
        """It is counted as a face."""
        return self.confidence >= self.cut

    @property
    def doubtful(self) -> bool:
        """It is so near the cut that the count could as well be another."""
        return self.cut - DOUBT <= self.confidence < self.cut + DOUBT


FindFaces = Callable[[Image], tuple[Face, ...]]


class YuNet:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 20, 2023), loaded once. Raises WeightsError without it."""

    def __init__(self) -> None:
        model = np.frombuffer(load(YUNET), np.uint8)
        no_config = np.empty(0, np.uint8)
        # OpenCV 5 warns at each load that its new engine picks the CPU by itself; this is what we want.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._yunet = cv2.FaceDetectorYN.create("onnx", model, no_config, (SIDE, SIDE), CERTAIN - DOUBT, OVERLAP)
        cv2.utils.logging.setLogLevel(level)

    def faces(self, bgr: Image) -> tuple[Face, ...]:
        """All faces in a (height, width, 3) picture with confidence 0.6 or more, the surest first."""
        height, width = bgr.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        self._yunet.setInputSize(size)
        _, found = self._yunet.detect(seen)
        if found is None:
            return ()
        rows = np.asarray(found, np.float64)
        rows[:, :14] *= np.tile([width / size[0], height / size[1]], 7)
        return tuple(_face(row) for row in rows[np.argsort(-rows[:, 14], kind="stable")])


def face_finder(settings: Settings) -> FindFaces:
    """The face detector that the settings name, loaded. Raises WeightsError without its model file."""
    if settings.faces == "yunet":
        return YuNet().faces
    from scoring.centerface import CenterFace  # it makes Faces, so it comes after this module

    return CenterFace(_centerface(settings)).faces


def face_backend(settings: Settings) -> tuple[str, tuple[Weight, ...]]:
    """How the settings' face detector is named in the record of scores, and its model files."""
    if settings.faces == "yunet":
        return f"YuNet at {SIDE} px", (YUNET,)
    return f"CenterFace at {SIDE} px", (_centerface(settings),)


def shared(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """How much two boxes (x, y, width, height) are one: intersection over union, 0 to 1.

    >>> shared((0, 0, 2, 1), (1, 0, 2, 1))
    0.3333333333333333
    """
    wide = max(0.0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1]))
    both = wide * high
    return both / (one[2] * one[3] + other[2] * other[3] - both) if both else 0.0


def _centerface(settings: Settings) -> Weight:
    return given(CENTERFACE, settings.weight("centerface"))


def _face(row: NDArray[np.float64]) -> Face:
    """YuNet's row: x, y, width, height, five points, confidence."""
    x, y, width, height = (float(value) for value in row[:4])
    return Face((x, y, width, height), row[4:14].reshape(5, 2).copy(), float(row[14]))
