"""Head scores: every formula against arithmetic by hand, and what becomes of seconds without exactly one face."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.demo.footage import View, seen, stage
from scoring.faces import FaceDetector
from scoring.head import (
    FACE_MODEL,
    Pose,
    completeness,
    face_consistency,
    head_pose,
    movement,
    orientation,
    resolution,
    rotation,
    score,
)
from scoring.scorer import Measured
from scoring.video import Clip, Facts, Image, Second

POINTS = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def portrait(x: float = 0) -> Image:
    return seen(stage("astronaut-a"), 0, View(x=x))


def clip_of(pictures: dict[int, Image]) -> Clip:
    """A clip whose picture at each given second is known."""
    seconds = tuple(Second(index, index + 0.01, bgr, bgr[..., 0]) for index, bgr in pictures.items())
    return Clip(Path("a.mp4"), Facts(5, 640, 360, 25, "h264", 125), seconds, (), ())


def test_movement_is_the_mean_displacement_in_percent_of_the_shorter_side() -> None:
    """One point of five moved 50 px in a 400x200 picture: mean 10 px, 5 %, so 95."""
    after = POINTS.copy()
    after[2] += (30, 40)
    assert movement(POINTS, after, 400, 200) == pytest.approx(95)
    assert movement(POINTS, after, 200, 400) == pytest.approx(95)
    assert movement(POINTS, POINTS, 400, 200) == 100


def test_rotation_takes_the_change_of_all_angles_the_short_way_round() -> None:
    """(1, 2, 2) degrees of change are 3; from 179 to -179 degrees is 2, not 358."""
    assert rotation(Pose(10, 10, 10), Pose(11, 12, 8)) == pytest.approx(97)
    assert rotation(Pose(0, 0, 179), Pose(0, 0, -179)) == pytest.approx(98)


def test_orientation_scales_180_degrees_to_100() -> None:
    """A turn of (9, 18, 18) degrees is 27 in all: 15 off."""
    assert orientation(Pose(0, 0, 0)) == 100
    assert orientation(Pose(9, -18, 18)) == pytest.approx(85)


def test_resolution_is_thirty_times_the_percentage_inside_the_picture() -> None:
    """A tenth of the picture gives 300; the part of the box outside it does not count."""
    assert resolution((50, 50, 100, 40), 200, 200) == pytest.approx(300)
    assert resolution((-50, 50, 100, 40), 200, 200) == pytest.approx(150)
    assert resolution((300, 300, 10, 10), 200, 200) == 0


@pytest.mark.parametrize(("point", "left"), [(0, 85), (1, 85), (2, 60), (3, 85), (4, 85)])
def test_completeness_loses_the_worth_of_each_point_outside(point: int, left: float) -> None:
    """Eyes and corners of the mouth are worth 15 each, the nose 40; the picture's edge itself lies outside."""
    assert completeness(POINTS, 100, 100) == 100
    for outside in ((-0.1, 50), (100, 50), (50, -0.1), (50, 100)):
        points = POINTS.copy()
        points[point] = outside
        assert completeness(points, 100, 100) == left


def test_face_consistency_loses_twenty_for_each_second_without_exactly_one_face() -> None:
    """None and two count alike, and it ends at 0."""
    assert face_consistency([1, 1, 1]) == 100
    assert face_consistency([1, 0, 2, 1]) == 60
    assert face_consistency([0] * 9) == 0


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(12, 0, 0), Pose(0, -25, 0), Pose(0, 0, 30), Pose(-8, 15, -20)])
def test_head_pose_finds_the_turn_that_was_put_in(pose: Pose) -> None:
    """Points of the head model, turned about (pitch, yaw, roll) and seen by a camera, give the same angles back."""
    pitch, yaw, roll = np.radians(pose)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    space = FACE_MODEL @ (about_z @ about_y @ about_x).T + (40, -30, 700)
    points = space[:, :2] / space[:, 2:] * 640 + (320, 180)
    assert head_pose(points, 640, 360) == pytest.approx(pose, abs=0.1)


def test_seconds_without_exactly_one_face_are_left_out_and_counted(detector: FaceDetector) -> None:
    """Face, nothing, face, two faces, face, face: movement exists at the last second only, and nothing is 0 or -1."""
    nothing = np.full((360, 640, 3), 90, np.uint8)
    two = np.hstack([portrait()[:, 160:480], portrait()[:, 160:480]])
    measured = score(
        detector,
        clip_of({0: portrait(), 1: nothing, 2: portrait(), 3: two, 4: portrait(), 5: portrait(x=36)}),
    )
    assert measured.series["faces"] == [1, 0, 1, 2, 1, 1]
    assert [value is None for value in measured.series["movement"]] == [True] * 5 + [False]
    assert [value is None for value in measured.series["resolution"]] == [False, True, False, True, False, False]
    assert measured.scores["face_consistency"] == 60
    assert measured.scores["min_movement"] == measured.scores["avg_movement"] == pytest.approx(90, abs=1)
    assert measured.scores["min_movement_at"] == 5.01
    assert measured.reasons == {}


def test_a_clip_without_a_face_has_no_head_scores_and_says_why(detector: FaceDetector) -> None:
    """Null with a reason for each of the fifteen; only the count of faces is known."""
    measured = score(detector, clip_of({second: np.full((360, 640, 3), 90, np.uint8) for second in range(3)}))
    missing = {name for name, value in measured.scores.items() if value is None}
    assert missing == set(measured.reasons)
    assert len(missing) == 15
    assert measured.scores["face_consistency"] == 40
    assert "exactly one face" in measured.reasons["avg_movement"]


def test_a_second_that_shows_no_frame_parts_the_neighbours(detector: FaceDetector) -> None:
    """Faces at seconds 0 and 2 with no picture between are no neighbours."""
    measured = score(detector, clip_of({0: portrait(), 2: portrait()}))
    assert measured.scores["avg_movement"] is None
    assert measured.scores["avg_orientation"] is not None
    assert measured.series["faces"] == [1, None, 1]


def test_the_detector_answers_in_pixels_of_the_picture(detector: FaceDetector) -> None:
    """A picture twice as large gives boxes and points twice as far out; the resolution score stays."""
    small = portrait()
    large = np.asarray(cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    (a,), (b,) = detector.faces(small), detector.faces(large)
    assert b.points == pytest.approx(2 * a.points, abs=6)
    assert resolution(b.box, 1280, 720) == pytest.approx(resolution(a.box, 640, 360), rel=0.05)


def test_turned_heads_lower_orientation_and_rotation(detector: FaceDetector) -> None:
    """A picture rolled by 20 degrees loses about 11 in orientation; rolled to and fro it loses 20 in rotation."""
    rolled = seen(stage("astronaut-a"), 0, View(roll=20))
    still = score(detector, clip_of({0: portrait(), 1: portrait()}))
    turned = score(detector, clip_of({0: portrait(), 1: rolled}))
    assert value(still, "min_orientation") - value(turned, "min_orientation") > 5
    assert value(turned, "avg_rotation") == pytest.approx(80, abs=3)


def value(measured: Measured, name: str) -> float:
    found = measured.scores[name]
    assert found is not None
    return found
