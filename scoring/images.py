"""Pictures as arrays, for everything that looks at frames: the type of an image, and how images are scaled."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width) of brightness, or (height, width, 3) of colour; values 0 to 255."""


def resized(image: Image, width: int, height: int) -> Image:
    """The image at another size, in pixels; each pixel is the mean of those that it covers.

    The image is halved as often as possible first: scaling to a quarter then takes half the time, and a pixel differs
    by at most one grey level.
    """
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height and not (image.shape[0] | image.shape[1]) % 2:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
