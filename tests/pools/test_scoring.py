"""Scoring into pools: no clip is scored twice, and no finished clip is lost when a run is killed."""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from app.errors import AppError
from app.pools.pool_files import read_pool
from app.pools.scoring import score_to_pool
from scoring.locations import find_files
from scoring.pipeline import ClipScores
from scoring.runners.part_files import write_part
from scoring.runners.score_files import local_runner
from scoring.settings import Settings
from tests.helpers import object_stores, quick_scorers
from tests.helpers.quick_scorers import MadeUp, counting, counting_anew, made_up, names, parts
from tests.helpers.real_videos import moving, write_video
from tests.helpers.waiting import PATIENCE, wait_until

SCORE = "import typer; from app.commands.score import score; typer.run(score)"
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="only POSIX systems have kill -9")


def clips(folder: Path, numbers: range) -> None:
    """Write tiny real clips `c0000.mp4`, ... with the same content."""
    folder.mkdir(parents=True, exist_ok=True)
    first = write_video(folder / f"c{numbers[0]:04}.mp4", moving([(n % 5, 0) for n in range(25)], 64, 64))
    for number in numbers[1:]:
        (folder / f"c{number:04}.mp4").write_bytes(first.read_bytes())


def test_a_finished_pool_is_not_written_again(tmp_path: Path) -> None:
    """A second run scores and writes nothing, and its summary says so."""
    names(tmp_path, 3)
    output = tmp_path / "pool.parquet"
    assert made_up(tmp_path, output).scored == 3
    before = output.stat()
    again = made_up(tmp_path, output)
    assert (again.clips, again.scored) == (3, 0)
    assert output.stat().st_mtime_ns == before.st_mtime_ns
    assert output.stat().st_ino == before.st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c0000.mp4", "c0001.mp4", "c0002.mp4", "pool.parquet"]


