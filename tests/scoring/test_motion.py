"""The motion scorer: known motion gives known scores."""

import gc
import math
import weakref

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.images import Image, resized
from scoring.motion.formulas import camera_shake, change, jitter, likeness, longest_freeze, repeats
from scoring.motion.motion import EVERY_FRAME, HALF_SECONDS, MotionWatch, motion
from scoring.motion.tracking import Flow, for_points, for_shift, tracked_ratio
from scoring.scorer import Measurement
from scoring.settings import Settings
from scoring.video.frames import Facts
from tests.helpers.real_videos import moving, texture
from tests.helpers.watching import frames_of
from tests.helpers.watching import measured as measured_by

MOTION = motion(Settings())


def measured(pictures: list[Image], fps: float = 25) -> Measurement:
    return measured_by(MOTION, pictures, fps)


def value(result: Measurement, name: str) -> float:
    found = result.scores[name]
    assert found is not None, result.reasons
    return found


def gray(seed: int = 1, width: int = 480, height: int = 270) -> Image:
    return np.ascontiguousarray(texture(width, height, seed)[..., 0])


def sway(amplitude: float, per_second: float, frames: int = 101) -> list[float]:
    """Positions of a camera that sways back and forth, at 25 frames per second."""
    return [amplitude * math.sin(2 * math.pi * per_second * number / 25) for number in range(frames)]


def test_jitter_is_the_ninetieth_percentile_of_the_second_difference() -> None:
    """Of ten second differences, 0 to 9, it is 8.1; for steady and accelerating pans it is 0."""
    second = np.arange(10.0)
    flow = np.concatenate([[0, 0], np.cumsum(np.cumsum(second))])
    assert jitter(np.stack([flow, np.zeros(12)], axis=1)) == pytest.approx(8.1)
    assert jitter(np.full((9, 2), 3.0)) == 0
    assert jitter(np.stack([np.arange(9.0), np.arange(9.0)], axis=1)) == 0
    with pytest.raises(ValueError, match="4 frames"):
        jitter(np.zeros((2, 2)))


def test_camera_shake_is_the_deviation_from_the_paths_own_mean() -> None:
    """A sway of 10 px has 7.07 px RMS; at 0.5 Hz the mean follows it in part; an added pan changes nothing."""
    times = [number / 25 for number in range(101)]
    for per_second, expected in ((2, 7.07), (5, 7.07), (0.5, 7.07 * (1 - 2 / math.pi))):
        flow = np.stack([np.diff(sway(10, per_second), prepend=0.0), np.zeros(101)], axis=1)
        assert camera_shake(flow, times) == pytest.approx(expected, rel=0.06)
        assert camera_shake(flow + np.array([3.0, -2.0]), times) == pytest.approx(camera_shake(flow, times))
    with pytest.raises(ValueError, match="more than a second"):
        camera_shake(np.zeros((25, 2)), times[:25])
    with pytest.raises(ValueError, match="not 1 of them"):
        camera_shake(np.zeros((1, 2)), times[:1])


def test_camera_shake_of_a_pan_is_zero_at_uneven_times_too() -> None:
    """For frames at irregular times of a steady pan the path is first interpolated on a grid."""
    times = np.cumsum(np.random.default_rng(2).choice([0.02, 0.04, 0.1], 120)).tolist()
    flow = np.stack([np.diff(times, prepend=times[0]) * 50, np.zeros(120)], axis=1)
    assert camera_shake(flow, times) == pytest.approx(0, abs=1e-6)


def test_change_looks_at_the_most_changed_cell() -> None:
    """A square of 16 pixels that changes by 50 counts 50 in any picture, also if 16 does not divide its size."""
    before = np.full((96, 160), 100, np.uint8)
    after = before.copy()
    after[32:48, 64:80] += 50
    assert change(before, after) == pytest.approx(50)
    assert change(before, before) == 0
    assert change(np.zeros((10, 37), np.uint8), np.full((10, 37), 9, np.uint8)) == pytest.approx(9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.002, 0.01, 0.05, 0.4, 1.0]))
def test_repeats_agrees_with_change(seed: int, share: float) -> None:
    """The faster decision by the mean never differs from that by the cell that changes most."""
    chance = np.random.default_rng(seed)
    before = chance.integers(0, 255, (54, 96), np.uint8)
    after = (before + (chance.random(before.shape) < share) * chance.integers(0, 2)).astype(np.uint8)
    assert repeats(before, after) == (change(before, after) < 0.7)


def test_longest_freeze_is_the_longest_run_of_repeats_in_seconds() -> None:
    """Two repeats at 25 frames per second last 0.08 s; without repeats it is 0."""
    times = [number / 25 for number in range(20)]
    assert longest_freeze(times, [number in (11, 12, 17) for number in range(1, 20)]) == pytest.approx(0.08)
    assert longest_freeze(times, [False] * 19) == 0
    assert longest_freeze(times, [True] * 19) == pytest.approx(0.76)


