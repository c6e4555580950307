"""Sample files: top-ups, two phases, studies made of them, and errors if the pool has changed."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app.commands.sample import sample as sample_command
from app.db import Database
from app.errors import AppError
from app.models import StudyClip
from app.pools.pool_files import read_pool
from app.sampling import pilot_files, sample_files
from app.settings import Settings
from app.studies import creation, lifecycle, overview
from app.studies.drawing import sample_from_file
from app.studies.study_file import parse as parse_study
from tests.helpers.factories import tiny_video
from tests.helpers.sampled_pools import BORDERLINE, CLIPS, DESIGNS, FILTERS, frame, made, refusal
from tests.studies.test_creation import SPEC


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool of 600 clips on disk."""
    frame().write_parquet(tmp_path / "pool.parquet")
    return tmp_path / "pool.parquet"


def test_a_top_up_keeps_the_clips_and_continues_the_phases(pool: Path) -> None:
    """After two top-ups all earlier clips are there, in phases 1, 2, 3, with weights of the whole sample."""
    first = made(pool, DESIGNS["by"])
    second = made(pool, DESIGNS["by"], "second.parquet", earlier=first, add=25)
    third = made(pool, DESIGNS["by"], "third.parquet", earlier=second, add=10)
    assert set(first.clips["clip"]) < set(second.clips["clip"]) < set(third.clips["clip"])
    assert third.clips["phase"].value_counts().sort("phase")["count"].to_list() == [60, 25, 10]
    assert third.clips["weight"].sum() == pytest.approx(CLIPS)
    assert third.design.plan == first.design.plan
    assert "How many clips are to be added?" in refusal(pool, DESIGNS["by"], earlier=first)
    assert "strata are not those" in refusal(pool, DESIGNS["simple"], earlier=first, add=5)


def test_a_top_up_from_a_changed_pool_is_an_error(pool: Path) -> None:
    """If one score differs, no top-up can be drawn, and the message has the remedy."""
    first = made(pool, DESIGNS["by"])
    frame().with_columns(movement=pl.col("movement") + 0.001).write_parquet(pool)
    words = refusal(pool, DESIGNS["by"], earlier=first, add=5)
    assert "has changed since the earlier sample was drawn" in words
    assert "Bring back the file it was, or draw a new sample" in words


TWO_PHASE = (
    'design = "two_phase"\nby = "still"\nbands = 6\npilot = 10\nclips = 60\nfloor = 12\ntarget = 0.8\n' + FILTERS
)


def test_the_second_phase_goes_where_the_pilot_crosses_the_target(pool: Path) -> None:
    """If clips above 60 are good, the pilot is kept and most new clips are in the bands around 60."""
    first = made(pool, TWO_PHASE)
    score = dict(frame().select("clip", "movement").iter_rows())
    pilot = pl.DataFrame(
        {"clip": first.clips["clip"], "good": [float(score[clip] > 60) for clip in first.clips["clip"]]}
    )
    for more in ({}, {"earlier": first}):
        both = made(pool, TWO_PHASE, "both.parquet", pilot=pilot, **more)
        new = both.clips.filter(pl.col("phase") == 2)
        assert set(both.clips.filter(pl.col("phase") == 1)["clip"]) == set(first.clips["clip"])
        assert new.height == 60
        assert np.mean([20 < score[clip] < 95 for clip in new["clip"]]) > 0.6
        assert both.clips["weight"].sum() == pytest.approx(CLIPS)
    assert any("around the crossing" in note for note in both.record["notes"])
    stranger = pilot.with_columns(clip=pl.lit("c000") + pl.col("clip"))
    assert "did not draw in the first phase" in refusal(pool, TWO_PHASE, pilot=stranger)
    assert "drawn already" in refusal(pool, TWO_PHASE, pilot=pilot, earlier=both)


