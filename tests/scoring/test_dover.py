"""The DOVER scorer: its input and its scores, with small networks that the tests build."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from scoring.images import Image
from scoring.models.dover import (
    FRAGMENT,
    GRID,
    MEAN,
    SEED,
    SIDE,
    STD,
    DoverWatch,
    aesthetic_frames,
    dover,
    enlarged,
    fragment_corners,
    fragments,
    network_input,
    on_talkvid_scale,
    overall,
    technical_frames,
    whole,
)
from scoring.registry import scorers
from scoring.runners.score_files import score_files
from scoring.scorer import Measurement
from scoring.settings import Settings
from scoring.video.frame_count import frame_count
from scoring.video.frames import ClipHeader, Facts
from scoring.weights import WeightsError, hash_of
from tests.helpers.real_videos import moving, texture, write_video
from tests.helpers.watching import frames_of, measured

NAMES = ["dover_aesthetic", "dover_overall", "dover_scores", "dover_technical"]


def stand_in(
    path: Path, views: int | str = "n", *, side: int = SIDE, inputs: tuple[str, str] = ("aes_view", "tech_view")
) -> Path:
    """A network with DOVER's inputs and outputs that answers with each view's mean: (1,) and (views,)."""
    # One axis after the other: added up in one go, a million numbers lose digits.
    axes = [helper.make_tensor(f"axis {axis}", TensorProto.INT64, [1], [axis]) for axis in (4, 3, 2, 1)]
    nodes = []
    for source, answer in zip(inputs, ("aesthetic", "technical"), strict=True):
        names = [source, f"{answer} 4", f"{answer} 3", f"{answer} 2", answer]
        nodes += [
            helper.make_node("ReduceMean", [names[step], axis.name], [names[step + 1]], keepdims=0)
            for step, axis in enumerate(axes)
        ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [
            helper.make_tensor_value_info(inputs[0], TensorProto.FLOAT, [1, 3, 32, side, side]),
            helper.make_tensor_value_info(inputs[1], TensorProto.FLOAT, [views, 3, 32, side, side]),
        ],
        [
            helper.make_tensor_value_info("aesthetic", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("technical", TensorProto.FLOAT, [views]),
        ],
        axes,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


def given_weights(path: Path) -> Settings:
    return Settings(weights=(("dover", path),))


def even(levels: range, height: int = 240, width: int = 260) -> list[Image]:
    """Grey pictures, each of one level."""
    return [np.full((height, width, 3), level, np.uint8) for level in levels]


def standardised(level: float) -> float:
    """What a grey level is to the network, the mean over the three colours."""
    return float(np.mean((level - MEAN) / STD))


def seen(result: Measurement, name: str) -> float:
    value = result.scores[name]
    assert value is not None, result.reasons
    return value


def test_the_views_are_those_of_the_original(tmp_path: Path) -> None:
    """Of 120 frames whose level is their number, the branches see the means computed by hand.

    Aesthetic: every third frame from 0 to 93, mean 46.5. Technical: from 0, 40 and 80 every second frame, 32 of them;
    the last view ends at 118 after 20 frames of mean 99 and goes on with 12 from 0 to 22 of mean 11, together 66. The
    mean of 31, 71 and 66 is 56.
    """
    result = measured(dover(given_weights(stand_in(tmp_path / "d.onnx"))), even(range(120)))
    assert seen(result, "dover_aesthetic") == pytest.approx(standardised(46.5), abs=1e-4)
    assert seen(result, "dover_technical") == pytest.approx(standardised(56), abs=1e-4)
    assert result.reasons == {}


def test_a_model_for_four_views_gets_four(tmp_path: Path) -> None:
    """convert_to_onnx.py fixes four technical views: from 0, 30, 60 and 90, with means 31, 61, 76 and 61.

    From 60: 30 frames to 118 of mean 89, then 0 and 2. From 90: 15 to 118 of mean 104, then 17 from 0 to 32, mean 16.
    """
    result = measured(dover(given_weights(stand_in(tmp_path / "d.onnx", 4))), even(range(120)))
    third, fourth = (30 * 89 + 2 * 1) / 32, (15 * 104 + 17 * 16) / 32
    assert seen(result, "dover_technical") == pytest.approx(standardised((31 + 61 + third + fourth) / 4), abs=1e-4)


def test_the_scores_follow_from_the_two_branches(tmp_path: Path) -> None:
    """TalkVid's score is the aesthetic output on the technical scale; the overall score weighs both outputs."""
    result = measured(dover(given_weights(stand_in(tmp_path / "d.onnx"))), even(range(100, 164)))
    aesthetic, technical = seen(result, "dover_aesthetic"), seen(result, "dover_technical")
    assert seen(result, "dover_scores") == pytest.approx((aesthetic + 0.08285) / 0.03774)
    assert seen(result, "dover_overall") == pytest.approx(overall(aesthetic, technical))


