"""Real talking heads: good ones pass TalkVid's cuts, and degrading them moves the right score. Skipped without them."""

from itertools import islice, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scoring.runners import ClipScores, score_files
from scoring.video import Image
from tests.videos import REAL_CLIPS, write_video

NAMES = ("age-31-45_1", "language-zh", "gender-male_2")
CUTS = {
    "avg_movement": 80,
    "min_movement": 60,
    "avg_rotation": 70,
    "min_rotation": 60,
    "avg_orientation": 70,
    "min_orientation": 30,
    "avg_resolution": 50,
    "min_resolution": 40,
    "min_completeness": 100,
    "face_consistency": 80,
}

pytestmark = pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason=f"the real clips are not here: {REAL_CLIPS}")


def value(result: ClipScores, name: str) -> float:
    found = result.scores[name]
    assert found is not None, result.reasons
    return found


def test_clips_that_passed_the_filters_pass_the_same_cuts_here() -> None:
    """Three clips of the released data hold every head cut, average and minimum, with no score missing."""
    for result in score_files([REAL_CLIPS / f"{name}.mp4" for name in NAMES], jobs=2):
        assert result.reasons == {}
        for score, cut in CUTS.items():
            assert value(result, score) >= cut, (result.path, score)


def small_copy(name: str) -> list[Image]:
    """Three seconds of a clip at 640x360."""
    with av.open(str(REAL_CLIPS / f"{name}.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in islice(container.decode(video=0), 72)]
    return [np.asarray(cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]


def blurred(pictures: list[Image], sigma: float) -> list[Image]:
    return [np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8) for picture in pictures]


def shaken(pictures: list[Image], pixels: float) -> list[Image]:
    places = np.random.default_rng(3).uniform(-pixels, pixels, (len(pictures), 2))
    turned = (np.array([[1, 0, x], [0, 1, y]]) for x, y in places)
    return [
        np.asarray(cv2.warpAffine(picture, turn, (640, 360), borderMode=cv2.BORDER_REFLECT), np.uint8)
        for picture, turn in zip(pictures, turned, strict=True)
    ]


def test_each_degradation_moves_its_own_score_in_order(tmp_path: Path) -> None:
    """Clean, mild, strong: sharpness falls under blur, jitter rises under shake; blur leaves jitter alone."""
    clean = small_copy(NAMES[0])
    versions = {
        "clean": clean,
        "blur 1.5": blurred(clean, 1.5),
        "blur 4": blurred(clean, 4),
        "shake 3": shaken(clean, 3),
        "shake 12": shaken(clean, 12),
    }
    paths = [write_video(tmp_path / f"{version}.mp4", pictures, 24) for version, pictures in versions.items()]
    scores = dict(zip(versions, score_files(paths, jobs=2), strict=True))
    for score, sign, order in (
        ("sharpness", -1, ("clean", "blur 1.5", "blur 4")),
        ("jitter", 1, ("clean", "shake 3", "shake 12")),
    ):
        values = [value(scores[version], score) for version in order]
        assert all(sign * (after - before) > 0.3 * min(before, after) for before, after in pairwise(values)), values
    assert value(scores["blur 4"], "jitter") < 1.5
    assert value(scores["shake 12"], "jitter") > 10
