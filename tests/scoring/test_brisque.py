"""BRISQUE: fits of known distributions, published values, and the order of pictures by quality."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.images import Image
from scoring.picture.brisque import RATIOS, SHAPES, asymmetric_fit, features, halved, load_brisque, normalised
from tests.helpers.real_videos import texture

BRISQUE = load_brisque()


def gray(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def photograph_like(seed: int = 4) -> Image:
    """Noise whose amplitude falls with the frequency, as in nature: (256, 384)."""
    across, down = np.fft.fftfreq(384)[None, :], np.fft.fftfreq(256)[:, None]
    distance = np.hypot(across, down)
    distance[0, 0] = 1
    phases = np.random.default_rng(seed).normal(size=(256, 384))
    wave = np.fft.ifft2(np.fft.fft2(phases) / distance).real
    return np.asarray(np.clip(128 + 40 * wave / wave.std(), 0, 255), np.uint8)


def reference_features(luma: Image) -> NDArray[np.float64]:
    """The 36 features computed as the paper states them, in double precision and slowly."""
    plane = luma.astype(np.float64)
    found: list[float] = []
    for picture in (plane, reference_half(reference_half(plane).T).T):
        field = reference_field(picture)
        found += [shape_of(np.abs(field).mean() ** 2 / (field**2).mean()), float((field**2).mean())]
        for step in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            found += reference_fit(field * np.roll(field, step, (0, 1)))
    return np.array(found)


def reference_half(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows halved by cubic interpolation (a = -1/2) over twice the usual width, mirrored at the edges."""
    far = np.array([1.75, 1.25, 0.75, 0.25, 0.25, 0.75, 1.25, 1.75])
    near = np.where(far <= 1, 1.5 * far**3 - 2.5 * far**2 + 1, -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2)
    padded = np.pad(plane, ((3, 4), (0, 0)), mode="symmetric")
    return np.asarray(sum(weight / 2 * padded[k : k + len(plane) : 2] for k, weight in enumerate(near)), np.float64)


def reference_field(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis in (0, 1):
            values = np.apply_along_axis(np.convolve, axis, values, window, "same")
        return values

    mean = blurred(plane)
    return np.asarray((plane - mean) / (np.sqrt(np.abs(blurred(plane**2) - mean**2)) + 1), np.float64)


def reference_fit(values: NDArray[np.float64]) -> list[float]:
    left = float((values[values < 0] ** 2).mean())
    right = float((values[values > 0] ** 2).mean())
    skew = math.sqrt(left / right)
    ratio = np.abs(values).mean() ** 2 / (values**2).mean()
    shape = shape_of(ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2)
    mean = (math.sqrt(right) - math.sqrt(left)) * math.gamma(2 / shape) / math.gamma(1 / shape)
    return [shape, mean * math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape)), left, right]


def shape_of(ratio: float) -> float:
    return float(SHAPES[np.argmin(np.abs(RATIOS - ratio))])


def test_ratios_are_those_of_known_distributions() -> None:
    """The squared mean magnitude over the mean square is 1/2 for the Laplacian and 2/pi for the normal distribution."""
    assert np.interp([1, 2], SHAPES, RATIOS) == pytest.approx([0.5, 2 / math.pi])
    assert (np.diff(RATIOS) > 0).all()


def test_fit_finds_the_parameters_that_values_were_drawn_with() -> None:
    """A million values, normal with deviation 1 to the left and 2 to the right, give shape 2 and variances 1 and 4."""
    rng = np.random.default_rng(2)
    size = np.abs(rng.normal(size=1_000_000))
    values = np.where(rng.random(size.size) < 2 / 3, 2 * size, -size).astype(np.float32).reshape(1000, 1000)
    fit = asymmetric_fit(values)
    assert fit is not None
    shape, mean, left, right = fit
    assert (shape, left, right) == pytest.approx((2, 1, 4), rel=0.01)
    assert mean == pytest.approx(math.sqrt(2 / math.pi), rel=0.02)  # the mean of the drawn values
    assert float(values.mean()) == pytest.approx(mean, rel=0.02)


def test_fit_leaves_zeros_out_of_the_variances() -> None:
    """The values -2, -1, 0, 1, 2, 3 have the variances 5/2 and 14/3; values on one side of 0 have no fit."""
    fit = asymmetric_fit(np.array([[-2, -1, 0, 1, 2, 3]], np.float32))
    assert fit is not None
    assert fit[2:] == pytest.approx((5 / 2, 14 / 3))
    assert asymmetric_fit(np.array([[0, 1, 2]], np.float32)) is None


@pytest.mark.parametrize("picture", [photograph_like(), gray(texture(321, 181)), photograph_like()[:97, :131]])
def test_features_agree_with_the_papers_formulas_in_double_precision(picture: Image) -> None:
    """All 36 features are within 0.002 of a plain rewriting of the paper, odd sides included; the score within 0.2."""
    found, expected = features(picture), reference_features(picture)
    assert found is not None
    assert np.abs(found - expected).max() < 0.002
    assert BRISQUE.regress(found) == pytest.approx(BRISQUE.regress(expected), abs=0.2)


def public_picture(name: str) -> Image:
    data = pytest.importorskip("skimage.data", reason="the pictures are in scikit-image (extra: demo)")
    return np.asarray(getattr(data, name)(), np.uint8)


@pytest.mark.parametrize(("name", "expected"), [("camera", -13.7084), ("coins", -5.1), ("moon", 1.4)])
def test_scores_of_public_pictures_are_those_published(name: str, expected: float) -> None:
    """Pictures of scikit-image have the values of another implementation (VMAFx, research digest 1101)."""
    assert BRISQUE.score(public_picture(name)) == pytest.approx(expected, abs=0.15)


def test_worse_pictures_score_higher() -> None:
    """More blur and coarser JPEG raise the score of a photograph step by step."""
    clean = public_picture("camera")
    blurred = [np.asarray(cv2.GaussianBlur(clean, (0, 0), sigma), np.uint8) for sigma in (1, 2, 4)]
    jpegs = [cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for quality in (30, 15, 5)]
    coarse = [np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8) for jpeg in jpegs]
    for degraded in (blurred, coarse):
        scores = [BRISQUE.score(picture) or 0 for picture in (clean, *degraded)]
        assert scores == sorted(scores)
        assert scores[-1] > scores[0] + 20


def test_uniform_surfaces_stay_exactly_uniform() -> None:
    """Rounding makes no texture: away from the edges a uniform surface normalises to 0 at every grey level."""
    for level in range(256):
        even = np.full((24, 24), level, np.float32)
        assert not normalised(even)[4:-4, 4:-4].any()
        assert (halved(even) == level).all()


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_uniform_and_tiny_pictures_have_no_score(level: int) -> None:
    """A uniform picture of any grey and a picture under 32 pixels have no score and cause no warning."""
    assert BRISQUE.score(np.full((200, 300), level, np.uint8)) is None
    assert BRISQUE.score(gray(texture(31, 200))) is None


@given(
    st.integers(1, 64), st.integers(1, 64), st.integers(0, 255), st.sampled_from([0, 1, 7, 300]), st.integers(0, 2**32)
)
def test_any_picture_has_a_finite_score_or_none(height: int, width: int, level: int, spread: int, seed: int) -> None:
    """A picture of any size and content has a finite score or None, never NaN, and causes no warning."""
    noise = np.random.default_rng(seed).normal(level, spread, (height, width))
    score = BRISQUE.score(np.clip(noise, 0, 255).astype(np.uint8))
    assert score is None or math.isfinite(score)
