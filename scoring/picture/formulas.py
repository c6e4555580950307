"""Formulas of picture quality: sharpness, light, colour, noise, compression blocks, black bars. Each of one picture.

`luma` is (height, width), 0 black to 255 white; `bgr` is (height, width, 3). A number that is undefined is None.
"""

import math

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from scoring.images import Image

SHARPNESS_WIDTH = 640
"""Sharpness depends on the size looked at: every picture is brought to this width in pixels first."""
WHITE, BLACK = 250, 5
"""Grey levels from which on, and up to which, a pixel shows no detail any more."""
BLOCK = 16
"""Pixels: the side of the squares in which noise is estimated."""
LIT = 32
"""Luma as decoded (black is 16 in most videos): a brighter pixel is not part of a black bar."""
FEW, HALF = 0.02, 0.5
"""Shares of the lit pixels of the fullest line: a line with fewer than FEW is dark; a bar ends where HALF begins."""


def sharpness(luma: Image) -> float:
    """Variance of the Laplacian, the picture brought to 640 pixels width; 0 for an even surface.

    The measure of Pech-Pacheco et al., ICPR 2000. It counts noise as sharpness, and a blurred background against it.

    >>> sharpness(np.full((90, 160), 128, np.uint8))
    0.0
    """
    height, width = luma.shape
    if width != SHARPNESS_WIDTH:
        way = cv2.INTER_AREA if width > SHARPNESS_WIDTH else cv2.INTER_CUBIC
        size = (SHARPNESS_WIDTH, max(1, round(height * SHARPNESS_WIDTH / width)))
        luma = np.asarray(cv2.resize(luma, size, interpolation=way), np.uint8)
    return _mean_and_deviation(cv2.Laplacian(luma, cv2.CV_32F))[1] ** 2


def light(luma: Image) -> tuple[float, float]:
    """Mean brightness, 0 to 255, and contrast, 0 to 127.5: mean and standard deviation of the luma in grey levels.

    The contrast is the root mean square one of Peli, Journal of the Optical Society of America A 7(10), 1990, which
    has it on a scale of 0 to 1.

    >>> light(np.array([[100, 200]], np.uint8))
    (150.0, 50.0)
    """
    return _mean_and_deviation(luma)


def overexposed_share(luma: Image) -> float:
    """Share of the pixels that are white or nearly so: 250 or more of 255.

    >>> overexposed_share(np.array([[0, 128, 255, 249]], np.uint8))
    0.25
    """
    return float(np.count_nonzero(luma >= WHITE) / luma.size)


def underexposed_share(luma: Image) -> float:
    """Share of the pixels that are black or nearly so: 5 or less of 255. Black bars count.

    >>> underexposed_share(np.array([[0, 128, 255, 5]], np.uint8))
    0.5
    """
    return float(np.count_nonzero(luma <= BLACK) / luma.size)


def colourfulness(bgr: Image) -> float:
    """How colourful a picture is: 0 for grey, about 15 slightly, 45 averagely, 80 highly colourful; up to 255 and more.

    Hasler and Suesstrunk, Measuring Colourfulness in Natural Images, SPIE 5007, 2003, equation 5: the spread and the
    distance from grey on the axes red-green and yellow-blue.

    >>> colourfulness(np.full((4, 4, 3), 90, np.uint8))
    0.0
    """
    blue, green, red = cv2.split(bgr.astype(np.float32))
    rg, rg_spread = _mean_and_deviation(red - green)
    yb, yb_spread = _mean_and_deviation((red + green) / 2 - blue)
    return math.hypot(rg_spread, yb_spread) + 0.3 * math.hypot(rg, yb)