def test_the_bias_of_the_second_phase_is_small(pool: Path) -> None:
    """Over 60 seeds the weighted share of good clips has a bias below 0.01, although phase 2 depends on judgments."""
    table, errors = frame(), []
    good = dict(zip(table["clip"], (table["movement"] + 40 * np.sin(np.arange(CLIPS)) > 60).to_list(), strict=True))
    truth = float(np.mean(list(good.values())))
    for seed in range(60):
        text = f"seed = {seed}\n" + TWO_PHASE
        first = made(pool, text)
        pilot = pl.DataFrame({"clip": first.clips["clip"], "good": [float(good[clip]) for clip in first.clips["clip"]]})
        both = made(pool, text, "both.parquet", pilot=pilot).clips
        values = np.array([good[clip] for clip in both["clip"]])
        errors.append(float((both["weight"].to_numpy() * values).sum() / CLIPS) - truth)
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) > 0.01


def test_a_pilot_determines_the_neyman_allocation(pool: Path) -> None:
    """Bands with equal judgments get few clips, bands with mixed judgments many."""
    text = DESIGNS["neyman"].replace("guess = [0.1, 0.4, 0.7, 0.95]\n", "waive_rejects = 'none in this test'\n")
    score = dict(frame().select("clip", "movement").iter_rows())
    judged = [clip for number, clip in enumerate(score) if number % 3 == 0]
    good = [float(score[clip] > 60 and number % 2) for number, clip in enumerate(judged)]
    strata = made(pool, text, pilot=pl.DataFrame({"clip": judged, "good": good})).record["strata"]
    drawn = [row["drawn"] for row in strata]
    assert drawn[3] > 3 * max(drawn[:3])


def test_pilot_files_are_read_by_hand_or_from_an_export(tmp_path: Path) -> None:
    """They give means over raters; in an export current answers to one criterion count, and "unsure" does not."""
    path = tmp_path / "pilot.csv"
    path.write_text("clip,good\na,1\na,0\nb,true\n")
    assert dict(pilot_files.read(path).iter_rows()) == {"a": 0.5, "b": 1.0}
    path.write_text(
        "clip,criterion,value,current\na,verdict,accept,1\na,verdict,reject,0\nb,verdict,unsure,1\nc,steady,reject,1\n"
    )
    assert dict(pilot_files.read(path, "verdict").iter_rows()) == {"a": 1.0}
    for text, criterion, words in (
        ("clip,criterion,value\na,x,accept\nb,y,accept\n", None, "has judgments on x, y"),
        ("clip,criterion,value\na,x,accept\n", "z", "no judgments on 'z'"),
        ("clip,god\na,1\n", None, "no column 'good'. Did you mean god"),
        ("clip,good\na,perhaps\n", None, "judges a clip 'perhaps'"),
        ("clip,good\na,\n", None, "has no judgments"),
    ):
        path.write_text(text)
        with pytest.raises(AppError, match=words.replace("?", ".")):
            pilot_files.read(path, criterion)


