"""Face detection by YuNet and by CenterFace: boxes, points and confidence, and the agreement of the two."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo.footage import View, seen, stage
from scoring.faces.centerface import CenterFace, decoded
from scoring.faces.detectors import face_backend, face_finder
from scoring.faces.face import Face, intersection_over_union
from scoring.faces.yunet import YuNet
from scoring.head.formulas import resolution
from scoring.images import Image
from scoring.settings import Settings
from scoring.weights import CENTERFACE, PLACE, WeightsError, state

NEAR = 0.08
"""Points of the two detectors lie within this share of the face's width of each other."""

boxes = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0.1, 50), st.floats(0.1, 50))


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet()


@pytest.fixture(scope="module")
def centerface() -> CenterFace:
    if state(CENTERFACE) != "right":
        pytest.skip("CenterFace's model file is not here: clipjury weights get centerface")
    return CenterFace(CENTERFACE)


def portrait() -> Image:
    return seen(stage("astronaut-a"), 0, View())


def enlarged(picture: Image, by: float) -> Image:
    return np.asarray(cv2.resize(picture, None, fx=by, fy=by, interpolation=cv2.INTER_CUBIC), np.uint8)


def test_yunet_gives_pixels_of_the_picture(yunet: YuNet) -> None:
    """A picture twice as large gives boxes and points at twice the distance, and the same resolution score."""
    small = portrait()
    (a,), (b,) = yunet.faces(small), yunet.faces(enlarged(small, 2))
    assert b.points == pytest.approx(2 * a.points, abs=6)
    assert resolution(b.box, 1280, 720) == pytest.approx(resolution(a.box, 640, 360), rel=0.05)


def test_the_two_detectors_find_the_same_face(yunet: YuNet, centerface: CenterFace) -> None:
    """On a portrait both find one face: boxes overlap by more than half, points differ by at most 8 % of its width."""
    for picture in (portrait(), enlarged(portrait(), 2), np.ascontiguousarray(portrait()[:, 140:500])):
        (one,), (other,) = yunet.faces(picture), centerface.faces(picture)
        assert one.certain
        assert other.certain
        assert intersection_over_union(one.box, other.box) > 0.5
        apart = np.linalg.norm(one.points - other.points, axis=1)
        assert apart.max() < NEAR * one.box[2]


def test_both_count_two_people(yunet: YuNet, centerface: CenterFace) -> None:
    """Two portraits side by side are two certain faces, the left one with its points on the left."""
    two = np.hstack([portrait()[:, 160:480], portrait()[:, 160:480]])
    for detector in (yunet, centerface):
        found = [face for face in detector.faces(two) if face.certain]
        assert len(found) == 2
        assert sorted(float(face.points[2, 0]) < 320 for face in found) == [False, True]


def test_a_uniform_picture_has_no_face(yunet: YuNet, centerface: CenterFace) -> None:
    """Both detectors find no face in a uniform picture."""
    grey = np.full((360, 640, 3), 90, np.uint8)
    assert yunet.faces(grey) == centerface.faces(grey) == ()


def test_earlier_pictures_do_not_change_the_result(centerface: CenterFace) -> None:
    """A landscape picture after a portrait one gives the same faces as with a fresh detector."""
    landscape, upright = portrait(), np.ascontiguousarray(portrait()[:, 200:400])
    fresh = CenterFace(CENTERFACE).faces(landscape)
    centerface.faces(upright)
    (again,) = centerface.faces(landscape)
    assert again.box == fresh[0].box
    assert again.confidence == fresh[0].confidence


