"""What single pictures say: sharpness, brightness, compression blocks. One picture per second, then the mean."""

import math

import cv2
import numpy as np

from scoring.scorer import Column, Measured, Scorer
from scoring.video import Clip, Image

SHARPNESS_WIDTH = 640
"""Sharpness depends on the size looked at: every picture is brought to this width in pixels first."""


def sharpness(bgr: Image) -> float:
    """Variance of the Laplacian of the luma, the picture brought to 640 pixels width; 0 for an even surface.

    The measure of Pech-Pacheco et al., ICPR 2000. It counts noise as sharpness, and a blurred background against it.

    >>> sharpness(np.full((90, 160, 3), 128, np.uint8))
    0.0
    """
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    height, width = gray.shape
    way = cv2.INTER_AREA if width > SHARPNESS_WIDTH else cv2.INTER_CUBIC
    if width != SHARPNESS_WIDTH:
        gray = cv2.resize(gray, (SHARPNESS_WIDTH, max(1, round(height * SHARPNESS_WIDTH / width))), interpolation=way)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def luma(bgr: Image) -> float:
    """Mean brightness, 0 black to 255 white (ITU-R BT.601 weights on full-range values).

    >>> luma(np.full((2, 2, 3), 255, np.uint8))
    255.0
    """
    return float(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).mean())


def blockiness(plane: Image) -> float | None:
    """How much neighbouring pixels differ across the borders of 8x8 blocks, against inside them; without blocks 1.

    The ratio of mean absolute differences, after the boundary term of Wang, Sheikh and Bovik (ICIP 2002), over
    columns and rows together. `plane` is the luma as decoded, (height, width), for scaling moves the grid. None
    where there is nothing to compare: a picture under 16 pixels, or an even surface.

    >>> blockiness(np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8))).astype(np.uint8)) is None
    True
    """
    if min(plane.shape) < 16:
        return None
    border = inside = 0.0
    for image in (plane, plane.T):
        steps = cv2.absdiff(np.ascontiguousarray(image[:, 1:]), np.ascontiguousarray(image[:, :-1])).mean(axis=0)
        at_border = np.arange(1, len(steps) + 1) % 8 == 0
        border += float(steps[at_border].mean())
        inside += float(steps[~at_border].mean())
    return border / inside if inside else None


def score(_: None, clip: Clip) -> Measured:
    """`sharpness`, `luma` and `blockiness` of one clip: the means of their series."""
    length = clip.seconds[-1].index + 1
    series: dict[str, list[float | None]] = {column.name: [None] * length for column in COLUMNS}
    for second in clip.seconds:
        series["sharpness"][second.index] = sharpness(second.bgr)
        series["luma"][second.index] = luma(second.bgr)
        series["blockiness"][second.index] = blockiness(second.luma)
    scores = {name: _mean(values) for name, values in series.items()}
    reasons = {name: "The pictures are even surfaces or under 16 pixels." for name, v in scores.items() if v is None}
    return Measured(scores, series, reasons)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _nothing() -> None:
    """No model to load."""


COLUMNS = (
    Column("sharpness", "variance of the Laplacian at 640 px width", "higher", low=0),
    Column("luma", "mean brightness", "band", low=0, high=255),
    Column("blockiness", "steps at the borders of 8x8 blocks against steps inside", "lower", low=0),
)

PIXELS = Scorer(
    name="pixels",
    version="1",
    backend="OpenCV",
    columns=COLUMNS,
    series=COLUMNS,
    setup=_nothing,
    score=score,
)
