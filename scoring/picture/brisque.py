"""BRISQUE: how far a picture's statistics are from those of clean photographs; 0 is best, about 100 is worst.

Mittal, Moorthy and Bovik, No-Reference Image Quality Assessment in the Spatial Domain, IEEE Transactions on Image
Processing 21(12), 2012: 36 features of the locally normalised luma at two sizes, and a support vector regression
trained on the opinion scores of the LIVE database. It was trained on photographs of about half a megapixel with blur,
noise and older kinds of compression, so raw values say little; the order of similar pictures says more. Two caveats:
fine noise on a soft picture looks like detail and lowers the score, and uniform surfaces raise it.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from scoring.images import Image
from scoring.weights import BRISQUE_RANGES, BRISQUE_SVM, load

Numbers = NDArray[np.float64]
"""Features or parameters of the regression."""
Plane = NDArray[np.float32]
"""(height, width) of luma or of normalised luma."""

SMALLEST = 32
"""Pixels: a picture with a shorter side is too small for statistics."""

SHAPES = np.arange(200, 10001) / 1000
"""The shapes of a generalised Gaussian that are tried: 2 is the normal distribution, 1 the Laplacian."""
RATIOS = np.array([math.gamma(2 / a) ** 2 / (math.gamma(1 / a) * math.gamma(3 / a)) for a in SHAPES])
"""For each shape, the squared mean magnitude over the mean square; it rises with the shape."""
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))
"""The four neighbours (down, right) that each pixel is multiplied with."""


def _window() -> Plane:
    """Seven weights of a Gaussian of 7/6 pixels: multiples of 2**-14 with the sum 1, so that uniform stays uniform."""
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    steps = np.round(weights / weights.sum() * 2**14)
    steps[3] += 2**14 - steps.sum()
    return np.asarray(steps / 2**14, np.float32)


WINDOW = _window()
"""The window of the local mean and deviation, along one side."""
HALVING = np.array([-3, -9, 29, 111, 111, 29, -9, -3], np.float32) / 256
"""Cubic interpolation (a = -1/2, Keys 1981) stretched to twice its width, at 0.5, 1.5, 2.5 and 3.5 pixels."""


@dataclass(frozen=True, eq=False)
class Brisque:
    """The trained regression: `vectors` (n, 36) with their `weights` (n,), `gamma` and `offset`; and the `low` and
    `high` (36,) between which each feature lay in training.
    """

    vectors: Numbers
    weights: Numbers
    gamma: float
    offset: float
    low: Numbers
    high: Numbers

    def score(self, luma: Image) -> float | None:
        """The BRISQUE of a picture (height, width); lower is better. None if the features are undefined.

        The score is not bounded, but clean photographs are rarely below 0 and bad ones rarely above 100.

        >>> load_brisque().score(np.full((64, 64), 128, np.uint8)) is None
        True
        """
        found = features(luma)
        return None if found is None else self.regress(found)

    def regress(self, found: Numbers) -> float:
        """The regression's value for 36 features: epsilon-SVR with a radial kernel (libsvm, Chang and Lin 2011)."""
        scaled = 2 * (found - self.low) / (self.high - self.low) - 1
        near = np.exp(-self.gamma * np.square(self.vectors - scaled).sum(axis=1))
        return float(self.weights @ near) - self.offset


def load_brisque() -> Brisque:
    """The regression, loaded from its two files. Raises WeightsError if one is missing or wrong.

    >>> load_brisque().vectors.shape
    (770, 36)
    """
    head, _, body = load(BRISQUE_SVM).decode("ascii").partition("SV\n")
    facts = dict(line.split(maxsplit=1) for line in head.splitlines())
    rows = [[entry.rpartition(":")[2] for entry in line.split()] for line in body.splitlines()]
    table = np.array(rows, np.float64)
    low, high = np.array(load(BRISQUE_RANGES).decode("ascii").split(), np.float64).reshape(-1, 2).T
    return Brisque(table[:, 1:], table[:, 0], float(facts["gamma"]), float(facts["rho"]), low, high)