STUDY = (
    SPEC.replace('name = "sharp"', 'name = "still"')
    .replace('by = "sharp"', 'by = "still"')
    .replace('score = "sharpness"\nmin = 10', 'score = "movement"\nmin = 60')
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_study_takes_the_clips_of_a_sample_file(pool: Path, database: Database, settings: Settings) -> None:
    """It has the same clips, weights and strata; the pool must be that of the sample."""
    (pool.parent / "tiny.mp4").write_bytes(tiny_video(0.2))
    sample = made(pool, DESIGNS["by"].replace("clips = 60", "clips = 9"))
    spec, path = parse_study(STUDY, "study.toml"), pool.with_name("sample.parquet")
    slug = creation.create(database, settings, read_pool(pool), spec, STUDY, sample=path)
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        assert study.design["design_id"] == sample.record["design_id"]
        assert overview.line_of(db, study).clips == sample.clips.height
    frame(500).write_parquet(pool)
    with pytest.raises(AppError, match=r"has changed since the sample sample\.parquet was drawn"):
        creation.create(database, settings, read_pool(pool), spec, STUDY, slug="other", sample=path)


def test_a_borderline_sample_asks_only_the_criterion_of_its_filter(pool: Path) -> None:
    """Clips near a threshold get the criteria of their filters, other clips all; unknown filters are an error."""
    made(pool, BORDERLINE)
    spec = parse_study(STUDY, "study.toml")
    own = [rule for rule in spec.filters if rule.name == "still"]
    path = pool.with_name("sample.parquet")
    with pytest.raises(AppError, match="filters that the study does not have"):
        sample_from_file(path, read_pool(pool), spec, own)
    made(pool, BORDERLINE.replace("rejects = 12", 'rejects = 12\nfilters = ["still"]'))
    found = sample_from_file(path, read_pool(pool), spec, own)
    assert found.design["kind"] == "borderline"
    assert [one.criterion for one in found.clips if one.drawn_for] == ["verdict"] * 20
    assert {one.criterion for one in found.clips if not one.drawn_for} == {""}


def test_the_command_draws_prints_and_tops_up(pool: Path) -> None:
    """It prints a table with strata and notes, or one JSON object; --add needs an earlier sample."""
    cli = typer.Typer()
    cli.command()(sample_command)
    (pool.parent / "design.toml").write_text(DESIGNS["by"])

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, [str(pool), *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    output = pool.with_name("out.parquet")
    told = run("-o", str(output), "--design", str(pool.parent / "design.toml"))
    assert "60 clips, design " in told
    assert all(row["label"] in told for row in sample_files.read(output).record["strata"])
    more = json.loads(run("-o", str(pool.with_name("more.parquet")), "--top-up", str(output), "--add", "5", "--json"))
    assert (more["clips"], more["design_id"]) == (65, sample_files.read(output).record["design_id"])
    for words in (["--add", "5", "--design", "d.toml"], []):
        with pytest.raises(AppError, match=r"goes with --top-up|needs a design"):
            run("-o", str(output), *words)
    with pytest.raises(AppError, match="it is the pool itself"):
        run("-o", str(pool), "--design", str(pool.parent / "design.toml"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_study_takes_a_sample_limited_per_source_with_its_weights(
    pool: Path, database: Database, settings: Settings
) -> None:
    """Weights differ within a stratum, and the study keeps the weight of each clip."""
    (pool.parent / "tiny.mp4").write_bytes(tiny_video(0.2))
    sample = made(pool, DESIGNS["limited"].replace("clips = 60", "clips = 12"))
    spec, path = parse_study(STUDY, "study.toml"), pool.with_name("sample.parquet")
    slug = creation.create(database, settings, read_pool(pool), spec, STUDY, sample=path)
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        weights = {
            clip.clip: clip.weight for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id))
        }
    assert weights == dict(sample.clips.select("clip", "weight").iter_rows())
    assert sample.clips.group_by("stratum").agg(pl.col("weight").n_unique())["weight"].max() != 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'design = "stratified"\nby = "still"\nclips = 20\n',
            "No filter of the design has a score here: score the clips",
        ),
        ('design = "borderline"\neach = 3\n', "no clip has a score of theirs"),
        ('design = "stratified"\nshares = [-3, 5]\n[[strata]]\nscore = "constant"\nedges = [5]\n', "it is -3"),
    ],
)
def test_scores_without_a_value_and_negative_shares_are_errors_with_a_remedy(pool: Path, text: str, words: str) -> None:
    """A score that is NaN everywhere gives no strata, and a share must not be negative."""
    frame().with_columns(movement=pl.lit(float("nan"))).write_parquet(pool)
    assert words in refusal(pool, text + '[[filter]]\nname = "still"\nscore = "movement"\nmin = 60\n')


def test_equal_scores_and_empty_strata_are_noted_and_the_rest_is_drawn(pool: Path) -> None:
    """Equal scores leave fewer bands, an empty band is named, and too large a sample takes every clip."""
    equal = made(pool, 'design = "stratified"\nclips = 20\n[[strata]]\nscore = "constant"\nquantiles = 4\n')
    assert "Equal values of constant leave 2 bands of the 4" in " ".join(equal.record["notes"])
    empty = made(pool, 'design = "stratified"\nclips = 20\n[[strata]]\nscore = "movement"\nedges = [500]\n')
    assert "Stratum 500 and above has no clips" in " ".join(empty.record["notes"])
    assert (equal.clips.height, empty.clips.height) == (20, 20)
    whole = made(pool, 'design = "simple"\nclips = 9999\n')
    assert f"The pool has {CLIPS} clips where 9999 were asked for" in " ".join(whole.record["notes"])
    assert set(whole.clips["weight"]) == {1.0}