@pytest.mark.parametrize(
    ("output", "said"), [("folder/", "folder/ is a folder"), ("nowhere://a/p.parquet", "cannot be reached: Protocol")]
)
def test_an_impossible_output_path_is_an_error(
    output: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that ends like a folder, and an address of an unknown store, are refused before scoring."""
    monkeypatch.chdir(tmp_path)
    names(tmp_path, 1)
    with pytest.raises(AppError, match=said):
        score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting)
    assert [path.name for path in tmp_path.iterdir()] == ["c0000.mp4"]


@on_posix
def test_a_file_name_that_is_not_utf8_is_a_row_with_a_remedy(tmp_path: Path) -> None:
    """Parquet holds only UTF-8: the row spells the bytes of the name, and the run continues."""
    folder = tmp_path / "clips"
    clips(folder, range(1))
    for name in (b"caf\xe9.mp4", b"caf\xe8.mp4"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes((folder / "c0000.mp4").read_bytes())
    summary = score_to_pool([folder], tmp_path / "pool.parquet", scorers=counting)
    assert [clip for clip, _ in summary.failed] == ["caf\\xe8", "caf\\xe9"]
    assert all("Rename the file" in reason for _, reason in summary.failed)
    pool = read_pool(tmp_path / "pool.parquet")
    assert pool.column("media").to_list() == ["clips/c0000.mp4", "clips/caf\\xe8.mp4", "clips/caf\\xe9.mp4"]
    assert score_to_pool([folder], tmp_path / "pool.parquet", scorers=counting).scored == 0


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    """Finished rows are in the pool or in parts, and the final table equals that of an uninterrupted run."""
    names(tmp_path, 500, "broken")
    output, whole = tmp_path / "pool.parquet", tmp_path / "whole.parquet"
    with pytest.raises(KeyboardInterrupt):
        made_up(tmp_path, output, stop=450)
    assert read_pool(output).frame.height == 400
    assert len(parts(output)) == 50
    summary = made_up(tmp_path, output)
    assert (summary.clips, summary.scored, summary.failed) == (501, 51, (("broken", "It is broken."),))
    assert parts(output) == []
    made_up(tmp_path, whole)
    assert output.read_bytes() == whole.read_bytes()


@on_posix
def test_kill_9_in_the_middle_leaves_a_readable_pool_and_costs_nothing_finished(tmp_path: Path) -> None:
    """After kill -9 of command and workers the pool is readable, and the next run gives the full table."""
    clips(tmp_path, range(5))
    output, whole = tmp_path / "pool.parquet", tmp_path / "whole.parquet"
    score_to_pool([tmp_path], output)
    clips(tmp_path, range(5, 25))
    command = [sys.executable, "-c", SCORE, str(tmp_path), "-o", str(output), "--jobs", "2", "--pose", "points"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(parts(output)) >= 5, "the fifth clip")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(timeout=PATIENCE)
    finished = len(parts(output))
    assert finished >= 5
    assert read_pool(output).frame.height == 5
    assert Path(f"{output}.lock").exists()
    summary = score_to_pool([tmp_path], output)
    assert (summary.clips, summary.scored) == (25, 20 - finished)
    assert summary.scored > 0
    score_to_pool([tmp_path], whole)
    assert read_pool(output).frame.equals(read_pool(whole).frame)
    assert not Path(f"{output}.lock").exists()
    assert not Path(f"{output}.parts").exists()


def test_a_part_that_is_written_twice_is_one_row(tmp_path: Path) -> None:
    """A task that runs twice writes the same bytes under the same name, and the clip has one row."""
    names(tmp_path, 2)
    output = tmp_path / "pool.parquet"
    with pytest.raises(KeyboardInterrupt):
        made_up(tmp_path, output, stop=1)
    (part,) = parts(output)
    before = part.read_bytes()
    row = pl.read_parquet(part)
    result = ClipScores(tmp_path / "c0001.mp4", None, {"frames": row["frames"][0]})
    write_part(str(part.parent), part.stem, row["media"][0], result, counting(Settings()))
    write_part(str(part.parent), part.stem, row["media"][0], result, counting(Settings()))
    assert parts(output) == [part]
    part.write_bytes(before)
    assert made_up(tmp_path, output).scored == 1
    assert read_pool(output).column("clip").to_list() == ["c0000", "c0001"]


def test_a_truncated_part_is_made_again(tmp_path: Path) -> None:
    """After a power failure a part may have its name but not its bytes: the clip is scored again."""
    names(tmp_path, 3)
    output = tmp_path / "pool.parquet"
    with pytest.raises(KeyboardInterrupt):
        made_up(tmp_path, output, stop=2)
    parts(output)[0].write_bytes(b"PAR1")
    assert made_up(tmp_path, output).scored == 2
    assert read_pool(output).column("frames").to_list() == [0, 1, 2]
    assert parts(output) == []


def test_only_changed_files_are_scored_again(tmp_path: Path) -> None:
    """A file with another time or size and a new file are scored; the rows of other clips stay the same."""
    clips(tmp_path, range(3))
    output = tmp_path / "pool.parquet"
    score_to_pool([tmp_path], output, scorers=counting)
    os.utime(tmp_path / "c0001.mp4", ns=(1, 1))
    write_video(tmp_path / "a.mp4", moving([(0, 0)] * 7, 64, 64))
    told: list[str] = []
    summary = score_to_pool([tmp_path], output, scorers=counting, on_clip=lambda *now: told.append(now[2].path.stem))
    assert summary.scored == 2
    assert sorted(told) == ["a", "c0001"]
    assert read_pool(output).column("clip").to_list() == ["a", "c0000", "c0001", "c0002"]
    assert read_pool(output).column("frames").to_list() == [7, 25, 25, 25]


def test_a_new_scorer_version_scores_everything_again_and_the_record_lists_both(tmp_path: Path) -> None:
    """While old rows remain the record lists both versions, afterwards only the new one."""
    names(tmp_path, 300)
    output = tmp_path / "pool.parquet"
    made_up(tmp_path, output)
    old = read_pool(output)
    with pytest.raises(KeyboardInterrupt):
        score_to_pool([tmp_path], output, runner=MadeUp(250), scorers=counting_anew)
    mixed = read_pool(output)
    assert mixed.column("clip").to_list() == old.column("clip").to_list()
    assert [scorer["version"] for scorer in mixed.record["scorers"]] == ["2"]
    ((signature, before),) = mixed.record["earlier"].items()
    assert (signature, before["scorers"][0]["version"]) == (old.record["signature"], "1")
    assert mixed.column("signature").to_list().count(signature) == 100
    assert score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting_anew).scored == 50
    new = read_pool(output)
    assert new.record["earlier"] == {}
    assert set(new.column("signature")) == {new.record["signature"]} != {old.record["signature"]}
    assert new.frame.drop("signature", "identity").equals(old.frame.drop("signature", "identity"))


def test_columns_of_old_scorers_stay_as_long_as_a_row_has_values(tmp_path: Path) -> None:
    """A clip that is not scored again keeps the scores it had; new scorers add their columns."""
    clips(tmp_path, range(2))
    output = tmp_path / "pool.parquet"
    score_to_pool([tmp_path], output, scorers=counting)
    score_to_pool([tmp_path / "c0000.mp4"], output, scorers=quick_scorers.fails)
    pool = read_pool(output)
    assert pool.column("fail").to_list() == [1, None]
    assert pool.column("frames").to_list() == [None, 25]
    assert pool.score_columns() == ["fail"]
    score_to_pool([tmp_path], output, scorers=quick_scorers.fails)
    assert "frames" not in read_pool(output).frame.columns
    assert read_pool(output).column("fail").to_list() == [1, 1]


def test_other_settings_give_another_signature(tmp_path: Path) -> None:
    """Other settings and other transcripts score the clips again; another folder of the same transcripts does not."""
    names(tmp_path, 2)
    output, transcripts = tmp_path / "pool.parquet", tmp_path / "words"
    transcripts.mkdir()

    def scored(settings: Settings) -> int:
        return score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting, settings=settings).scored

    assert scored(Settings()) == 2
    assert scored(Settings(talkvid_compat=True)) == 2
    assert scored(Settings(talkvid_compat=True)) == 0
    assert scored(Settings(transcripts=transcripts)) == 2
    (transcripts / "c0001.en.vtt").write_text("WEBVTT")
    assert scored(Settings(transcripts=transcripts)) == 1
    transcripts.rename(tmp_path / "moved")
    assert scored(Settings(transcripts=tmp_path / "moved")) == 0


def test_a_failed_clip_is_tried_again_only_with_retry_failed(tmp_path: Path) -> None:
    """Without the option it counts as finished and failed; with it, it is scored and its row is replaced."""
    names(tmp_path, 1, "broken")
    output = tmp_path / "pool.parquet"
    assert made_up(tmp_path, output).failed == (("broken", "It is broken."),)
    again = made_up(tmp_path, output)
    assert (again.scored, again.failed) == (0, (("broken", "It is broken."),))
    assert made_up(tmp_path, output, retry_failed=True).scored == 1
    (tmp_path / "broken.mp4").unlink()
    clips(tmp_path, range(1, 2))
    (tmp_path / "c0001.mp4").rename(tmp_path / "broken.mp4")
    summary = score_to_pool([tmp_path], output, scorers=counting, retry_failed=True)
    assert (summary.scored, summary.failed) == (1, ())
    assert read_pool(output).column("frames").to_list() == [25, 0]


def test_clips_of_earlier_runs_stay_unless_they_are_pruned(tmp_path: Path) -> None:
    """A pool grows with each folder and keeps the names of its clips; prune keeps only the clips of this run."""
    for folder in ("x", "y"):
        names(tmp_path / folder, 2)
    output = tmp_path / "pool.parquet"
    made_up(tmp_path / "x", output)
    assert made_up(tmp_path / "y", output).clips == 2
    both = read_pool(output)
    assert both.column("clip").to_list() == ["c0000-2", "c0001-2", "c0000", "c0001"]
    assert both.column("media").to_list() == ["y/c0000.mp4", "y/c0001.mp4", "x/c0000.mp4", "x/c0001.mp4"]
    (tmp_path / "x" / "c0000.mp4").unlink()
    assert score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting).scored == 0
    assert read_pool(output).column("clip").to_list() == ["c0001", "c0000-2", "c0001-2", "c0000"]
    assert made_up(tmp_path, output, prune=True).scored == 0
    assert read_pool(output).column("clip").to_list() == ["c0001", "c0000-2", "c0001-2"]


def test_the_order_of_rows_is_that_of_the_files_not_of_the_results(tmp_path: Path) -> None:
    """Rows are in the order of the files, even if results arrive in reverse."""
    names(tmp_path, 5)
    made_up(tmp_path, tmp_path / "pool.parquet")
    assert read_pool(tmp_path / "pool.parquet").column("frames").to_list() == [0, 1, 2, 3, 4]


def test_a_manifest_that_changed_changes_the_pool_without_scoring(tmp_path: Path) -> None:
    """Sources and metadata columns are updated from the manifest."""
    names(tmp_path, 2)
    output = tmp_path / "pool.parquet"
    made_up(tmp_path, output)
    line = {"id": "1", "video-path": "c0001.mp4", "source": "film", "info": {"Age Group": "19-30"}}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line))
    assert made_up(tmp_path, output).scored == 0
    assert read_pool(output).column("source").to_list() == ["c0000", "film"]
    assert read_pool(output).column("age_group").to_list() == [None, "19-30"]


def test_ranked_scores_have_a_percentile_column(tmp_path: Path) -> None:
    """It is the mid-rank in the whole pool, 0 to 100, null for a null score, and updated when the pool grows."""
    names(tmp_path, 2, "broken")
    output = tmp_path / "pool.parquet"
    made_up(tmp_path, output)
    pool = read_pool(output)
    assert pool.column("frames_percentile").to_list() == [None, 25, 75]
    columns = pool.frame.columns
    assert columns.index("frames_percentile") == columns.index("frames") + 1
    assert pool.score_columns() == ["frames", "frames_percentile"]
    assert pool.units("frames_percentile") == "%"
    names(tmp_path, 4, "broken")
    made_up(tmp_path, output)
    assert read_pool(output).column("frames_percentile").to_list() == [None, 12.5, 37.5, 62.5, 87.5]


def test_files_that_scoring_did_not_write_are_not_overwritten(tmp_path: Path) -> None:
    """Another type of file, a pool without a record, and a pool with a foreign column are errors."""
    names(tmp_path, 1)
    output = tmp_path / "pool.parquet"
    output.write_bytes(b"my own notes")
    with pytest.raises(AppError, match=r"is there, and is not a pool\. Name another file with -o"):
        made_up(tmp_path, output)
    assert output.read_bytes() == b"my own notes"
    pl.DataFrame({"clip": ["a"], "media": ["a.mp4"], "mine": [1.0]}).write_parquet(output)
    with pytest.raises(AppError, match="does not say how its clips were scored"):
        made_up(tmp_path, output)
    columns = {name: ["a"] for name in ("clip", "media", "identity", "signature")}
    pl.DataFrame(columns).write_parquet(output, metadata={"clipjury": "[]"})
    with pytest.raises(AppError, match="does not say how its clips were scored"):
        made_up(tmp_path, output)
    output.unlink()
    made_up(tmp_path, output)
    pl.read_parquet(output).with_columns(mine=1).write_parquet(output, metadata=pl.read_parquet_metadata(output))
    with pytest.raises(AppError, match="columns that scoring did not write: mine"):
        made_up(tmp_path, output)


def test_parts_of_changed_clips_are_removed(tmp_path: Path) -> None:
    """Parts of clips that are not in this run stay."""
    for folder in ("x", "y"):
        names(tmp_path / folder, 3)
    output = tmp_path / "pool.parquet"
    with pytest.raises(KeyboardInterrupt):
        made_up(tmp_path, output, stop=5)
    assert len(parts(output)) == 5
    os.utime(tmp_path / "y" / "c0002.mp4", ns=(1, 1))
    made_up(tmp_path / "y", output)
    assert {pl.read_parquet(part)["media"][0] for part in parts(output)} == {"x/c0001.mp4", "x/c0002.mp4"}
    assert score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting).scored == 1
    assert parts(output) == []


def test_clips_and_pool_may_be_in_a_remote_store(tmp_path: Path) -> None:
    """Scores, manifest and resuming are as with local files; fetched copies of clips are removed."""
    clips(tmp_path / "here", range(3))
    line = {"id": "1", "video-path": "day/c0001.mp4", "source": "film"}
    with object_stores.bucket() as bucket:
        store = import_module("fsspec").filesystem("s3")
        for name in ("c0000", "c0001", "c0002"):
            store.put(str(tmp_path / "here" / f"{name}.mp4"), f"{bucket}/clips/day/{name}.mp4")
        store.pipe(f"{bucket}/clips/manifest.jsonl", json.dumps(line).encode())
        output = f"{bucket}/pools/pool.parquet"
        for jobs, scored in ((2, 3), (1, 0)):
            assert score_to_pool([f"{bucket}/clips"], output, jobs=jobs).scored == scored
        store.pipe(f"{bucket}/clips/day/c0002.mp4", b"no video")
        summary = score_to_pool([f"{bucket}/clips"], output, runner=local_runner(1))
        assert summary.scored == 1
        assert [clip for clip, _ in summary.failed] == ["day/c0002"]
        assert store.ls(f"{bucket}/pools", detail=False) == [f"{bucket.removeprefix('s3://')}/pools/pool.parquet"]
        store.get(output, str(tmp_path / "copy.parquet"))
    pool = read_pool(tmp_path / "copy.parquet")
    assert pool.column("media").to_list() == [f"{bucket}/clips/day/c000{n}.mp4" for n in range(3)]
    assert pool.column("source").to_list() == ["day/c0000", "film", "day/c0002"]
    score_to_pool([tmp_path / "here"], tmp_path / "here.parquet")
    here = read_pool(tmp_path / "here.parquet")
    scores = [name for name in here.score_columns() if not name.endswith("_percentile")]
    assert pool.frame.head(2).select(scores).equals(here.frame.head(2).select(scores))
    with pytest.raises(AppError, match="not on this machine"):
        pool.media_path("day/c0000")


def test_the_quick_scorer_of_these_tests_reads_real_files(tmp_path: Path) -> None:
    """The scorer used in these tests computes its scores from the files, like real scorers."""
    clips(tmp_path, range(2))
    score_to_pool([tmp_path], tmp_path / "pool.parquet", jobs=2, scorers=quick_scorers.counting)
    assert read_pool(tmp_path / "pool.parquet").column("frames").to_list() == [25, 25]
    assert [file.bytes for file in find_files([tmp_path])] == [(tmp_path / "c0000.mp4").stat().st_size] * 2