def features(luma: Image) -> Numbers | None:
    """The 36 features of a picture (height, width): 18 at its size and 18 at half its size.

    Shape and variance of a generalised Gaussian fitted to the normalised luma; shape, mean, left and right variance
    of an asymmetric one fitted to the products with each of four neighbours. None if these are undefined: for uniform
    pictures and below 32 pixels.
    """
    if min(luma.shape) < SMALLEST:
        return None
    plane: Plane = luma.astype(np.float32)
    found: list[float] = []
    for picture in (plane, halved(plane)):
        here = _features_at(normalised(picture))
        if here is None:
            return None
        found += here
    return np.array(found)


def normalised(luma: Plane) -> Plane:
    """Each pixel minus the local mean, over the local standard deviation plus 1 grey level; 7x7 Gaussian window.

    Pixels outside the picture are black, as in the training of the regression.

    >>> float(np.abs(normalised(np.full((9, 9), 200, np.float32)))[4, 4])
    0.0
    """
    mean = cv2.sepFilter2D(luma, cv2.CV_32F, WINDOW, WINDOW, borderType=cv2.BORDER_CONSTANT)
    square = cv2.sepFilter2D(cv2.multiply(luma, luma), cv2.CV_32F, WINDOW, WINDOW, borderType=cv2.BORDER_CONSTANT)
    deviation = cv2.sqrt(cv2.absdiff(square, cv2.multiply(mean, mean)))
    return np.asarray(cv2.divide(cv2.subtract(luma, mean), deviation + 1), np.float32)


def halved(luma: Plane) -> Plane:
    """The picture at half its size, rounded up, without aliasing: (height, width) to (height / 2, width / 2)."""
    smooth = cv2.sepFilter2D(luma, cv2.CV_32F, HALVING, HALVING, anchor=(3, 3), borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(smooth[::2, ::2])


def asymmetric_fit(values: MatLike) -> tuple[float, float, float, float] | None:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian around 0, by moment matching.

    Lasmar, Stitou and Berthoumieu, ICIP 2009, as in equations 7 to 13 of the paper. None unless there are values on
    both sides of 0.
    """
    right_side = cv2.threshold(values, 0, 0, cv2.THRESH_TOZERO)[1]
    right_count = cv2.countNonZero(right_side)
    left_count = cv2.countNonZero(values) - right_count
    if not right_count or not left_count:
        return None
    squares = cv2.norm(values, cv2.NORM_L2SQR)
    right_squares = cv2.norm(right_side, cv2.NORM_L2SQR)
    left, right = max(0.0, squares - right_squares) / left_count, right_squares / right_count
    if not left or not right:
        return None
    skew = math.sqrt(left / right)
    ratio = (cv2.norm(values, cv2.NORM_L1) / values.size) ** 2 / (squares / values.size)
    shape = _shape(ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2)
    spread = math.gamma(2 / shape) / math.sqrt(math.gamma(1 / shape) * math.gamma(3 / shape))
    return shape, (math.sqrt(right) - math.sqrt(left)) * spread, left, right


def _features_at(field: Plane) -> list[float] | None:
    """18 features of normalised luma at one size. The field wraps around at its edges, as in the training."""
    variance = cv2.norm(field, cv2.NORM_L2SQR) / field.size
    if not variance:
        return None
    found = [_shape((cv2.norm(field, cv2.NORM_L1) / field.size) ** 2 / variance), variance]
    around = cv2.copyMakeBorder(field, 1, 1, 1, 0, cv2.BORDER_WRAP)
    height, width = field.shape
    for down, right in NEIGHBOURS:
        neighbour = around[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        fit = asymmetric_fit(cv2.multiply(field, neighbour))
        if fit is None:
            return None
        found += fit
    return found


def _shape(ratio: float) -> float:
    return float(np.interp(ratio, RATIOS, SHAPES))
