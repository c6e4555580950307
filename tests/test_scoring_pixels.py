"""Scores of single pictures: known values, and the right answer to blur, darkness and blocks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from scoring.pixels import blockiness, luma, score, sharpness
from scoring.video import Clip, Facts, Image, Second
from tests.videos import texture


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """Rows 0, 40, 0, 40 ...: the Laplacian of OpenCV's kernel is +80 and -80, its variance 6400."""
    rows = np.zeros((360, 640, 3), np.uint8)
    rows[1::2] = 40
    assert sharpness(rows) == pytest.approx(6400, rel=0.001)


def test_sharpness_falls_with_blur_and_hardly_with_size() -> None:
    """More blur is less, in order; a clean enlargement stays near."""
    picture = texture(640, 360)
    values = [sharpness(picture), sharpness(blurred(picture, 2)), sharpness(blurred(picture, 5))]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1.5 * values[1]
    large = np.asarray(cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert sharpness(large) == pytest.approx(values[0], rel=0.1)


def test_luma_is_the_mean_brightness() -> None:
    """Half black, half white is 127.5; green weighs 0.587."""
    half = np.zeros((10, 10, 3), np.uint8)
    half[:5] = 255
    assert luma(half) == 127.5
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 100
    assert luma(green) == pytest.approx(59, abs=0.5)


def test_blockiness_compares_steps_at_block_borders_with_steps_inside() -> None:
    """Columns rise by 1 a pixel and by 3 at each border of 8: the ratio over columns and rows is 3."""
    steps = np.where(np.arange(1, 48) % 8 == 0, 3, 1)
    ramp = np.concatenate([[0], np.cumsum(steps)])
    plane = (ramp[:, None] + ramp[None, :]).astype(np.uint8)
    assert blockiness(plane) == pytest.approx(3)


def test_blockiness_is_one_without_blocks_and_unknown_without_steps() -> None:
    """Even steps give 1; an even surface and a picture of under 16 pixels give nothing."""
    assert blockiness(np.tile(np.arange(96, dtype=np.uint8), (96, 1))) == pytest.approx(1)
    assert blockiness(np.full((64, 64), 7, np.uint8)) is None
    assert blockiness(np.tile(np.arange(12, dtype=np.uint8), (12, 1))) is None


def test_even_pictures_have_no_blockiness_and_say_why() -> None:
    """The clip's score is null with a reason, and the others stand."""
    grey = np.full((90, 160, 3), 128, np.uint8)
    seconds = (Second(0, 0.0, grey, grey[..., 0]), Second(2, 2.0, grey, grey[..., 0]))
    measured = score(None, Clip(Path("a.mp4"), Facts(3, 160, 90, 25, "h264", 75), seconds, (), ()))
    assert measured.scores == {"sharpness": 0, "luma": 128, "blockiness": None}
    assert set(measured.reasons) == {"blockiness"}
    assert measured.series["luma"] == [128, None, 128]
