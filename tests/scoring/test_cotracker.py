"""The CoTracker scorer: its input and its score, with small networks that the tests build (if PyTorch is there)."""

import io
import runpy
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.images import Image
from scoring.models.cotracker import (
    NO_PACKAGE,
    CotrackerWatch,
    Visible,
    cotracker,
    is_torchscript,
    quarter,
    seen_share,
    shown_frames,
    stretches,
)
from scoring.scorer import Measurement
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts
from scoring.weights import WeightsError, hash_of
from tests.helpers.watching import frames_of, measured

NETWORKS = """
import torch

class Counting(torch.nn.Module):
    def forward(self, video, grid_size: int):
        points = grid_size * grid_size
        steps = torch.arange(points).double() * 255.0 / points
        seen = video.double().mean(dim=[2, 3, 4]).unsqueeze(2) > steps
        return torch.zeros(1, video.size(1), points, 2), seen

class Unsure(torch.nn.Module):
    def forward(self, video):
        sure = torch.tensor([0.95, 0.85, 0.9, 0.99]).repeat(1, video.size(1), 1)
        return torch.zeros(1, video.size(1), 4, 2), sure
"""


def given_weights(path: Path) -> Settings:
    return Settings(weights=(("cotracker", path),))


def even(levels: list[int], height: int = 40, width: int = 64) -> list[Image]:
    """Grey pictures, each of one level."""
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def watched(find: Any, pictures: list[Image], fps: float = 24, frames: int | None = None) -> Measurement:
    """The result of the watch for the answers of a given model."""
    count = len(pictures) if frames is None else frames
    watch = CotrackerWatch(find, ClipHeader(Path("a.mp4"), fps=fps, frames=count))
    for frame in frames_of(pictures, fps):
        watch.see(frame)
    return watch.result(Facts(len(pictures) / fps, 64, 40, fps, "h264", len(pictures)))


def test_five_seconds_are_sampled_at_two_per_second() -> None:
    """Of 121 frames at 24 per second 4 are trimmed at each end; then every 12th is taken, from 4 to 112."""
    assert shown_frames(121, 24) == [list(range(4, 113, 12))]


def test_faster_clips_are_first_reduced_to_thirty_per_second() -> None:
    """Of 300 frames at 60 per second every second is kept, 6 are trimmed at each end, and every 15th is taken."""
    assert shown_frames(300, 60) == [list(range(12, 288, 30))]


def test_odd_rates_round_the_step_down() -> None:
    """At 29.97 per second the step is 14, not 15, and 5 frames are trimmed at each end."""
    assert shown_frames(150, 29.97) == [list(range(5, 145, 14))]


def test_long_clips_have_three_stretches() -> None:
    """Of 20 s at 10 per second 2 are trimmed at each end; from 0, 70 and 140 on every fifth is taken for 6 s."""
    assert shown_frames(200, 10) == [list(range(2, 62, 5)), list(range(72, 132, 5)), list(range(142, 198, 5))]


def test_ten_seconds_have_two_stretches() -> None:
    """The two stretches overlap, as in the original."""
    assert stretches(10) == [(0, 6), (4, 10)]
    assert shown_frames(100, 10) == [list(range(2, 62, 5)), list(range(42, 98, 5))]


@given(st.integers(1, 20_000), st.floats(0.5, 240))
@settings(deadline=None)
def test_every_sampled_frame_is_in_the_clip(count: int, fps: float) -> None:
    """Every clip has at most three stretches, with frames in order and within the clip."""
    shown = shown_frames(count, fps)
    assert 1 <= len(shown) <= 3
    for frames in shown:
        assert frames == sorted(set(frames))
        assert all(0 <= index < count for index in frames)


@given(st.integers(1, 18_000), st.floats(4, 240))
@settings(deadline=None)
def test_few_pictures_are_kept(count: int, fps: float) -> None:
    """Three stretches of 6 s at two per second hold at most 60 pictures, so memory does not grow with the clip."""
    assert sum(len(frames) for frames in shown_frames(count, fps)) <= 60


def test_the_share_is_that_of_the_worst_stretch() -> None:
    """Three of four points seen in one stretch and all in the other give 0.75; no stretch gives None."""
    worse: Visible = np.array([[True, True], [True, False]])
    assert seen_share([np.ones((3, 5), bool), worse]) == 0.75
    assert seen_share([]) is None


def test_pictures_are_quartered_and_red_comes_first() -> None:
    """64 x 40 becomes 16 x 10, each pixel the mean of 16, and blue first becomes red first."""
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[..., 0], picture[::2, :, 2] = 10, 200
    small = quarter(picture)
    assert small.shape == (10, 16, 3)
    assert small[5, 5].tolist() == [100, 0, 10]
    assert quarter(np.zeros((3, 3, 3), np.uint8)).shape == (1, 1, 3)


