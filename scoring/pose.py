"""How a head is turned: from the face's five points, or from the face mesh (`scoring.mesh`), with the same signs."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.faces.face import Face, Points
from scoring.images import Image
from scoring.settings import Settings
from scoring.weights import MESH, Weight, WeightsError, given, load, state

FACE_MODEL = np.array(
    [[-31.5, -35.0, 34.0], [31.5, -35.0, 34.0], [0.0, 0.0, 0.0], [-25.0, 31.0, 28.0], [25.0, 31.0, 28.0]]
)
"""The five points on a middling adult head, in mm from the nose tip; x to the right of the picture, y down, z away
from the camera. Eyes 63 mm apart: Dodgson, SPIE 5291, 2004; mouth width, heights and depths after Farkas,
Anthropometry of the Head and Face, 1994, rounded; of eight such proportions tried, one that put 24
frontal talking heads nearest to frontal (mean pitch 6 degrees left): a fit, not a validation. A stranger's own
proportions turn into some degrees of error."""

NO_MEDIAPIPE = (
    "Head pose from the face mesh needs mediapipe: pip install 'clipjury[pose]'. It brings another build of OpenCV, "
    "opencv-contrib-python, which collides with the headless one (both are `cv2`); put that back afterwards: "
    "pip uninstall opencv-contrib-python; pip install --force-reinstall --no-deps opencv-python-headless. "
    "Or score with the pose from five points, which needs nothing more."
)


class Pose(NamedTuple):
    """Turn of the head in degrees, all 0 for a face that looks straight into the camera.

    Positive pitch looks down, positive yaw to the left side of the picture; positive roll leans clockwise.
    """

    pitch: float
    yaw: float
    roll: float


class PoseFinder(Protocol):
    """What measures poses in one clip; to be closed when the clip is over."""

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The turn of a face in a picture (height, width, 3); None where it cannot be said."""

    def close(self) -> None:
        """Let go of its model."""


OpenPose = Callable[[], PoseFinder]
"""Opens what measures poses, for one clip."""


def turned(pose: Pose) -> NDArray[np.float64]:
    """The rotation (3, 3) of a pose: about x (pitch) first, then y (yaw), then z (roll)."""
    pitch, yaw, roll = (math.radians(angle) for angle in pose)
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float64)


def angles(turn: NDArray[np.float64]) -> Pose:
    """The pose of a rotation (3, 3), the inverse of `turned`.

    >>> [round(angle) for angle in angles(turned(Pose(10, -20, 30)))]
    [10, -20, 30]
    """
    pitch = math.atan2(turn[2, 1], turn[2, 2])
    yaw = math.asin(max(-1.0, min(1.0, -turn[2, 0])))
    roll = math.atan2(turn[1, 0], turn[0, 0])
    return Pose(math.degrees(pitch), math.degrees(yaw), math.degrees(roll))


def head_pose(points: Points, width: int, height: int) -> Pose | None:
    """Pitch, yaw and roll from five points in a picture of that size, or None where no pose fits them.

    Perspective-n-point with FACE_MODEL (SQPnP, Terzakis and Lourakis, ECCV 2020, then Levenberg-Marquardt); the
    camera's focal length is taken as the picture's longer side. Five points are few: pitch in particular is coarse.
    """
    focal = float(max(width, height))
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    image = np.asarray(points, np.float64)
    try:
        found, turn, shift = cv2.solvePnP(FACE_MODEL, image, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        if found:
            turn, shift = cv2.solvePnPRefineLM(FACE_MODEL, image, camera, None, turn, shift)
    except cv2.error:  # all points on one spot
        return None
    if not found or not np.isfinite(turn).all():
        return None
    return angles(np.asarray(cv2.Rodrigues(turn)[0], np.float64))


class FivePoints:
    """Poses from the five points that the face detector gives."""

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The pose of a face by its points alone; of the picture only the size matters."""
        height, width = bgr.shape[:2]
        return head_pose(face.points, width, height)

    def close(self) -> None:
        """There is no model to let go of."""


def pose_opener(settings: Settings) -> OpenPose:
    """What measures the pose under these settings, loaded. Raises WeightsError without its model file."""
    if settings.pose == "points":
        return FivePoints
    from scoring.mesh import FaceMesh  # mediapipe is an extra

    model = load(_mesh(settings))
    return lambda: FaceMesh(model)


def pose_backend(settings: Settings) -> tuple[str, tuple[Weight, ...]]:
    """How the pose is named in the record of scores, and its model files. Raises WeightsError without mediapipe."""
    if settings.pose == "points":
        return "five-point pose", ()
    if find_spec("mediapipe") is None:
        raise WeightsError(NO_MEDIAPIPE)
    return "face mesh pose", (_mesh(settings),)


def best_pose() -> Literal["points", "mesh"]:
    """The better of the two that this machine can do."""
    return "mesh" if find_spec("mediapipe") and state(MESH) == "right" else "points"


def _mesh(settings: Settings) -> Weight:
    return given(MESH, settings.weight("mesh"))