def test_the_published_example_comes_out() -> None:
    """VQAssessment/DOVER, thread 25: 17734.mp4 has x = 0.3334 one way round and 0.7877 the other, 0.583 and 0.687.

    The two equations give the outputs 0.14574 and -0.07873, which the formula must turn back into the first result.
    On TalkVid's scale that video has 6.06, within the published range.
    """
    assert overall(0.14574, -0.07873) == pytest.approx(0.583, abs=1e-3)
    assert overall(-0.07873, 0.14574) == pytest.approx(0.687, abs=1e-3)
    assert on_talkvid_scale(0.14574) == pytest.approx(6.06, abs=0.01)


def test_extreme_outputs_give_a_share() -> None:
    """For outputs of any size the fused quality is between 0 and 1."""
    assert overall(-1e6, -1e6) == 0
    assert overall(1e6, 1e6) == 1


@given(st.integers(1, 5000), st.integers(1, 6))
@settings(deadline=None)
def test_every_frame_chosen_is_one_of_the_clip(count: int, views: int) -> None:
    """Each view has 32 frames within the clip, the same each time."""
    rng, again = np.random.default_rng(SEED), np.random.default_rng(SEED)
    aesthetic, technical = aesthetic_frames(count, rng), technical_frames(count, views, rng)
    assert aesthetic.shape == (32,)
    assert technical.shape == (views, 32)
    for frames in (aesthetic, technical):
        assert frames.min() >= 0
        assert frames.max() < count
    assert aesthetic_frames(count, again).tolist() == aesthetic.tolist()
    assert technical_frames(count, views, again).tolist() == technical.tolist()


def test_long_clips_are_sampled_within_their_stretches() -> None:
    """Of 3000 frames each aesthetic frame is in its 32nd, and each technical view in its third."""
    rng = np.random.default_rng(SEED)
    assert (aesthetic_frames(3000, rng) // 93).tolist() == list(range(32))
    assert (technical_frames(3000, 3, rng) // 1000).tolist() == [[view] * 32 for view in range(3)]


@given(st.integers(SIDE, 2200), st.integers(SIDE, 2200))
@settings(deadline=None)
def test_each_fragment_lies_in_its_cell(height: int, width: int) -> None:
    """Each of the 7 x 7 cells has a fragment that is entirely inside it."""
    corners = fragment_corners(height, width, 2, np.random.default_rng(SEED))
    cells = np.array([height // GRID, width // GRID])
    grid = np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID), indexing="ij"), axis=-1) * cells
    assert corners.shape == (2, GRID, GRID, 2)
    assert (corners >= grid).all()
    assert (corners + FRAGMENT <= grid + cells).all()


def test_fragments_are_not_scaled() -> None:
    """Each tile of 32 x 32 pixels equals the picture at its corner."""
    picture = np.random.default_rng(1).integers(0, 256, (500, 700, 3)).astype(np.uint8)
    corners = fragment_corners(500, 700, 1, np.random.default_rng(SEED))[0]
    tiles = fragments(picture, corners)
    assert tiles.shape == (SIDE, SIDE, 3)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        top, left = corners[row, column]
        tile = tiles[row * FRAGMENT : (row + 1) * FRAGMENT, column * FRAGMENT : (column + 1) * FRAGMENT]
        assert np.array_equal(tile, picture[top : top + FRAGMENT, left : left + FRAGMENT])


def test_a_picture_of_224_pixels_is_its_own_fragments() -> None:
    """If the cells are as large as the fragments, there is nothing to choose."""
    picture = texture(SIDE, SIDE)
    corners = fragment_corners(SIDE, SIDE, 1, np.random.default_rng(SEED))[0]
    assert np.array_equal(fragments(picture, corners), picture)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (100, 400), (223, 1000), (144, 176), (1, 1)])
