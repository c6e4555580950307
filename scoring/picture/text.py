"""Text in the picture, such as subtitles and logos, found by RapidOCR (extra: `text`). Only when settings ask for it.

The detector of PP-OCR (Du et al., arXiv 2009.09941, and its later versions) looks at two pictures of each clip. It
takes about a quarter of a second per picture: too much for a score that every clip gets.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image
from scoring.scorer import Column, Measured, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import Facts, Frame, Opening
from scoring.weights import WeightsError

SIDE = 960
"""Pixels on the longest side of the picture that text is looked for in."""
PLACES = (0.25, 0.75)
"""The pictures looked at, as parts of the clip's duration."""

Boxes = NDArray[np.float64]
FindText = Callable[[Image], Boxes]
"""A (height, width, 3) picture to its lines of text: (n, 4, 2), the corners of each in pixels."""


def covered_share(boxes: Boxes, width: int, height: int) -> float:
    """The share of a picture that four-cornered boxes (n, 4, 2) cover; where two overlap, it counts once.

    >>> left_half = np.array([[[0, 0], [4, 0], [4, 9], [0, 9]]], float)
    >>> covered_share(left_half, 10, 10)
    0.5
    """
    mask = np.zeros((height, width), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.round(box).astype(np.int32)], 1)
    return float(np.count_nonzero(mask) / mask.size)


def text_finder() -> FindText | None:
    """The text detector with the model inside its package, or None if RapidOCR is not installed.

    Raises WeightsError if the package has no model inside: nothing is ever downloaded.
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
    """One clip's `text_share`: the mean over the pictures a quarter and three quarters into it."""

    def __init__(self, find: FindText | None, opening: Opening) -> None:
        self._find = find
        self._shares: list[float] = []
        length = opening.frames / opening.fps if opening.frames and opening.fps else 0.0
        self._wanted = {int(length * place) for place in PLACES}

    def see(self, frame: Frame) -> None:
        """Look for text in the frames that stand for the seconds wanted."""
        if self._find is not None and frame.second in self._wanted:
            height, width = frame.bgr.shape[:2]
            self._shares.append(covered_share(self._find(frame.bgr), width, height))

    def result(self, facts: Facts) -> Measured:  # noqa: ARG002 - every watch is given the facts
        """The mean."""
        if self._find is None:
            return Measured({"text_share": None}, reasons={"text_share": "The extra `text` is not installed."})
        if not self._shares:
            return Measured({"text_share": None}, reasons={"text_share": "The clip is shorter than its file states."})
        return Measured({"text_share": sum(self._shares) / len(self._shares)})


def text(settings: Settings) -> Scorer:
    """The scorer of text in the picture; without columns, so left out, unless the settings ask for it."""
    try:
        backend = f"RapidOCR {version('rapidocr')} at {SIDE} px"
    except PackageNotFoundError:
        backend = "RapidOCR, not installed"
    share = Column("text_share", "share of the picture that text covers", "lower", low=0, high=1)
    return Scorer("text", "1", backend, (share,) if settings.text else (), text_finder, TextWatch)
