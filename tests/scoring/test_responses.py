"""Each score follows its own fault and no other, on real clips degraded in two strengths. Skipped without clips."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest

from scoring.motion.motion import motion
from scoring.pipeline import ClipScores, Pipeline
from scoring.scorer import Measurement, Scorer, Watch, nothing_to_load
from scoring.settings import Settings
from scoring.video.frames import Facts, Frame
from tests.helpers.degraded_videos import FPS, FRAMES, VERSIONS, get_ready, scored_versions
from tests.helpers.real_videos import REAL_CLIPS
from tests.helpers.shared_fixtures import once

CLIPS, ENOUGH = 12, 11
"""The number of clips that are degraded, and in how many of them a score must follow its fault."""
LITTLE = 1 / 3
"""The share of a score's change under its own fault by which another fault, mild or strong, may change it."""

ORDERED = (
    ("face_brisque", "rises", ("clean", "blur 1.5", "blur 3")),
    ("face_brisque", "rises", ("clean", "downscale 2", "downscale 4")),
    ("sharpness", "falls", ("clean", "blur 1.5", "blur 3")),
    ("brisque", "rises", ("clean", "crf 35", "crf 45")),
    ("blockiness", "rises", ("clean", "crf 35", "crf 45")),
    ("noise", "rises", ("clean", "noise 5", "noise 15")),
    ("luma", "falls", ("clean", "dark .6", "dark .3")),
    ("luma", "rises", ("clean", "bright 1.5", "bright 2.2")),
    ("overexposed_share", "rises", ("clean", "bright 1.5", "bright 2.2")),
    ("black_bars", "rises", ("clean", "letterbox .1", "letterbox .25")),
    ("jitter", "rises", ("clean", "shake 8", "shake 24")),
    ("camera_shake", "rises", ("clean", "sway 6", "sway 18")),
    ("repeated_share", "rises", ("clean", "freeze .2", "freeze .6")),
    ("longest_freeze", "rises", ("clean", "freeze .2", "freeze .6")),
    ("cuts", "rises", ("clean", "one cut", "three cuts")),
    ("tracked_ratio", "falls", ("clean", "one cut", "three cuts")),
    ("min_tracked_ratio", "falls", ("clean", "one cut")),
    ("face_consistency", "falls", ("alone", "second face once", "second face")),
)
"""A score, the direction in which it changes, and the versions in order."""

UNMOVED = (
    ("jitter", "blur 3", "shake 8"),
    ("camera_shake", "blur 3", "sway 6"),
    ("tracked_ratio", "blur 3", "one cut"),
    ("repeated_share", "blur 3", "freeze .2"),
    ("cuts", "blur 3", "one cut"),
    ("cuts", "shake 24", "one cut"),
    ("cuts", "freeze .6", "one cut"),
    ("repeated_share", "shake 24", "freeze .2"),
    ("jitter", "sway 18", "shake 8"),
    ("face_brisque", "shake 24", "blur 1.5"),
    ("sharpness", "shake 24", "blur 1.5"),
    ("brisque", "shake 24", "crf 45"),
    ("blockiness", "shake 24", "crf 45"),
    ("noise", "shake 24", "noise 5"),
    ("luma", "shake 24", "dark .6"),
    ("black_bars", "shake 24", "letterbox .1"),
)
"""A score, another fault, and its own fault."""

