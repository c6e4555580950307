"""What a detector says of a face: its box, five points, and how sure the detector is. For both detectors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.images import Image

Points = NDArray[np.float64]
"""(5, 2) pixels: right eye, left eye, nose tip, right and left corner of the mouth; right and left of the person."""
Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

SIDE = 640
"""Pixels on the longest side of the picture that a detector sees."""
OVERLAP = 0.3
"""Two boxes with a larger intersection over union are one face."""
CERTAIN = 0.7
"""From this confidence on (0 to 1) YuNet's faces count."""
DOUBT = 0.1
"""A face whose confidence is nearer to its threshold than this is doubtful: detectors err both ways there."""


@dataclass(frozen=True, eq=False)
class Face:
    """A detected face: box and points in pixels of the picture, confidence (0 to 1), and the confidence from which
    its detector's faces count.
    """

    box: Box
    points: Points
    confidence: float
    threshold: float = CERTAIN

    @property
    def certain(self) -> bool:
        """True if the face counts: its confidence reaches the threshold."""
        return self.confidence >= self.threshold

    @property
    def doubtful(self) -> bool:
        """True if the confidence is so near the threshold that the number of faces could be another."""
        return self.threshold - DOUBT <= self.confidence < self.threshold + DOUBT


FaceFinder = Callable[[Image], tuple[Face, ...]]
"""A picture (height, width, 3), blue first, to its faces in pixels of that picture, the most confident first."""


def intersection_over_union(one: Box, other: Box) -> float:
    """How much two boxes overlap, 0 to 1: the area of their intersection over the area of their union.

    >>> intersection_over_union((0, 0, 2, 1), (1, 0, 2, 1))
    0.3333333333333333
    """
    width = max(0.0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1]))
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both) if both else 0.0
