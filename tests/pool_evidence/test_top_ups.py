"""Top-ups of running studies: joint probabilities, no repeated clip, unchanged assignments, on both databases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app.commands.top_up import top_up as command
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Event, Judgment, Rater, Study, StudyClip
from app.pool_evidence import top_ups
from app.pools.pool_files import Pool, read_pool
from app.sampling import draws, probability
from app.sampling.design_files import DesignFile, parse
from app.sampling.designs import Stratified
from app.sampling.joint import DesignDraw, JointDraw
from app.settings import Settings
from app.studies import creation, lifecycle
from app.studies.study_file import parse as parse_study
from scoring.filters import Filter
from tests.helpers.factories import tiny_video

CLIPS = 60
STILL = '\n[[filter]]\nname = "still"\nscore = "movement"\nmin = 50\n'
SPEC = """
name = "Growing"
guidelines = "Look closely."
raters_per_clip = 2
seed = 4
[[criteria]]
key = "verdict"
label = "Verdict"
question = "Keep it?"
scale = "verdict"
[[filters]]
name = "still"
title = "Still"
score = "movement"
min = 50
[sampling]
"""
STRATIFIED = 'design = "stratified"\nby = "still"\nbands = 3\nclips = 9\n'
LIMITED = STRATIFIED + "per_source = 1\n"
TWO_PHASE = 'design = "two_phase"\nby = "still"\nbands = 3\npilot = 5\nfloor = 5\nrejects = 5\n'
BY_LANGUAGE = 'design = "stratified"\nseed = 4\n[[strata]]\ncolumn = "language"\n' + STILL


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Sixty clips of twelve films, with movement 0 to 99 and two languages."""
    (tmp_path / "tiny.mp4").write_bytes(tiny_video(0.2))
    chance = np.random.default_rng(2)
    pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in range(CLIPS)],
            "media": ["tiny.mp4"] * CLIPS,
            "source": [f"film-{number // 5}" for number in range(CLIPS)],
            "duration": [0.2] * CLIPS,
            "width": [160] * CLIPS,
            "height": [90] * CLIPS,
            "movement": chance.permutation(np.linspace(0, 99, CLIPS)),
            "language": ["fr" if number % 4 == 0 else "en" for number in range(CLIPS)],
        }
    ).write_parquet(tmp_path / "pool.parquet")
    return read_pool(tmp_path / "pool.parquet")


def create(database: Database, settings: Settings, pool: Pool, sampling: str = STRATIFIED) -> str:
    """Create a study that is drawn from the pool by a design."""
    return creation.create(database, settings, pool, parse_study(SPEC + sampling, "study.toml"), SPEC + sampling)


def look(database: Database, slug: str) -> tuple[Study, dict[str, StudyClip]]:
    """The study and its clips by name."""
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        clips = db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all()
    assert len({clip.clip for clip in clips}) == len(clips), "no clip is there twice"
    assert sorted(clip.position for clip in clips) == list(range(len(clips)))
    return study, {clip.clip: clip for clip in clips}


def test_a_top_up_gives_the_clips_of_one_larger_draw(database: Database, settings: Settings, pool: Pool) -> None:
    """All clips stay, weights are those of one larger draw, and each top-up is in the history and in an event."""
    slug = create(database, settings, pool)
    _, before = look(database, slug)
    done = top_ups.top_up(database, settings, slug, 12)
    study, clips = look(database, slug)
    assert (done.new, done.known, done.clips) == (12, 0, len(clips))
    assert set(before) < set(clips)
    for row in study.design["strata"]:
        own = [clip for clip in clips.values() if clip.stratum == row["label"]]
        assert len(own) == row["drawn"]
        assert [clip.weight for clip in own] == pytest.approx([row["population"] / row["drawn"]] * len(own))
    assert sum(clip.weight for clip in clips.values()) == pytest.approx(CLIPS)
    top_ups.top_up(database, settings, slug, 5)
    study, clips = look(database, slug)
    kinds = [(draw["kind"], draw["part"], draw["clips"]) for draw in study.design["draws"]]
    assert kinds == [("first", 0, len(before)), ("top-up", 0, 12), ("top-up", 0, 5)]
    with database.reader() as db:
        events = db.scalars(select(Event).where(col(Event.study_id) == study.id, col(Event.kind) == "topped_up")).all()
    assert [event.detail["clips"] for event in events] == [12, 5]
    assert study.version == 3
    filters = (Filter("still", "movement", 50.0, None),)
    whole = DesignFile("", "", parse_study(SPEC + STRATIFIED, "").sampling, study.seed, filters)
    wanted = {row["label"]: row["drawn"] for row in study.design["strata"]}
    again = draws.sample("pool", pool.readable, replace(whole, plan=_shared(wanted)))
    assert set(again.clips["clip"]) == set(clips)