pytestmark = [
    pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason=f"the real clips are not here: {REAL_CLIPS}"),
    pytest.mark.timeout(1200),  # all versions of all clips are scored before the first test: minutes of work when busy
]
Table = dict[str, dict[str, ClipScores]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Every version of twelve clips scored by all scorers, in two processes; the other clip is the next one."""
    return once(tmp_path_factory, "responses", _scored)


def _scored(folder: Path) -> Table:
    clips = sorted(REAL_CLIPS.glob("*.mp4"))[::2][:CLIPS]
    assert len(clips) == CLIPS
    folders = [folder] * CLIPS
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=get_ready) as pool:
        return dict(
            zip(
                [clip.stem for clip in clips],
                pool.map(scored_versions, clips, clips[1:] + clips[:1], folders),
                strict=True,
            )
        )


def values(table: Table, score: str, versions: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
    """Per clip, the score of each version."""
    for clip, results in table.items():
        found = [results[version].scores[score] for version in versions]
        known = [value for value in found if value is not None]
        assert len(known) == len(found), (clip, score, [results[version].reasons.get(score) for version in versions])
        yield clip, known


def told(versions: Sequence[str], rows: dict[str, list[float]]) -> str:
    """The values that are compared, as a table."""
    lines = [f"{clip:>20} " + " ".join(f"{value:10.3f}" for value in row) for clip, row in rows.items()]
    return "\n".join([f"{'':>20} " + " ".join(f"{version:>10}" for version in versions), *lines])


@pytest.mark.parametrize(("score", "way", "versions"), ORDERED)
def test_the_score_follows_its_fault(table: Table, score: str, way: str, versions: tuple[str, ...]) -> None:
    """Clean, mild and strong versions are in strict order in at least eleven of twelve clips."""
    sign = 1 if way == "rises" else -1
    rows = dict(values(table, score, versions))
    right = sum(all(sign * (after - before) > 0 for before, after in pairwise(row)) for row in rows.values())
    assert right >= ENOUGH, f"{score} {way} in {right} of {CLIPS} clips\n{told(versions, rows)}"


@pytest.mark.parametrize(("score", "foreign", "own"), UNMOVED)
def test_the_score_ignores_other_faults(table: Table, score: str, foreign: str, own: str) -> None:
    """A strong other fault changes it by less than a third of what its own fault does."""
    versions = ("clean", foreign, own)
    rows = dict(values(table, score, versions))
    right = sum(abs(other - clean) <= LITTLE * abs(mine - clean) for clean, other, mine in rows.values())
    assert right >= ENOUGH, f"{score} unmoved in {right} of {CLIPS} clips\n{told(versions, rows)}"


def test_cuts_are_found_at_the_exact_frame(table: Table) -> None:
    """The times of cuts are those at which the other clip begins, in every clip; clips without a cut have none."""
    for clip, results in table.items():
        expected = {"clean": [], "one cut": [20], "three cuts": [10, 20, 30]}
        for version, frames in expected.items():
            times = [frame / FPS for frame in frames]
            assert results[version].times["cuts"] == pytest.approx(times, abs=1e-3), (clip, version)


def test_every_version_has_every_score_or_its_reason(table: Table) -> None:
    """No scorer fails on any version, and each missing score has a reason."""
    for results in table.values():
        assert set(results) == set(VERSIONS)
        for version, result in results.items():
            assert result.error is None, version
            assert result.facts is not None
            assert result.facts.frames == FRAMES
            assert set(result.reasons) == {name for name, value in result.scores.items() if value is None}
            assert not [why for why in result.reasons.values() if "failed" in why]


class Picks(Watch):
    """Which frames stand for which seconds: the seconds, and the times of their frames."""

    def __init__(self) -> None:
        self._found: dict[int, float] = {}

    def see(self, frame: Frame) -> None:
        """Note the frame if it stands for a second."""
        if frame.second is not None:
            self._found[frame.second] = frame.time

    def result(self, _: Facts) -> Measurement:
        """Nothing but times."""
        return Measurement(
            {}, times={"seconds": [float(second) for second in self._found], "at": [*self._found.values()]}
        )


@pytest.fixture(scope="module")
def skipped_and_whole() -> list[tuple[ClipScores, ClipScores]]:
    """Four real clips, decoded by reference frames only and in full: what is picked, and how it moves."""
    pipelines = []
    for settings in (Settings(skip_nonreference=True), Settings()):
        picks = Scorer("picks", "1", "", (), nothing_to_load, lambda _state, _opening: Picks())
        pipelines.append(Pipeline(settings, [motion(settings), picks]))
    return [(pipelines[0].score(path), pipelines[1].score(path)) for path in sorted(REAL_CLIPS.glob("*.mp4"))[::6]]


def test_skipping_frames_moves_a_seconds_picture_by_two_frames_at_most(
    skipped_and_whole: list[tuple[ClipScores, ClipScores]],
) -> None:
    """On four real clips the same seconds have pictures, each at most two frames after that of full decoding."""
    for quick, whole in skipped_and_whole:
        assert whole.facts is not None
        assert quick.times["seconds"] == whole.times["seconds"] != []
        late = [
            round((after - before) * whole.facts.fps)
            for after, before in zip(quick.times["at"], whole.times["at"], strict=True)
        ]
        assert all(0 <= frames <= 2 for frames in late), (whole.path.stem, late)


def test_tracked_ratio_hardly_depends_on_skipping(skipped_and_whole: list[tuple[ClipScores, ClipScores]]) -> None:
    """Its pictures are at most two frames later, so on four real clips the mean changes by at most .03."""
    for quick, whole in skipped_and_whole:
        assert quick.facts is not None
        assert quick.facts.skipped
        assert quick.scores["tracked_ratio"] == pytest.approx(whole.scores["tracked_ratio"], abs=0.03), whole.path.stem