def test_the_model_gets_the_sampled_pictures_in_order() -> None:
    """Of 121 frames the model gets the ten sampled ones at a quarter of their size, and its answer is counted."""
    shown: list[NDArray[np.uint8]] = []

    def find(pictures: NDArray[np.uint8]) -> Visible:
        shown.append(pictures)
        return np.arange(10)[:, None] < np.array([[10, 5, 2, 10]])

    result = watched(find, even([2 * number for number in range(121)]))
    assert [pictures.shape for pictures in shown] == [(10, 10, 16, 3)]
    assert shown[0][:, 0, 0, 0].tolist() == [2 * index for index in range(4, 113, 12)]
    assert result.scores == {"cotracker_ratio": pytest.approx((10 + 5 + 2 + 10) / 40)}
    assert result.reasons == {}


def test_without_weights_nothing_is_measured() -> None:
    """The column is there, null, for the reason `weights not given`."""
    scorer = cotracker(Settings())
    result = measured(scorer, even([1] * 60))
    assert result.scores == {"cotracker_ratio": None}
    assert result.reasons == {"cotracker_ratio": "weights not given"}
    assert scorer.weights == ()


def test_clips_that_cannot_be_sampled_say_why(tmp_path: Path) -> None:
    """Clips too short, shorter than stated, of changing size, with skipped frames or of unknown length say so."""

    def find(pictures: NDArray[np.uint8]) -> Visible:
        return np.ones((len(pictures), 4), bool)

    def why(result: Measurement) -> str:
        assert result.scores == {"cotracker_ratio": None}
        return result.reasons["cotracker_ratio"]

    facts = Facts(1, 64, 40, 24, "h264", 24)
    assert why(watched(find, even([1] * 10))) == "The clip is too short to follow points in."
    assert why(watched(find, even([1] * 60), frames=121)) == "The clip has 60 frames, its file promises 121."
    changing = even([1] * 60) + even([1] * 61, 80, 80)
    assert why(watched(find, changing)) == "The picture changes its size midway."
    skipping = CotrackerWatch(find, ClipHeader(Path("a.mp4"), fps=24, frames=121, skipping=True))
    assert why(skipping.result(facts)) == "Frames were skipped, to save time."
    unknown = CotrackerWatch(find, ClipHeader(tmp_path / "none.mp4", fps=24))
    assert why(unknown.result(facts)) == "The number of frames cannot be found out beforehand."
    assert why(watched(NO_PACKAGE, even([1] * 60))) == NO_PACKAGE


def test_a_missing_file_is_an_error_before_the_first_clip(tmp_path: Path) -> None:
    """Making the scorer raises WeightsError, which names the file or folder."""
    with pytest.raises(WeightsError, match=r"none\.pth cannot be read"):
        cotracker(given_weights(tmp_path / "none.pth"))


def test_the_record_holds_the_hash_of_the_users_file(tmp_path: Path) -> None:
    """A model is identified by the bytes of the user's file, and its hash goes into the record."""
    path = tmp_path / "c.pth"
    path.write_bytes(b"weights")
    assert [weight.sha256 for weight in cotracker(given_weights(path)).weights] == [hash_of(b"weights")]


def test_missing_pytorch_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    """Where torch cannot be imported, a weights file that was given is an error at the start."""
    (tmp_path / "c.pth").write_bytes(b"weights")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from scoring.models.cotracker import cotracker\n"
        "from scoring.settings import Settings\n"
        "sys.modules['torch'] = None\n"
        f"cotracker(Settings(weights=(('cotracker', Path({str(tmp_path / 'c.pth')!r})),))).setup()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "WeightsError: CoTracker needs PyTorch. Install it: pip install 'clipjury[cotracker]'." in run.stderr


def test_torchscript_differs_from_weights() -> None:
    """The content of the archive decides; other bytes are no archive."""

    def archive(*names: str) -> bytes:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as packed:
            for name in names:
                packed.writestr(name, b"")
        return data.getvalue()

    assert is_torchscript(archive("c/data.pkl", "c/constants.pkl"))
    assert not is_torchscript(archive("c/data.pkl", "c/data/0"))
    assert not is_torchscript(b"weights")


def torch_or_skip() -> Any:
    """PyTorch; it is too large to be required for these tests."""
    return pytest.importorskip("torch", reason="PyTorch is not installed (extra: cotracker)")


