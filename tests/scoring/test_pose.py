"""The pose of a head: angles and rotations, five points, the face mesh, and the same signs in both."""

import math
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.demo.footage import View, seen, stage
from scoring.faces.face import Face
from scoring.faces.yunet import YuNet
from scoring.head.five_points import FACE_MODEL, FivePoints, head_pose
from scoring.head.head import head
from scoring.head.pose import Pose, pose_of, rotation_matrix
from scoring.head.pose_methods import best_pose, pose_opener
from scoring.images import Image
from scoring.settings import Settings
from scoring.weights import PLACE, WeightsError
from tests.conftest import need

MESH = Settings(pose="mesh")

degrees = st.floats(-180, 180).map(lambda angle: round(angle, 3))
poses = st.builds(Pose, degrees, st.floats(-89, 89), degrees)


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet()


def has_mesh() -> None:
    if best_pose() != "mesh":
        need("mediapipe", "pip install 'clipjury[pose]'")


def points_of(pose: Pose) -> NDArray[np.float64]:
    """The points of the head model, rotated and projected by a camera to a picture of 640x360."""
    space = FACE_MODEL @ rotation_matrix(pose).T + (40, -30, 700)
    return np.asarray(space[:, :2] / space[:, 2:] * 640 + (320, 180), np.float64)


@given(poses)
def test_pose_of_inverts_rotation_matrix(pose: Pose) -> None:
    """Pitch, yaw and roll are recovered from their rotation, unless the face looks along an axis."""
    rotation = rotation_matrix(pose)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert rotation_matrix(pose_of(rotation)) == pytest.approx(rotation, abs=1e-6)


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(12, 0, 0), Pose(0, -25, 0), Pose(0, 0, 30), Pose(-8, 15, -20)])
def test_head_pose_recovers_the_pose_of_projected_points(pose: Pose) -> None:
    """Points of the head model, rotated by a pose and projected by a camera, give the same angles."""
    assert head_pose(points_of(pose), 640, 360) == pytest.approx(pose, abs=0.1)


def test_signs_are_as_documented() -> None:
    """Positive pitch looks down, positive yaw to the left of the picture, positive roll leans clockwise."""
    gaze = np.array([0, 0, -1.0])
    assert (rotation_matrix(Pose(20, 0, 0)) @ gaze)[1] > 0
    assert (rotation_matrix(Pose(0, 20, 0)) @ gaze)[0] < 0
    assert (rotation_matrix(Pose(0, 0, 20)) @ np.array([1.0, 0, 0]))[1] > 0


def test_coinciding_points_raise_no_error() -> None:
    """Five points in one place give a pose or None, never an exception."""
    pose = head_pose(np.full((5, 2), 50.0), 100, 100)
    assert pose is None or all(math.isfinite(angle) for angle in pose)


def of_both(picture: Image, yunet: YuNet) -> tuple[Pose, Pose]:
    """The two poses of the one face in a picture: by its points and by the mesh."""
    (face,) = yunet.faces(picture)
    mesh = pose_opener(MESH)()
    found = FivePoints().pose(picture, face), mesh.pose(picture, face)
    mesh.close()
    assert found[0]
    assert found[1]
    return found[0], found[1]


def test_mesh_and_five_points_agree_on_which_way_a_head_leans(yunet: YuNet) -> None:
    """For a portrait rolled by 20 degrees to each side both have the right sign, the mesh within 3 degrees."""
    has_mesh()
    upright = of_both(seen(stage("astronaut-a"), 0, View()), yunet)
    for lean in (-20, 20):
        leaning = of_both(seen(stage("astronaut-a"), 0, View(roll=lean)), yunet)
        by_points, by_mesh = (now.roll - before.roll for now, before in zip(leaning, upright, strict=True))
        assert math.copysign(1, by_points) == math.copysign(1, by_mesh)
        assert abs(by_points) > 8
        assert abs(by_mesh) == pytest.approx(20, abs=3)


def test_mesh_and_five_points_agree_on_which_way_a_head_turns(yunet: YuNet) -> None:
    """Squeezing half of a face looks like a turn: both methods see it, and its mirror image with the opposite sign."""
    has_mesh()
    portrait = seen(stage("astronaut-a"), 0, View())
    squeezed = one_side_squeezed(portrait, yunet)
    plain, turn = of_both(portrait, yunet), of_both(squeezed, yunet)
    back = of_both(np.ascontiguousarray(squeezed[:, ::-1]), yunet)
    for before, after, mirrored in zip(plain, turn, back, strict=True):
        assert after.yaw - before.yaw > 5
        assert mirrored.yaw < -2


def one_side_squeezed(picture: Image, yunet: YuNet) -> Image:
    """The picture squeezed left of the nose and stretched right of it, as if the face looked to the left."""
    (face,) = yunet.faces(picture)
    nose, half = float(face.points[2, 0]), face.box[2] / 2
    x = np.arange(picture.shape[1], dtype=np.float32)
    # Near the nose everything moves to the left, far from it nothing does.
    moved = x + 0.5 * half * np.exp(-(((x - nose) / (0.8 * half)) ** 2))
    across = np.repeat(moved[None].astype(np.float32), picture.shape[0], axis=0)
    down = np.repeat(np.arange(picture.shape[0], dtype=np.float32)[:, None], picture.shape[1], axis=1)
    return np.asarray(cv2.remap(picture, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_the_mesh_gives_none_without_a_face() -> None:
    """A uniform picture and a box outside the picture have no pose."""
    has_mesh()
    mesh = pose_opener(MESH)()
    grey = np.full((360, 640, 3), 90, np.uint8)
    points = np.zeros((5, 2))
    assert mesh.pose(grey, Face((200, 100, 80, 100), points, 0.9)) is None
    assert mesh.pose(grey, Face((900, 100, 80, 100), points, 0.9)) is None
    mesh.close()


def test_the_mesh_prints_nothing(yunet: YuNet, capfd: pytest.CaptureFixture[str]) -> None:
    """Opening, measuring and closing write nothing to the process's output, as MediaPipe would."""
    has_mesh()
    of_both(seen(stage("astronaut-a"), 0, View()), yunet)
    written = capfd.readouterr()
    assert written.err == ""
    assert written.out == ""


def test_without_mediapipe_the_mesh_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making the scorer raises an error that says what to install and what conflicts; five points still work."""
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(WeightsError, match=r"pip install 'clipjury\[pose\]'.*opencv-contrib-python, which collides"):
        head(MESH)
    assert best_pose() == "points"


def test_a_wrong_mesh_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the mesh's name with other bytes is not used, and the best pose method is then five points."""
    has_mesh()
    folder = tmp_path_factory.mktemp("weights")
    (folder / "face_landmarker.task").write_bytes(b"something else")
    monkeypatch.setenv(PLACE, str(folder))
    assert best_pose() == "points"
    with pytest.raises(WeightsError, match="not the expected model"):
        pose_opener(MESH)
