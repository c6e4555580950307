"""The faults of demo clips, and how they are added to the footage."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from app.demo.footage import FRAMES, HEIGHT, WIDTH, Source, StagePictures, View, seen, stage
from scoring.images import Image

Fault = Literal[
    "none", "blur", "downscale", "compression", "darkness", "shake", "freeze", "cut", "leaving", "second face"
]


@dataclass(frozen=True)
class Cost:
    """How much a fault of strength 1 reduces quality and stability (1 to 5) and the probability of acceptance."""

    quality: float
    stability: float
    rejection: float


FAULTS: dict[Fault, Cost] = {
    "none": Cost(0, 0, 0),
    "blur": Cost(3.0, 0.2, 0.95),
    "downscale": Cost(2.8, 0.1, 0.9),
    "compression": Cost(2.8, 0.2, 0.9),
    "darkness": Cost(2.6, 0.0, 0.9),
    "shake": Cost(0.5, 3.2, 0.95),
    "freeze": Cost(0.2, 2.8, 0.9),
    "cut": Cost(0.1, 2.8, 0.97),
    "leaving": Cost(0.2, 2.6, 0.97),
    "second face": Cost(0.1, 0.7, 0.9),
}

PHASE: dict[Source, float] = {
    "carphone-a": 0.0,
    "carphone-b": 1.1,
    "carphone-c": 2.3,
    "astronaut-a": 3.2,
    "astronaut-b": 4.4,
    "astronaut-c": 5.5,
}
"""Phase of the camera movement of each source: the same gentle sway with another start."""


def pictures(source: Source, fault: Fault, strength: float) -> Iterator[Image]:
    """The 112 pictures, (360, 640, 3), of a source with a fault of strength 0 to 1, before they are compressed."""
    shake = _shake(strength if fault == "shake" else 0.0)
    for frame in range(FRAMES):
        shown = _frozen_frame(frame, strength) if fault == "freeze" else frame
        view = sway(source, shown)
        view = View(view.x + shake[shown, 0], view.y + shake[shown, 1], view.zoom, view.roll)
        if fault == "cut" and frame >= FRAMES // 2:
            picture = _after_cut(source, frame, strength)
        elif fault == "leaving":
            picture = seen(stage(source), shown, _leaving_view(view, shown, strength))
        else:
            picture = seen(stage(source), shown, view)
        yield _degraded(picture, source, fault, strength, frame)


def sway(source: Source, frame: int) -> View:
    """View of a steady hand-held camera: it sways by some pixels and zooms in slowly."""
    t = 2 * math.pi * frame / FRAMES + PHASE[source]
    return View(9 * math.sin(t), 6 * math.sin(2 * t + 1), 1.03 + 0.04 * frame / FRAMES, 0.7 * math.sin(t + 2))


def _shake(strength: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Offsets of an unsteady camera in pixels, (frames, 2): smoothed noise."""
    noise = np.random.default_rng(7).uniform(-1, 1, (FRAMES + 2, 2))
    return 16 * strength * (noise[:-2] + 2 * noise[1:-1] + noise[2:]) / 3


def _frozen_frame(frame: int, strength: float) -> int:
    """The frame that is shown: from frame 40 on the picture freezes for up to 2.4 s, then continues."""
    return 40 if 40 <= frame < 40 + round(60 * strength) else frame


def _after_cut(source: Source, frame: int, strength: float) -> Image:
    """The picture after a scene cut: of the other person if strong, of the same person in another framing if mild."""
    if strength > 0.5:
        other: Source = "astronaut-b" if source.startswith("carphone") else "carphone-a"
        return seen(stage(other), frame, sway(other, frame))
    view = sway(source, frame)
    return seen(stage(source), frame, View(view.x + 40, view.y - 20, 1.35 * view.zoom, view.roll))


def _leaving_view(view: View, frame: int, strength: float) -> View:
    """View of a camera that moves down and back: the face leaves at the upper edge, partly or for two seconds."""
    depth = math.sin(math.pi * frame / FRAMES) ** 2
    return View(view.x, view.y + 370 * strength * depth, view.zoom, view.roll)


def _degraded(picture: Image, source: Source, fault: Fault, strength: float, frame: int) -> Image:
    if fault == "blur":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 4 * strength), np.uint8)
    if fault == "downscale":
        size = (round(WIDTH / (1 + 5 * strength)), round(HEIGHT / (1 + 5 * strength)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8)
    if fault == "darkness":
        return np.asarray(picture * (1 - 0.78 * strength), np.uint8)
    if fault == "second face" and frame >= FRAMES * (1 - strength):
        return _with_inset(picture, source, frame)
    return picture


def _with_inset(picture: Image, source: Source, frame: int) -> Image:
    """The other person in a small window, as in a video call."""
    other: Source = "astronaut-b" if source.startswith("carphone") else "carphone-a"
    inset = cv2.resize(_portrait(stage(other), frame, sway(other, frame)), (150, 150), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(inset, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(235, 235, 235))
    full = picture.copy()
    full[-170:-16, -170:-16] = framed
    return full


def _portrait(other: StagePictures, frame: int, view: View) -> Image:
    """The square middle of the other person's picture."""
    left = (WIDTH - HEIGHT) // 2
    return seen(other, frame, view)[:, left : left + HEIGHT]
