"""TalkVid's sampling: scores against a second implementation of its code, and its peculiarities one by one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.faces.face import Face, Points
from scoring.head.five_points import FivePoints
from scoring.head.head import head
from scoring.head.talkvid import TalkVidWatch
from scoring.scorer import Measurement
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts
from tests.helpers.watching import finding, frames_of, measured

WIDTH, HEIGHT = 64, 36
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
FACE = np.array([[-6.3, -7], [6.3, -7], [0, 0], [-5, 6], [5, 6]])
"""Five points around a nose, in pixels."""
COMPAT = Settings(talkvid_compat=True)
NUMBERS = [
    f"{kind}_{name}" for kind in ("avg", "min") for name in ("movement", "rotation", "resolution", "orientation")
]

faces = st.builds(
    lambda x, y, size, lean, sure: Face(
        (x - 5 * size, y - 6 * size, 10 * size, 12 * size), leant(lean, size, x, y), sure
    ),
    st.floats(20, 44),
    st.floats(14, 22),
    st.floats(0.5, 1),
    st.floats(-0.6, 0.6),
    st.floats(0.7, 1),
)


def leant(lean: float, size: float, x: float, y: float) -> Points:
    """The five points, leaning by so many radians, so many times as large, the nose at that place."""
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    return np.asarray(size * FACE @ turn + (x, y), np.float64)


def sampled(per_sample: Sequence[tuple[Face, ...]], fps: float = 2) -> Measurement:
    """The result of TalkVid's sampling for a clip at two frames per second whose samples show these faces."""
    return measured(head(COMPAT), [PICTURE] * (2 * len(per_sample)), fps=fps, find=finding(per_sample))