def noise(luma: Image) -> float | None:
    """Standard deviation of the noise in grey levels, estimated in the median one of all squares of 16x16 pixels.

    In each square the estimate of Immerkaer, Fast Noise Variance Estimation, Computer Vision and Image Understanding
    64(2), 1996: a mask that is blind to even and to sloping surfaces. It takes fine texture for noise; the median
    square is even in most pictures of people. Above 30 it grows too slowly. None without a square between black and
    white, where noise is cut off.

    >>> noise(np.full((64, 64), 128, np.uint8))
    0.0
    """
    height, width = (side // BLOCK * BLOCK for side in luma.shape)
    if not height or not width:
        return None
    mask = np.array([1, -2, 1], np.float32)
    rough = cv2.convertScaleAbs(cv2.sepFilter2D(luma, cv2.CV_16S, mask, mask, borderType=cv2.BORDER_REFLECT_101))
    means = _square_means(luma[:height, :width])
    open_ = (means > 20) & (means < 235)
    if not open_.any():
        return None
    return float(np.median(_square_means(rough[:height, :width])[open_])) * math.sqrt(math.pi / 2) / 6


def blockiness(plane: Image) -> float | None:
    """How much neighbouring pixels differ across the borders of 8x8 blocks, against inside them; without blocks 1.

    The boundary term of Wang, Sheikh and Bovik (ICIP 2002): the mean absolute difference of each line of pixels from
    the next; the mean over the lines at borders, columns and rows added, over that inside blocks. In each the highest
    twentieth, two lines or more, is left out, for the edges of black bars often lie on borders. `plane` is the luma as
    decoded, for scaling moves the grid. None where there is nothing to compare: a picture under 16 pixels, or an even
    surface.

    >>> blockiness(np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8))).astype(np.uint8)) is None
    True
    """
    if min(plane.shape) < 16:
        return None
    border = inside = 0.0
    for axis, steps in enumerate((cv2.absdiff(plane[:, 1:], plane[:, :-1]), cv2.absdiff(plane[1:], plane[:-1]))):
        sums = cv2.reduce(steps, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / steps.shape[axis]
        at_border = np.arange(1, len(sums) + 1) % 8 == 0
        border += _mean_of_most(sums[at_border])
        inside += _mean_of_most(sums[~at_border])
    return border / inside if inside else None


def black_bars(brightest: Image) -> float | None:
    """Share of the picture that black bars at its edges take, 0 to 1. None if the picture is black throughout.

    `brightest` has the highest luma that each pixel reaches in a clip: bars stay black. A dark background is no bar:
    a bar ends in a straight edge, beside which half a line is lit, or half of what the fullest line has.

    >>> letterbox = np.pad(np.full((6, 16), 99, np.uint8), ((1, 1), (0, 0)))
    >>> black_bars(letterbox)
    0.25
    """
    lit = brightest > LIT
    if not lit.any():
        return None
    left_open = 1.0
    for lines in (lit.mean(axis=1), lit.mean(axis=0)):
        left_open *= 1 - (_bar(lines) + _bar(lines[::-1])) / len(lines)
    return 1 - left_open


def _bar(lines: NDArray[np.float64]) -> int:
    """How many lines a bar takes at the start; the first line after it may be mixed of both by scaling."""
    start = int(np.argmax(lines > FEW * lines.max()))
    return start if lines[start : start + 2].max() >= HALF * lines.max() else 0


def _mean_of_most(values: NDArray[np.float64]) -> float:
    left_out = min(max(2, len(values) // 20), len(values) // 4)
    return float(np.sort(values)[: len(values) - left_out].mean())


def _mean_and_deviation(plane: MatLike) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(plane)
    return float(mean[0, 0]), float(deviation[0, 0])


def _square_means(plane: MatLike) -> NDArray[np.float32]:
    """Means of squares of 16x16: (height / 16, width / 16)."""
    height, width = plane.shape
    rows = cv2.reduce(np.ascontiguousarray(plane).reshape(-1, BLOCK), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    return np.asarray(rows.reshape(height // BLOCK, BLOCK, width // BLOCK).mean(axis=1) / BLOCK, np.float32)
