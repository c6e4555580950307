"""`clipjury score` in a separate process: options, progress, exit codes and written files."""

import os
import re
from pathlib import Path

import polars as pl
import pytest

from app.commands import score as command
from app.commands.score import run
from app.errors import AppError
from app.pools.pool_files import read_pool
from tests.helpers import commands
from tests.helpers.commands import Ended
from tests.helpers.quick_scorers import MadeUp, counting
from tests.helpers.real_videos import moving, write_video


def score(folder: Path, *words: str | Path) -> Ended:
    """Run the command in a folder; pose by points, because it starts faster."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    return commands.run(["score", *map(str, words), "--pose", "points"], folder, logs, os.environ, seconds=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips and a file that is not a video."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "clips").mkdir()
    for name in "ab":
        write_video(folder / "clips" / f"{name}.mp4", moving([(n % 5, 0) for n in range(30)], 64, 64))
    (folder / "clips" / "broken.mp4").write_bytes(b"no video")
    return folder


def test_clips_become_a_pool_and_a_second_run_does_nothing(folder: Path) -> None:
    """Both runs exit with 3 because of the unreadable file, and report what they scored and what was finished."""
    first = score(folder, "clips", "-o", "pool.parquet", "--jobs", "2")
    assert (first.code, first.err) == (3, "")
    assert re.search(r"3 clips scored in .* s \(.* clips/s\): pool\.parquet", first.out)
    assert "not scored broken: This is not a video" in first.out
    assert "1 of 3 clips have no scores" in first.out
    again = score(folder, "clips", "-o", "pool.parquet")
    assert (again.code, again.err) == (3, "")
    assert "Nothing to score" in again.out
    assert "all 3 clips were finished before" in again.out
    good = score(folder, "clips/a.mp4", "clips/b.mp4", "-o", "good.parquet", "--runner", "dask")
    assert (good.code, "2 clips scored" in good.out) == (0, True)
    scores = [name for name in read_pool(folder / "pool.parquet").score_columns() if "percentile" not in name]
    here, far = (pl.read_parquet(folder / name).select("clip", *scores) for name in ("pool.parquet", "good.parquet"))
    assert far.equals(here.filter(pl.col("clip") != "broken"))


def test_options_reach_the_scorers(folder: Path) -> None:
    """The pool records the options: the fast decoder leaves out scores and says so."""
    output = folder / "quick.parquet"
    assert score(folder, "clips/a.mp4", "-o", output, "--skip-nonreference").code == 0
    quick = read_pool(output)
    score(folder, "clips/a.mp4", "-o", output)
    assert quick.column("signature")[0] != read_pool(output).column("signature")[0]


def test_explaining_needs_no_pool(folder: Path) -> None:
    """It writes a sheet for each clip and prints its path; a file that is not a video gives exit code 3."""
    done = score(folder, "clips/a.mp4", "clips/broken.mp4", "--explain", "sheets")
    assert done.code == 3, done.err
    assert "clips/a.mp4: sheets/a.png" in done.out
    assert "not explained clips/broken.mp4: This is not a video" in done.out
    assert (folder / "sheets" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "pool.parquet.parts").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, r"nothing to write.*-o POOL\.parquet"),
        ({"output": "p.parquet", "weights": ["dower=x"]}, "--weights dower=x is not NAME=FILE.*dover, cotracker"),
        ({"output": "p.parquet", "weights": ["dover=no.onnx"]}, "no model file no.onnx"),
        ({"output": "p.parquet", "transcripts": Path("nowhere")}, "no folder nowhere"),
        ({"output": "p.parquet", "scheduler": "tcp://x:1"}, "--runner dask"),
        ({"explain": Path("sheets")}, "There are no videos in"),
    ],
)
def test_wrong_options_are_errors_before_anything_is_scored(
    words: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message names the fault and the remedy, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AppError, match=rf"(?s){said}"):
        command.score(["empty"], **words)  # type: ignore[arg-type]  # options of several types
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_progress_reports_pace_time_left_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal it is a plain line from time to time."""
    monkeypatch.setattr(command, "QUIET", 0.0)
    for name in ("broken", "c1", "c2"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    failed = run([tmp_path], tmp_path / "pool.parquet", runner=MadeUp(), scorers=counting)
    lines = capsys.readouterr().out.splitlines()
    assert failed == 1
    assert re.fullmatch(r"1 of 3 clips, \d+\.\d clips/s, 0:00:0\d left, 0 failed", lines[0])
    assert re.fullmatch(r"3 of 3 clips, \d+\.\d clips/s, 0:00:00 left, 1 failed", lines[2])
    assert "3 clips scored" in lines[3]


def test_only_the_first_failures_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With very many failures the first are named, and all are counted."""
    for number in range(30):
        (tmp_path / f"broken{number:02}.mp4").write_bytes(b"x")
    assert run([tmp_path], tmp_path / "pool.parquet", runner=MadeUp(), scorers=counting) == 30
    said = capsys.readouterr().out
    assert said.count("not scored") == command.SHOWN
    assert f"and {30 - command.SHOWN} more" in said
    assert "30 of 30 clips have no scores" in said


def test_time_left_is_reported_in_hours() -> None:
    """One clip in two seconds with 5,000 left is a time in hours."""
    clock = iter([0.0, 2.0])
    pace = command.Pace(lambda: next(clock))
    pace.count(failed=True)
    assert pace.words(5000) == "0.5 clips/s, 2:46:40 left, 1 failed"