def test_small_pictures_are_enlarged(height: int, width: int) -> None:
    """The shorter side becomes 224 pixels, so that all fragments fit."""
    large = enlarged(np.zeros((height, width, 3), np.uint8))
    assert min(large.shape[:2]) == SIDE
    assert enlarged(np.zeros((300, 224, 3), np.uint8)).shape == (300, 224, 3)


def test_resizing_takes_single_pixels_without_smoothing() -> None:
    """A picture eight times as large is sampled between pixels 3 and 4 of each eight, as in torchvision 0.14."""
    picture = np.zeros((SIDE * 8, SIDE * 8, 3), np.uint8)
    picture[3::8, :] = picture[4::8, :] = 200
    assert (whole(picture) == 200).all()


def test_the_network_gets_red_first_and_standardised() -> None:
    """Its input is (n, 3, 32, 224, 224): each colour minus its mean, divided by its standard deviation."""
    views = np.zeros((2, 32, SIDE, SIDE, 3), np.uint8)
    views[..., 0], views[..., 1], views[..., 2] = 255, 128, 0
    blob = network_input(views)
    assert blob.shape == (2, 3, 32, SIDE, SIDE)
    assert blob.dtype == np.float32
    assert blob[1, :, 31, 9, 9].tolist() == pytest.approx(
        [(255 - 123.675) / 58.395, (128 - 116.28) / 57.12, -103.53 / 57.375], rel=1e-6
    )


def test_colours_reach_the_network_in_the_right_order(tmp_path: Path) -> None:
    """A red clip is brighter to the network than a blue one by the difference of their standardised levels."""
    scorer = dover(given_weights(stand_in(tmp_path / "d.onnx")))
    red, blue = np.zeros((2, 240, 240, 3), np.uint8)
    red[..., 2], blue[..., 0] = 255, 255
    values = [seen(measured(scorer, [picture] * 4), "dover_technical") for picture in (red, blue)]
    assert values[0] - values[1] == pytest.approx((255 / 58.395 - 255 / 57.375) / 3, abs=1e-5)


def test_without_weights_nothing_is_measured() -> None:
    """The columns are there, null, for the reason `weights not given`."""
    scorer = dover(Settings())
    result = measured(scorer, even(range(10)))
    assert result.scores == dict.fromkeys(NAMES)
    assert result.reasons == dict.fromkeys(NAMES, "weights not given")
    assert scorer.weights == ()
    assert "dover" in [known.name for known in scorers(Settings())]


def test_the_record_holds_the_hash_of_the_users_file(tmp_path: Path) -> None:
    """A model is identified by the bytes of the user's file, and its hash goes into the record."""
    path = stand_in(tmp_path / "d.onnx")
    first = dover(given_weights(path)).weights
    assert [(weight.file, weight.sha256) for weight in first] == [("d.onnx", hash_of(path.read_bytes()))]
    stand_in(path, 4)
    assert dover(given_weights(path)).weights[0].sha256 == hash_of(path.read_bytes()) != first[0].sha256


def test_a_missing_file_is_an_error_before_the_first_clip(tmp_path: Path) -> None:
    """Making the scorer raises WeightsError, which names the file or folder."""
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        dover(given_weights(tmp_path / "none.onnx"))
    with pytest.raises(WeightsError, match="is not a file"):
        scorers(given_weights(tmp_path))


