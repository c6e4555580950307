"""DOVER, a model of video quality (Wu et al., ICCV 2023, arXiv 2211.04894), from an ONNX file that the user has.

The file is what `convert_to_onnx.py` of the project VQAssessment/DOVER makes of its weights. What the model is shown
follows `dover.yml` (val-l1080p) and `dover/datasets/fusion_datasets.py`: UnifiedFrameSampler, get_spatial_fragments,
get_resized_video. The original draws places by chance, without a seed; here they come from one seed for all clips.
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
from scoring.scorer import Column, Measured, Scorer, Watch, nothing_to_load
from scoring.settings import Settings
from scoring.video.frame_count import SKIPPED, UNCOUNTED, fewer, frame_count
from scoring.video.frames import Facts, Frame, Opening
from scoring.weights import Weight, WeightsError, in_short, load, of_user

SEED = 42
"""For the places that the original draws by chance."""
LENGTH = 32
"""Frames in a view."""
STEP = 2
"""From one frame of a technical view to the next."""
SIDE = 224
"""Pixels on each side of what the model sees."""
GRID = 7
"""A technical view is made of 7 x 7 fragments ..."""
FRAGMENT = SIDE // GRID
"""... of 32 x 32 pixels, cut out unscaled."""
VIEWS = 3
"""Technical views of a clip, unless the model was exported for another number of them."""
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
"""Of red, green and blue."""
AESTHETIC = (0.1107, 0.07355)
TECHNICAL = (-0.08285, 0.03774)
"""Mean and standard deviation of each branch over the original's data sets: the constants of `onnx_inference.py`.

