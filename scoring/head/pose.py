"""How a head is turned: the pose in angles, its rotation matrix, and what measures poses. For both pose methods."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.faces.face import Face
from scoring.images import Image


class Pose(NamedTuple):
    """The turn of a head in degrees; all angles are 0 for a face that looks straight into the camera.

    Positive pitch looks down, positive yaw looks to the left side of the picture, positive roll leans clockwise.
    """

    pitch: float
    yaw: float
    roll: float


class PoseFinder(Protocol):
    """A method that measures poses in one clip. It must be closed when the clip is over."""

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The pose of a face in a picture (height, width, 3); None if it cannot be measured."""

    def close(self) -> None:
        """Release the model."""


PoseOpener = Callable[[], PoseFinder]
"""Opens a pose finder for one clip."""


def rotation_matrix(pose: Pose) -> NDArray[np.float64]:
    """The rotation (3, 3) of a pose: about x (pitch) first, then about y (yaw), then about z (roll)."""
    pitch, yaw, roll = (math.radians(angle) for angle in pose)
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float64)


def pose_of(rotation: NDArray[np.float64]) -> Pose:
    """The pose of a rotation (3, 3): the inverse of `rotation_matrix`.

    >>> [round(angle) for angle in pose_of(rotation_matrix(Pose(10, -20, 30)))]
    [10, -20, 30]
    """
    pitch = math.atan2(rotation[2, 1], rotation[2, 2])
    yaw = math.asin(max(-1.0, min(1.0, -rotation[2, 0])))
    roll = math.atan2(rotation[1, 0], rotation[0, 0])
    return Pose(math.degrees(pitch), math.degrees(yaw), math.degrees(roll))