def test_another_model_is_an_error_before_the_first_clip(tmp_path: Path) -> None:
    """Bytes that are no model and models with other inputs raise WeightsError with the file's name and the remedy."""
    (tmp_path / "text.onnx").write_text("not a model")
    clip = write_video(tmp_path / "a.mp4", moving([(0, 0)] * 4, 64, 48))
    for path, why in (
        (tmp_path / "text.onnx", r"text\.onnx is no ONNX model that can be loaded .*convert_to_onnx"),
        (stand_in(tmp_path / "small.onnx", side=112), r"small\.onnx is not DOVER: .*convert_to_onnx"),
        (stand_in(tmp_path / "other.onnx", inputs=("a", "b")), r"other\.onnx is not DOVER: .*aes_view"),
    ):
        with pytest.raises(WeightsError, match=why):
            list(score_files([clip], settings=given_weights(path)))


def test_a_file_that_states_too_many_frames_has_no_score(tmp_path: Path) -> None:
    """If frames that the views need are missing, the scores are null and the reason has both counts."""
    scorer = dover(given_weights(stand_in(tmp_path / "d.onnx")))
    watch = scorer.watch(scorer.setup(), ClipHeader(Path("a.mp4"), fps=25, frames=120))
    for frame in frames_of(even(range(60))):
        watch.see(frame)
    result = watch.result(Facts(2.4, 260, 240, 25, "h264", 60))
    assert result.reasons == dict.fromkeys(NAMES, "The clip has 60 frames, its file promises 120.")


def test_frames_are_counted_if_the_file_does_not_state_their_number(tmp_path: Path) -> None:
    """A Matroska file states no number of frames; they are counted, and the score is that of the MP4."""
    pictures = [np.asarray(cv2.resize(texture(seed=number), (320, 240)), np.uint8) for number in range(40)]
    mkv = write_video(tmp_path / "a.mkv", pictures)
    assert frame_count(ClipHeader(mkv)) == 40
    assert frame_count(ClipHeader(tmp_path / "none.mkv")) is None
    write_video(tmp_path / "a.mp4", pictures)
    settings = given_weights(stand_in(tmp_path / "d.onnx"))
    one, other = (result.scores for result in score_files([mkv, tmp_path / "a.mp4"], settings=settings))
    assert one["dover_scores"] is not None
    assert one["dover_scores"] == other["dover_scores"]


def test_skipped_frames_and_changing_sizes_are_reasons(tmp_path: Path) -> None:
    """If the views cannot be filled as planned, the scores are null and the reason says why."""
    scorer = dover(given_weights(stand_in(tmp_path / "d.onnx")))
    model = scorer.setup()
    skipping = scorer.watch(model, ClipHeader(Path("a.mp4"), fps=25, frames=50, skipping=True))
    why = skipping.result(Facts(2, 260, 240, 25, "h264", 20, skipped=True)).reasons
    assert why == dict.fromkeys(NAMES, "Frames were skipped, to save time.")
    changing = measured(scorer, even(range(20)) + even(range(20), 300, 300))
    assert changing.reasons == dict.fromkeys(NAMES, "The picture changes its size midway.")
    unknown = DoverWatch(model, ClipHeader(tmp_path / "none.mp4")).result(Facts(2, 260, 240, 25, "h264", 20))
    assert unknown.reasons == dict.fromkeys(NAMES, "The number of frames cannot be found out beforehand.")


def test_very_short_and_very_small_clips_are_scored(tmp_path: Path) -> None:
    """Two frames of 20 x 30 pixels fill all views: frames are repeated and pictures enlarged, as in the original."""
    scorer = dover(given_weights(stand_in(tmp_path / "d.onnx")))
    result = measured(scorer, even(range(90, 92), 20, 30))
    assert seen(result, "dover_aesthetic") == pytest.approx(standardised(90), abs=1e-4)
    assert seen(result, "dover_technical") == pytest.approx(standardised(90), abs=1e-4)
