"""CenterFace, the second face detector: faces as points on a map, each with its size, its shift and five landmarks."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.faces import DOUBT, OVERLAP, SIDE, Face, shared
from scoring.images import Image
from scoring.weights import Weight, load

CERTAIN = 0.5
"""From this confidence on (0 to 1) a face counts: the cut of the authors' own example."""
STEP = 32
"""The network takes pictures whose sides are multiples of this, in pixels."""
STRIDE = 4
"""One place on its maps stands for this many pixels."""
OUTPUTS = ("537", "538", "539", "540")
"""Its four maps, by the names they have in the file: confidence, size, shift, landmarks."""

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
        """All faces in a (height, width, 3) picture with confidence 0.4 or more, the surest first."""
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
        # OpenCV 4 computes nonsense once a network has seen a picture of another size; a fresh one costs 20 ms.
        if self._net is None or size != self._size:
            level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
            self._net, self._size = cv2.dnn.readNetFromONNX(self._model), size
            cv2.utils.logging.setLogLevel(level)
        return self._net


def decoded(confidence: Map, scales: Map, shifts: Map, landmarks: Map) -> tuple[Face, ...]:
    """The faces on the network's maps, in pixels of its picture, the surest first, of overlapping ones only the surest.

    `confidence` (1, h, w) in 0..1; `scales` (2, h, w): logarithms of height and width in steps of 4 pixels; `shifts`
    (2, h, w): of the centre from the middle of its place, y first; `landmarks` (10, h, w): y and x of each of five
    points in parts of the box's height and width from its upper left corner.
    """
    rows, columns = np.nonzero(confidence[0] >= CERTAIN - DOUBT)
    order = np.argsort(-confidence[0, rows, columns], kind="stable")
    kept: list[Face] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        height, width = (STRIDE * math.exp(value) for value in scales[:, row, column].tolist())
        down, right = shifts[:, row, column].tolist()
        x, y = STRIDE * (column + right + 0.5) - width / 2, STRIDE * (row + down + 0.5) - height / 2
        box = (x, y, width, height)
        if any(shared(box, face.box) > OVERLAP for face in kept):
            continue
        points = landmarks[:, row, column].astype(np.float64).reshape(5, 2)[:, ::-1] * (width, height) + (x, y)
        kept.append(Face(box, points, float(confidence[0, row, column]), CERTAIN))
    return tuple(kept)


def _scaled(face: Face, x: float, y: float) -> Face:
    left, top, width, height = face.box
    return Face((left * x, top * y, width * x, height * y), face.points * (x, y), face.confidence, face.cut)
