"""The turn of a head from the five points of a face that the detector gives. It needs no further model."""

import cv2
import numpy as np

from scoring.faces.face import Face, Points
from scoring.head.pose import Pose, pose_of
from scoring.images import Image

FACE_MODEL = np.array(
    [[-31.5, -35.0, 34.0], [31.5, -35.0, 34.0], [0.0, 0.0, 0.0], [-25.0, 31.0, 28.0], [25.0, 31.0, 28.0]]
)
"""The five points on an average adult head, in mm from the nose tip: x to the right of the picture, y down, z away
from the camera. The eyes are 63 mm apart (Dodgson, SPIE 5291, 2004); mouth width, heights and depths follow Farkas,
Anthropometry of the Head and Face, 1994, rounded. Of eight such sets of proportions this one put 24 frontal talking
heads nearest to frontal (mean pitch 6 degrees left): it was fitted, not validated. The proportions of a particular
person cause errors of some degrees."""


class FivePoints:
    """Poses from the five points that the face detector gives."""

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The pose of a face by its points alone; only the size of the picture matters."""
        height, width = bgr.shape[:2]
        return head_pose(face.points, width, height)

    def close(self) -> None:
        """Do nothing: there is no model to release."""


def head_pose(points: Points, width: int, height: int) -> Pose | None:
    """Pitch, yaw and roll from five points in a picture of `width` x `height` pixels; None if no pose fits them.

    Perspective-n-point with FACE_MODEL (SQPnP, Terzakis and Lourakis, ECCV 2020, then Levenberg-Marquardt). The
    camera's focal length is assumed to be the picture's longer side. Five points are few: pitch above all is coarse.
    """
    focal = float(max(width, height))
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    image = np.asarray(points, np.float64)
    try:
        found, turn, shift = cv2.solvePnP(FACE_MODEL, image, camera, None, flags=cv2.SOLVEPNP_SQPNP)
        if found:
            turn, shift = cv2.solvePnPRefineLM(FACE_MODEL, image, camera, None, turn, shift)
    except cv2.error:  # all points coincide
        return None
    if not found or not np.isfinite(turn).all():
        return None
    return pose_of(np.asarray(cv2.Rodrigues(turn)[0], np.float64))