def test_likeness_is_pearsons_correlation() -> None:
    """The same picture has 1, its negative -1, a uniform one None; other values equal numpy's."""
    a, b = gray(1), gray(2)
    assert likeness(a, a) == pytest.approx(1)
    assert likeness(a, (255 - a).astype(np.uint8)) == pytest.approx(-1)
    assert likeness(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-5)
    assert likeness(a, np.zeros_like(a)) is None


def test_the_median_flow_is_the_cameras_shift() -> None:
    """The background moves left as far as the camera moves right, in pixels at 480 width."""
    for x, y in ((6, -2), (0.5, 1), (-20, 12)):
        before, after = (for_shift(picture[..., 0]) for picture in moving([(0, 0), (x, y)], 480, 270))
        assert Flow().shift(before, after) == pytest.approx([-x, -y], rel=0.15, abs=0.3)


def test_tracked_ratio_at_rest_across_a_cut_and_on_uniform_surfaces() -> None:
    """It is 1 for the same picture, near 0 for another, near 1/2 if half is another, None for two uniform pictures."""
    flow, here, there = Flow(), for_points(gray(1)), for_points(gray(7))
    assert tracked_ratio(flow, here, here) == 1
    cut = tracked_ratio(flow, here, there)
    assert cut is not None
    assert cut < 0.1
    half = here.copy()
    half[:, 120:] = there[:, 120:]
    half_cut = tracked_ratio(flow, here, half)
    assert half_cut == pytest.approx(0.5, abs=0.12)
    assert tracked_ratio(flow, np.full_like(here, 9), np.full_like(here, 9)) is None


def test_tracked_ratio_loses_points_that_leave_the_picture() -> None:
    """A pan by a thirtieth of the width loses two columns of points and few others."""
    before, after = (for_points(picture[..., 0]) for picture in moving([(0, 0), (16, 0)], 480, 270))
    found = tracked_ratio(Flow(), before, after)
    assert found is not None
    assert 0.9 < found <= 0.96


def test_shake_raises_jitter_and_a_pan_does_not() -> None:
    """Steps of +-4 px back and forth give 16 px of second difference; a pan gives about 0."""
    pan = measured(moving([(0.8 * number, 0) for number in range(30)], 480, 270))
    shaken = measured(moving([(4.0 * (number % 2), 0) for number in range(30)], 480, 270))
    assert value(pan, "jitter") < 0.5
    assert value(shaken, "jitter") == pytest.approx(16, abs=1.5)


def test_slow_sway_raises_camera_shake_and_a_pan_does_not() -> None:
    """A sway of 6 px at 1 Hz has 4.2 px (small flow is a tenth too large) and no jitter; a pan has neither."""
    swung = measured(moving([(place, 0) for place in sway(6, 1, 76)], 480, 270))
    pan = measured(moving([(0.5 * number, 0) for number in range(76)], 480, 270))
    assert value(swung, "camera_shake") == pytest.approx(4.24, rel=0.15)
    assert value(swung, "jitter") < 1
    assert value(pan, "camera_shake") < 0.3


def test_a_freeze_raises_the_share_of_repeated_frames() -> None:
    """If ten of forty frames are held, 10 of 39 neighbours repeat for 0.4 s, and the series shows in which second."""
    places = [float(min(number, 15) if number < 26 else number) for number in range(40)]
    frozen = measured(moving([(place, 0) for place in places]))
    assert value(frozen, "repeated_share") == pytest.approx(10 / 39)
    assert value(frozen, "longest_freeze") == pytest.approx(0.4)
    calm = measured(moving([(float(number), 0) for number in range(40)]))
    assert value(calm, "repeated_share") == value(calm, "longest_freeze") == 0
    assert frozen.series["repeated_share"] == [pytest.approx(9 / 24), pytest.approx(1 / 15)]


def test_a_frozen_clip_is_too_still_and_a_moving_one_is_not() -> None:
    """All points of a still picture can be tracked, which is above TalkVid's band."""
    frozen = measured(moving([(0, 0)] * 50))
    assert value(frozen, "tracked_ratio") == 1
    assert value(frozen, "too_still") == 1
    assert value(measured(moving([(0.5 * number, 0) for number in range(50)])), "too_still") == 0


def test_a_cut_is_found_at_its_frame_and_shake_is_no_cut() -> None:
    """Another picture from frame 30 on is one cut at 1.2 s, with the lowest likeness there and few tracked points."""
    calm = moving([(0.5 * number, 0) for number in range(60)])
    cut = measured(calm[:30] + [texture(seed=5)] * 30)
    assert cut.scores["cuts"] == 1
    assert cut.times == {"cuts": [1.2]}
    assert value(cut, "lowest_correlation") < 0.5
    assert cut.scores["lowest_correlation_at"] == 1.2
    assert cut.series["lowest_correlation"][1] == cut.scores["lowest_correlation"]
    assert value(cut, "min_tracked_ratio") < 0.2
    assert cut.scores["min_tracked_ratio_at"] == pytest.approx(1.52)  # the first frame from 1.5 s on
    for uncut in (calm, moving([(8.0 * (number % 2), 0) for number in range(60)])):
        assert measured(uncut).times == {"cuts": []}
    assert value(measured(calm), "lowest_correlation") > 0.95


