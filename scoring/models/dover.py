"""The DOVER scorer: a model of video quality (Wu et al., ICCV 2023, arXiv 2211.04894) from an ONNX file of the user.

The file is made by `convert_to_onnx.py` of the project VQAssessment/DOVER. The model's input follows `dover.yml`
(val-l1080p) and `dover/datasets/fusion_datasets.py`: UnifiedFrameSampler, get_spatial_fragments, get_resized_video.
The original draws frames and fragments at random without a seed; here one seed is used for all clips.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image
from scoring.scorer import Column, Measurement, Scorer, Watch, nothing_to_load
from scoring.settings import Settings
from scoring.video.frame_count import SKIPPED, UNCOUNTED, fewer, frame_count
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.weights import Weight, WeightsError, in_short, load, of_user

SEED = 42
"""Seed for the frames and fragments that the original draws at random."""
LENGTH = 32
"""Frames in a view."""
STEP = 2
"""Frames from one frame of a technical view to the next."""
SIDE = 224
"""Pixels on each side of a view."""
GRID = 7
"""A technical view is made of 7 x 7 fragments ..."""
FRAGMENT = SIDE // GRID
"""... of 32 x 32 pixels, not scaled."""
VIEWS = 3
"""Technical views of a clip, unless the model was exported for another number."""
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
"""Mean and standard deviation of red, green and blue, for standardising the input."""
AESTHETIC = (0.1107, 0.07355)
TECHNICAL = (-0.08285, 0.03774)
"""Mean and standard deviation of each branch over the original's data sets: the constants of `onnx_inference.py`.

