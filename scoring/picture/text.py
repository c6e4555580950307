"""The text scorer: how much of the picture text covers, such as subtitles and logos. It runs only on request.

RapidOCR (extra `text`) runs the detector of PP-OCR (Du et al., arXiv 2009.09941, and its later versions) on two
pictures of each clip. It takes about a quarter of a second per picture, too much for a default score.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image
from scoring.scorer import Column, Measurement, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.weights import WeightsError

SIDE = 960
"""Pixels on the longest side of the picture that the detector sees."""
PLACES = (0.25, 0.75)
"""Positions of the pictures as shares of the clip's duration."""

Boxes = NDArray[np.float64]
"""(n, 4, 2) pixels: the corners of n lines of text."""
TextFinder = Callable[[Image], Boxes]
"""A picture (height, width, 3), blue first, to the boxes of its lines of text."""


def covered_share(boxes: Boxes, width: int, height: int) -> float:
    """The share (0 to 1) of a picture of `width` x `height` pixels that boxes cover; overlaps count once.

    >>> left_half = np.array([[[0, 0], [4, 0], [4, 9], [0, 9]]], float)
    >>> covered_share(left_half, 10, 10)
    0.5
    """
    mask = np.zeros((height, width), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.round(box).astype(np.int32)], 1)
    return float(np.count_nonzero(mask) / mask.size)


def text_finder() -> TextFinder | None:
    """The text detector with the model inside its package, or None if RapidOCR is not installed.

    Raises WeightsError if the package contains no model: nothing is ever downloaded.
    """
    try:
        import rapidocr
    except ImportError:
        return None
    models = sorted((Path(rapidocr.__file__).parent / "models").glob("*det*.onnx"))
    if not models:
        raise WeightsError("This version of RapidOCR has no text detector inside. Install 3.4 or later.")
    engine = rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Det.model_path": str(models[0]),
            "Det.limit_type": "max",
            "Det.limit_side_len": SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def find(bgr: Image) -> Boxes:
        boxes = getattr(engine(bgr, use_det=True, use_cls=False, use_rec=False), "boxes", None)
        return np.zeros((0, 4, 2)) if boxes is None else np.asarray(boxes, np.float64)

    return find


class TextWatch(Watch):
    """Computes the `text_share` of one clip: the mean of the pictures at a quarter and at three quarters of it."""

    def __init__(self, find: TextFinder | None, header: ClipHeader) -> None:
        self._find = find
        self._shares: list[float] = []
        length = header.frames / header.fps if header.frames and header.fps else 0.0
        self._wanted = {int(length * place) for place in PLACES}

    def see(self, frame: Frame) -> None:
        """Look for text if the frame stands for one of the two seconds."""
        if self._find is not None and frame.second in self._wanted:
            height, width = frame.bgr.shape[:2]
            self._shares.append(covered_share(self._find(frame.bgr), width, height))

    def result(self, facts: Facts) -> Measurement:  # noqa: ARG002 - every watch gets the facts
        """The mean share."""
        if self._find is None:
            return Measurement({"text_share": None}, reasons={"text_share": "The extra `text` is not installed."})
        if not self._shares:
            return Measurement(
                {"text_share": None}, reasons={"text_share": "The clip is shorter than its file states."}
            )
        return Measurement({"text_share": sum(self._shares) / len(self._shares)})


def text(settings: Settings) -> Scorer:
    """The text scorer. It has no columns, and is therefore left out, unless the settings ask for it."""
    try:
        backend = f"RapidOCR {version('rapidocr')} at {SIDE} px"
    except PackageNotFoundError:
        backend = "RapidOCR, not installed"
    share = Column("text_share", "share of the picture that text covers", "lower", low=0, high=1)
    return Scorer("text", "1", backend, (share,) if settings.text else (), text_finder, TextWatch)