def _shared(wanted: dict[str, int]) -> Stratified:
    return Stratified(design="stratified", by="still", bands=3, shares=tuple(wanted.values()))


def test_a_top_up_changes_no_assignment(database: Database, settings: Settings, pool: Pool) -> None:
    """Assignments stay as they are, held ones too, and the new clips have open assignments."""
    slug = create(database, settings, pool)
    study, _ = look(database, slug)
    with database.writer() as db:
        db.add(rater := Rater(study_id=study.id, name="Ann", shuffle=3))
        db.flush()
        held = db.scalars(select(Assignment).where(col(Assignment.study_id) == study.id)).first()
        assert held is not None
        held.status, held.rater_id = "held", rater.id
    with database.reader() as db:
        query = select(Assignment).where(col(Assignment.study_id) == study.id).order_by(col(Assignment.id))
        before = [row.model_dump() for row in db.scalars(query)]
    top_ups.top_up(database, settings, slug, 6)
    with database.reader() as db:
        after = [row.model_dump() for row in db.scalars(query)]
    assert after[: len(before)] == before
    assert [row["status"] for row in after[len(before) :]] == ["open"] * 12


def test_another_design_draws_from_the_whole_pool_with_joint_probabilities(
    database: Database, settings: Settings, pool: Pool
) -> None:
    """Probabilities are 1 - (1 - p1)(1 - p2), the seed is unused, and a later top-up continues with the new design."""
    slug = create(database, settings, pool)
    done = top_ups.top_up(database, settings, slug, 30, design=parse(BY_LANGUAGE, "design.toml"))
    study, clips = look(database, slug)
    entry = study.design["draws"][-1]
    assert (entry["kind"], entry["part"], entry["seed"]) == ("another design", 1, 5)
    assert done.known > 0, "the two draws share clips"
    assert (done.new + done.known, done.clips) == (sum(entry["shares"].values()), len(clips))
    language = dict(zip(pool.frame["clip"], pool.frame["language"], strict=True))
    for name, clip in clips.items():
        p1 = study.design["draws"][0]["shares"][clip.stratum] / _population(study, clip.stratum)
        second = entry["shares"][f"language {language[name]}"]
        p2 = second / list(language.values()).count(language[name])
        assert clip.inclusion_probability == pytest.approx(1 - (1 - p1) * (1 - p2))
    top_ups.top_up(database, settings, slug, 4)
    assert look(database, slug)[0].design["draws"][-1]["part"] == 1


def _population(study: Study, label: str) -> int:
    return next(int(row["population"]) for row in study.design["strata"] if row["label"] == label)


@pytest.mark.parametrize("sampling", [STRATIFIED, LIMITED, LIMITED + 'per_source_in = "stratum"\n'])
def test_joint_probabilities_are_those_of_the_draws(pool: Pool, sampling: str) -> None:
    """Over 1,500 seeds a clip is in the study (first draw, top-up, other design) as often as its probability says."""
    spec = parse_study(SPEC + sampling, "study.toml")
    filters = (Filter("still", "movement", 50.0, None),)
    first = DesignDraw.of(pool, DesignFile("", "", spec.sampling, 0, filters))
    grown = probability.grown(first.prepared, first.plan.shares, 6)
    other = DesignDraw.of(pool, parse("clips = 12\n" + BY_LANGUAGE, "other.toml"))
    joint = JointDraw((replace(first, plan=grown), other))
    times, count = np.zeros(CLIPS), 1500
    for seed in range(count):
        one = JointDraw((replace(joint.draws[0], seed=2 * seed), replace(other, seed=2 * seed + 1)))
        times[one.drawn] += 1
    chance = joint.chance
    error = np.sqrt(chance * (1 - chance) / count)
    assert (np.abs(times / count - chance) <= 4 * error + 1e-9).all()
    apart = replace(joint.draws[0], plan=first.plan).chance
    assert (np.abs(times / count - apart) > 4 * error).any(), "the first draw's probabilities alone are found wrong"


