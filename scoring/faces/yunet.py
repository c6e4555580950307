"""YuNet, the face detector that ClipJury uses unless told otherwise, run by OpenCV."""

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.faces.face import CERTAIN, DOUBT, OVERLAP, SIDE, Face
from scoring.images import Image
from scoring.weights import YUNET, load


class YuNet:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 20, 2023), loaded once.

    Raises WeightsError without its model file.
    """

    def __init__(self) -> None:
        model = np.frombuffer(load(YUNET), np.uint8)
        no_config = np.empty(0, np.uint8)
        # OpenCV 5 warns at each load that its new engine picks the CPU by itself; this is what we want.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._yunet = cv2.FaceDetectorYN.create("onnx", model, no_config, (SIDE, SIDE), CERTAIN - DOUBT, OVERLAP)
        cv2.utils.logging.setLogLevel(level)

    def faces(self, bgr: Image) -> tuple[Face, ...]:
        """All faces in a picture (height, width, 3) with a confidence of 0.6 or more, the most confident first."""
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
    """The face in YuNet's row of 15: x, y, width, height, five points, confidence."""
    x, y, width, height = (float(value) for value in row[:4])
    return Face((x, y, width, height), row[4:14].reshape(5, 2).copy(), float(row[14]))
