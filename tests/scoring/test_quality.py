"""The quality scorer: known values of each formula, the response to each fault, and unusual pictures."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.faces.face import Face
from scoring.images import Image
from scoring.picture.brisque import load_brisque
from scoring.picture.formulas import (
    black_bars,
    blockiness,
    colourfulness,
    light,
    noise,
    overexposed_share,
    sharpness,
    underexposed_share,
)
from scoring.picture.quality import COLUMNS, QualityWatch, face_crop, quality, sampled
from scoring.settings import Settings
from scoring.video.frames import Facts
from tests.helpers.real_videos import texture
from tests.helpers.watching import finding, frames_of, measured

QUALITY = quality(Settings())


def gray(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noisy(picture: Image, deviation: float, seed: int = 6) -> Image:
    values = picture + np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def face(x: float, y: float, width: float, height: float, confidence: float = 0.9) -> Face:
    return Face((x, y, width, height), np.zeros((5, 2)), confidence)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """For rows 0, 40, 0, 40 ... the Laplacian of OpenCV's kernel is +80 and -80, with variance 6400."""
    rows = np.zeros((360, 640), np.uint8)
    rows[1::2] = 40
    assert sharpness(rows) == pytest.approx(6400, rel=0.001)


def test_sharpness_falls_with_blur_and_hardly_with_size() -> None:
    """More blur gives lower values step by step; a clean enlargement gives nearly the same."""
    picture = gray(texture(640, 360))
    values = [sharpness(picture), sharpness(blurred(picture, 2)), sharpness(blurred(picture, 5))]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1.5 * values[1]
    large = np.asarray(cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert sharpness(large) == pytest.approx(values[0], rel=0.1)


def test_light_is_mean_and_standard_deviation() -> None:
    """For half black and half white both mean and contrast are 127.5."""
    half = np.zeros((10, 10), np.uint8)
    half[:5] = 255
    assert light(half) == (127.5, 127.5)


@given(st.integers(0, 55), st.integers(1, 3), st.integers(0, 2**32))
def test_contrast_ignores_brightness_and_grows_with_gain(more: int, gain: int, seed: int) -> None:
    """A brighter copy has the same contrast; twice or three times the values have twice or three times the contrast."""
    picture = np.random.default_rng(seed).integers(0, 67, (12, 17), np.uint8)
    _, contrast = light(picture)
    brighter = (picture + np.uint8(more)).astype(np.uint8)
    assert light(brighter) == pytest.approx((light(picture)[0] + more, contrast))
    assert light((picture * np.uint8(gain)).astype(np.uint8))[1] == pytest.approx(gain * contrast)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_shares_lie_between_0_and_1_and_swap_in_the_negative(height: int, width: int, seed: int) -> None:
    """Over- and underexposed share are between 0 and 1 and swap in the negative."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    over, under = overexposed_share(picture), underexposed_share(picture)
    assert 0 <= over <= 1
    assert 0 <= under <= 1
    negative = (255 - picture).astype(np.uint8)
    assert (overexposed_share(negative), underexposed_share(negative)) == (under, over)


def test_colourfulness_is_that_of_hasler_and_suesstrunk() -> None:
    """A pure colour has only the distance from grey: blue -255 on one axis, red 255 and 127.5; greys have 0."""
    blue, red = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)
    blue[..., 0] = red[..., 2] = 255
    assert colourfulness(blue) == pytest.approx(0.3 * 255)
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(255, 127.5))
    both = np.concatenate([blue, red])  # red-green 0 and 255, yellow-blue -255 and 127.5
    assert colourfulness(both) == pytest.approx(np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75))


@given(st.integers(0, 2**32))
def test_grey_pictures_have_no_colour(seed: int) -> None:
    """Pictures with equal channels have 0, with any texture."""
    plane = np.random.default_rng(seed).integers(0, 256, (9, 14, 1), np.uint8)
    assert colourfulness(np.repeat(plane, 3, axis=2)) == 0


@pytest.mark.parametrize("deviation", [2, 5, 10, 20])
def test_noise_is_found_in_grey_levels(deviation: float) -> None:
    """Gaussian noise on a soft background is estimated to 5 %; the background alone gives less than half a level."""
    ground = gray(texture(640, 360))
    ground = np.asarray(60 + ground // 2, np.uint8)
    assert noise(noisy(ground, deviation)) == pytest.approx(deviation, rel=0.05)
    clean = noise(ground)
    assert clean is not None
    assert clean < 0.5


def test_noise_does_not_depend_on_small_shifts() -> None:
    """The same noisy scene shifted by some pixels, as by shake, has the same noise."""
    scene = noisy(np.asarray(60 + gray(texture(500, 400)) // 2, np.uint8), 4)
    values = [noise(np.ascontiguousarray(scene[y : y + 320, x : x + 400])) for x, y in ((0, 0), (7, 3), (41, 22))]
    assert values == pytest.approx([4] * 3, rel=0.05)


def test_noise_is_unknown_where_it_would_be_clipped() -> None:
    """Black, white and tiny pictures give None; one grey square is enough for a value."""
    assert noise(np.zeros((64, 64), np.uint8)) is None
    assert noise(np.full((64, 64), 255, np.uint8)) is None
    assert noise(np.full((10, 200), 128, np.uint8)) is None
    mostly_black = np.zeros((64, 64), np.uint8)
    mostly_black[16:32, 16:32] = 128
    assert noise(mostly_black) is not None


def test_blockiness_compares_steps_at_block_borders_with_steps_inside() -> None:
    """Columns that rise by 1 a pixel and by 3 at each border of 8 have the ratio 3 over columns and rows."""
    steps = np.where(np.arange(1, 48) % 8 == 0, 3, 1)
    ramp = np.concatenate([[0], np.cumsum(steps)])
    plane = (ramp[:, None] + ramp[None, :]).astype(np.uint8)
    assert blockiness(plane) == pytest.approx(3)


@given(st.integers(0, 2**32))
def test_blockiness_of_noise_is_about_one(seed: int) -> None:
    """Noise has no grid, so the ratio is about 1."""
    picture = np.random.default_rng(seed).integers(0, 256, (160, 240), np.uint8)
    assert blockiness(picture) == pytest.approx(1, abs=0.08)


def test_blockiness_is_one_without_blocks_and_unknown_without_steps() -> None:
    """Equal steps give 1; a uniform picture and a picture under 16 pixels give None."""
    assert blockiness(np.tile(np.arange(96, dtype=np.uint8), (96, 1))) == pytest.approx(1)
    assert blockiness(np.full((64, 64), 7, np.uint8)) is None
    assert blockiness(np.tile(np.arange(12, dtype=np.uint8), (12, 1))) is None


def test_blockiness_grows_with_compression_and_not_with_a_black_bar() -> None:
    """Coarser JPEG gives higher values step by step; a bar that ends on a block border changes nothing."""
    clean = noisy(gray(texture(480, 320)), 6)
    jpegs = [cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, q])[1] for q in (40, 10)]
    values = [blockiness(clean), *(blockiness(np.asarray(cv2.imdecode(j, 0), np.uint8)) for j in jpegs)]
    assert values[0] is not None
    assert values[1] is not None
    assert values[2] is not None
    assert values[0] < values[1] < values[2]
    barred = clean.copy()
    barred[:32] = barred[-32:] = 16
    assert blockiness(barred) == pytest.approx(values[0], abs=0.1)


def test_black_bars_are_measured_on_all_four_sides() -> None:
    """A fifth above and below and a quarter left and right leave 3/5 x 1/2 of the picture."""
    picture = np.full((200, 400), 16, np.uint8)
    picture[40:160, 100:300] = 120
    assert black_bars(picture) == pytest.approx(1 - 0.6 * 0.5)
    assert black_bars(gray(texture(400, 200))) == 0
    assert black_bars(np.full((200, 400), 20, np.uint8)) is None


def test_a_dark_background_is_no_bar() -> None:
    """A lit oval in a black studio has dark edges on all sides but no straight one, so there is no bar."""
    studio = np.full((270, 480), 18, np.uint8)
    cv2.ellipse(studio, (240, 150), (60, 90), 0, 0, 360, 170, -1)
    assert black_bars(studio) == 0


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32), st.floats(0, 1))
def test_black_bars_are_a_share_of_any_picture(height: int, width: int, seed: int, dark: float) -> None:
    """The value is between 0 and 1, or None for an entirely black picture."""
    rng = np.random.default_rng(seed)
    picture = np.where(rng.random((height, width)) < dark, 16, 200).astype(np.uint8)
    share = black_bars(picture)
    assert (share is None) == bool((picture == 16).all())
    assert share is None or 0 <= share < 1


def test_bars_of_a_clip_are_black_in_all_its_pictures() -> None:
    """A fade from black is no bar; pixels that stay black are."""
    bright = np.full((180, 320, 3), 120, np.uint8)
    bright[:18] = bright[-18:] = 0
    fading = [np.zeros_like(bright), bright, bright]
    assert measured(QUALITY, fading, fps=1).scores["black_bars"] == pytest.approx(0.2, abs=0.01)
    assert measured(QUALITY, [np.zeros_like(bright)] * 2, fps=1).scores["black_bars"] is None


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_samples_are_bounded_and_small_pictures_are_taken_whole(height: int, width: int) -> None:
    """Samples have at most 800 pixels a side, nearly the picture's proportions, and pixels of every part of it."""
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    picture = np.broadcast_to(ramp, (height, width))
    sample = sampled(picture)
    if max(height, width) <= 800:
        assert sample.shape == (height, width)
    else:
        assert 700 < max(sample.shape) <= 800
        assert int(sample.min()) < 64
        assert int(sample.max()) > 191 or width < 4


def test_the_face_crop_has_a_margin_and_stays_in_the_picture() -> None:
    """It has a quarter of the box on each side, ends at the edges, and is the middle 384 pixels of a large face."""
    picture = np.arange(200 * 300, dtype=np.uint32).reshape(200, 300).astype(np.uint8)
    assert np.array_equal(face_crop(picture, face(100, 60, 80, 40)), picture[50:110, 80:200])
    assert np.array_equal(face_crop(picture, face(-20, 160, 80, 80)), picture[140:200, 0:80])
    assert face_crop(np.zeros((1080, 1920), np.uint8), face(500, 100, 700, 800)).shape == (384, 384)
    assert face_crop(picture, face(-500, 0, 80, 80)).size == 0


def test_face_brisque_measures_only_the_most_confident_face() -> None:
    """Blurring the rest of the picture changes nothing; without a certain face the score is null with the reason."""
    sharp = noisy(texture(640, 360), 3)
    soft = blurred(sharp, 4)
    soft[40:220, 200:400] = sharp[40:220, 200:400]
    box = face(240, 80, 120, 100)
    found = [measured(QUALITY, [p] * 2, 1, finding([(box,)] * 2)).scores for p in (sharp, soft)]
    assert found[0]["face_brisque"] == found[1]["face_brisque"] is not None
    assert found[0]["brisque"] != found[1]["brisque"]
    unsure = measured(QUALITY, [sharp] * 2, 1, finding([(face(240, 80, 120, 100, 0.65),)] * 2))
    assert unsure.scores["face_brisque"] is None
    for name in ("face_brisque", "max_face_brisque", "max_face_brisque_at"):
        assert unsure.reasons[name] == "No second shows a face."


def test_the_faces_worst_second_is_found() -> None:
    """The second of three seconds is blurred: it has the highest value, at 1 s."""
    sharp = noisy(texture(640, 360), 3)
    pictures = [sharp, blurred(sharp, 5), sharp]
    result = measured(QUALITY, pictures, 1, finding([(face(240, 80, 200, 180),)] * 3))
    assert result.scores["max_face_brisque"] == result.series["face_brisque"][1]
    assert result.scores["max_face_brisque_at"] == 1


def test_scores_are_the_means_of_the_series_and_gaps_stay_open() -> None:
    """For dark at 0 s, bright at 2 s and no frame between, the series has None at 1 s and the mean leaves it out."""
    dark, bright = np.full((90, 160, 3), 40, np.uint8), np.full((90, 160, 3), 200, np.uint8)
    frames = frames_of([dark, bright, bright], fps=1)
    frames[2].second, frames[1].second = 2, None
    watch = QualityWatch(load_brisque())
    for frame in frames:
        watch.see(frame)
    result = watch.result(Facts(3, 160, 90, 1, "h264", 3))
    assert result.series["luma"][0] == pytest.approx(40, abs=2)
    assert result.series["luma"][1] is None
    assert result.scores["luma"] == pytest.approx(120, abs=2)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize(("height", "width"), [(10, 10), (90, 160), (2, 640)])
def test_uniform_and_tiny_pictures_say_why_a_score_is_missing(level: int, height: int, width: int) -> None:
    """Each score is finite or null with a reason, and there is no warning."""
    result = measured(QUALITY, [np.full((height, width, 3), level, np.uint8)] * 2, fps=1)
    assert set(result.scores) == {column.name for column in COLUMNS}
    for name, value in result.scores.items():
        assert (value is None) == (name in result.reasons)
        assert value is None or np.isfinite(value)
    assert result.scores["brisque"] is None
    assert result.scores["luma"] == pytest.approx(level, abs=2)


def test_very_large_pictures_are_measured_like_others() -> None:
    """For noise in 8K every score but that of the face has a value."""
    tile = noisy(texture(480, 270), 8)
    result = measured(QUALITY, [np.tile(tile, (16, 16, 1))], fps=1)
    missing = {name for name, value in result.scores.items() if value is None}
    assert missing == {"face_brisque", "max_face_brisque", "max_face_brisque_at"}


def test_each_fault_changes_its_own_score() -> None:
    """Blur, noise, darkness and overexposure change the score for them, more the stronger they are."""
    clean = noisy(texture(640, 360), 2)
    faults = {
        "sharpness": (-1, [clean, blurred(clean, 1), blurred(clean, 3)]),
        "noise": (1, [clean, noisy(clean, 5), noisy(clean, 12)]),
        "luma": (-1, [clean, (clean * 0.6).astype(np.uint8), (clean * 0.3).astype(np.uint8)]),
        "overexposed_share": (1, [np.clip(clean * gain, 0, 255).astype(np.uint8) for gain in (1, 1.5, 2.5)]),
        "contrast": (-1, [clean, (clean // 2 + 60).astype(np.uint8), (clean // 4 + 90).astype(np.uint8)]),
    }
    for name, (sign, pictures) in faults.items():
        values = [measured(QUALITY, [picture] * 2, fps=1).scores[name] for picture in pictures]
        known = [value for value in values if value is not None]
        assert len(known) == 3
        assert known == sorted(known, reverse=sign < 0)
        assert len(set(known)) == 3, name
