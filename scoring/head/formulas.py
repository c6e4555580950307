"""The formulas of TalkVid's five head scores and of face consistency, from points, boxes and poses.

Source: arXiv 2508.13618 and, where the paper is ambiguous, the released code (github.com/FreedomIntelligence/TalkVid,
data_pipeline/3_head_detail_filtering/src/pic_head_base_fun.py).
"""

import math
from collections.abc import Sequence

import numpy as np

from scoring.faces.face import Box, Points
from scoring.head.pose import Pose

POINT_WORTH = (15.0, 15.0, 40.0, 15.0, 15.0)
"""Points of completeness for each eye, the nose and each corner of the mouth, in the order of `Points`."""


def movement(before: Points, after: Points, width: int, height: int) -> float:
    """100 minus the points' mean displacement in percent of the picture's shorter side; 100 is a head at rest.

    `before` and `after` are (5, 2) pixels. The displacement is that of the released code: the mean of |dx| and |dy|
    over the five points, not the distance. A head that moves 10 % of the side to the right scores 95, diagonally 93.

    >>> round(movement(np.zeros((5, 2)), np.full((5, 2), [3.0, 4.0]), 200, 100), 6)
    96.5
    """
    shift = np.abs(np.asarray(after) - np.asarray(before)).mean()
    return 100 - 100 * float(shift) / min(width, height)


def rotation(before: Pose, after: Pose) -> float:
    """100 minus the norm of the change in (pitch, yaw, roll) in degrees; each angle changes by at most 180.

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


def resolution(box: Box, width: int, height: int) -> float:
    """30 times the share of the picture, in percent, that the face box covers; above 100 from a share of 3.3 % on.

    Only the part of the box (x, y, width, height) that is inside the picture counts.

    >>> resolution((10, 10, 20, 10), 100, 100)
    60.0
    """
    x, y, wide, high = box
    inside_x = max(0.0, min(x + wide, width) - max(x, 0.0))
    inside_y = max(0.0, min(y + high, height) - max(y, 0.0))
    return 30 * 100 * inside_x * inside_y / (width * height)


def completeness(points: Points, width: int, height: int) -> float:
    """The sum over the points inside the picture: 15 per eye, 40 for the nose, 15 per corner of the mouth; 0 to 100.

    `points` are (5, 2) pixels. The score cannot see what covers a face (a hand, a mask, a microphone) or the hidden
    half of a profile: a detector guesses these points, and they count in full.

    >>> completeness(np.array([[-1, 5], [9, 5], [5, 6], [3, 8], [7, 8]]), 10, 10)
    85.0
    """
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    return float(np.dot(inside, POINT_WORTH))


def face_consistency(counts: Sequence[int]) -> float:
    """100 minus 20 for each picture without exactly one face, at least 0. `counts` are the faces per picture.

    >>> face_consistency([1, 1, 2, 1, 0])
    60.0
    """
    return max(0.0, 100.0 - 20 * sum(count != 1 for count in counts))
