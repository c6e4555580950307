"""The head scorer: every formula against arithmetic by hand, and seconds without exactly one face."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo.footage import View, seen, stage
from scoring.faces.face import Face, Points
from scoring.faces.yunet import YuNet
from scoring.head.formulas import completeness, face_consistency, movement, orientation, resolution, rotation
from scoring.head.head import head
from scoring.head.pose import Pose
from scoring.head.pose_methods import best_pose
from scoring.images import Image
from scoring.scorer import Measurement
from scoring.settings import Settings
from tests.conftest import need
from tests.helpers.watching import finding, measured

POINTS = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
NOTHING = np.full((360, 640, 3), 90, np.uint8)

coordinates = st.floats(-1000, 1000)
shifts = st.tuples(coordinates, coordinates)
point_sets = st.lists(shifts, min_size=5, max_size=5).map(lambda points: np.array(points))
degrees = st.floats(-180, 180)
poses = st.builds(Pose, degrees, degrees, degrees)
sides = st.integers(1, 4000)


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet()


def portrait(x: float = 0) -> Image:
    return seen(stage("astronaut-a"), 0, View(x=x))


def scored(pictures: Sequence[Image], yunet: YuNet, settings: Settings = Settings()) -> Measurement:  # noqa: B008 - frozen
    """The head scores of one picture per second."""
    return measured(head(settings), pictures, fps=1, find=yunet.faces)


def test_movement_is_the_mean_change_of_coordinates_in_percent_of_the_shorter_side() -> None:
    """One of five points moves by (30, 40) in a picture of 400x200: 70 / 10 coordinates = 7 px = 3.5 %, so 96.5."""
    after = POINTS.copy()
    after[2] += (30, 40)
    assert movement(POINTS, after, 400, 200) == pytest.approx(96.5)
    assert movement(POINTS, after, 200, 400) == pytest.approx(96.5)
    assert movement(POINTS, POINTS, 400, 200) == 100


@given(point_sets, point_sets, sides, sides, shifts, st.permutations(range(5)))
def test_movement_does_not_depend_on_position_order_or_direction_of_time(
    before: Points, after: Points, width: int, height: int, shift: tuple[float, float], order: list[int]
) -> None:
    """Faces elsewhere, reordered points, reversed time and a picture twice the size give the same value."""
    value = movement(before, after, width, height)
    assert value <= 100
    near = pytest.approx(value, rel=1e-6, abs=1e-6)
    assert movement(before + shift, after + shift, width, height) == near
    assert movement(before[order], after[order], width, height) == near
    assert movement(after, before, width, height) == near
    assert movement(2 * before, 2 * after, 2 * width, 2 * height) == near


def test_rotation_takes_the_change_of_all_angles_the_short_way_round() -> None:
    """Changes of (1, 2, 2) degrees are 3; from 179 to -179 degrees is 2, not 358."""
    assert rotation(Pose(10, 10, 10), Pose(11, 12, 8)) == pytest.approx(97)
    assert rotation(Pose(0, 0, 179), Pose(0, 0, -179)) == pytest.approx(98)


@given(poses, poses, st.integers(0, 2), st.sampled_from([-360, 360, 720]))
def test_rotation_does_not_count_full_turns(before: Pose, after: Pose, axis: int, turn: float) -> None:
    """Full turns and the direction of time change nothing; no angle changes by more than 180 degrees."""
    angles = list(after)
    angles[axis] += turn
    value = rotation(before, after)
    assert 100 - 180 * 3**0.5 - 1e-6 <= value <= 100
    assert rotation(before, Pose(*angles)) == pytest.approx(value, abs=1e-6)
    assert rotation(after, before) == pytest.approx(value, abs=1e-6)


def test_orientation_scales_180_degrees_to_100() -> None:
    """A pose of (9, 18, 18) degrees has the norm 27, which costs 15."""
    assert orientation(Pose(0, 0, 0)) == 100
    assert orientation(Pose(9, -18, 18)) == pytest.approx(85)


def test_resolution_is_thirty_times_the_percentage_inside_the_picture() -> None:
    """A tenth of the picture gives 300; the part of the box outside does not count."""
    assert resolution((50, 50, 100, 40), 200, 200) == pytest.approx(300)
    assert resolution((-50, 50, 100, 40), 200, 200) == pytest.approx(150)
    assert resolution((300, 300, 10, 10), 200, 200) == 0


@given(coordinates, coordinates, st.floats(0, 1000), st.floats(0, 1000), sides, sides, st.floats(0, 500))
def test_resolution_does_not_grow_outside_the_picture(
    x: float, y: float, wide: float, high: float, width: int, height: int, more: float
) -> None:
    """It is between 0 and 3000, and a box that extends beyond the right edge counts no more."""
    value = resolution((x, y, wide, high), width, height)
    assert 0 <= value <= 3000 + 1e-6
    if x + wide >= width:
        assert resolution((x, y, wide + more, high), width, height) == pytest.approx(value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("point", "left"), [(0, 85), (1, 85), (2, 60), (3, 85), (4, 85)])
def test_completeness_loses_the_worth_of_each_point_outside(point: int, left: float) -> None:
    """Eyes and corners of the mouth count 15 each, the nose 40; a point on the picture's edge is outside."""
    assert completeness(POINTS, 100, 100) == 100
    for outside in ((-0.1, 50), (100, 50), (50, -0.1), (50, 100)):
        points = POINTS.copy()
        points[point] = outside
        assert completeness(points, 100, 100) == left


