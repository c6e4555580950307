"""CoTracker, a model that follows points (Karaev et al., arXiv 2410.11831), from a file of weights that the user has.

What it is shown and what its answer counts for follow TalkVid's `camera_filtering.py`: up to 30 frames per second at a
quarter of their size, without the first and last 0.2 s; of these two per second, from up to three stretches of 6 s; a
grid of 50 x 50 points laid on the first. The score is the share of points seen, at the worst stretch.
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
from scoring.scorer import Column, Measured, Scorer, Watch, nothing_to_load
from scoring.settings import Settings
from scoring.video.frame_count import SKIPPED, UNCOUNTED, fewer, frame_count
from scoring.video.frames import Facts, Frame, Opening
from scoring.weights import Weight, WeightsError, in_short, load, of_user

MOST_PER_SECOND = 30
SHOWN_PER_SECOND = 2
TRIMMED = 0.2
"""Seconds left out at either end."""
STRETCH = 6.0
"""Seconds looked at in one go."""
SCALE = 4
"""The pictures' sides are divided by this."""
GRID = 50
"""Points in a row and in a column."""
SEEN = 0.9
"""A point counts as seen from this probability on: `cotracker/predictor.py`."""
NOT_GIVEN = "weights not given"
MODELS = ("cotracker",)
NO_PACKAGE = (
    "These weights need CoTracker's own code: install the package cotracker from facebookresearch/co-tracker, "
    "or give a TorchScript file."
)

Visible = NDArray[np.bool_]
FindVisible = Callable[[NDArray[np.uint8]], Visible]
"""Pictures (t, height, width, 3) of red, green, blue to (t, n): whether each of n points is seen in each."""


def stretches(duration: float) -> list[tuple[float, float]]:
    """Start and end in s: the whole of a clip up to 6 s; else the first and last 6 s, and the middle beyond 12 s.

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
    """For each stretch of a clip of `count` frames, those that the model is shown, by their number.

    As in the original a stretch is counted in the trimmed clip though its times are of the whole one, and the step
    between frames is rounded down. Below 5 frames per second nothing is trimmed, where the original fails.

    >>> shown_frames(121, 24.0)
    [[4, 16, 28, 40, 52, 64, 76, 88, 100, 112]]
    """
    step = max(1.0, fps / MOST_PER_SECOND)
    kept = [int(number * step) for number in range(int(count / step))]
    rate = min(fps, float(MOST_PER_SECOND))
    cut = int(TRIMMED * rate)
    if len(kept) > rate and cut:
        kept = kept[cut:-cut]
    every = max(1, int(rate / SHOWN_PER_SECOND))
    return [kept[int(start * rate) : math.ceil(end * rate) : every] for start, end in stretches(count / fps)]


def quarter(bgr: Image) -> Image:
    """A picture (height, width, 3), blue first, at a quarter of its size, red first."""
    height, width = bgr.shape[:2]
    small = resized(bgr, max(1, width // SCALE), max(1, height // SCALE))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def seen_share(stretches_seen: Sequence[Visible]) -> float | None:
    """The share of (t, n) that is True, at the stretch where it is lowest; None without a stretch.

    >>> seen_share([np.array([[True, True], [True, False]]), np.array([[True], [True]])])
    0.75
    """
    return min((float(seen.mean()) for seen in stretches_seen), default=None)


def load_tracker(weight: Weight) -> FindVisible | str:
    """The model, or the reason why its weights cannot be used for want of the package they belong to.

    The file is either CoTracker3's `scaled_offline.pth`, for which the package `cotracker` must be installed, or a
    TorchScript archive of its predictor: `forward(video)` or `forward(video, grid_size)` with video (1, t, 3, height,
    width) from 0 to 255, giving tracks (1, t, n, 2) and visibility (1, t, n). Raises WeightsError for another file,
    or without PyTorch.
    """
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise WeightsError("CoTracker needs PyTorch. Install it: pip install 'clipjury[cotracker]'.") from error
    torch.set_num_threads(1)  # clips are scored side by side, one process per core
    data = load(weight)
    name = weight.path or weight.file
    try:
        if is_torchscript(data):
            return _script(torch, data)
        # Never anything but tensors: a pickle can run whatever its maker wants.
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch raises whatever its unpickler and its archive reader raise
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
    """Whether these are the bytes of a TorchScript archive, rather than of saved tensors."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


class CotrackerWatch(Watch):
    """One clip's pictures for the model: at most 40, at a quarter of their size."""

    def __init__(self, find: FindVisible | str | None, opening: Opening) -> None:
        self._find = find if callable(find) else None
        self._why: str | None = None
        self._shown: list[list[int]] = []
        self._wanted: set[int] = set()
        self._pictures: dict[int, Image] = {}
        if find is None:
            self._why = NOT_GIVEN
        elif isinstance(find, str):
            self._why = find
        elif opening.skipping:
            self._why = SKIPPED
        elif opening.fps is None or (count := frame_count(opening)) is None:
            self._why = UNCOUNTED
        else:
            self._count = count
            # On the frame they are laid on, all points are seen: it needs another.
            self._shown = [frames for frames in shown_frames(count, opening.fps) if len(frames) > 1]
            self._wanted = {index for frames in self._shown for index in frames}

    def see(self, frame: Frame) -> None:
        """Keep the frame's picture if the model is to be shown it."""
        if frame.index in self._wanted:
            self._pictures[frame.index] = quarter(frame.full)

    def result(self, facts: Facts) -> Measured:
        """The model's count of points."""
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
        return Measured({"cotracker_ratio": ratio}, reasons={"cotracker_ratio": self._why} if self._why else {})


def cotracker(settings: Settings) -> Scorer:
    """The scorer; without weights its score is null and costs nothing. Raises WeightsError if the file is missing."""
    path = settings.weight(MODELS[0])
    if path is None:
        return Scorer("cotracker", "1", NOT_GIVEN, COLUMNS, nothing_to_load, CotrackerWatch, models=MODELS)
    weight = of_user(path)
    setup = partial(load_tracker, weight)
    return Scorer("cotracker", "1", "PyTorch", COLUMNS, setup, CotrackerWatch, weights=(weight,), models=MODELS)


def _script(torch: Any, data: bytes) -> FindVisible:
    with warnings.catch_warnings():
        # PyTorch advises to export models another way; files made this way remain.
        warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
        network = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
    arguments = {argument.name for argument in network.forward.schema.arguments}
    return partial(_visible, torch, network, {"grid_size": GRID} if "grid_size" in arguments else {})


def _visible(torch: Any, network: Any, options: dict[str, int], pictures: NDArray[np.uint8]) -> Visible:
    """Run the model on pictures (t, height, width, 3): (t, n)."""
    video = torch.from_numpy(pictures).permute(0, 3, 1, 2)[None].float()
    with torch.no_grad():
        _, seen = network(video, **options)
    found = seen.numpy()[0]
    return np.asarray(found if found.dtype == bool else found > SEEN)


COLUMNS = (
    Column(
        "cotracker_ratio",
        "share of points that CoTracker goes on seeing; TalkVid's band is .85 to .999",
        "band",
        low=0,
        high=1,
    ),
)
