"""The quality scorer: technical quality of one picture per second; most scores of a clip are means over these."""

import math

import cv2
import numpy as np

from scoring.faces.detectors import face_backend
from scoring.faces.face import Face
from scoring.images import Image
from scoring.picture.brisque import Brisque, load_brisque
from scoring.picture.formulas import (
    black_bars,
    blockiness,
    colourfulness,
    light,
    noise,
    overexposed_share,
    sharpness,
    underexposed_share,
)
from scoring.scorer import Column, Measurement, Scorer, Series, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.weights import BRISQUE_RANGES, BRISQUE_SVM

FULL_SIDE = 800
"""Pixels on the longer side of the sample of a full frame, for BRISQUE and noise: about the size of the photographs
that BRISQUE was trained on."""
TILES = 4
"""Tiles along each side: a sample is taken from the middle of each of 4 x 4 tiles."""
FACE_SIDE = 384
"""Pixels: the greatest width and height of a face that BRISQUE sees."""
MARGIN = 0.25
"""Share of the face box's width and height that is added on each side."""
COLOUR_SIDE = 480
"""Pixels on the longer side of the sample for colourfulness."""


def sampled(luma: Image, side: int = FULL_SIDE) -> Image:
    """A sample of a picture (height, width): the middles of 4 x 4 tiles, together at most `side` pixels each way.

    A smaller picture is returned whole. Pixels are selected, not scaled: scaling hides compression. A sixth of a frame
    of 1080 lines separates clean from compressed video as well as the whole frame.

    >>> sampled(np.zeros((1080, 1920), np.uint8)).shape
    (448, 800)
    """
    share = side / max(luma.shape)
    if share >= 1:
        return luma
    height, width = luma.shape
    rows = np.concatenate([luma[middle] for middle in _middles(height, share)])
    return np.concatenate([rows[:, middle] for middle in _middles(width, share)], axis=1)


def face_crop(luma: Image, face: Face) -> Image:
    """The face's box with a margin of a quarter of its size; for a large face the middle 384 x 384 pixels.

    The crop is not scaled, since scaling hides blur, and ends at the edges of the picture.
    """
    x, y, width, height = face.box
    wide, high = (min(side * (1 + 2 * MARGIN), FACE_SIDE) for side in (width, height))
    left, top = x + (width - wide) / 2, y + (height - high) / 2
    inside = luma[max(0, round(top)) : max(0, round(top + high)), max(0, round(left)) : max(0, round(left + wide))]
    return np.ascontiguousarray(inside)