The script applies them in the order of the model's outputs, aesthetic first. (The project's other scripts run the
model with the technical branch first and confuse the two.)
"""
NOT_GIVEN = "weights not given"
"""The reason for a missing score without a model file."""
MODELS = ("dover",)
"""The model whose file the user may give."""

Indices = NDArray[np.int64]
"""Numbers of frames, or positions in pixels."""
QualityModel = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, float]]
"""An aesthetic view (1, 3, 32, 224, 224) and technical views (n, 3, 32, 224, 224) to the aesthetic and the technical
output."""


@dataclass(frozen=True)
class DoverModel:
    """The loaded network, and the number of technical views that it takes at once."""

    run: QualityModel
    views: int = VIEWS


def aesthetic_frames(count: int, rng: np.random.Generator) -> Indices:
    """The numbers of the 32 frames of the aesthetic view, one from each of 32 equal stretches of `count` frames.

    >>> aesthetic_frames(96, np.random.default_rng(SEED)).tolist()[:4]
    [0, 3, 6, 9]
    """
    stretch = count // LENGTH
    return (np.arange(LENGTH) * stretch + _random(rng, stretch - STEP, (LENGTH,))) % count


def technical_frames(count: int, views: int, rng: np.random.Generator) -> Indices:
    """The numbers (views, 32) of frames: in each of `views` equal stretches every second frame from a random start.

    If a stretch is too short, the frames continue after it, and from the end of the clip at its beginning.

    >>> technical_frames(120, 3, np.random.default_rng(SEED))[:, [0, 1, 31]].tolist()
    [[0, 2, 62], [40, 42, 102], [80, 82, 22]]
    """
    stretch = count // views
    starts = np.arange(views) * stretch + _random(rng, stretch - LENGTH * STEP, (views,))
    return np.asarray((starts[:, None] + np.arange(LENGTH) * STEP) % count)


def fragment_corners(height: int, width: int, views: int, rng: np.random.Generator) -> Indices:
    """Row and column (views, 7, 7, 2) of the upper left pixel of each fragment; one is drawn in each grid cell."""
    cells = height // GRID, width // GRID
    grid = np.stack(np.meshgrid(np.arange(GRID) * cells[0], np.arange(GRID) * cells[1], indexing="ij"), axis=-1)
    drawn = [_random(rng, cell - FRAGMENT, (views, GRID, GRID)) for cell in cells]
    return np.minimum(grid, (height - FRAGMENT, width - FRAGMENT)) + np.stack(drawn, axis=-1)


def enlarged(picture: Image) -> Image:
    """The picture, bilinearly enlarged if one of its sides is below 224 pixels.

    The original then uses the grid of the small picture and shows its upper left part; here all of it is shown.
    """
    height, width = picture.shape[:2]
    scale = SIDE / min(height, width)
    if scale <= 1:
        return picture
    size = (max(SIDE, int(width * scale)), max(SIDE, int(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def fragments(picture: Image, corners: Indices) -> Image:
    """The fragments of a picture at `corners` (7, 7, 2), put together without gaps: (224, 224, 3)."""
    rows = corners[:, :, 0][:, :, None] + np.arange(FRAGMENT)
    columns = corners[:, :, 1][:, :, None] + np.arange(FRAGMENT)
    pieces = picture[rows[:, :, :, None], columns[:, :, None, :]]
    return np.asarray(pieces.transpose(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3))


def whole(picture: Image) -> Image:
    """The picture as (224, 224, 3), bilinear without smoothing, as torchvision 0.14 resizes tensors."""
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def network_input(views: Image) -> NDArray[np.float32]:
    """Views (n, 32, 224, 224, 3), red first, as the model takes them: (n, 3, 32, 224, 224), standardised."""
    return np.ascontiguousarray(((views - MEAN) / STD).transpose(0, 4, 1, 2, 3), np.float32)


def on_talkvid_scale(aesthetic: float) -> float:
    """The score `dover_scores` as TalkVid publishes it, about 5 to 11.5, from the output of the aesthetic branch.

    TalkVid's script averages scores that are normalised by DOVER's predictions for five data sets. It mistakes the
    model's first output, the aesthetic one, for the technical one and normalises it by the technical predictions;
    this is why the published scores are so large. Those predictions are not available, so their mean and deviation
    over DOVER's own data are used instead. The order of scores is right; their values differ by some tenths.

    >>> round(on_talkvid_scale(0.24), 2)
    8.55
    """
    return (aesthetic - TECHNICAL[0]) / TECHNICAL[1]


def overall(aesthetic: float, technical: float) -> float:
    """The fused quality (0 to 1), from the outputs of both branches, as `fuse_results` in `onnx_inference.py`.

    >>> overall(0.1107, -0.08285)
    0.5
    """
    x = 0.6104 * (aesthetic - AESTHETIC[0]) / AESTHETIC[1] + 0.3896 * (technical - TECHNICAL[0]) / TECHNICAL[1]
    return 0.5 * (1 + math.tanh(x / 2))


def load_model(weight: Weight) -> DoverModel:
    """The loaded network. Raises WeightsError if the file is not DOVER in ONNX, or without ONNX Runtime."""
    name = weight.path or weight.file
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise WeightsError("DOVER needs ONNX Runtime. Install it: pip install 'clipjury[dover]'.") from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(load(weight), options, providers=["CPUExecutionProvider"])
    except WeightsError:
        raise
    except Exception as error:  # ONNX Runtime has an exception for each of its status codes
        raise WeightsError(
            f"{name} is no ONNX model that can be loaded ({in_short(error)}). Make it with convert_to_onnx.py of "
            "VQAssessment/DOVER, as one file: external_data=False."
        ) from error
    inputs = {given.name: given.shape for given in session.get_inputs()}
    outputs = [given.name for given in session.get_outputs()]
    if set(inputs) != {"aes_view", "tech_view"} or len(outputs) != 2 or not all(map(_fits, inputs.values())):
        raise WeightsError(
            f"{name} is not DOVER: it takes {inputs} and gives {len(outputs)} outputs; DOVER takes aes_view and "
            f"tech_view, (n, 3, {LENGTH}, {SIDE}, {SIDE}) each, and gives 2. Make it with convert_to_onnx.py."
        )

    def run(aesthetic: NDArray[np.float32], technical: NDArray[np.float32]) -> tuple[float, float]:
        first, second = session.run(outputs, {"aes_view": aesthetic, "tech_view": technical})
        return float(np.mean(first)), float(np.mean(second))

    views = inputs["tech_view"][0]
    return DoverModel(run, views if isinstance(views, int) else VIEWS)


class DoverWatch(Watch):
    """Collects the views of one clip while its frames are read: 20 MB for any clip."""

    def __init__(self, model: DoverModel | None, header: ClipHeader) -> None:
        self._model = model
        self._why: str | None = None
        self._wanted: dict[int, list[tuple[int, int]]] = {}
        if model is None:
            self._why = NOT_GIVEN
        elif header.skipping:
            self._why = SKIPPED
        elif (count := frame_count(header)) is None:
            self._why = UNCOUNTED
        else:
            self._plan(count, model.views)

    def _plan(self, count: int, views: int) -> None:
        self._count, self._rng = count, np.random.default_rng(SEED)
        rows = [aesthetic_frames(count, self._rng), *technical_frames(count, views, self._rng)]
        for view, frames in enumerate(rows):
            for place, index in enumerate(frames.tolist()):
                self._wanted.setdefault(index, []).append((view, place))
        self._views = np.zeros((len(rows), LENGTH, SIDE, SIDE, 3), np.uint8)
        self._corners: Indices | None = None
        self._size = (0, 0)

    def see(self, frame: Frame) -> None:
        """Add the frame to the views that it belongs to."""
        places = self._wanted.pop(frame.index, None)
        if places is None or self._why is not None:
            return
        large = enlarged(frame.full)
        height, width = large.shape[:2]
        if self._corners is None:
            self._size = height, width
            self._corners = fragment_corners(height, width, len(self._views) - 1, self._rng)
        if self._size != (height, width):
            self._why = "The picture changes its size midway."
            return
        for view, place in places:
            seen = fragments(large, self._corners[view - 1]) if view else whole(frame.full)
            self._views[view, place] = seen[:, :, ::-1]  # red first

    def result(self, facts: Facts) -> Measurement:
        """The outputs of the model, and the scores made of them."""
        if self._why is None and self._wanted:
            self._why = fewer(facts.frames, self._count)
        if self._why is None and self._model is not None:
            aesthetic, technical = self._model.run(network_input(self._views[:1]), network_input(self._views[1:]))
            if math.isfinite(aesthetic) and math.isfinite(technical):
                return Measurement(
                    {
                        "dover_scores": on_talkvid_scale(aesthetic),
                        "dover_overall": overall(aesthetic, technical),
                        "dover_technical": technical,
                        "dover_aesthetic": aesthetic,
                    }
                )
            self._why = "The model gave no number."
        names = [column.name for column in COLUMNS]
        return Measurement(dict.fromkeys(names), reasons=dict.fromkeys(names, self._why or ""))


def dover(settings: Settings) -> Scorer:
    """The DOVER scorer. Without a model file its scores are null. Raises WeightsError if the file given is missing."""
    path = settings.weight(MODELS[0])
    if path is None:
        return Scorer("dover", "1", NOT_GIVEN, COLUMNS, nothing_to_load, DoverWatch, models=MODELS)
    weight = of_user(path)
    setup = partial(load_model, weight)
    return Scorer("dover", "1", "ONNX Runtime", COLUMNS, setup, DoverWatch, weights=(weight,), models=MODELS)


def _random(rng: np.random.Generator, below: int, shape: tuple[int, ...]) -> Indices:
    """Random integers from 0 to `below` - 1; zeros if `below` is not positive."""
    return rng.integers(below, size=shape) if below > 0 else np.zeros(shape, np.int64)


def _fits(shape: list[Any]) -> bool:
    """True if an input's shape is that of views; names in it are sizes that are left open."""
    return len(shape) == 5 and all(
        not isinstance(size, int) or size == wanted
        for size, wanted in zip(shape[1:], (3, LENGTH, SIDE, SIDE), strict=True)
    )


COLUMNS = (
    Column(
        "dover_scores",
        "DOVER on TalkVid's scale, which follows its aesthetic branch; their cut is 7 in the paper, 5 in the code",
        "higher",
        approximate=True,
    ),
    Column("dover_overall", "DOVER, both branches fused", "higher", low=0, high=1),
    Column("dover_technical", "DOVER's technical branch, as it comes", "higher", ranked=True),
    Column("dover_aesthetic", "DOVER's aesthetic branch, as it comes", "higher", ranked=True),
)
