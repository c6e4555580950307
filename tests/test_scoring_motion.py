"""Scores of neighbouring frames: known motion in, known numbers out."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from scoring.motion import change, jitter, likeness, score, setup
from scoring.scorer import Measured
from scoring.video import Clip, Facts, Image
from tests.videos import moving, texture


def measured(pictures: list[Image]) -> Measured:
    """Motion scores of pictures at 25 fps, brought to the width that motion is measured at."""
    small = tuple(
        np.asarray(cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (480, 270)), np.uint8) for picture in pictures
    )
    times = tuple(number / 25 for number in range(len(small)))
    facts = Facts(len(small) / 25, 480, 270, 25, "h264", len(small))
    return score(setup(), Clip(Path("a.mp4"), facts, (), small, times))


def value(result: Measured, name: str) -> float:
    found = result.scores[name]
    assert found is not None
    return found


def test_jitter_is_the_ninetieth_percentile_of_the_second_difference() -> None:
    """Of ten second differences 0 to 9 the ninetieth percentile is 8.1; steady and quickening pans are calm."""
    second = np.arange(10.0)
    flow = np.concatenate([[0, 0], np.cumsum(np.cumsum(second))])
    assert jitter(np.stack([flow, np.zeros(12)], axis=1)) == pytest.approx(8.1)
    assert jitter(np.full((9, 2), 3.0)) == 0
    assert jitter(np.stack([np.arange(9.0), np.arange(9.0)], axis=1)) == 0
    with pytest.raises(ValueError, match="4 frames"):
        jitter(np.zeros((2, 2)))


def test_change_looks_at_the_most_changed_cell() -> None:
    """A square of 16 pixels changed by 50 counts 50, however large the rest."""
    before = np.full((96, 160), 100, np.uint8)
    after = before.copy()
    after[32:48, 64:80] += 50
    assert change(before, after) == pytest.approx(50)
    assert change(before, before) == 0


def test_likeness_is_pearsons_correlation() -> None:
    """The same picture 1, its negative -1, an even surface nothing; the value is numpy's."""
    a, b = texture(seed=1)[..., 0], texture(seed=2)[..., 0]
    assert likeness(a, a) == pytest.approx(1)
    assert likeness(a, (255 - a).astype(np.uint8)) == pytest.approx(-1)
    assert likeness(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert likeness(a, np.zeros_like(a)) is None


def test_shake_raises_jitter_and_a_pan_does_not() -> None:
    """Steps of +-4 px at 480 px width, to and fro, are 16 px of second difference of the shift; a pan is near 0."""
    pan = measured(moving([(0.8 * number, 0) for number in range(30)], 480, 270))
    shaken = measured(moving([(4.0 * (number % 2), 0) for number in range(30)], 480, 270))
    assert value(pan, "jitter") < 0.5
    assert value(shaken, "jitter") == pytest.approx(16, abs=1.5)


def test_a_freeze_raises_the_share_of_repeated_frames() -> None:
    """Ten of forty frames held: 10 of 39 neighbours are repeats, and the series says in which second."""
    places = [float(min(number, 15) if number < 26 else number) for number in range(40)]
    frozen = measured(moving([(place, 0) for place in places]))
    assert value(frozen, "repeated_share") == pytest.approx(10 / 39)
    assert value(measured(moving([(float(n), 0) for n in range(40)])), "repeated_share") == 0
    assert frozen.series["repeated_share"] == [pytest.approx(9 / 24), pytest.approx(1 / 15)]


def test_a_cut_lowers_the_likeness_at_its_second_and_shake_does_not() -> None:
    """Another picture from frame 30 on: the lowest likeness lies at 1.2 s; a shake leaves it high."""
    calm = moving([(0.5 * number, 0) for number in range(60)])
    other = [texture(seed=5)] * 30
    cut = measured(calm[:30] + other)
    assert value(cut, "lowest_correlation") < 0.5
    assert cut.scores["lowest_correlation_at"] == 1.2
    assert cut.series["lowest_correlation"][1] == cut.scores["lowest_correlation"]
    assert value(measured(calm), "lowest_correlation") > 0.95
    assert value(measured(moving([(3.0 * (n % 2), 0) for n in range(30)])), "lowest_correlation") > 0.8


def test_blur_moves_no_motion_score() -> None:
    """What a blurred clip loses is sharpness: jitter, repeats and likeness stay where they were."""
    pictures = moving([(1.5 * (number % 3), number % 2) for number in range(30)])
    clean = measured(pictures)
    soft = measured([np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8) for picture in pictures])
    assert value(soft, "jitter") == pytest.approx(value(clean, "jitter"), rel=0.15)
    assert soft.scores["repeated_share"] == clean.scores["repeated_share"]
    assert value(soft, "lowest_correlation") == pytest.approx(value(clean, "lowest_correlation"), abs=0.05)


def test_what_cannot_be_computed_is_null_with_a_reason() -> None:
    """Three even frames: no jitter from so few, no likeness of surfaces; that they repeat is known."""
    result = measured([np.full((90, 160, 3), 20, np.uint8)] * 3)
    assert result.scores == {
        "jitter": None,
        "repeated_share": 1,
        "lowest_correlation": None,
        "lowest_correlation_at": None,
    }
    assert set(result.reasons) == {"jitter", "lowest_correlation", "lowest_correlation_at"}
