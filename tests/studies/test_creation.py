"""Creating studies from pools: weights are correct, missing scores are reported, and errors write nothing."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Event, Filter, Rater, Study, StudyClip
from app.pools.pool_files import Pool, read_pool, score_to_pool
from app.sampling.designs import Borderline
from app.settings import Settings
from app.studies import clip_files, creation, lifecycle, overview
from app.studies.study_file import StudyFile, parse, preset
from tests.helpers.factories import StudyMaker, answers, tiny_video
from tests.helpers.real_videos import moving, write_video
from tests.helpers.visitors import on_sqlite

SPEC = """
name = "Is it sharp & steady?"
guidelines = "Look closely."
raters_per_clip = 2
seed = 11

[[criteria]]
key = "quality"
label = "Quality"
question = "How good?"
scale = "acr5"

[[criteria]]
key = "verdict"
label = "Verdict"
question = "Keep it?"
scale = "verdict"

[[filters]]
name = "sharp"
title = "Sharpness"
score = "sharpness"
min = 10

[[filters]]
name = "dover"
title = "DOVER"
score = "dover_scores"
min = 7

[sampling]
design = "stratified"
by = "sharp"
bands = 3
clips = 12
"""


def spec_of(text: str = SPEC) -> StudyFile:
    """The file, checked."""
    return parse(text, "study.toml")


def pool_of(folder: Path, scores: dict[str, list[float | None]], *, sources: list[str] | None = None) -> Pool:
    """A pool written by hand: clips `c00`, `c01`, ..., all of one tiny video."""
    count = len(next(iter(scores.values())))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.mp4").write_bytes(tiny_video(0.2))
    frame = pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in range(count)],
            "media": ["tiny.mp4"] * count,
            "duration": [0.2] * count,
            "width": [160] * count,
            "height": [90] * count,
            "source": sources or [f"film-{number % 5}" for number in range(count)],
        }
        | {name: pl.Series(values, dtype=pl.Float64) for name, values in scores.items()}
    )
    frame.write_parquet(folder / "pool.parquet")
    return read_pool(folder / "pool.parquet")


def thirty(folder: Path) -> Pool:
    """Thirty clips with sharpness 0 to 29; the last two have no score."""
    return pool_of(folder, {"sharpness": [float(number) for number in range(28)] + [None, None]})


def made(database: Database, slug: str) -> tuple[Study, list[StudyClip], list[Criterion], list[Filter]]:
    """A study with everything that belongs to it."""
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        clips = db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all()
        criteria = db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id)).all()
        filters = db.scalars(select(Filter).where(col(Filter.study_id) == study.id)).all()
    return study, list(clips), list(criteria), list(filters)


def rows_in(database: Database) -> int:
    """How many rows all tables of a study have together."""
    tables = (Study, Criterion, Filter, StudyClip, Assignment, Rater, Event)
    with database.reader() as db:
        return sum(len(db.scalars(select(table)).all()) for table in tables)


def test_weights_are_inverse_probabilities_and_sum_to_the_pool(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """In each stratum weight = clips in the pool / clips drawn (Horvitz and Thompson 1952); all sum to the pool."""
    pool = thirty(tmp_path)
    study, clips, *_ = made(database, creation.create(database, settings, pool, spec_of(), SPEC))
    strata = {row["label"]: row for row in study.design["strata"]}
    drawn = Counter(clip.stratum for clip in clips)
    assert drawn == {label: row["drawn"] for label, row in strata.items() if row["drawn"]}
    for clip in clips:
        row = strata[clip.stratum]
        assert clip.weight == pytest.approx(row["population"] / row["drawn"])
        assert clip.inclusion_probability == pytest.approx(1 / clip.weight)
        score = clip.scores["sharpness"]
        assert score is None or (row["low"] is None or score >= row["low"])
        assert score is None or (row["high"] is None or score < row["high"])
    assert len(clips) == 12
    assert sum(clip.weight for clip in clips) == pytest.approx(30)
    assert (study.pool_clips, study.pool_fingerprint) == (30, pool.fingerprint)


def test_a_study_is_created_from_computed_scores(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Videos scored here become a study with the acr preset's filters; a clip's scores equal the pool's."""
    for number in range(3):
        write_video(tmp_path / f"v{number}.mp4", moving([(n * number, 0) for n in range(25)], 160, 90))
    score_to_pool([tmp_path], tmp_path / "pool.parquet")
    pool, text = read_pool(tmp_path / "pool.parquet"), preset("acr")
    # Nobody is seen in these videos: without a value the filter would be left out.
    pool = replace(pool, frame=pool.frame.with_columns(avg_rotation=pl.lit(80.0)))
    study, clips, criteria, filters = made(database, creation.create(database, settings, pool, spec_of(text), text))
    kept = {row["clip"]: row for row in pool.frame.iter_rows(named=True)}
    assert sorted(clip.clip for clip in clips) == ["v0", "v1", "v2"]
    for clip in clips:
        scores = {name: value for name, value in clip.scores.items() if not name.endswith("_per_second")}
        assert scores == {name: kept[clip.clip][name] for name in pool.score_columns()}
        assert all(isinstance(clip.scores[name], list) for name in clip.scores.keys() - scores.keys())
        assert "luma_per_second" in clip.scores
        assert (clip.width, clip.height, round(clip.duration, 3)) == (160, 90, 1.0)
        assert (settings.media / f"{clip.media_key}.mp4").stat().st_size > 500
    assert [item.key for item in sorted(criteria, key=lambda item: item.position)] == [
        "quality",
        "stability",
        "verdict",
    ]
    found = {rule.name: rule for rule in filters}
    assert (found["jitter"].units, found["jitter"].maximum) == ("px", 5)
    assert found["rotation"].approximate
    assert "movement" not in found
    assert any("no clip of the pool has the score avg_movement (No " in note for note in lifecycle.notes(study))
    assert not found["jitter"].approximate


