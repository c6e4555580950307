"""The turn of a head by MediaPipe's face mesh: 478 points on a crop around a detected face. Needs the extra `pose`."""

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
"""Side of the crop as a multiple of the longer side of the face's box."""
LARGEST = 512
"""Pixels on the longer side of the crop, at most; the mesh itself uses 256."""
UPRIGHT = np.diag([1.0, -1.0, -1.0])
"""In MediaPipe's space y points up and z to the viewer; in pictures and OpenCV y points down and z away."""


class FaceMesh:
    """MediaPipe's Face Landmarker (Kartynnik et al., arXiv 1907.06724; pose by fitting its metric face model).

    `model` is the bytes of its model file. Opening takes 30 ms. It must be closed before the process ends, since its
    threads cannot be stopped after Python's own; therefore it is opened for each clip.
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
        """Release the model; no pose can be measured afterwards."""
        self._landmarker.close()

    def __enter__(self) -> "FaceMesh":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pose(self, bgr: Image, face: Face) -> Pose | None:
        """The pose of a face in a picture (height, width, 3); None if the mesh finds no face around its box."""
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
    """The square around a face's box, twice as large, clipped to the picture and scaled to at most 512 pixels.

    None for a box outside the picture.
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
    """Discard what MediaPipe's libraries write to the process's standard error, which Python cannot redirect."""
    kept = os.dup(2)
    nowhere = os.open(Path(os.devnull), os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
