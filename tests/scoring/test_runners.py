"""Runners: the order of results, independence of the number of processes, and bad files among good ones."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import psutil
import pytest

from scoring.locations import find_videos
from scoring.pipeline import ClipScores
from scoring.registry import scorers
from scoring.runners.local import Processes
from scoring.runners.score_files import score_files
from scoring.runners.work import ClipFile, Work
from scoring.scorer import Scorer
from scoring.settings import Settings
from scoring.weights import PLACE, YUNET, WeightsError
from tests.helpers import quick_scorers
from tests.helpers.real_videos import moving, texture, write_sound, write_video
from tests.helpers.waiting import PATIENCE

CRASHED = "The decoder or a scorer crashed on this file."


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


@pytest.fixture
def tiny(tmp_path: Path) -> list[Path]:
    """Clips `a` to `f` in a folder of the test's own."""
    first = write_video(tmp_path / "a.mp4", moving([(n % 5, 0) for n in range(10)], 64, 64))
    paths = [first, *(tmp_path / f"{name}.mp4" for name in "bcdef")]
    for path in paths[1:]:
        path.write_bytes(first.read_bytes())
    return paths


def times_scored(path: Path) -> int:
    """The number of times that a quick scorer scored the clip."""
    return len(path.with_suffix(".log").read_text().splitlines())


def pixels(_: Settings) -> tuple[Scorer, ...]:
    """The scorer that makes `sharpness`, and one that fails."""
    (real,) = [scorer for scorer in scorers() if "sharpness" in {column.name for column in scorer.columns}]
    return (*quick_scorers.fails(Settings()), real)


def test_one_bad_file_never_stops_the_rest(folder: Path) -> None:
    """Good clips have scores; each bad file has a result without scores and its own reason for every column."""
    results = {result.path.stem: result for result in score_files(find_videos([folder, folder / "no.mp4"]))}
    columns = {column.name for scorer in scorers() for column in scorer.columns}
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
    assert len(set(errors)) == 6


def test_every_missing_score_has_its_reason_and_every_reason_its_missing_score(folder: Path) -> None:
    """In a clip without a face exactly the scores that need one are null."""
    (result,) = score_files([folder / "a.mp4"])
    missing = {name for name, value in result.scores.items() if value is None}
    assert missing == set(result.reasons)
    assert "avg_movement" in missing
    assert "sharpness" not in missing


def test_results_depend_neither_on_processes_nor_on_order_nor_on_threads(folder: Path) -> None:
    """One or two processes, either order and any number of OpenCV threads give the same numbers, in the order given."""
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


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a thing of POSIX systems")
def test_a_clip_whose_worker_dies_is_tried_again(tiny: list[Path]) -> None:
    """After kill -9 during `b` it is scored at the second try, every other clip once, and all have scores."""
    results = list(score_files(tiny, jobs=2, scorers=quick_scorers.dies_once))
    assert [result.path for result in results] == tiny
    assert [result.error for result in results] == [None] * 6
    assert [times_scored(path) for path in tiny] == [1, 2, 1, 1, 1, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a thing of POSIX systems")
def test_a_clip_that_kills_every_worker_is_named_and_the_rest_is_scored(tiny: list[Path]) -> None:
    """After two tries its result says so."""
    results = {result.path.stem: result for result in score_files(tiny, jobs=2, scorers=quick_scorers.dies)}
    assert results.pop("b") == ClipScores(
        tiny[1], None, {"frames": None}, reasons={"frames": CRASHED}, times={}, error=CRASHED
    )
    assert {result.scores["frames"] for result in results.values()} == {10}
    assert [times_scored(path) for path in tiny] == [1, 2, 1, 1, 1, 1]


def test_clips_are_divided_among_the_processes(tiny: list[Path]) -> None:
    """Two jobs are two processes other than this one, and each scores clips."""
    list(score_files(tiny, jobs=2, scorers=quick_scorers.slow))
    processes = {path.with_suffix(".log").read_text() for path in tiny}
    assert len(processes) == 2
    assert f"{os.getpid()}\n" not in processes


WAITS = """
from pathlib import Path
import sys
from scoring.runners.score_files import score_files
from tests.helpers.quick_scorers import slow
if __name__ == "__main__":
    for result in score_files([Path(path) for path in sys.argv[1:]] * 50, jobs=2, scorers=slow):
        print(result.path.stem, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a thing of POSIX systems")
def test_workers_end_when_the_process_that_started_them_is_killed(tiny: list[Path], tmp_path: Path) -> None:
    """After kill -9 of the command its workers end too."""
    (tmp_path / "waits.py").write_text(WAITS)
    command = [sys.executable, str(tmp_path / "waits.py"), *map(str, tiny)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdout is not None
        assert run.stdout.readline()
        workers = psutil.Process(run.pid).children(recursive=True)
        assert len(workers) >= 2
        run.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert alive == []


def test_a_failing_scorer_loses_only_its_own_scores(folder: Path) -> None:
    """The other scorers' scores of the clip are kept, and the failure is reported."""
    good, bad = score_files([folder / "a.mp4", folder / "b.mp4"], scorers=pixels)
    assert good.scores["fail"] == 1
    assert bad.scores["fail"] is None
    assert bad.reasons["fail"] == "The scorer fail failed: ZeroDivisionError: no frames left"
    assert bad.scores["sharpness"] is not None
    assert bad.error is None


def test_a_wrong_model_file_stops_workers_too(
    tiny: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong file in the user's folder stops the run at its start, with one process and with several."""
    (tmp_path / YUNET.file).write_bytes(b"not this one")
    monkeypatch.setenv(PLACE, str(tmp_path))
    for runner in (Processes(1), Processes(2)):
        with pytest.raises(WeightsError, match="is not the expected model"):
            list(runner.map([ClipFile(str(path)) for path in tiny], Work(Settings())))


def test_a_scorer_measures_exactly_the_columns_it_describes(folder: Path) -> None:
    """Names, ranges, series and times match the declarations, and no name belongs to two scorers."""
    names = [column.name for scorer in scorers() for column in scorer.columns]
    assert len(names) == len(set(names))
    (result,) = score_files([folder / "b.mp4"])
    assert set(result.scores) == set(names)
    seen = {column.name for scorer in scorers() if not scorer.hears for column in scorer.series}
    heard = {column.name for scorer in scorers() if scorer.hears for column in scorer.series}
    assert seen <= set(result.series) <= seen | heard  # there is nothing to hear in this clip
    assert set(result.times) == {column.name for scorer in scorers() for column in scorer.times}
    for scorer in scorers():
        for column in scorer.columns:
            value = result.scores[column.name]
            if value is not None:
                assert column.low is None or value >= column.low, column.name
                assert column.high is None or value <= column.high, column.name


def test_zero_jobs_is_an_error(folder: Path) -> None:
    """jobs=0 raises ValueError."""
    with pytest.raises(ValueError, match="jobs"):
        list(score_files([folder / "a.mp4"], jobs=0))


def test_a_single_job_can_run_in_another_process(tiny: list[Path]) -> None:
    """A crash of the decoder then ends the worker, not the run."""
    results = list(
        Processes(1).map([ClipFile(str(path)) for path in tiny[:2]], Work(Settings(), scorers=quick_scorers.dies))
    )
    assert [result.error for _, result in results] == [None, CRASHED]
