"""The turn of a head from MediaPipe's face mesh: 478 points on a crop around the face that a detector found."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions

from scoring.faces.face import Face
from scoring.head.pose import Pose, pose_of
from scoring.images import Image, resized

CROP = 2.0
"""The crop is this many times as large as the longer side of the face's box."""
LARGEST = 512
"""Pixels on the longer side of the crop; the mesh itself sees 256."""
UPRIGHT = np.diag([1.0, -1.0, -1.0])
"""MediaPipe's space has y up and z towards the viewer; ours has y down and z away, as pictures and OpenCV have."""


class FaceMesh:
    """MediaPipe's Face Landmarker (Kartynnik et al., arXiv 1907.06724; pose by fitting its metric face model).

    `model` is the bytes of its model file. Opening costs 30 ms. It must be closed
    before the process ends, for its threads cannot be ended after Python's own: so it lives no longer than a clip.
    """

    def __init__(self, model: bytes) -> None:
        options = FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model),
            output_facial_transformation_matrixes=True,
            num_faces=1,
        )
        with _quiet():
            self._landmarker = FaceLandmarker.create_from_options(options)

    def close(self) -> None:
        """Let go of the model; the mesh cannot be asked any more."""
        self._landmarker.close()

    def __enter__(self) -> "FaceMesh":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The pose of the face, or None where the mesh finds no face around its box."""
        crop = around(bgr, face)
        if crop is None:
            return None
        rgb = np.ascontiguousarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB))
        found = self._landmarker.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, rgb))
        if not found.facial_transformation_matrixes:
            return None
        turn = np.asarray(found.facial_transformation_matrixes[0], np.float64)[:3, :3]
        return pose_of(UPRIGHT @ turn @ UPRIGHT)


def around(bgr: Image, face: Face) -> Image | None:
    """The square around a face's box, twice as large, as far as the picture goes and at most 512 pixels; None for a
    box outside the picture.
    """
    x, y, width, height = face.box
    half = CROP * max(width, height) / 2
    left, right = (round(x + width / 2 + side) for side in (-half, half))
    top, bottom = (round(y + height / 2 + side) for side in (-half, half))
    crop = bgr[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if crop.size == 0:
        return None
    scale = LARGEST / max(crop.shape[:2])
    if scale >= 1:
        return crop
    return resized(crop, max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))


@contextmanager
def _quiet() -> Iterator[None]:
    """MediaPipe's libraries greet on the process's standard error, past Python; for this moment nobody listens."""
    kept = os.dup(2)
    nowhere = os.open(Path(os.devnull), os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
