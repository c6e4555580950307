"""Pools: reading returns what scoring wrote, and a faulty pool is an error with a remedy."""

import json
from pathlib import Path

import polars as pl
import pytest

from app.errors import AppError
from app.pools.pool_files import Pool, clip_names, read_pool, score_to_pool
from scoring.pipeline import ClipScores
from scoring.registry import scorers
from tests.helpers.real_videos import moving, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips in folders, an unreadable one, and a manifest."""
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "day/b.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        write_video(folder / name, moving([(n % 5, 0) for n in range(30)]))
    (folder / "broken.mp4").write_bytes(b"")
    lines = [
        {"id": "1", "video-path": "a.mp4", "source": "film", "info": {"Age Group": "19-30", "Takes": 2, "luma": "x"}},
        {"id": "2", "video-path": "day/b.mp4", "durations": "1.2s", "info": {"Video Link": "link", "Takes": None}},
    ]
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


@pytest.fixture(scope="module")
def pool(folder: Path) -> Pool:
    score_to_pool([folder], folder / "pool.parquet")
    return read_pool(folder / "pool.parquet")


def test_every_clip_has_a_row_with_its_facts_and_scores(pool: Pool) -> None:
    """Names are paths below the folder without suffix; an unreadable file has a row of nulls and a reason."""
    assert pool.column("clip").to_list() == ["a", "broken", "day/b"]
    good, broken, _ = pool.frame.iter_rows(named=True)
    assert (good["width"], good["height"], good["fps"], good["duration"]) == (320, 180, 25, pytest.approx(1.2))
    assert good["jitter"] > 0
    assert good["luma_per_second"] == [pytest.approx(good["luma"], abs=2)] * 2
    assert good["avg_movement"] is None
    assert "exactly one face" in good["reason"]
    assert all(broken[column.name] is None for scorer in scorers() for column in scorer.columns)
    assert broken["reason"] == "The file is empty (0 bytes)."
    assert broken["width"] is None
    assert broken["luma_per_second"] is None


def test_a_manifest_gives_sources_and_metadata(pool: Pool) -> None:
    """The source is `source`, else the video link, else the clip; info becomes columns, a name in use gets a prefix."""
    assert pool.column("source").to_list() == ["film", "broken", "link"]
    assert pool.column("age_group").to_list() == ["19-30", None, None]
    assert pool.column("takes").to_list() == [2, None, None]
    assert pool.column("info_luma").to_list() == ["x", None, None]


def test_the_record_says_how_each_score_was_made(pool: Pool) -> None:
    """It has scorer, version, backend and model hash, and units, range, direction and approximation of each column."""
    made = {scorer["scorer"]: scorer for scorer in pool.record["scorers"]}
    assert made["head"]["models"][0]["sha256"].startswith("49f000ec")
    described = {column["name"]: column for scorer in made.values() for column in scorer["columns"]}
    assert described["avg_rotation"]["approximate"]
    assert described["luma"] | {"meaning": ""} == {
        "name": "luma",
        "meaning": "",
        "direction": "band",
        "units": "grey levels",
        "low": 0,
        "high": 255,
        "approximate": False,
        "ranked": False,
    }
    own = [name for name in pool.score_columns() if not name.endswith("_percentile")]
    assert own == [column.name for scorer in scorers() for column in scorer.columns]
    assert pool.units("jitter") == "px"
    assert pool.is_approximate("avg_orientation")
    assert not pool.is_approximate("jitter")


def test_media_paths_survive_moving_the_folder(folder: Path, pool: Pool, tmp_path: Path) -> None:
    """Paths are relative for videos below the pool's folder, and absolute for others."""
    assert pool.column("media").to_list() == ["a.mp4", "broken.mp4", "day/b.mp4"]
    assert pool.media_path("day/b") == folder / "day" / "b.mp4"
    score_to_pool([folder / "broken.mp4"], tmp_path / "else.parquet")
    assert read_pool(tmp_path / "else.parquet").media_path("broken") == (folder / "broken.mp4").resolve()


def test_scoring_again_gives_the_same_file(folder: Path, pool: Pool) -> None:
    """The same videos in the same folder give the same bytes, with one process or two."""
    again = folder / "again.parquet"
    score_to_pool([folder], again, jobs=2)
    assert read_pool(again).fingerprint == pool.fingerprint
    again.unlink()


def test_progress_and_summary_count_every_clip(folder: Path, tmp_path: Path) -> None:
    """Each clip is reported with its number; the summary names failed clips and reasons."""
    told: list[tuple[int, int, str]] = []

    def tell(done: int, total: int, result: ClipScores) -> None:
        told.append((done, total, result.path.name))

    summary = score_to_pool([folder], tmp_path / "p.parquet", on_clip=tell)
    assert told == [(1, 3, "a.mp4"), (2, 3, "broken.mp4"), (3, 3, "b.mp4")]
    assert (summary.clips, summary.failed) == (3, (("broken", "The file is empty (0 bytes)."),))
    assert summary.seconds > 0


