"""The CoTracker scorer: a model that tracks points (Karaev et al., arXiv 2410.11831) from a weights file of the user.

Its input and its score follow TalkVid's `camera_filtering.py`: up to 30 frames per second at a quarter of their size,
without the first and last 0.2 s; of these two per second, from up to three stretches of 6 s; a grid of 50 x 50 points
on the first picture. The score is the share of points that stay visible, in the worst stretch.
"""

import importlib
import io
import math
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image, resized
from scoring.scorer import Column, Measurement, Scorer, Watch, nothing_to_load
from scoring.settings import Settings
from scoring.video.frame_count import SKIPPED, UNCOUNTED, fewer, frame_count
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.weights import Weight, WeightsError, in_short, load, of_user

MOST_PER_SECOND = 30
"""Frames per second that are considered, at most."""
SHOWN_PER_SECOND = 2
"""Frames per second that the model is given."""
TRIMMED = 0.2
"""Seconds that are left out at each end."""
STRETCH = 6.0
"""Seconds that the model is given at once."""
SCALE = 4
"""The pictures' sides are divided by this."""
GRID = 50
"""Points along each side of the grid."""
SEEN = 0.9
"""Probability above which a point counts as visible: `cotracker/predictor.py`."""
NOT_GIVEN = "weights not given"
"""The reason for a missing score without a weights file."""
MODELS = ("cotracker",)
"""The model whose file the user may give."""
NO_PACKAGE = (
    "These weights need CoTracker's own code: install the package cotracker from facebookresearch/co-tracker, "
    "or give a TorchScript file."
)

Visible = NDArray[np.bool_]
"""(t, n): whether each of n points is visible in each of t pictures."""
VisibilityModel = Callable[[NDArray[np.uint8]], Visible]
"""Pictures (t, height, width, 3), red first, to the visibility of points (t, n)."""


def stretches(duration: float) -> list[tuple[float, float]]:
    """Start and end in s: all of a clip up to 6 s; else the first and last 6 s, and the middle 6 s beyond 12 s.

    >>> stretches(5.0), stretches(10.0)
    ([(0.0, 5.0)], [(0.0, 6.0), (4.0, 10.0)])
    >>> stretches(20.0)
    [(0.0, 6.0), (7.0, 13.0), (14.0, 20.0)]
    """
    if duration <= STRETCH:
        return [(0.0, duration)]
    first, last = (0.0, STRETCH), (duration - STRETCH, duration)
    middle = duration / 2 - STRETCH / 2
    return [first, last] if duration <= 2 * STRETCH else [first, (middle, middle + STRETCH), last]


def shown_frames(count: int, fps: float) -> list[list[int]]:
    """The numbers of the frames that the model is given, for each stretch of a clip of `count` frames.

    As in the original, a stretch's times are those of the whole clip but its frames are counted in the trimmed clip,
    and the step between frames is rounded down. Below 5 frames per second nothing is trimmed; the original fails there.

    >>> shown_frames(121, 24.0)
    [[4, 16, 28, 40, 52, 64, 76, 88, 100, 112]]
    """
    step = max(1.0, fps / MOST_PER_SECOND)
    kept = [int(number * step) for number in range(int(count / step))]
    rate = min(fps, float(MOST_PER_SECOND))
    trimmed = int(TRIMMED * rate)
    if len(kept) > rate and trimmed:
        kept = kept[trimmed:-trimmed]
    every = max(1, int(rate / SHOWN_PER_SECOND))
    return [kept[int(start * rate) : math.ceil(end * rate) : every] for start, end in stretches(count / fps)]


