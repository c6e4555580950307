"""Small videos made for tests, and where the real clips are."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from scoring.images import Image
from tests.helpers.places import SHARED

REAL_CLIPS = SHARED / "clips"
THRESHOLDS = {
    "avg_movement": 80,
    "min_movement": 60,
    "avg_rotation": 70,
    "min_rotation": 60,
    "avg_orientation": 70,
    "min_orientation": 30,
    "avg_resolution": 50,
    "min_resolution": 40,
    "min_completeness": 100,
    "face_consistency": 80,
}
"""TalkVid's thresholds for the head, which all the real clips have passed."""
GOOD = {"preset": "ultrafast", "crf": "12"}
"""Quickly encoded, and little lost."""


def write_video(
    path: Path,
    pictures: Iterable[Image],
    fps: Fraction | int = 25,
    times: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: Mapping[str, str] = GOOD,
) -> Path:
    """Pictures (height, width, 3) as H.264 in MP4. `times`, if given, are the frames' places in units of 1/fps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pix_fmt
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = times[number] if times else number
            frame.time_base = 1 / Fraction(fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Half a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def texture(width: int = 320, height: int = 180, seed: int = 1) -> Image:
    """A grey picture full of soft spots, which flow and likeness can hold on to: (height, width, 3)."""
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4)
    full = np.asarray(cv2.normalize(soft, np.zeros_like(soft), 20, 235, cv2.NORM_MINMAX)).astype(np.uint8)
    return np.asarray(cv2.cvtColor(full, cv2.COLOR_GRAY2BGR), np.uint8)


def moving(shifts: Iterable[tuple[float, float]], width: int = 320, height: int = 180) -> list[Image]:
    """A texture seen by a camera at each of the given places (pixels)."""
    ground = texture(width + 100, height + 100)
    return [
        np.asarray(cv2.getRectSubPix(ground, (width, height), ((width + 99) / 2 + x, (height + 99) / 2 + y)), np.uint8)
        for x, y in shifts
    ]