class QualityWatch(Watch):
    """Computes the quality of one clip: the means of the series, the worst second of the face, and the black bars."""

    def __init__(self, brisque: Brisque) -> None:
        self._brisque = brisque
        self._found: dict[int, dict[str, float | None]] = {}
        self._times: dict[int, float] = {}
        self._brightest: Image | None = None
        self._faces = 0

    def see(self, frame: Frame) -> None:
        """Measure the frame if it stands for a second."""
        if frame.second is None:
            return
        bgr, luma = frame.bgr, np.asarray(cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        face = next((face for face in frame.faces if face.certain), None)
        self._faces += face is not None
        sample = sampled(luma)
        mean, contrast = light(luma)
        self._times[frame.second] = frame.time
        self._found[frame.second] = {
            "brisque": self._brisque.score(sample),
            "face_brisque": self._brisque.score(face_crop(luma, face)) if face else None,
            "sharpness": sharpness(luma),
            "noise": noise(sample),
            "blockiness": blockiness(frame.luma),
            "luma": mean,
            "contrast": contrast,
            "colourfulness": colourfulness(_thinned(bgr)),
            "overexposed_share": overexposed_share(luma),
            "underexposed_share": underexposed_share(luma),
        }
        if self._brightest is None:
            self._brightest = frame.small.copy()
        elif self._brightest.shape == frame.small.shape:  # some streams change their size midway
            np.maximum(self._brightest, frame.small, out=self._brightest)

    def result(self, facts: Facts) -> Measurement:  # noqa: ARG002 - every watch gets the facts
        """The scores of the clip, and the series."""
        seconds = range(max(self._found) + 1)
        series = {
            column.name: [self._found.get(second, {}).get(column.name) for second in seconds] for column in PER_SECOND
        }
        scores = {name: _mean(values) for name, values in series.items()}
        worst = max(((value, -second) for second, value in _known(series["face_brisque"])), default=None)
        scores["max_face_brisque"] = worst and worst[0]
        scores["max_face_brisque_at"] = worst and self._times[-int(worst[1])]
        scores["black_bars"] = black_bars(self._brightest) if self._brightest is not None else None
        return Measurement(scores, series, {name: self._why(name) for name, value in scores.items() if value is None})

    def _why(self, name: str) -> str:
        if "face" in name and not self._faces:
            return "No second shows a face."
        return WHY[name]


def watch(brisque: Brisque, header: ClipHeader) -> QualityWatch:  # noqa: ARG001 - every watch gets the header
    """The watch of one clip."""
    return QualityWatch(brisque)


def _middles(length: int, share: float) -> list[slice]:
    """The middle of each tile along a side of `length` pixels; `share` of each tile."""
    tile = length / TILES
    run = max(1, int(tile * share))
    starts = [round((number + 0.5) * tile - run / 2) for number in range(TILES)]
    return [slice(start, start + run) for start in starts]


def _thinned(bgr: Image) -> Image:
    """Pixels selected at even distances, not averaged: averaging would make colours greyer."""
    height, width = bgr.shape[:2]
    share = COLOUR_SIDE / max(height, width)
    if share >= 1:
        return bgr
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _known(values: list[float | None]) -> list[tuple[int, float]]:
    return [(second, value) for second, value in enumerate(values) if value is not None]


def _mean(values: list[float | None]) -> float | None:
    known = [value for _, value in _known(values)]
    return math.fsum(known) / len(known) if known else None


EVEN = "The pictures are even surfaces or under 32 pixels."
NO_FACE_TO_JUDGE = "The face is an even surface or under 32 pixels."
WHY = {
    "brisque": EVEN,
    "face_brisque": NO_FACE_TO_JUDGE,
    "max_face_brisque": NO_FACE_TO_JUDGE,
    "max_face_brisque_at": NO_FACE_TO_JUDGE,
    "noise": "The pictures are black or white throughout, or under 16 pixels.",
    "blockiness": "The pictures are even surfaces or under 16 pixels.",
    "black_bars": "The pictures are black throughout.",
}
"""The reasons why scores cannot be computed; the other scores always can."""

PER_SECOND = (
    Column("brisque", "BRISQUE of the full frame", "lower", ranked=True),
    Column("face_brisque", "BRISQUE of the surest face", "lower", ranked=True),
    Column("sharpness", "variance of the Laplacian at 640 px width", "higher", low=0, ranked=True),
    Column("noise", "deviation of the noise", "lower", "grey levels", low=0, ranked=True),
    Column("blockiness", "steps at the borders of 8x8 blocks against steps inside", "lower", low=0, ranked=True),
    Column("luma", "mean brightness", "band", "grey levels", low=0, high=255),
    Column("contrast", "standard deviation of the brightness", "band", "grey levels", low=0, high=127.5),
    Column("colourfulness", "spread of the colours and distance from grey", "band", low=0),
    Column("overexposed_share", "share of the pixels that are white", "lower", low=0, high=1),
    Column("underexposed_share", "share of the pixels that are black", "lower", low=0, high=1),
)
WORST = {"face_brisque": "max_face_brisque"}
"""The score of the worst second, by the name of the series."""
COLUMNS = (
    *PER_SECOND,
    Column("max_face_brisque", "BRISQUE of the surest face at the worst second", "lower", ranked=True),
    Column("max_face_brisque_at", "when face_brisque is highest", "none", "s", low=0),
    Column("black_bars", "share of the picture that black bars take", "lower", low=0, high=1),
)


def quality(settings: Settings) -> Scorer:
    """The quality scorer under these settings."""
    backend, weights = face_backend(settings)
    return Scorer(
        name="quality",
        version="1",
        backend=f"OpenCV; BRISQUE trained on LIVE; {backend}",
        columns=COLUMNS,
        series=tuple(Series(column, overall=column.name, worst=WORST.get(column.name, "")) for column in PER_SECOND),
        setup=load_brisque,
        watch=watch,
        weights=(BRISQUE_SVM, BRISQUE_RANGES, *weights),
        models=("centerface",),
    )