def test_an_interrupted_run_keeps_the_old_pool(folder: Path, tmp_path: Path) -> None:
    """The file appears complete or not at all; finished clips are in a folder of parts next to it."""
    output = tmp_path / "p.parquet"
    score_to_pool([folder / "broken.mp4"], output)
    before = output.read_bytes()

    def interrupt(done: int, _total: int, _result: ClipScores) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_to_pool([folder], output, on_clip=interrupt)
    assert output.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.parquet", "p.parquet.parts"]


def test_clip_names_are_unique_whatever_the_files_are_called(tmp_path: Path) -> None:
    """Suffixes are kept where two names would be equal, and numbers are added where that does not help."""
    for name in ("x/a.mp4", "y/a.mp4", "y/a.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    files = [tmp_path / name for name in ("x/a.mp4", "y/a.mov", "y/a.mp4")]
    assert clip_names(files, [tmp_path]) == ["x/a", "y/a.mov", "y/a.mp4"]
    assert clip_names(files, files) == ["a.mp4", "a.mov", "a.mp4-2"]


def error_message(path: Path) -> str:
    with pytest.raises(AppError) as refused:
        read_pool(path)
    return str(refused.value)


def test_a_file_that_is_not_a_pool_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A missing file, another type, a missing column, a duplicate clip: the message names the fault and the remedy."""
    assert "clipjury score" in error_message(tmp_path / "no.parquet")
    (tmp_path / "text.parquet").write_text("clip,media\na,a.mp4\n")
    assert "is not a pool" in error_message(tmp_path / "text.parquet")
    pl.DataFrame({"clips": ["a"], "media": ["a.mp4"]}).write_parquet(tmp_path / "other.parquet")
    assert "Did you mean clips?" in error_message(tmp_path / "other.parquet")
    pl.DataFrame({"clip": ["a", "b", "a"], "media": ["x", "y", "z"]}).write_parquet(tmp_path / "twice.parquet")
    assert "clip 'a' more than once" in error_message(tmp_path / "twice.parquet")


def test_any_parquet_file_with_clips_and_media_is_a_pool(tmp_path: Path) -> None:
    """Without a record every numeric column is a score, and each clip is its own source."""
    frame = pl.DataFrame(
        {"clip": ["a", "b"], "media": ["a.mp4", "/b.mp4"], "dover_scores": [8.1, None], "fps": [24, 24]}
    )
    frame.write_parquet(tmp_path / "own.parquet")
    pool = read_pool(tmp_path / "own.parquet")
    assert pool.column("source").to_list() == ["a", "b"]
    assert pool.score_columns() == ["dover_scores"]
    assert pool.record == {}
    assert pool.units("dover_scores") == ""
    assert (pool.media_path("a"), pool.media_path("b")) == (tmp_path / "a.mp4", Path("/b.mp4"))


def test_an_unknown_name_is_an_error_with_similar_names(pool: Pool) -> None:
    """This holds for columns and for clips."""
    with pytest.raises(AppError, match=r"no column 'avg_movment'.*Did you mean avg_movement"):
        pool.column("avg_movment")
    with pytest.raises(AppError, match=r"no clip 'brokn'.*Did you mean broken"):
        pool.media_path("brokn")


def test_a_score_without_any_value_has_a_reason(tmp_path: Path) -> None:
    """A missing column and a column of nulls have a reason; a score that one clip has does not."""
    frame = pl.DataFrame(
        {
            "clip": ["a", "b"],
            "media": ["a.mp4", "b.mp4"],
            "duration": [2.0, None],
            "dover_scores": [None, None],
            "tempo": pl.Series([None, None], dtype=pl.Float64),
            "sharpness": [None, 3.0],
            "reason": ["sharpness, blur: Too dark. dover_scores, dover_technical: weights not given", "It is broken."],
        }
    )
    frame.write_parquet(tmp_path / "pool.parquet")
    pool = read_pool(tmp_path / "pool.parquet")
    assert pool.why_without("beauty") == "the pool has no score beauty"
    assert pool.why_without("dover_scores") == "no clip of the pool has the score dover_scores (weights not given)"
    assert pool.why_without("tempo") == "no clip of the pool has the score tempo"
    assert pool.why_without("sharpness") == ""
    assert pool.why_without("clip") == ""


def test_moments_are_lists_of_seconds(pool: Pool) -> None:
    """A clip without scene cuts has an empty list, an unreadable file has null."""
    assert pool.column("cuts_times").to_list() == [[], None, []]


def test_nothing_to_score_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    """An empty folder, and a folder as the output, are errors."""
    with pytest.raises(AppError, match="There are no videos"):
        score_to_pool([tmp_path], tmp_path / "p.parquet")
    with pytest.raises(AppError, match="is a folder"):
        score_to_pool([tmp_path], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["{", '{"id": "a"}', '{"id": "a", "video-path": 7}', '{"id":"a","video-path":"a","info":[]}']
)
def test_a_faulty_manifest_line_is_named(line: str, tmp_path: Path) -> None:
    """The message has file and line number, and nothing is scored before."""
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "manifest.jsonl").write_text('{"id": "b", "video-path": "b.mp4", "info": {}}\n\n' + line + "\n")
    with pytest.raises(AppError, match=r"Line 3 of .*manifest\.jsonl cannot be read"):
        score_to_pool([tmp_path], tmp_path / "p.parquet")
