"""Faces in a picture: their boxes and five points each, found by YuNet through OpenCV."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.video import Image
from scoring.weights import YUNET, load

Points = NDArray[np.float64]
"""(5, 2) pixels: right eye, left eye, nose tip, right and left corner of the mouth; right and left of the person."""

SIDE = 640
"""Pixels on the longest side of the picture that YuNet sees."""
OVERLAP = 0.3
"""Two boxes that share more than this (intersection over union) are one face."""
CERTAIN = 0.7
"""From this confidence on (0 to 1) a face counts. Between 0.6 and 0.8 YuNet errs both ways: such faces are doubtful."""
DOUBTFUL = (0.6, 0.8)


@dataclass(frozen=True, eq=False)
class Face:
    """A face found: box (x, y, width, height) and points in pixels of the picture, confidence 0.6 to 1."""

    box: tuple[float, float, float, float]
    points: Points
    confidence: float

    @property
    def certain(self) -> bool:
        """It is counted as a face."""
        return self.confidence >= CERTAIN

    @property
    def doubtful(self) -> bool:
        """It is so near the cut that the count could as well be another."""
        return DOUBTFUL[0] <= self.confidence < DOUBTFUL[1]


class FaceDetector:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 20, 2023), loaded once. Raises WeightsError without it."""

    def __init__(self) -> None:
        model = np.frombuffer(load(YUNET), np.uint8)
        no_config = np.empty(0, np.uint8)
        # OpenCV 5 warns at each load that its new engine picks the CPU by itself; this is what we want.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._yunet = cv2.FaceDetectorYN.create("onnx", model, no_config, (SIDE, SIDE), DOUBTFUL[0], OVERLAP)
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


def _face(row: NDArray[np.float64]) -> Face:
    """YuNet's row: x, y, width, height, five points, confidence."""
    x, y, width, height = (float(value) for value in row[:4])
    return Face((x, y, width, height), row[4:14].reshape(5, 2).copy(), float(row[14]))