def maps(*faces: tuple[int, int, float]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """CenterFace's four maps for a picture of 80x64: faces of 16x24 pixels at places (row, column) so sure."""
    confidence, scales = np.zeros((1, 16, 20), np.float32), np.zeros((2, 16, 20), np.float32)
    shifts, landmarks = np.zeros((2, 16, 20), np.float32), np.zeros((10, 16, 20), np.float32)
    for row, column, sure in faces:
        confidence[0, row, column] = sure
        scales[:, row, column] = np.log([24 / 4, 16 / 4])
        shifts[:, row, column] = (0.25, -0.5)
        landmarks[:, row, column] = [0.4, 0.3, 0.4, 0.7, 0.6, 0.5, 0.8, 0.3, 0.8, 0.7]
    return [confidence, scales, shifts, landmarks]


def test_maps_are_decoded_by_the_rule() -> None:
    """Centre = 4 x (cell + shift + 1/2), size = 4 x exp(scale), points are fractions of the box from its corner."""
    (face,) = decoded(*maps((8, 10, 0.9)))
    assert face.box == pytest.approx((40 - 8, 35 - 12, 16, 24), abs=1e-4)
    wanted = [[36.8, 32.6], [43.2, 32.6], [40, 37.4], [36.8, 42.2], [43.2, 42.2]]
    assert face.points == pytest.approx(np.array(wanted), abs=1e-4)
    assert face.confidence == pytest.approx(0.9)


def test_of_overlapping_faces_the_most_confident_is_kept() -> None:
    """A neighbouring cell of the same face is dropped, a distant face is kept, the most confident is first."""
    found = decoded(*maps((8, 10, 0.6), (8, 11, 0.8), (8, 3, 0.7)))
    assert [face.confidence for face in found] == pytest.approx([0.8, 0.7])


@pytest.mark.parametrize(
    ("sure", "certain", "doubtful"),
    [(0.39, None, None), (0.45, False, True), (0.55, True, True), (0.65, True, False)],
)
def test_centerface_has_its_own_threshold(sure: float, certain: bool | None, doubtful: bool | None) -> None:
    """A face counts from 0.5 on and is doubtful within 0.1 of that; below 0.4 it is not reported."""
    found = decoded(*maps((8, 10, sure)))
    assert [face.certain for face in found] == ([] if certain is None else [certain])
    assert [face.doubtful for face in found] == ([] if doubtful is None else [doubtful])


@pytest.mark.parametrize(
    ("sure", "certain", "doubtful"), [(0.65, False, True), (0.75, True, True), (0.85, True, False)]
)
def test_yunet_counts_from_seven_tenths(sure: float, certain: bool, doubtful: bool) -> None:
    """The threshold is 0.7; between 0.6 and 0.8 a face is doubtful."""
    face = Face((0, 0, 1, 1), np.zeros((5, 2)), sure)
    assert (face.certain, face.doubtful) == (certain, doubtful)


@given(boxes, boxes)
def test_intersection_over_union_is_a_share(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> None:
    """It is between 0 and 1, symmetric, and 1 for a box with itself."""
    assert 0 <= intersection_over_union(one, other) <= 1 + 1e-9
    assert intersection_over_union(one, other) == pytest.approx(intersection_over_union(other, one))
    assert intersection_over_union(one, one) == pytest.approx(1)


def test_settings_choose_the_detector_and_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and model file of the chosen detector are recorded; a missing file gives an error with the remedy."""
    monkeypatch.setenv(PLACE, str(tmp_path))
    monkeypatch.setenv("CLIPJURY_HOME", str(tmp_path))
    assert face_backend(Settings())[0] == "YuNet at 640 px"
    name, (weight,) = face_backend(Settings(faces="centerface"))
    assert name == "CenterFace at 640 px"
    assert weight.sha256 == CENTERFACE.sha256
    with pytest.raises(WeightsError, match=r"centerface.onnx is missing.*Get it: clipjury weights get centerface"):
        face_finder(Settings(faces="centerface"))
    with pytest.raises(WeightsError, match=r"centerface.onnx is missing \(looked in /nowhere/c.onnx\)"):
        face_finder(Settings(faces="centerface", weights=(("centerface", Path("/nowhere/c.onnx")),)))