def test_a_top_up_respects_the_limit_per_source(database: Database, settings: Settings, pool: Pool) -> None:
    """The clips drawn before stay, and no source gives more than the limit."""
    slug = create(
        database, settings, pool, LIMITED.replace("clips = 9", "clips = 6") + 'waive_rejects = "a test of it"\n'
    )
    _, before = look(database, slug)
    top_ups.top_up(database, settings, slug, 3)
    _, clips = look(database, slug)
    assert set(before) < set(clips)
    assert len({clip.source for clip in clips.values()}) == len(clips)


def test_a_top_up_draws_the_second_phase_of_a_two_phase_study(
    database: Database, settings: Settings, pool: Pool
) -> None:
    """The rated clips of the first phase are the pilot, and a further top-up continues both phases."""
    slug = create(database, settings, pool, TWO_PHASE)
    study, before = look(database, slug)
    with pytest.raises(AppError, match="second phase cannot be drawn"):
        top_ups.top_up(database, settings, slug, 8)
    with database.writer() as db:
        db.add(rater := Rater(study_id=study.id, name="Ann", shuffle=3))
        db.flush()
        question = db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id)).one()
        for clip in before.values():
            place = db.scalars(select(Assignment).where(col(Assignment.study_clip_id) == clip.id)).first()
            assert place is not None
            place.status, place.rater_id = "done", rater.id
            db.add(
                Judgment(
                    study_id=study.id,
                    assignment_id=place.id,
                    criterion_id=question.id,
                    rater_id=rater.id,
                    value="accept" if clip.scores["movement"] > 40 else "reject",
                    revision=1,
                    submission=f"s{clip.id}",
                    arm="hidden",
                    guidelines_hash="",
                )
            )
    assert top_ups.top_up(database, settings, slug, 8).new == 8
    assert top_ups.top_up(database, settings, slug, 3).new == 3
    study, clips = look(database, slug)
    assert [draw["kind"] for draw in study.design["draws"]] == ["first", "second phase", "top-up"]
    assert set(before) < set(clips)
    assert sum(clip.weight for clip in clips.values()) == pytest.approx(CLIPS)


def test_a_changed_pool_is_refused(database: Database, settings: Settings, pool: Pool) -> None:
    """The error says what to do, nothing is written, and no copied clip is left behind."""
    slug = create(database, settings, pool)
    _, before = look(database, slug)
    copies = set(settings.media.iterdir())
    pool.frame.reverse().write_parquet(pool.path)
    with pytest.raises(AppError, match="has changed since the study was made") as caught:
        top_ups.top_up(database, settings, slug, 5)
    assert "draw a new sample" in caught.value.remedy
    assert set(look(database, slug)[1]) == set(before)
    assert set(settings.media.iterdir()) == copies


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("sampling", "design", "words"),
    [
        ('design = "borderline"\neach = 2\n', "", "borderline draw is not topped up"),
        (STRATIFIED, 'design = "borderline"\n' + STILL, "borderline draw is not topped up"),
        (STRATIFIED, 'design = "two_phase"\nby = "still"\n' + STILL, "two-phase design begins a study"),
        (STRATIFIED, BY_LANGUAGE.replace('"language"', '"langage"'), "no column 'langage'"),
        (STRATIFIED, "shares = [3, 1]\n" + BY_LANGUAGE, "shares are 4 clips, not 5"),
        (STRATIFIED, 'allocation = "neyman"\n' + BY_LANGUAGE, "shared its clips out by a pilot"),
    ],
)
def test_impossible_top_ups_are_refused(
    database: Database, settings: Settings, pool: Pool, sampling: str, design: str, words: str
) -> None:
    """The error names a remedy, and nothing is written."""
    slug = create(database, settings, pool, sampling)
    before = len(look(database, slug)[1]) if "borderline" not in sampling else 0
    given = parse(design, "design.toml") if design else None
    with pytest.raises(AppError, match=words) as caught:
        top_ups.top_up(database, settings, slug, 5, design=given)
    assert caught.value.remedy
    assert not before or len(look(database, slug)[1]) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_prints_what_was_drawn(
    database: Database, settings: Settings, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`top-up SLUG --clips N` prints the number of new clips, and prepares the video of every clip."""
    slug = create(database, settings, pool)
    for name, value in {"HOME": str(settings.home), "DATABASE_URL": settings.database_url}.items():
        monkeypatch.setenv(f"CLIPJURY_{name}", value)
    app = typer.Typer()
    app.command()(command)
    told = CliRunner().invoke(app, [slug, "--clips", "3"])
    assert told.exit_code == 0, told.output
    assert f"3 new clips for {slug}" in told.output
    _, clips = look(database, slug)
    assert all((settings.media / f"{clip.media_key}.mp4").stat().st_size > 0 for clip in clips.values())
