"""CenterFace, the second face detector, for checking YuNet: its network marks the centre of each face on a map."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.faces.face import DOUBT, OVERLAP, SIDE, Face, intersection_over_union
from scoring.images import Image
from scoring.weights import Weight, load

CERTAIN = 0.5
"""From this confidence on (0 to 1) a face counts: the threshold of the authors' own example."""
STEP = 32
"""Pixels: the network takes pictures whose sides are multiples of this."""
STRIDE = 4
"""Pixels of the picture, each way, that one cell of a map stands for."""
OUTPUTS = ("537", "538", "539", "540")
"""Names of its four outputs in the file: confidence, size, shift and landmarks."""

Map = NDArray[np.float32]


class CenterFace:
    """CenterFace (Xu, Yan, Yang and Wang, Scientific Programming 2020, 7845384), loaded once, run by OpenCV.

    Raises WeightsError without its model file.
    """

    def __init__(self, weight: Weight) -> None:
        self._model = np.frombuffer(load(weight), np.uint8)
        self._size = (0, 0)
        self._net: cv2.dnn.Net | None = None

    def faces(self, bgr: Image) -> tuple[Face, ...]:
        """All faces in a picture (height, width, 3) with a confidence of 0.4 or more, the most confident first."""
        height, width = bgr.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        right, below = -size[0] % STEP, -size[1] % STEP
        seen = cv2.copyMakeBorder(seen, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        net = self._net_for((seen.shape[1], seen.shape[0]))
        net.setInput(cv2.dnn.blobFromImage(seen, swapRB=True))
        confidence, scales, shifts, landmarks = (np.asarray(found)[0] for found in net.forward(list(OUTPUTS)))
        found = decoded(confidence, scales, shifts, landmarks)
        return tuple(_scaled(face, width / size[0], height / size[1]) for face in found)

    def _net_for(self, size: tuple[int, int]) -> cv2.dnn.Net:
        # OpenCV 4 computes wrong values once a network has seen a picture of another size; a new network costs 20 ms.
        if self._net is None or size != self._size:
            level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
            self._net, self._size = cv2.dnn.readNetFromONNX(self._model), size
            cv2.utils.logging.setLogLevel(level)
        return self._net


def decoded(confidence: Map, scales: Map, shifts: Map, landmarks: Map) -> tuple[Face, ...]:
    """The faces on the network's maps, in pixels of the picture that it was given, the most confident first.

    Of faces that overlap only the most confident is kept. `confidence` (1, h, w), 0 to 1; `scales` (2, h, w):
    logarithms of height and width in units of 4 pixels; `shifts` (2, h, w): offset of the centre from the middle of
    its cell, y first; `landmarks` (10, h, w): y and x of five points as fractions of the box, from its upper left.
    """
    rows, columns = np.nonzero(confidence[0] >= CERTAIN - DOUBT)
    order = np.argsort(-confidence[0, rows, columns], kind="stable")
    kept: list[Face] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        height, width = (STRIDE * math.exp(value) for value in scales[:, row, column].tolist())
        down, right = shifts[:, row, column].tolist()
        x, y = STRIDE * (column + right + 0.5) - width / 2, STRIDE * (row + down + 0.5) - height / 2
        box = (x, y, width, height)
        if any(intersection_over_union(box, face.box) > OVERLAP for face in kept):
            continue
        points = landmarks[:, row, column].astype(np.float64).reshape(5, 2)[:, ::-1] * (width, height) + (x, y)
        kept.append(Face(box, points, float(confidence[0, row, column]), CERTAIN))
    return tuple(kept)


def _scaled(face: Face, x: float, y: float) -> Face:
    left, top, width, height = face.box
    return Face((left * x, top * y, width * x, height * y), face.points * (x, y), face.confidence, face.threshold)