def test_a_filter_whose_score_is_missing_is_left_out_with_a_note(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The filter is not stored, and the study's notes name it."""
    slug = creation.create(database, settings, thirty(tmp_path), spec_of(), SPEC)
    study, _clips, _criteria, filters = made(database, slug)
    assert [rule.name for rule in filters] == ["sharp"]
    assert "Filter 'DOVER' is left out: the pool has no score dover_scores." in lifecycle.notes(study)


def test_every_clip_gets_its_places_and_an_order_by_the_seed(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """Each clip has two open places; positions are a permutation; a seed draws the same clips in the same order."""
    pool = thirty(tmp_path)
    drawn = []
    for slug in ("one", "two"):
        _study, clips, *_ = made(database, creation.create(database, settings, pool, spec_of(), SPEC, slug=slug))
        assert sorted(clip.position for clip in clips) == list(range(12))
        drawn.append(sorted((clip.clip, clip.position, clip.stratum) for clip in clips))
    assert drawn[0] == drawn[1]
    other = creation.create(database, settings, pool, spec_of().model_copy(update={"seed": 12}), SPEC, slug="three")
    assert sorted((clip.clip, clip.position, clip.stratum) for clip in made(database, other)[1]) != drawn[0]
    with database.reader() as db:
        places = Counter((row.study_clip_id, row.status) for row in db.scalars(select(Assignment)).all())
    assert set(places.values()) == {2}
    assert {status for _clip, status in places} == {"open"}


def test_the_study_stores_its_file_and_design(database: Database, settings: Settings, tmp_path: Path) -> None:
    """The text is stored unchanged, seed and strata as JSON: the sample can be explained later."""
    study, *_ = made(database, creation.create(database, settings, thirty(tmp_path), spec_of(), SPEC))
    assert study.slug == "is-it-sharp-steady"
    assert study.study_file == SPEC
    design = json.loads(json.dumps(study.design, allow_nan=False))
    assert (design["kind"], design["by"], design["seed"]) == ("stratified", "sharp", 11)
    assert sum(row["population"] for row in design["strata"]) == 30


def test_a_taken_name_is_refused_and_nothing_is_written(database: Database, settings: Settings, tmp_path: Path) -> None:
    """An existing slug raises an error, and neither rows nor video files are written."""
    pool = thirty(tmp_path)
    slug = creation.create(database, settings, pool, spec_of(), SPEC)
    before = (rows_in(database), len(list(settings.media.iterdir())))
    with pytest.raises(AppError, match=rf"There is a study '{slug}' already"):
        creation.create(database, settings, pool, spec_of(), SPEC)
    assert (rows_in(database), len(list(settings.media.iterdir()))) == before
    assert lifecycle.free_slug(database, slug) == f"{slug}-2"
    assert lifecycle.free_slug(database, "else") == "else"


def test_a_clip_that_cannot_be_prepared_stops_the_creation(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The error names the file, and no row is written."""
    pool = thirty(tmp_path)
    (tmp_path / "tiny.mp4").write_bytes(b"no video")
    with pytest.raises(AppError, match=r"tiny\.mp4 cannot be made ready"):
        creation.create(database, settings, pool, spec_of(), SPEC)
    assert rows_in(database) == 0


@on_sqlite
def test_a_pool_without_any_filters_score_is_refused(database: Database, settings: Settings, tmp_path: Path) -> None:
    """The error names what is missing: all scores, the score to stratify by, or any value of it."""
    beauty = pool_of(tmp_path / "a", {"beauty": [1.0, 2.0]})
    dover = pool_of(tmp_path / "b", {"dover_scores": [1.0, 9.0]})
    empty = pool_of(tmp_path / "c", {"sharpness": [None, None]})
    for pool, words in (
        (beauty, r"none of the scores .*\(dover_scores, sharpness\)"),
        (dover, "stratified by the filter 'sharp', but the pool lacks its score.*possible: dover"),
        (empty, r"none of the scores .*no clip of the pool has the score sharpness"),
    ):
        with pytest.raises(AppError, match=words):
            creation.create(database, settings, pool, spec_of(), SPEC)
    assert rows_in(database) == 0


@on_sqlite
def test_a_filter_whose_score_has_no_values_is_left_out_with_a_note(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """A column of nulls counts as a missing score, as when model weights were not given."""
    pool = pool_of(tmp_path, {"sharpness": [1.0, 20.0, 30.0], "dover_scores": [None, None, None]})
    study, _clips, _criteria, filters = made(database, creation.create(database, settings, pool, spec_of(), SPEC))
    assert [rule.name for rule in filters] == ["sharp"]
    assert "Filter 'DOVER' is left out: no clip of the pool has the score dover_scores." in lifecycle.notes(study)


@on_sqlite
def test_a_small_pool_is_drawn_completely(database: Database, settings: Settings, tmp_path: Path) -> None:
    """If the pool has fewer clips than asked for, all are drawn with weight 1."""
    pool = pool_of(tmp_path, {"sharpness": [1.0, 5.0, 20.0, 30.0, None]})
    _study, clips, *_ = made(database, creation.create(database, settings, pool, spec_of(), SPEC))
    assert len(clips) == 5
    assert {clip.weight for clip in clips} == {1.0}


@on_sqlite
def test_one_video_in_two_studies_is_prepared_for_each(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Progress counts every clip; each study has its own files, whose names do not contain the clip's name."""
    pool = pool_of(tmp_path, {"sharpness": [1.0, 30.0]})
    told: list[tuple[int, int]] = []
    for slug in ("one", "two"):
        creation.create(
            database, settings, pool, spec_of(), SPEC, slug=slug, on_clip=lambda done, total: told.append((done, total))
        )
    assert told == [(1, 2), (2, 2)] * 2
    names = {path.stem for path in settings.media.iterdir()}
    with database.reader() as db:
        assert names == {clip.media_key for clip in db.scalars(select(StudyClip)).all()}
    assert len(names) == 4
    assert clip_files.new_key() != clip_files.new_key()


def talkvid(each: int) -> StudyFile:
    """The preset with fewer clips a side."""
    spec = parse(preset("talkvid"), "talkvid")
    assert isinstance(spec.sampling, Borderline)
    return spec.model_copy(update={"sampling": spec.sampling.model_copy(update={"each": each})})


def test_the_borderline_design_draws_the_clips_closest_to_each_threshold(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """From a pool without DOVER and CoTracker: five filters, one question each, the three closest clips per side."""
    scores: dict[str, list[float | None]] = {
        "avg_movement": [70.0 + number for number in range(20)],
        "avg_rotation": [60.0 + number for number in range(20)],
        "avg_orientation": [79.0 - number for number in range(20)],
        "avg_resolution": [40.0 + number for number in range(20)],
        "avg_completeness": [100.0 if number % 2 else 90.0 + number / 10 for number in range(20)],
    }
    pool = pool_of(tmp_path, scores)
    slug = creation.create(database, settings, pool, talkvid(3), preset("talkvid"))
    study, clips, criteria, filters = made(database, slug)
    by_question: dict[str, list[StudyClip]] = defaultdict(list)
    for clip in clips:
        by_question[clip.criterion].append(clip)
    asked = {"movement", "rotation", "orientation", "resolution", "completeness"}
    assert set(by_question) == {item.key for item in criteria} == asked
    assert {len(group) for group in by_question.values()} == {6}
    movement = sorted(clip.scores["avg_movement"] for clip in by_question["movement"])
    assert movement == [77, 78, 79, 80, 81, 82]
    complete = [clip.scores["avg_completeness"] for clip in by_question["completeness"]]
    assert sorted(complete)[:3] == [91.4, 91.6, 91.8]
    assert complete.count(100) == 3
    assert {rule.name for rule in filters} == asked
    said = " ".join(lifecycle.notes(study))
    assert "'Quality (DOVER)' is left out" in said
    assert "'Motion (CoTracker)' is left out" in said
    assert study.design["kind"] == "borderline"


@on_sqlite
def test_a_borderline_study_asks_one_question_per_clip(
    database: Database, settings: Settings, tmp_path: Path, study_maker: StudyMaker
) -> None:
    """A clip that was drawn for two questions is shown twice, each time with one question."""
    scores: dict[str, list[float | None]] = {"avg_movement": [79.0, 81.0], "avg_rotation": [69.0, 71.0]}
    slug = creation.create(database, settings, pool_of(tmp_path, scores), talkvid(1), preset("talkvid"))
    study, clips, *_ = made(database, slug)
    assert sorted((clip.clip, clip.criterion) for clip in clips) == [
        ("c00", "movement"),
        ("c00", "rotation"),
        ("c01", "movement"),
        ("c01", "rotation"),
    ]
    assert len({clip.media_key for clip in clips}) == 2
    rater = study_maker.rater(study)
    values = dict.fromkeys(("movement", "rotation"), "accept")
    rated = [study_maker.rate(study, rater, values) for _ in range(5)]
    assert len([number for number in rated if number is not None]) == 4
    with database.reader() as db:
        line = overview.line_of(db, study)
    assert (line.clips, line.people, line.answers, line.places_done, line.places) == (4, 1, 4, 4, 8)


@on_sqlite
def test_counts_of_answers_exclude_simulated_raters(study_maker: StudyMaker, database: Database) -> None:
    """Places taken by simulated raters are not counted among those of people."""
    study = study_maker(clips=3, raters_per_clip=2, with_media=False)
    for name, kind in (("Ada", "person"), ("Robot", "simulated")):
        study_maker.rate(study, study_maker.rater(study, name, kind=kind), answers())
    with database.reader() as db:
        line = overview.line_of(db, study)
    assert (line.people, line.answers, line.places_done) == (1, 1, 1)


@on_sqlite
def test_the_time_of_a_new_rater_is_estimated(study_maker: StudyMaker, database: Database) -> None:
    """Duration of the open clips plus six seconds per answer, rounded up to minutes; taken places do not count."""
    study = study_maker(clips=20, raters_per_clip=1, with_media=False)
    with database.reader() as db:
        assert (overview.clips_per_rater(db, study), overview.minutes_per_rater(db, study)) == (
            20,
            3,
        )  # 140 s
    rater = study_maker.rater(study)
    for _ in range(10):
        study_maker.rate(study, rater, answers())
    with database.reader() as db:
        assert (overview.clips_per_rater(db, study), overview.minutes_per_rater(db, study)) == (
            8,
            1,
        )  # 56 s


def test_an_unknown_study_raises_an_error_that_says_where_studies_are_listed(database: Database) -> None:
    """The error names the slug, the page and the command."""
    with database.reader() as db, pytest.raises(AppError, match=r"There is no study 'none'.*/studies"):
        lifecycle.by_slug(db, "none")


def test_in_a_pool_without_sources_each_clip_is_its_own_source(tmp_path: Path) -> None:
    """The clip's name is stored as its source."""
    pool = thirty(tmp_path)
    pool.frame.drop("source").write_parquet(tmp_path / "bare.parquet")
    bare = read_pool(tmp_path / "bare.parquet")
    assert bare.column("source").to_list() == bare.column("clip").to_list()