def scripted(torch: Any, folder: Path, name: str) -> Path:
    """A TorchScript file of one of the networks above."""
    (folder / "networks.py").write_text(NETWORKS)
    networks = runpy.run_path(str(folder / "networks.py"), run_name="networks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of PyTorch advise against TorchScript
        torch.jit.script(networks[name]()).save(str(folder / "c.pth"))
    return folder / "c.pth"


def test_a_torchscript_model_is_run(tmp_path: Path) -> None:
    """A small network sees as many of 2500 points as the picture is bright: the levels are 8, 32, ... 224.

    A point with number k is seen in a picture of level v if v > k * 255 / 2500: of 2500 points ceil(v * 2500 / 255).
    """
    torch = torch_or_skip()
    scorer = cotracker(given_weights(scripted(torch, tmp_path, "Counting")))
    result = measured(scorer, even([2 * number for number in range(121)]), fps=24)
    points = [-(-2 * index * 2500 // 255) for index in range(4, 113, 12)]
    assert result.scores["cotracker_ratio"] == pytest.approx(sum(points) / (2500 * 10), abs=1e-6)


def test_probabilities_above_nine_tenths_count(tmp_path: Path) -> None:
    """A model with its own points gives probabilities: 0.95 counts as seen, 0.85 and 0.9 do not."""
    torch = torch_or_skip()
    scorer = cotracker(given_weights(scripted(torch, tmp_path, "Unsure")))
    assert measured(scorer, even([9] * 121), fps=24).scores == {"cotracker_ratio": pytest.approx(0.5)}


def test_plain_weights_need_the_package(tmp_path: Path) -> None:
    """Weights without the package that they need give null and name what to install."""
    torch = torch_or_skip()
    torch.save({"model": {"fnet.conv1.weight": torch.zeros(2, 2)}}, tmp_path / "scaled_offline.pth")
    result = measured(cotracker(given_weights(tmp_path / "scaled_offline.pth")), even([9] * 121), fps=24)
    assert result.scores == {"cotracker_ratio": None}
    assert result.reasons == {"cotracker_ratio": NO_PACKAGE}


PACKAGE = """
import torch

class CoTrackerPredictor(torch.nn.Module):
    def __init__(self, checkpoint, offline, v2, window_len):
        super().__init__()
        assert (checkpoint, offline, v2, window_len) == (None, True, False, 60)
        self.model = torch.nn.Linear(1, 1)

    def forward(self, video, grid_size):
        seen = torch.zeros(1, video.shape[1], grid_size**2, dtype=torch.bool)
        seen[:, :, : int(self.model.bias.item())] = True
        return torch.zeros(1, video.shape[1], grid_size**2, 2), seen
"""


def with_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `cotracker` whose predictor sees as many points as its one bias says."""
    (tmp_path / "cotracker").mkdir()
    (tmp_path / "cotracker" / "__init__.py").touch()
    (tmp_path / "cotracker" / "predictor.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("cotracker", "cotracker.predictor"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("wrapped", [False, True])
def test_plain_weights_are_loaded_into_the_predictor_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    """The state dict is loaded, also from under `model`; 2000 of 2500 points seen give 0.8."""
    torch = torch_or_skip()
    with_package(tmp_path, monkeypatch)
    state = {"weight": torch.zeros(1, 1), "bias": torch.tensor([2000.0])}
    torch.save({"model": state} if wrapped else state, tmp_path / "scaled_offline.pth")
    result = measured(cotracker(given_weights(tmp_path / "scaled_offline.pth")), even([9] * 121), fps=24)
    assert result.scores == {"cotracker_ratio": pytest.approx(0.8)}


def test_weights_of_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights with other names or without names raise WeightsError with the file and the source of the right one."""
    torch = torch_or_skip()
    with_package(tmp_path, monkeypatch)
    for number, state in enumerate(({"other": torch.zeros(1)}, [torch.zeros(1)])):
        torch.save(state, tmp_path / f"{number}.pth")
        with pytest.raises(WeightsError, match=rf"{number}\.pth does not fit CoTracker3.*scaled_offline\.pth"):
            cotracker(given_weights(tmp_path / f"{number}.pth")).setup()


class Trap:
    """Pickled, it asks the reader to run something."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('the file was run')",)


def test_a_file_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    """Only tensors are unpickled: a file that runs code and random bytes raise WeightsError."""
    torch = torch_or_skip()
    torch.save({"model": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "rubbish.pth").write_bytes(b"not weights at all")
    for name in ("trap", "rubbish"):
        with pytest.raises(WeightsError, match=rf"{name}\.pth is neither weights of CoTracker nor TorchScript"):
            cotracker(given_weights(tmp_path / f"{name}.pth")).setup()
