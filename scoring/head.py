"""Head scores by the formulas of TalkVid (arXiv 2508.13618 and its released code), from five points per face.

Everything is measured on one picture per second. A second counts only if exactly one face is found in it; two seconds
are neighbours only if they follow each other directly. Nothing is made up for the rest: its entries in the series are
None, `face_consistency` counts it, and a score with no second to stand on is None with its reason.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from scoring.faces import Face, FaceDetector, Points
from scoring.scorer import Column, Measured, Scorer
from scoring.video import Clip
from scoring.weights import YUNET

FACE_MODEL = np.array(
    [[-31.5, -35.0, 34.0], [31.5, -35.0, 34.0], [0.0, 0.0, 0.0], [-25.0, 31.0, 28.0], [25.0, 31.0, 28.0]]
)
"""The five points on a middling adult head, in mm from the nose tip; x to the right of the picture, y down, z away
from the camera. Eyes 63 mm apart: Dodgson, SPIE 5291, 2004; mouth width, heights and depths after Farkas,
Anthropometry of the Head and Face, 1994, rounded; of eight such proportions tried, one that put 24
frontal talking heads nearest to frontal (mean pitch 6 degrees left): a fit, not a validation. A stranger's own
proportions turn into some degrees of error."""

POINT_WORTH = (15.0, 15.0, 40.0, 15.0, 15.0)
"""Completeness: both eyes 30, nose 40, both corners of the mouth 30."""


class Pose(NamedTuple):
    """Turn of the head in degrees, all 0 for a face that looks straight into the camera."""

    pitch: float
    yaw: float
    roll: float


def movement(before: Points, after: Points, width: int, height: int) -> float:
    """100 minus the points' mean displacement in percent of the picture's shorter side; 100 is a head at rest.

    >>> round(movement(np.zeros((5, 2)), np.full((5, 2), [3.0, 4.0]), 200, 100), 6)
    95.0
    """
    shift = np.linalg.norm(np.asarray(after) - np.asarray(before), axis=1).mean()
    return 100 - 100 * float(shift) / min(width, height)


def rotation(before: Pose, after: Pose) -> float:
    """100 minus the norm of the change in (pitch, yaw, roll) in degrees, each the short way round.

    >>> rotation(Pose(0, 0, 179), Pose(3, 4, 179))
    95.0
    """
    turns = [(b - a + 180) % 360 - 180 for a, b in zip(before, after, strict=True)]
    return 100 - math.hypot(*turns)


def orientation(pose: Pose) -> float:
    """100 minus the norm of (pitch, yaw, roll) in degrees times 100/180; 100 is a frontal face.

    >>> round(orientation(Pose(0, 18, 0)), 6)
    90.0
    """
    return 100 - math.hypot(*pose) * 100 / 180


def resolution(box: tuple[float, float, float, float], width: int, height: int) -> float:
    """30 times the share of the picture, in percent, that the face box takes; above 100 from a share of 3.3 % on.

    Only the part of the box (x, y, width, height) inside the picture counts.

    >>> resolution((10, 10, 20, 10), 100, 100)
    60.0
    """
    x, y, wide, high = box
    inside_x = max(0.0, min(x + wide, width) - max(x, 0.0))
    inside_y = max(0.0, min(y + high, height) - max(y, 0.0))
    return 30 * 100 * inside_x * inside_y / (width * height)


def completeness(points: Points, width: int, height: int) -> float:
    """The worth of the points inside the picture: 15 an eye, 40 the nose, 15 a corner of the mouth; 100 is all.

    >>> completeness(np.array([[-1, 5], [9, 5], [5, 6], [3, 8], [7, 8]]), 10, 10)
    85.0
    """
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    return float(np.dot(inside, POINT_WORTH))


def face_consistency(counts: Sequence[int]) -> float:
    """100 minus 20 for each picture without exactly one face, not below 0. `counts` are faces per picture.

    >>> face_consistency([1, 1, 2, 1, 0])
    60.0
    """
    return max(0.0, 100.0 - 20 * sum(count != 1 for count in counts))


def head_pose(points: Points, width: int, height: int) -> Pose | None:
    """Pitch, yaw and roll from five points in a picture of that size, or None where no pose fits them.

    Perspective-n-point with FACE_MODEL (SQPnP, Terzakis and Lourakis, ECCV 2020, then Levenberg-Marquardt); the
    camera's focal length is taken as the picture's longer side. Five points are few: pitch in particular is coarse.
    """
    focal = float(max(width, height))
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    image = np.asarray(points, np.float64)
    found, turn, shift = cv2.solvePnP(FACE_MODEL, image, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return None
    turn, shift = cv2.solvePnPRefineLM(FACE_MODEL, image, camera, None, turn, shift)
    if not np.isfinite(turn).all():
        return None
    r = cv2.Rodrigues(turn)[0]
    pitch = math.atan2(r[2, 1], r[2, 2])
    yaw = math.asin(max(-1.0, min(1.0, -r[2, 0])))
    roll = math.atan2(r[1, 0], r[0, 0])
    return Pose(math.degrees(pitch), math.degrees(yaw), math.degrees(roll))


def score(detector: FaceDetector, clip: Clip) -> Measured:
    """All head scores of one clip: `avg_X`, `min_X`, `min_X_at` for five X, `face_consistency`, `doubtful_faces`."""
    length = clip.seconds[-1].index + 1
    counts: list[float | None] = [None] * length
    series: dict[str, list[float | None]] = {name: [None] * length for name in FIVE}
    alone: dict[int, tuple[Face, Pose | None]] = {}
    doubtful = 0
    for second in clip.seconds:
        height, width = second.bgr.shape[:2]
        faces = detector.faces(second.bgr)
        doubtful += any(face.doubtful for face in faces)
        certain = [face for face in faces if face.certain]
        counts[second.index] = len(certain)
        if len(certain) != 1:
            continue
        face, pose = certain[0], head_pose(certain[0].points, width, height)
        alone[second.index] = face, pose
        series["resolution"][second.index] = resolution(face.box, width, height)
        series["completeness"][second.index] = completeness(face.points, width, height)
        series["orientation"][second.index] = orientation(pose) if pose else None
        if second.index - 1 in alone:
            earlier, earlier_pose = alone[second.index - 1]
            series["movement"][second.index] = movement(earlier.points, face.points, width, height)
            series["rotation"][second.index] = rotation(earlier_pose, pose) if pose and earlier_pose else None
    scores: dict[str, float | None] = {
        "face_consistency": face_consistency([int(count) for count in counts if count is not None]),
        "doubtful_faces": float(doubtful),
    }
    reasons: dict[str, str] = {}
    times = {second.index: second.time for second in clip.seconds}
    for name in FIVE:
        summary = _summary(name, series[name], times)
        scores |= summary
        reasons |= dict.fromkeys([column for column, value in summary.items() if value is None], _why(name))
    return Measured(scores, series | {"faces": counts}, reasons)


def _summary(name: str, series: list[float | None], times: dict[int, float]) -> dict[str, float | None]:
    """Mean, minimum, and the time of the first minimum in seconds."""
    known = [(value, index) for index, value in enumerate(series) if value is not None]
    if not known:
        return {f"avg_{name}": None, f"min_{name}": None, f"min_{name}_at": None}
    lowest, index = min(known)
    average = math.fsum(value for value, _ in known) / len(known)
    return {f"avg_{name}": average, f"min_{name}": lowest, f"min_{name}_at": times[index]}


def _why(name: str) -> str:
    if name in PAIRED:
        return "No two neighbouring seconds show exactly one face."
    return "No second shows exactly one face."


PAIRED = ("movement", "rotation")
FIVE = {
    "movement": Column("movement", "how still the head stays from one second to the next", "higher", high=100),
    "rotation": Column(
        "rotation", "how little the head turns from one second to the next", "higher", high=100, approximate=True
    ),
    "completeness": Column("completeness", "how much of the face is inside the picture", "higher", low=0, high=100),
    "resolution": Column("resolution", "how large the face is: 30 x its share of the picture in %", "higher", low=0),
    "orientation": Column("orientation", "how frontal the face is", "higher", high=100, approximate=True),
}


def _columns() -> tuple[Column, ...]:
    columns: list[Column] = []
    for c in FIVE.values():
        kind = (c.direction, c.units, c.low, c.high, c.approximate)
        columns += [
            Column(f"avg_{c.name}", f"{c.meaning}; mean over the clip", *kind),
            Column(f"min_{c.name}", f"{c.meaning}; at the worst second", *kind),
            Column(f"min_{c.name}_at", f"when {c.name} is lowest", "none", "s", low=0, approximate=c.approximate),
        ]
    return (
        *columns,
        Column("face_consistency", "100 minus 20 per second without exactly one face", "higher", low=0, high=100),
        Column("doubtful_faces", "seconds with a face so unsure that the count could be another", "lower", "s", low=0),
    )


HEAD = Scorer(
    name="head",
    version="1",
    backend="YuNet at 640 px, five-point pose",
    columns=_columns(),
    series=(*FIVE.values(), Column("faces", "faces found", "none", low=0)),
    setup=FaceDetector,
    score=score,
    weights=(YUNET,),
)