def as_its_code_does(per_sample: Sequence[tuple[Face, ...]]) -> dict[str, float]:
    """`evaluate_faces` of TalkVid's head filter, rewritten loop by loop for the tests' faces and poses."""
    alone = [found[0] for found in per_sample if len(found) == 1]
    poses = [FivePoints().pose(PICTURE, face) for face in alone]
    changes, turns = [], []
    for number in range(len(alone) - 1):
        before, after = alone[number].points, alone[number + 1].points
        total = sum(abs(after[point][axis] - before[point][axis]) for point in range(5) for axis in range(2))
        changes.append(total / 10 / min(WIDTH, HEIGHT))
        one, other = poses[number], poses[number + 1]
        assert one
        assert other
        turns.append(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
    shares = [face.box[2] * face.box[3] / (WIDTH * HEIGHT) * 100 for face in alone]
    offs = [sum((abs(angle) / 180 * 100) ** 2 for angle in pose) ** 0.5 for pose in poses if pose]
    return {
        "avg_movement": 100 - 100 * (sum(changes) / len(changes) if changes else 0),
        "min_movement": 100 - 100 * (max(changes) if changes else 0),
        "min_movement_at": changes.index(max(changes)) if changes else 0,
        "avg_rotation": 100 - (sum(turns) / len(turns) if turns else 0),
        "min_rotation": 100 - (max(turns) if turns else 0),
        "min_rotation_at": turns.index(max(turns)) if turns else 0,
        "avg_resolution": 30 * sum(shares) / len(shares),
        "min_resolution": 30 * min(shares),
        "min_resolution_at": shares.index(min(shares)),
        "avg_orientation": 100 - sum(offs) / len(offs),
        "min_orientation": 100 - max(offs),
        "min_orientation_at": offs.index(max(offs)),
        "face_consistency": max(0, 100 - 20 * sum(len(found) != 1 for found in per_sample)),
    }


@given(st.lists(st.lists(faces, max_size=2).map(tuple), min_size=1, max_size=8))
def test_numbers_are_those_of_its_own_arithmetic(per_sample: list[tuple[Face, ...]]) -> None:
    """With no, one or two faces per sample every score and every `_at` is what TalkVid's code computes."""
    found = sampled(per_sample)
    if not any(len(faces_there) == 1 for faces_there in per_sample):
        assert {name for name, value in found.scores.items() if value is not None} == {"doubtful_faces"}
        return
    wanted = as_its_code_does(per_sample)
    assert {name: found.scores[name] for name in wanted} == pytest.approx(wanted)
    assert found.reasons == {}
    assert all(len(series) == len(per_sample) for series in found.series.values())


@given(st.lists(faces, min_size=2, max_size=6))
def test_at_whole_frames_per_second_with_one_face_throughout_both_samplings_agree(shown: list[Face]) -> None:
    """With a face in the picture in each second, exact times and TalkVid's sampling have the same scores and series."""
    exact, compat = (
        measured(head(settings), [PICTURE] * (2 * len(shown)), fps=2, find=finding([(face,) for face in shown]))
        for settings in (Settings(), COMPAT)
    )
    for name in (*NUMBERS, "avg_completeness", "face_consistency"):
        assert compat.scores[name] == pytest.approx(exact.scores[name]), name
    for name, series in exact.series.items():
        assert compat.series[name] == pytest.approx(series), name


def face(x: float = 32.0) -> Face:
    return Face((x - 10, 6, 20, 24), leant(0, 1, x, 18), 0.9)


def test_neighbours_may_be_seconds_apart() -> None:
    """Two samples with one face are compared across two samples without, where exact times have no pair."""
    per_sample = [(face(20),), (), (face(20), face(44)), (face(38),)]
    assert sampled(per_sample).scores["avg_movement"] == pytest.approx(100 - 100 * 9 / 36)
    exact = measured(head(Settings()), [PICTURE] * 8, fps=2, find=finding(per_sample))
    assert exact.scores["avg_movement"] is None


def test_a_single_sample_with_one_face_counts_as_perfectly_still() -> None:
    """Without a pair the original gives 100 for movement and rotation; their series are empty."""
    found = sampled([(), (face(),), ()])
    assert found.scores["avg_movement"] == found.scores["min_movement"] == found.scores["min_rotation"] == 100
    assert found.scores["min_movement_at"] == 0
    assert found.series["movement"] == [None, None, None]


def test_without_a_single_sample_there_are_no_scores_at_all() -> None:
    """The original then gives no scores, not even consistency; each missing score has a reason."""
    found = sampled([(), (face(20), face(44))])
    assert found.scores["face_consistency"] is None
    assert set(found.reasons) == {name for name, value in found.scores.items() if value is None}
    assert "TalkVid's code gives no scores" in found.reasons["avg_movement"]


@pytest.mark.parametrize(
    ("fps", "frames", "samples"), [(2.9, 10, 5), (2.0, 5, 2), (2.0, 4, 2), (1.0, 1, 1), (4.0, 3, 0)]
)
def test_every_nth_frame_is_sampled_for_whole_seconds(fps: float, frames: int, samples: int) -> None:
    """n is the integer part of the frames per second; a last, incomplete second is not sampled."""
    found = measured(head(COMPAT), [PICTURE] * frames, fps=fps, find=lambda _: (face(),))
    assert len(found.series["faces"]) == samples


def test_a_box_beyond_the_picture_counts_whole() -> None:
    """Half of the face's box is outside: exact times count half of it, the original counts all."""
    outside = Face((-10, 6, 20, 24), leant(0, 1, 0, 18), 0.9)
    compat = sampled([(outside,)]).scores["avg_resolution"]
    exact = measured(head(Settings()), [PICTURE], find=finding([(outside,)])).scores["avg_resolution"]
    assert compat is not None
    assert exact is not None
    assert compat == pytest.approx(2 * exact)


def test_a_file_that_states_no_frame_rate_cannot_be_sampled() -> None:
    """No frame is sampled, and every score has that reason."""
    watch = TalkVidWatch(FivePoints(), ClipHeader(Path("made.mp4")))
    for frame in frames_of([PICTURE] * 4, fps=2):
        watch.see(frame)
    found = watch.result(Facts(2, WIDTH, HEIGHT, 2, "h264", 4))
    assert set(found.reasons) >= {"avg_movement", "face_consistency"}
    assert "does not state its frames per second" in found.reasons["avg_movement"]


def test_skipping_frames_and_counting_them_exclude_each_other() -> None:
    """Sampling by number needs every frame: the two settings together are an error with the remedy."""
    with pytest.raises(ValueError, match="leave out skip_nonreference"):
        head(Settings(talkvid_compat=True, skip_nonreference=True))


def test_columns_say_what_they_mean_under_this_sampling() -> None:
    """The names are the same; the meaning of `_at` is an index and no longer a time."""
    exact, compat = ({column.name: column for column in head(s).columns} for s in (Settings(), COMPAT))
    assert list(exact) == list(compat)
    assert exact["min_movement_at"].units == "s"
    assert compat["min_movement_at"].units == ""
    assert "min_movement_id" in compat["min_movement_at"].meaning