It applies them in the order of the model's outputs, aesthetic first. (The other scripts of the project run the model
with the technical branch first and cross the two.)
"""
NOT_GIVEN = "weights not given"
MODELS = ("dover",)

Places = NDArray[np.int64]
Judge = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, float]]
"""An aesthetic (1, 3, 32, 224, 224) and technical views (n, 3, 32, 224, 224) to the outputs of the two branches."""


@dataclass(frozen=True)
class Model:
    """The loaded network, and how many technical views it takes at once."""

    judge: Judge
    views: int = VIEWS


def aesthetic_frames(count: int, rng: np.random.Generator) -> Places:
    """The 32 frames of the aesthetic view, one from each of as many equal stretches of a clip of `count` frames.

    >>> aesthetic_frames(96, np.random.default_rng(SEED)).tolist()[:4]
    [0, 3, 6, 9]
    """
    stretch = count // LENGTH
    return (np.arange(LENGTH) * stretch + _chance(rng, stretch - STEP, (LENGTH,))) % count


def technical_frames(count: int, views: int, rng: np.random.Generator) -> Places:
    """(views, 32): in each of `views` equal stretches every second frame from a start drawn by chance.

    Where a clip is too short they run on, and begin anew at its end.

    >>> technical_frames(120, 3, np.random.default_rng(SEED))[:, [0, 1, 31]].tolist()
    [[0, 2, 62], [40, 42, 102], [80, 82, 22]]
    """
    stretch = count // views
    starts = np.arange(views) * stretch + _chance(rng, stretch - LENGTH * STEP, (views,))
    return np.asarray((starts[:, None] + np.arange(LENGTH) * STEP) % count)


def fragment_corners(height: int, width: int, views: int, rng: np.random.Generator) -> Places:
    """(views, 7, 7, 2): row and column of the upper left pixel of each fragment; one is drawn in each grid cell."""
    cells = height // GRID, width // GRID
    grid = np.stack(np.meshgrid(np.arange(GRID) * cells[0], np.arange(GRID) * cells[1], indexing="ij"), axis=-1)
    drawn = [_chance(rng, cell - FRAGMENT, (views, GRID, GRID)) for cell in cells]
    return np.minimum(grid, (height - FRAGMENT, width - FRAGMENT)) + np.stack(drawn, axis=-1)


def enlarged(picture: Image) -> Image:
    """The picture, bilinearly enlarged if one of its sides is below 224 pixels.

    The original then goes on with the small picture's grid and shows its upper left part; here the whole is shown.
    """
    height, width = picture.shape[:2]
    scale = SIDE / min(height, width)
    if scale <= 1:
        return picture
    size = (max(SIDE, int(width * scale)), max(SIDE, int(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def fragments(picture: Image, corners: Places) -> Image:
    """(224, 224, 3): the fragments of a picture at these corners (7, 7, 2), put together without a seam."""
    rows = corners[:, :, 0][:, :, None] + np.arange(FRAGMENT)
    columns = corners[:, :, 1][:, :, None] + np.arange(FRAGMENT)
    cut = picture[rows[:, :, :, None], columns[:, :, None, :]]
    return np.asarray(cut.transpose(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3))


def whole(picture: Image) -> Image:
    """(224, 224, 3): the picture at that size, bilinear without smoothing, as torchvision 0.14 made it of tensors."""
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def network_input(views: Image) -> NDArray[np.float32]:
    """Views (n, 32, 224, 224, 3) of red, green, blue as the model takes them: (n, 3, 32, 224, 224), standardised."""
    return np.ascontiguousarray(((views - MEAN) / STD).transpose(0, 4, 1, 2, 3), np.float32)


def on_talkvid_scale(aesthetic: float) -> float:
    """`dover_scores` as TalkVid publishes it, about 5 to 11.5.

    Its script averages normalised scores over DOVER's predictions for five data sets, and takes the model's first
    output, the aesthetic one, for the technical: it normalises it by the technical predictions. That is why the
    published scores are so large. Those predictions are not at hand; their mean and deviation over DOVER's own data
    stand in for them. So scores are right in order, and off by some tenths in place.

    >>> round(on_talkvid_scale(0.24), 2)
    8.55
    """
    return (aesthetic - TECHNICAL[0]) / TECHNICAL[1]


def overall(aesthetic: float, technical: float) -> float:
    """The fused quality, 0 to 1, of `fuse_results` in `onnx_inference.py`.

    >>> overall(0.1107, -0.08285)
    0.5
    """
    x = 0.6104 * (aesthetic - AESTHETIC[0]) / AESTHETIC[1] + 0.3896 * (technical - TECHNICAL[0]) / TECHNICAL[1]
    return 0.5 * (1 + math.tanh(x / 2))


def load_model(weight: Weight) -> Model:
    """The network, checked. Raises WeightsError for a file that is not DOVER as ONNX, or without ONNX Runtime."""
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

    def judge(aesthetic: NDArray[np.float32], technical: NDArray[np.float32]) -> tuple[float, float]:
        first, second = session.run(outputs, {"aes_view": aesthetic, "tech_view": technical})
        return float(np.mean(first)), float(np.mean(second))

    views = inputs["tech_view"][0]
    return Model(judge, views if isinstance(views, int) else VIEWS)


class DoverWatch(Watch):
    """One clip's views, filled as their frames go by: 20 MB, whatever the clip."""

    def __init__(self, model: Model | None, opening: Opening) -> None:
        self._model = model
        self._why: str | None = None
        self._wanted: dict[int, list[tuple[int, int]]] = {}
        if model is None:
            self._why = NOT_GIVEN
        elif opening.skipping:
            self._why = SKIPPED
        elif (count := frame_count(opening)) is None:
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
        self._corners: Places | None = None
        self._size = (0, 0)

    def see(self, frame: Frame) -> None:
        """Put the frame into the views that it belongs to."""
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

    def result(self, facts: Facts) -> Measured:
        """The model's opinion."""
        if self._why is None and self._wanted:
            self._why = fewer(facts.frames, self._count)
        if self._why is None and self._model is not None:
            aesthetic, technical = self._model.judge(network_input(self._views[:1]), network_input(self._views[1:]))
            if math.isfinite(aesthetic) and math.isfinite(technical):
                return Measured(
                    {
                        "dover_scores": on_talkvid_scale(aesthetic),
                        "dover_overall": overall(aesthetic, technical),
                        "dover_technical": technical,
                        "dover_aesthetic": aesthetic,
                    }
                )
            self._why = "The model gave no number."
        names = [column.name for column in COLUMNS]
        return Measured(dict.fromkeys(names), reasons=dict.fromkeys(names, self._why or ""))


def dover(settings: Settings) -> Scorer:
    """The scorer; without weights its scores are null and cost nothing. Raises WeightsError if the file is missing."""
    path = settings.weight(MODELS[0])
    if path is None:
        return Scorer("dover", "1", NOT_GIVEN, COLUMNS, nothing_to_load, DoverWatch, models=MODELS)
    weight = of_user(path)
    setup = partial(load_model, weight)
    return Scorer("dover", "1", "ONNX Runtime", COLUMNS, setup, DoverWatch, weights=(weight,), models=MODELS)


def _chance(rng: np.random.Generator, below: int, shape: tuple[int, ...]) -> Places:
    """Whole numbers from 0 to less than `below`; zeros where there is no room."""
    return rng.integers(below, size=shape) if below > 0 else np.zeros(shape, np.int64)


def _fits(shape: list[Any]) -> bool:
    """Whether an input's shape is that of views; names stand for sizes left open."""
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
