"""Real clips made worse on purpose, each fault alone and in two strengths, and every version of a clip scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import pi, sin
from pathlib import Path

import av
import cv2
import numpy as np

from scoring.images import Image, resized
from scoring.pipeline import ClipScores, Pipeline
from scoring.registry import scorers
from scoring.settings import Settings
from tests.helpers.real_videos import GOOD, write_video

FPS = 24
FRAMES = 40
WIDTH, HEIGHT = 480, 272
Pictures = list[Image]
Worsen = Callable[[Pictures, Pictures], Pictures]
"""The clip's pictures and another clip's: the worse ones."""


def first_frames(path: Path) -> Pictures:
    """The first 1.7 s of a clip at 480x272."""
    with av.open(str(path)) as container:
        small = (
            frame.to_ndarray(format="bgr24", width=WIDTH, height=HEIGHT, interpolation="AREA")
            for frame in islice(container.decode(video=0), FRAMES)
        )
        return [np.asarray(picture, np.uint8) for picture in small]


@dataclass(frozen=True)
class Version:
    """How a version differs from the clip: its pictures, and how they are compressed."""

    worsen: Worsen
    options: Mapping[str, str] = field(default_factory=lambda: GOOD)


def unchanged(pictures: Pictures, _: Pictures) -> Pictures:
    return pictures


def each(change: Callable[[Image], Image]) -> Worsen:
    """The same change to every picture."""
    return lambda pictures, _: [np.asarray(change(picture), np.uint8) for picture in pictures]


def blur(sigma: float) -> Worsen:
    return each(lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8))


def downscale(factor: int) -> Worsen:
    """Fewer pixels, and made large again."""
    return each(
        lambda picture: np.asarray(
            cv2.resize(resized(picture, WIDTH // factor, HEIGHT // factor), (WIDTH, HEIGHT)), np.uint8
        )
    )


def noise(deviation: float) -> Worsen:
    """Grey noise of that many grey levels, new in each picture."""
    chance = np.random.default_rng(5)

    def noisy(picture: Image) -> Image:
        grain = deviation * chance.standard_normal(picture.shape[:2], np.float32)
        return np.clip(np.rint(picture + grain[..., None]), 0, 255).astype(np.uint8)

    return each(noisy)


def light(gain: float) -> Worsen:
    """Darker below 1, brighter above, where what is too bright is lost."""
    return each(lambda picture: cv2.convertScaleAbs(picture, alpha=gain).astype(np.uint8))


def letterbox(share: float) -> Worsen:
    """Black bars above and below that take this share of the picture."""
    bar = round(HEIGHT * share / 2)

    def barred(picture: Image) -> Image:
        kept = picture.copy()
        kept[:bar] = kept[HEIGHT - bar :] = 0
        return kept

    return each(barred)


def moved(pictures: Pictures, places: Sequence[tuple[int, int]]) -> Pictures:
    """Each picture shifted by whole pixels, so that nothing is blurred; its edge is mirrored."""
    reach = max(max(abs(x), abs(y)) for x, y in places)
    padded = (cv2.copyMakeBorder(picture, reach, reach, reach, reach, cv2.BORDER_REFLECT_101) for picture in pictures)
    return [
        np.ascontiguousarray(picture[reach + y : reach + y + HEIGHT, reach + x : reach + x + WIDTH]).astype(np.uint8)
        for picture, (x, y) in zip(padded, places, strict=True)
    ]


def shake(pixels: int) -> Worsen:
    """Every picture elsewhere within a square of that many pixels."""
    places = np.random.default_rng(3).integers(-pixels // 2, pixels // 2, (FRAMES, 2), endpoint=True)
    return lambda pictures, _: moved(pictures, [(int(x), int(y)) for x, y in places])


def sway(pixels: int) -> Worsen:
    """A swing to and fro of that many pixels each way, once a second."""
    return lambda pictures, _: moved(
        pictures, [(round(pixels * sin(2 * pi * number / FPS)), 0) for number in range(FRAMES)]
    )


def freeze(share: float) -> Worsen:
    """One picture stands for this share of the clip."""
    held = round(FRAMES * share)
    return lambda pictures, _: [pictures[10 if 10 <= number < 10 + held else number] for number in range(FRAMES)]


def cut(times: int) -> Worsen:
    """Cuts to the other clip, back, and there again, at equal distances."""
    lasts = FRAMES // (times + 1)
    return lambda pictures, other: [(pictures, other)[number // lasts % 2][number] for number in range(FRAMES)]


def beside(start: int, end: int) -> Worsen:
    """The clip on the left, nothing on the right, but the other clip from frame `start` until `end`."""
    nothing = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    return lambda pictures, other: [
        resized(np.hstack([picture, other[number] if start <= number < end else nothing]), WIDTH, HEIGHT // 2)
        for number, picture in enumerate(pictures)
    ]


def coarse(crf: int) -> dict[str, str]:
    """As a website compresses: blocks are smoothed, which the quickest preset leaves out."""
    return {"preset": "veryfast", "crf": str(crf)}


VERSIONS = {
    "clean": Version(unchanged),
    "blur 1.5": Version(blur(1.5)),
    "blur 3": Version(blur(3)),
    "downscale 2": Version(downscale(2)),
    "downscale 4": Version(downscale(4)),
    "crf 35": Version(unchanged, coarse(35)),
    "crf 45": Version(unchanged, coarse(45)),
    "noise 5": Version(noise(5)),
    "noise 15": Version(noise(15)),
    "dark .6": Version(light(0.6)),
    "dark .3": Version(light(0.3)),
    "bright 1.5": Version(light(1.5)),
    "bright 2.2": Version(light(2.2)),
    "letterbox .1": Version(letterbox(0.1)),
    "letterbox .25": Version(letterbox(0.25)),
    "shake 8": Version(shake(8)),
    "shake 24": Version(shake(24)),
    "sway 6": Version(sway(6)),
    "sway 18": Version(sway(18)),
    "freeze .2": Version(freeze(0.2)),
    "freeze .6": Version(freeze(0.6)),
    "one cut": Version(cut(1)),
    "three cuts": Version(cut(3)),
    "alone": Version(beside(0, 0)),
    "second face once": Version(beside(16, 32)),
    "second face": Version(beside(0, FRAMES)),
}

_pipeline: list[Pipeline] = []
"""In a process of its own: the scorers."""


def get_ready() -> None:
    """Once per process."""
    cv2.setNumThreads(1)
    _pipeline.append(Pipeline(Settings(), scorers()))


def scored_versions(clip: Path, other: Path, folder: Path) -> dict[str, ClipScores]:
    """All versions of a clip, made, encoded, scored and removed again."""
    pictures, others = first_frames(clip), first_frames(other)
    results = {}
    for name, version in VERSIONS.items():
        path = folder / f"{clip.stem} {name}.mp4"
        # One thread: two processes do this side by side.
        write_video(path, version.worsen(pictures, others), FPS, options={**version.options, "threads": "1"})
        results[name] = _pipeline[0].score(path)
        path.unlink()
    return results