def test_the_meaning_of_completeness_names_its_limits() -> None:
    """The column's meaning says that occlusion and profiles are not seen."""
    columns = {column.name: column.meaning for column in head(Settings()).columns}
    assert "blind to what covers it and to a profile's hidden half" in columns["min_completeness"]


def test_face_consistency_loses_twenty_for_each_second_without_exactly_one_face() -> None:
    """No face and two faces count alike, and the score is never below 0."""
    assert face_consistency([1, 1, 1]) == 100
    assert face_consistency([1, 0, 2, 1]) == 60
    assert face_consistency([0] * 9) == 0


def test_seconds_without_exactly_one_face_are_left_out_and_counted(yunet: YuNet) -> None:
    """For one, none, one, two, one and one faces movement exists at the last second only; no value is invented."""
    two = np.hstack([portrait()[:, 160:480], portrait()[:, 160:480]])
    found = scored([portrait(), NOTHING, portrait(), two, portrait(), portrait(x=36)], yunet)
    assert found.series["faces"] == [1, 0, 1, 2, 1, 1]
    assert [value is None for value in found.series["movement"]] == [True] * 5 + [False]
    assert [value is None for value in found.series["resolution"]] == [False, True, False, True, False, False]
    assert found.scores["face_consistency"] == 60
    # 36 px to the right of 360 are 10 %; half of the coordinates are heights, which stay.
    assert found.scores["min_movement"] == found.scores["avg_movement"] == pytest.approx(95, abs=0.5)
    assert found.scores["min_movement_at"] == 5
    assert found.reasons == {}


def test_a_clip_without_a_face_has_no_head_scores_and_says_why(yunet: YuNet) -> None:
    """Each of the fifteen scores is null with a reason; only the number of faces is known."""
    found = scored([NOTHING] * 3, yunet)
    missing = {name for name, value in found.scores.items() if value is None}
    assert missing == set(found.reasons)
    assert len(missing) == 15
    assert found.scores["face_consistency"] == 40
    assert "exactly one face" in found.reasons["avg_movement"]


def test_a_second_without_a_frame_separates_its_neighbours() -> None:
    """At 0.4 frames per second every other second has no frame: there are faces but no neighbouring seconds."""
    face = Face((10, 10, 20, 20), POINTS / 5, 0.9)
    picture = np.zeros((36, 64, 3), np.uint8)
    found = measured(head(Settings()), [picture] * 3, fps=0.4, find=finding([(face,)] * 3))
    assert found.series["faces"] == [1, None, 1, None, None, 1]
    assert found.scores["avg_movement"] is None
    assert found.scores["avg_orientation"] is not None


def test_a_doubtful_face_does_not_count_as_a_face() -> None:
    """A second face of confidence 0.65 leaves the second its scores and is counted in `doubtful_faces`."""
    sure, unsure = Face((10, 10, 20, 20), POINTS / 5, 0.9), Face((40, 10, 20, 20), POINTS / 5, 0.65)
    picture = np.zeros((36, 64, 3), np.uint8)
    found = measured(head(Settings()), [picture] * 2, fps=1, find=finding([(sure, unsure), (sure,)]))
    assert found.series["faces"] == [1, 1]
    assert found.scores["doubtful_faces"] == 1
    assert found.scores["avg_movement"] == 100


def test_turned_heads_lower_orientation_and_rotation(yunet: YuNet) -> None:
    """A picture rolled by 20 degrees loses about 11 in orientation; rolled back and forth it loses 20 in rotation."""
    rolled = seen(stage("astronaut-a"), 0, View(roll=20))
    still, turned = scored([portrait()] * 2, yunet), scored([portrait(), rolled], yunet)
    assert value(still, "min_orientation") - value(turned, "min_orientation") > 5
    assert value(turned, "avg_rotation") == pytest.approx(80, abs=3)


def test_the_mesh_changes_rotation_and_orientation_only(yunet: YuNet) -> None:
    """With the mesh these two have other values and are not approximate; all other scores are the same."""
    if best_pose() != "mesh":
        need("mediapipe", "pip install 'clipjury[pose]'")
    by_mesh = head(Settings(pose="mesh"))
    pictures = [portrait(), seen(stage("astronaut-a"), 0, View(roll=8))]
    points, mesh = scored(pictures, yunet), scored(pictures, yunet, Settings(pose="mesh"))
    different = {name for name in points.scores if points.scores[name] != mesh.scores[name]}
    assert different <= {f"{kind}_{name}" for kind in ("avg", "min") for name in ("rotation", "orientation")} | {
        "min_orientation_at"
    }
    assert value(mesh, "avg_rotation") == pytest.approx(92, abs=1.5)
    assert not any(column.approximate for column in by_mesh.columns)
    named = {column.name for column in head(Settings()).columns if column.approximate}
    assert named == {f"{kind}_{name}" for kind in ("avg", "min") for name in ("rotation", "orientation")} | {
        "min_rotation_at",
        "min_orientation_at",
    }


def test_every_choice_shows_in_the_signature() -> None:
    """Detector, pose method and sampling each change the backend's name; models are listed with their hashes."""
    choices = [Settings(), Settings(faces="centerface"), Settings(talkvid_compat=True)]
    if best_pose() == "mesh":
        choices.append(Settings(pose="mesh"))
    made = [head(settings) for settings in choices]
    assert len({scorer.backend for scorer in made}) == len(choices)
    assert all(len(weight.sha256) == 64 for scorer in made for weight in scorer.weights)
    assert made[1].weights != made[0].weights


def value(found: Measurement, name: str) -> float:
    score = found.scores[name]
    assert score is not None
    return score