def quarter(bgr: Image) -> Image:
    """A picture (height, width, 3), blue first, scaled to a quarter of its size and red first."""
    height, width = bgr.shape[:2]
    small = resized(bgr, max(1, width // SCALE), max(1, height // SCALE))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def seen_share(stretches_seen: Sequence[Visible]) -> float | None:
    """The share (0 to 1) of visible points in the stretch where it is lowest; None without a stretch.

    >>> seen_share([np.array([[True, True], [True, False]]), np.array([[True], [True]])])
    0.75
    """
    return min((float(seen.mean()) for seen in stretches_seen), default=None)


def load_tracker(weight: Weight) -> VisibilityModel | str:
    """The model, loaded; or the reason why it cannot run: the package that its weights need is not installed.

    The file is either CoTracker3's `scaled_offline.pth`, which needs the package `cotracker`, or a TorchScript archive
    of its predictor: `forward(video)` or `forward(video, grid_size)` with video (1, t, 3, height, width), 0 to 255,
    returning tracks (1, t, n, 2) and visibility (1, t, n). Raises WeightsError for another file or without PyTorch.
    """
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise WeightsError("CoTracker needs PyTorch. Install it: pip install 'clipjury[cotracker]'.") from error
    torch.set_num_threads(1)  # clips are scored in parallel, one process per core
    data = load(weight)
    name = weight.path or weight.file
    try:
        if is_torchscript(data):
            return _script(torch, data)
        # Only tensors are loaded: a pickle could run any code.
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch passes on any error of its unpickler and archive reader
        raise WeightsError(
            f"{name} is neither weights of CoTracker nor TorchScript ({in_short(error)}). "
            "Get scaled_offline.pth of facebookresearch/co-tracker."
        ) from error
    try:
        predictor = importlib.import_module("cotracker.predictor")
    except ImportError:
        return NO_PACKAGE
    network = predictor.CoTrackerPredictor(checkpoint=None, offline=True, v2=False, window_len=60)
    try:
        network.model.load_state_dict(state.get("model", state))
    except (AttributeError, RuntimeError, TypeError) as error:
        raise WeightsError(
            f"{name} does not fit CoTracker3 ({in_short(error)}). Get its scaled_offline.pth."
        ) from error
    return partial(_visible, torch, network, {"grid_size": GRID})


def is_torchscript(data: bytes) -> bool:
    """True if the bytes are those of a TorchScript archive, False for saved tensors."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


class CotrackerWatch(Watch):
    """Collects one clip's pictures for the model: at most 40, at a quarter of their size."""

    def __init__(self, find: VisibilityModel | str | None, header: ClipHeader) -> None:
        self._find = find if callable(find) else None
        self._why: str | None = None
        self._shown: list[list[int]] = []
        self._wanted: set[int] = set()
        self._pictures: dict[int, Image] = {}
        if find is None:
            self._why = NOT_GIVEN
        elif isinstance(find, str):
            self._why = find
        elif header.skipping:
            self._why = SKIPPED
        elif header.fps is None or (count := frame_count(header)) is None:
            self._why = UNCOUNTED
        else:
            self._count = count
            # All points are visible in the first picture, so at least two are needed.
            self._shown = [frames for frames in shown_frames(count, header.fps) if len(frames) > 1]
            self._wanted = {index for frames in self._shown for index in frames}

    def see(self, frame: Frame) -> None:
        """Keep the frame's picture if the model needs it."""
        if frame.index in self._wanted:
            self._pictures[frame.index] = quarter(frame.full)

    def result(self, facts: Facts) -> Measurement:
        """The share of points that the model sees."""
        ratio = None
        if self._why is None and self._find is not None:
            if len(self._pictures) < len(self._wanted):
                self._why = fewer(facts.frames, self._count)
            elif len({picture.shape for picture in self._pictures.values()}) > 1:
                self._why = "The picture changes its size midway."
            else:
                shown = [np.stack([self._pictures[index] for index in frames]) for frames in self._shown]
                ratio = seen_share([self._find(pictures) for pictures in shown])
                self._why = "The clip is too short to follow points in." if ratio is None else None
        return Measurement({"cotracker_ratio": ratio}, reasons={"cotracker_ratio": self._why} if self._why else {})


def cotracker(settings: Settings) -> Scorer:
    """The CoTracker scorer. Without a weights file its score is null. Raises WeightsError for a missing file."""
    path = settings.weight(MODELS[0])
    if path is None:
        return Scorer("cotracker", "1", NOT_GIVEN, COLUMNS, nothing_to_load, CotrackerWatch, models=MODELS)
    weight = of_user(path)
    setup = partial(load_tracker, weight)
    return Scorer("cotracker", "1", "PyTorch", COLUMNS, setup, CotrackerWatch, weights=(weight,), models=MODELS)


def _script(torch: Any, data: bytes) -> VisibilityModel:
    with warnings.catch_warnings():
        # PyTorch recommends another export format, but users have files in this one.
        warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
        network = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
    arguments = {argument.name for argument in network.forward.schema.arguments}
    return partial(_visible, torch, network, {"grid_size": GRID} if "grid_size" in arguments else {})


def _visible(torch: Any, network: Any, options: dict[str, int], pictures: NDArray[np.uint8]) -> Visible:
    """The visibility (t, n) of points in pictures (t, height, width, 3), computed by the model."""
    video = torch.from_numpy(pictures).permute(0, 3, 1, 2)[None].float()
    with torch.no_grad():
        _, seen = network(video, **options)
    found = seen.numpy()[0]
    return np.asarray(found if found.dtype == bool else found > SEEN)


COLUMNS = (
    Column(
        "cotracker_ratio",
        "share of points that CoTracker still sees; TalkVid's band is .85 to .999",
        "band",
        low=0,
        high=1,
    ),
)
