"""Running scorers over files: order, independence of the number of processes, and bad files among good ones."""

import os
from pathlib import Path

import cv2
import pytest

from scoring import SCORERS
from scoring.runners import ClipScores, find_videos, score_files
from scoring.scorer import Column, Measured, Scorer
from scoring.video import Clip
from tests.videos import moving, texture, write_sound, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good clips, and one of each kind of bad file."""
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "a.mp4", moving([(n % 7, n % 3) for n in range(30)]))
    whole = write_video(folder / "b.mp4", [texture(seed=n // 20) for n in range(60)])
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video")
    (folder / "half.mp4").write_bytes(whole.read_bytes()[:9000])
    write_sound(folder / "sound.mp4")
    write_video(folder / "single.mp4", [texture()])
    return folder


def nothing() -> None:
    """No model to load."""


def crash_on_b(_: None, clip: Clip) -> Measured:
    if clip.path.stem == "b":
        os._exit(1)
    return Measured({"crash": 1.0})


def fail_on_b(_: None, clip: Clip) -> Measured:
    if clip.path.stem == "b":
        raise ZeroDivisionError("no frames left")
    return Measured({"fail": 1.0})


CRASH = Scorer("crash", "1", "", (Column("crash", "", "higher"),), nothing, crash_on_b)
FAIL = Scorer("fail", "1", "", (Column("fail", "", "higher"),), nothing, fail_on_b)


def test_one_bad_file_never_stops_the_rest(folder: Path) -> None:
    """Good clips have scores, each bad file is a result without any, with its own reason for every column."""
    results = {result.path.stem: result for result in score_files(find_videos([folder, folder / "no.mp4"]))}
    columns = {column.name for scorer in SCORERS for column in scorer.columns}
    assert set(results) == {"a", "b", "empty", "half", "no", "single", "sound", "text"}
    for name, result in results.items():
        assert set(result.scores) == columns
        if name in "ab":
            assert result.error is None
            assert result.facts is not None
            assert result.scores["sharpness"] is not None
        else:
            assert result.error
            assert result.facts is None
            assert set(result.scores.values()) == {None}
            assert result.reasons == dict.fromkeys(columns, result.error)
    errors = [result.error for result in results.values() if result.error]
    assert len(errors) == 6
    assert len(set(errors)) == 5  # text and half a video are alike: neither can be read as a video


def test_every_missing_score_has_its_reason_and_every_reason_its_missing_score(folder: Path) -> None:
    """A clip of spots has no face: what depends on one is null, and nothing else."""
    (result,) = score_files([folder / "a.mp4"])
    missing = {name for name, value in result.scores.items() if value is None}
    assert missing == set(result.reasons)
    assert "avg_movement" in missing
    assert "jitter" not in missing


def test_results_depend_neither_on_processes_nor_on_order_nor_on_threads(folder: Path) -> None:
    """One process or two, forth or back, one OpenCV thread or more: the same numbers, in the order asked for."""
    paths = [folder / "a.mp4", folder / "b.mp4", folder / "text.mp4"]
    here = list(score_files(paths))
    assert [result.path for result in here] == paths
    assert list(score_files(paths, jobs=2)) == here
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    backwards = list(score_files(reversed(paths)))
    assert cv2.getNumThreads() == 4
    cv2.setNumThreads(threads)
    assert backwards == here[::-1]


def test_a_crashing_worker_costs_its_file_only(folder: Path) -> None:
    """The process dies on one file; it is named, and the files around it are scored."""
    paths = [folder / "a.mp4", folder / "b.mp4", folder / "a.mp4"]
    before, crashed, after = score_files(paths, jobs=2, scorers=(CRASH,))
    assert before.scores == after.scores == {"crash": 1.0}
    assert crashed == ClipScores(
        folder / "b.mp4",
        None,
        {"crash": None},
        {},
        {"crash": "The decoder or a scorer crashed on this file."},
        "The decoder or a scorer crashed on this file.",
    )


def test_a_failing_scorer_costs_its_own_scores_only(folder: Path) -> None:
    """The others' scores of that clip stand, and the failure is told."""
    pixels = next(scorer for scorer in SCORERS if scorer.name == "pixels")
    good, bad = score_files([folder / "a.mp4", folder / "b.mp4"], scorers=(FAIL, pixels))
    assert good.scores["fail"] == 1
    assert bad.scores["fail"] is None
    assert bad.reasons["fail"] == "The scorer fail failed: ZeroDivisionError: no frames left"
    assert bad.scores["sharpness"] is not None
    assert bad.error is None


def test_folders_give_their_videos_sorted_and_files_are_always_taken(tmp_path: Path) -> None:
    """Videos at any depth, no hidden or other files; a named file whatever its suffix; nothing twice."""
    for name in ("b.mp4", "a.MOV", "deep/c.webm", ".hidden.mp4", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_videos([tmp_path, tmp_path / "note.txt", tmp_path / "b.mp4", tmp_path / "no.mp4"])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a.MOV", "b.mp4", "deep/c.webm", "note.txt", "no.mp4"]


def test_a_scorer_measures_exactly_the_columns_it_describes(folder: Path) -> None:
    """Names, ranges and series are what the descriptions say, and no name belongs to two scorers."""
    names = [column.name for scorer in SCORERS for column in scorer.columns]
    assert len(names) == len(set(names))
    (result,) = score_files([folder / "b.mp4"])
    assert set(result.scores) == set(names)
    assert set(result.series) == {column.name for scorer in SCORERS for column in scorer.series}
    for scorer in SCORERS:
        for column in scorer.columns:
            value = result.scores[column.name]
            if value is not None:
                assert column.low is None or value >= column.low, column.name
                assert column.high is None or value <= column.high, column.name


def test_no_processes_at_all_is_refused(folder: Path) -> None:
    """jobs=0 is a mistake, and said to be one."""
    with pytest.raises(ValueError, match="jobs"):
        list(score_files([folder / "a.mp4"], jobs=0))
