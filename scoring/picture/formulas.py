"""Formulas of picture quality for one picture: sharpness, light, colour, noise, compression blocks, black bars.

`luma` is (height, width), 0 for black to 255 for white; `bgr` is (height, width, 3). An undefined value is None.
"""

import math

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from scoring.images import Image

SHARPNESS_WIDTH = 640
"""Pixels: every picture is scaled to this width first, since sharpness depends on the size."""
WHITE, BLACK = 250, 5
"""Grey levels: from WHITE up and from BLACK down a pixel shows no detail."""
BLOCK = 16
"""Pixels: the side of the squares in which noise is estimated."""
LIT = 32
"""Luma as decoded (black is 16 in most videos): a brighter pixel is no part of a black bar."""
FEW, HALF = 0.02, 0.5
"""Shares of the lit pixels of the line that has most: a line with less than FEW is dark; a bar ends at a line with
HALF or more."""


def sharpness(luma: Image) -> float:
    """Variance of the Laplacian of the picture scaled to 640 pixels width; 0 for a uniform surface.

    Source: Pech-Pacheco et al., ICPR 2000. Noise raises the value; a blurred background lowers it.

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
    """Mean brightness (0 to 255) and contrast (0 to 127.5): mean and standard deviation of the luma in grey levels.

    The contrast is the root mean square contrast of Peli, Journal of the Optical Society of America A 7(10), 1990,
    where it is on a scale of 0 to 1.

    >>> light(np.array([[100, 200]], np.uint8))
    (150.0, 50.0)
    """
    return _mean_and_deviation(luma)


def overexposed_share(luma: Image) -> float:
    """Share (0 to 1) of the pixels that are white or nearly white: 250 or more of 255.

    >>> overexposed_share(np.array([[0, 128, 255, 249]], np.uint8))
    0.25
    """
    return float(np.count_nonzero(luma >= WHITE) / luma.size)


def underexposed_share(luma: Image) -> float:
    """Share (0 to 1) of the pixels that are black or nearly black: 5 or less of 255. Black bars count.

    >>> underexposed_share(np.array([[0, 128, 255, 5]], np.uint8))
    0.5
    """
    return float(np.count_nonzero(luma <= BLACK) / luma.size)


def colourfulness(bgr: Image) -> float:
    """Colourfulness: 0 for grey, about 15 for slightly, 45 for averagely, 80 for highly colourful; no upper bound.

    Hasler and Suesstrunk, Measuring Colourfulness in Natural Images, SPIE 5007, 2003, equation 5: spread and
    distance from grey on the axes red-green and yellow-blue.

    >>> colourfulness(np.full((4, 4, 3), 90, np.uint8))
    0.0
    """
    blue, green, red = cv2.split(bgr.astype(np.float32))
    rg, rg_spread = _mean_and_deviation(red - green)
    yb, yb_spread = _mean_and_deviation((red + green) / 2 - blue)
    return math.hypot(rg_spread, yb_spread) + 0.3 * math.hypot(rg, yb)


def noise(luma: Image) -> float | None:
    """Standard deviation of the noise in grey levels: the median over squares of 16x16 pixels.

    In each square the estimate of Immerkaer, Fast Noise Variance Estimation, Computer Vision and Image Understanding
    64(2), 1996: a mask that ignores uniform and sloping surfaces. Fine texture counts as noise, but the median square
    is uniform in most pictures of people. Above 30 the estimate is too low. Squares near black or white, where noise
    is clipped, are left out; None if there is no other square.

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
    """The difference of neighbouring pixels across borders of 8x8 blocks over that inside blocks; 1 without blocks.

    The boundary term of Wang, Sheikh and Bovik (ICIP 2002): the mean absolute difference of each line of pixels from
    the next; the mean over the lines at borders, columns plus rows, over the mean over the lines inside blocks. The
    highest twentieth of each, at least two lines, is left out, since edges of black bars often coincide with borders.
    `plane` is the luma as decoded, since scaling moves the grid. None for a picture under 16 pixels or a uniform one.

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
    """Share (0 to 1) of the picture that black bars at its edges cover. None if the picture is entirely black.

    `brightest` has the highest luma of each pixel over a clip, since bars stay black. A dark background is no bar:
    a bar ends at a straight edge, next to which a line has at least half as many lit pixels as the line with most.

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
    """The number of lines of a bar at the start; the first line after it may be a mixture, due to scaling."""
    start = int(np.argmax(lines > FEW * lines.max()))
    return start if lines[start : start + 2].max() >= HALF * lines.max() else 0


def _mean_of_most(values: NDArray[np.float64]) -> float:
    left_out = min(max(2, len(values) // 20), len(values) // 4)
    return float(np.sort(values)[: len(values) - left_out].mean())


def _mean_and_deviation(plane: MatLike) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(plane)
    return float(mean[0, 0]), float(deviation[0, 0])


def _square_means(plane: MatLike) -> NDArray[np.float32]:
    """The means of squares of 16x16 pixels: (height / 16, width / 16)."""
    height, width = plane.shape
    rows = cv2.reduce(np.ascontiguousarray(plane).reshape(-1, BLOCK), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F)
    return np.asarray(rows.reshape(height // BLOCK, BLOCK, width // BLOCK).mean(axis=1) / BLOCK, np.float32)