def test_a_cut_is_no_shake() -> None:
    """Between two still pictures nothing moves: the flow across the cut does not count as motion."""
    result = measured([texture(seed=1)] * 40 + [texture(seed=5)] * 40)
    assert value(result, "jitter") == value(result, "camera_shake") == 0


def test_tracked_ratio_has_its_mean_and_a_value_per_second() -> None:
    """With a cut in second 1 of 3, one of five half seconds is lost, and in the series half of second 1."""
    result = measured([texture(seed=1)] * 30 + [texture(seed=5)] * 45)
    lost = value(result, "min_tracked_ratio")
    assert value(result, "tracked_ratio") == pytest.approx((4 + lost) / 5)
    assert result.series["tracked_ratio"] == [1, pytest.approx((1 + lost) / 2), 1]


def test_blur_changes_no_motion_score() -> None:
    """Blur lowers sharpness; jitter, repeats and likeness stay the same."""
    pictures = moving([(1.5 * (number % 3), number % 2) for number in range(30)])
    clean = measured(pictures)
    soft = measured([np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8) for picture in pictures])
    assert value(soft, "jitter") == pytest.approx(value(clean, "jitter"), rel=0.15)
    assert soft.scores["repeated_share"] == clean.scores["repeated_share"]
    assert value(soft, "lowest_correlation") == pytest.approx(value(clean, "lowest_correlation"), abs=0.05)
    assert value(soft, "tracked_ratio") == pytest.approx(value(clean, "tracked_ratio"), abs=0.05)


def test_what_cannot_be_computed_is_null_with_a_reason() -> None:
    """For fifteen uniform frames tracking, likeness and sway are null with a reason; the repeats are known."""
    result = measured([np.full((90, 160, 3), 20, np.uint8)] * 15)
    assert {name: score for name, score in result.scores.items() if score is not None} == {
        "jitter": 0,
        "repeated_share": 1,
        "longest_freeze": 14 / 25,
        "cuts": 0,
    }
    assert set(result.reasons) == {name for name, score in result.scores.items() if score is None}
    assert result.reasons["tracked_ratio"] == result.reasons["lowest_correlation"] == "The pictures are even surfaces."
    assert result.reasons["camera_shake"] == "The clip is not longer than a second."
    short = measured([texture()] * 3)
    assert short.reasons["jitter"] == "The clip has fewer than four frames."
    assert short.reasons["too_still"] == "No two pictures are half a second apart."


def test_a_change_of_size_leaves_out_one_pair() -> None:
    """The pair of frames across the change is left out, and everything else is measured."""
    result = measured(moving([(0, 0)] * 30) + moving([(0, 0)] * 30, 320, 240))
    assert value(result, "repeated_share") == pytest.approx(58 / 59)
    assert result.scores["cuts"] == 0


def test_skipped_frames_leave_only_the_scores_of_half_seconds() -> None:
    """Scores of neighbouring frames are null with the reason; those of tracking are computed."""
    pictures = moving([(0.5 * number, 0) for number in range(60)])
    kept = MotionWatch(MOTION.setup(), skipping=True)
    whole = MotionWatch(MOTION.setup(), skipping=False)
    for frame in frames_of(pictures):
        whole.see(frame)
        kept.see(frame)
    facts = Facts(2.4, 320, 180, 25, "h264", 60)
    skipped, full = kept.result(facts), whole.result(facts)
    for column in HALF_SECONDS:
        assert skipped.scores[column.name] == full.scores[column.name] is not None
    for column in EVERY_FRAME:
        assert skipped.scores[column.name] is None
        assert skipped.reasons[column.name] == "Frames were skipped, to save time."
    assert skipped.times == {}


def test_no_frame_is_kept() -> None:
    """A long clip needs no more memory than a short one: only small copies of the last frames are kept."""
    watch = MotionWatch(MOTION.setup(), skipping=False)
    seen = []
    for frame in frames_of(moving([(0, 0)] * 30, 1280, 720)):
        watch.see(frame)
        seen.append((weakref.ref(frame), weakref.ref(frame.small)))
        del frame
    gc.collect()
    assert not any(frame() for frame, _ in seen)
    assert sum(small() is not None for _, small in seen) == 1


def test_halving_first_changes_a_pixel_by_one_level_at_most() -> None:
    """Halving twice gives the picture of direct scaling to a quarter, to one grey level per pixel."""
    full = np.random.default_rng(4).integers(0, 256, (216, 384), np.uint8)
    long = np.asarray(cv2.resize(full, (96, 54), interpolation=cv2.INTER_AREA), np.int16)
    assert np.abs(resized(full, 96, 54) - long).max() <= 1
    odd = np.asarray(cv2.resize(full[:215], (96, 54), interpolation=cv2.INTER_AREA), np.uint8)
    assert np.array_equal(resized(full[:215], 96, 54), odd)
