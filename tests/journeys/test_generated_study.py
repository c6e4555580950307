"""The generated study has everything it promises, and every researcher page opens with each of its sizes."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import Session, col
from starlette.testclient import TestClient

from app.db import Database
from app.main import create_app
from app.models import Assignment, Criterion, Document, Event, Filter, Judgment, Rater, Study, StudyClip
from app.monitoring import rater_quality
from app.monitoring.rater_quality import RaterQuality
from app.pools.pool_files import read_pool
from app.rating import assignments
from app.rating.judgments import Answer, record
from app.report.exports import BROWSER_COLUMNS
from app.results import study_results
from app.results.study_results import Results
from app.settings import Settings
from app.studies import lifecycle, whole_study
from app.studies.scales import checked
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers
from tests.helpers.generated_study import Options, generate
from tests.helpers.generated_study.homes import generated, signed_in

TABLES = (Study, Criterion, Filter, Document, StudyClip, Rater, Assignment, Judgment, Event)
BY_HOME = {"pool", "invite_hash"}
"""Columns of a study that follow from the home folder and its key."""
SMALL = Options(clips=60)
PAGE = "/studies/generated-study"


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Settings]]:
    """The study as it is when nothing is asked for; read only."""
    with generated(tmp_path_factory.mktemp("usual"), Options()) as made:
        yield made


@pytest.fixture(scope="module")
def db(usual: tuple[Database, Settings]) -> Iterator[Session]:
    """A reader of it."""
    with usual[0].reader() as session:
        yield session


@pytest.fixture(scope="module")
def study(db: Session) -> Study:
    """Its row."""
    return lifecycle.by_slug(db, Options.slug)


@pytest.fixture(scope="module")
def found(db: Session, study: Study) -> Results:
    """Its results."""
    return study_results.compute(db, study, "person")


@pytest.fixture(scope="module")
def quality(db: Session, study: Study) -> dict[str, RaterQuality]:
    """What is known of each rater, by name."""
    return {one.name: one for one in rater_quality.of_study(db, study, "person")}


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything in the tables of a study."""
    with database.reader() as session:
        return {
            table.__name__: [row.model_dump(exclude=BY_HOME) for row in session.scalars(select(table))]
            for table in TABLES
        }


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    """Pool and rows are the same for one seed, in another home folder too, and others for another seed."""
    pools, studies = [], []
    for place, seed in enumerate((3, 3, 4)):
        home = tmp_path / str(place)
        with generated(home, replace(SMALL, seed=seed)) as (database, _settings):
            studies.append(rows(database))
        pools.append((home / "pool.parquet").read_bytes())
    assert pools[0] == pools[1] != pools[2]
    assert studies[0] == studies[1]
    for table in ("StudyClip", "Assignment", "Judgment"):
        assert studies[0][table] != studies[2][table]


def test_the_study_has_the_size_that_is_promised(db: Session, study: Study, found: Results) -> None:
    """200 clips of 5,000, seven filters, twelve raters, five answers on nearly every clip, and both arms."""
    clips = db.scalars(select(StudyClip).where(col(StudyClip.role) == "sample")).all()
    assert (len(clips), study.pool_clips, found.raters, len(found.filters)) == (200, 5000, 12, 7)
    done = db.scalars(
        select(Assignment).where(col(Assignment.status) == "done", col(Assignment.purpose) == "sample")
    ).all()
    on = Counter(one.study_clip_id for one in done)
    assert Counter(on.values())[5] >= 180
    assert set(on.values()) <= {3, 4, 5}
    arms = Counter(one.arm for one in done)
    assert min(arms["shown"], arms["hidden"]) > 0.4 * len(done)


def test_the_weights_of_the_sample_add_up_to_the_pool(db: Session, study: Study) -> None:
    """The product drew the sample: in each stratum the clips' weights are the stratum's clips of the pool."""
    clips = db.scalars(select(StudyClip).where(col(StudyClip.role) == "sample")).all()
    for stratum in study.design["strata"]:
        assert sum(one.weight for one in clips if one.stratum == stratum["label"]) == pytest.approx(
            stratum["population"]
        )


def test_the_pool_is_one_that_scoring_could_have_written(study: Study) -> None:
    """Groups, shared sources, missing scores with their reason, series and the record of how scores were made."""
    pool = read_pool(Path(study.pool))
    assert pool.fingerprint == study.pool_fingerprint
    assert pool.frame.select(pl.col("language", "gender", "age").drop_nulls().n_unique()).row(0) == (4, 2, 3)
    assert pool.frame["source"].n_unique() < pool.frame.height / 2
    assert pool.score_columns()[:1] == ["sharpness"]
    assert pool.units("bitrate") == "kbit/s"
    lost = pool.frame.filter(pl.col("noise").is_null())
    assert lost.height > 0
    assert lost["reason"].str.contains("noise").all()
    known = pool.frame["sharpness_per_second"].drop_nulls()
    assert known.list.len().min() == 3


def test_filters_do_what_they_are_made_for(found: Results) -> None:
    """One works, one is too strict, one too loose, one tells nothing, one has no judged clip below its threshold."""
    sharpness, strict, loose, useless, few, noise, unfair = found.filters
    for one in (sharpness, noise):
        assert one.curve is not None
        assert (one.curve.auc.low or 0) > 0.6
    assert strict.current is not None
    accepted_by_people = strict.current.tp + strict.current.fn
    assert strict.current.fn > 0.6 * accepted_by_people
    assert loose.current is not None
    assert (loose.current.specificity.high or 1) < 0.4
    assert (loose.current.recall.low or 0) > 0.9
    assert useless.curve is not None
    low, high = useless.curve.auc.low, useless.curve.auc.high
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert few.current is not None
    assert few.current.tn + few.current.fn == 0
    assert noise.verdicts.without_score > 0
    assert unfair.rule.name == "sync"


def test_ratings_follow_some_scores_and_not_others(db: Session) -> None:
    """The mean quality of a clip goes with its sharpness and not with its bit rate."""
    frame = pl.DataFrame(
        db.execute(
            select(col(StudyClip.id), col(StudyClip.scores), col(Judgment.value))
            .join(Assignment, col(Assignment.study_clip_id) == col(StudyClip.id))
            .join(Judgment, col(Judgment.assignment_id) == col(Assignment.id))
            .join(Criterion, col(Criterion.id) == col(Judgment.criterion_id))
            .where(col(Criterion.key) == "quality", col(Assignment.purpose) == "sample")
        ).all(),
        ["clip", "scores", "value"],
        orient="row",
    )
    mean = (
        frame.group_by("clip").agg(pl.col("value").cast(pl.Float64).mean(), pl.col("scores").first()).unnest("scores")
    )
    assert mean.select(pl.corr("value", "sharpness")).item() > 0.5
    assert abs(mean.select(pl.corr("value", "bitrate")).item()) < 0.2


def test_there_are_ties_disputes_and_agreement(found: Results, usual: tuple[Database, Settings]) -> None:
    """Some clips are tied, alpha lies in the middle, and the page of disputed clips lists some."""
    assert 5 <= found.filters[0].verdicts.tied <= 40
    for item in found.criteria[:3]:
        assert 0.2 < (item.estimates["krippendorff_alpha"].value or 0) < 0.8
    with signed_in(*usual) as browser:
        page = browser.get(f"{PAGE}/agreement/clips?criterion=verdict").text
    assert len(set(re.findall(r"clip-\d{6}", page))) >= 10


def test_the_careless_rater_shows(quality: dict[str, RaterQuality], usual: tuple[Database, Settings]) -> None:
    """One rater misses gold clips, hurries and repeats one answer, and the progress page says so of them alone."""
    flags = quality.pop("Kofi").flags
    signs = ("gold clips", "much faster", "the same answers")
    assert all(any(flag.startswith(sign) for flag in flags) for sign in signs), flags
    others = [flag for one in quality.values() for flag in one.flags]
    assert not [flag for flag in others if flag.startswith(signs)]
    with signed_in(*usual) as browser:
        page = browser.get(f"{PAGE}/progress").text
    assert page.count("much faster than the others") == 1


def test_every_answer_is_one_that_the_product_would_have_stored(db: Session) -> None:
    """Values are on their scales, revisions count up, one submission per answer, facts as in the rating room."""
    criteria = {one.id: one for one in db.scalars(select(Criterion))}
    stored = db.scalars(select(Judgment)).all()
    for one in stored:
        assert one.value == "" or checked(criteria[one.criterion_id], one.value) == one.value
        assert set(BROWSER_COLUMNS) <= set(one.facts)
    revisions = {(one.assignment_id, one.criterion_id, one.revision) for one in stored}
    assert len(revisions) == len(stored)
    assert {(*key[:2], 1) for key in revisions} >= {key for key in revisions if key[2] == 1}
    assert len({one.submission for one in stored}) == len({(one.assignment_id, one.revision) for one in stored})
    answered = {one.id for one in db.scalars(select(Assignment)) if one.answered_at is not None}
    assert answered == {one.assignment_id for one in stored}


def test_answers_are_changed_taken_back_and_left_out(db: Session) -> None:
    """Some answers have a second revision, an optional one is taken back, and many optional ones are empty."""
    stored = db.scalars(select(Judgment)).all()
    assert 20 < len({one.assignment_id for one in stored if one.revision == 2}) < 120
    assert any(one.value == "" and one.revision == 2 for one in stored)
    key = {one.key: one.id for one in db.scalars(select(Criterion))}
    asked = sum(one.criterion_id == key["quality"] and one.revision == 1 for one in stored)
    for optional in ("faults", "remark"):
        given = sum(one.criterion_id == key[optional] and one.revision == 1 for one in stored)
        assert 0 < given < 0.5 * asked


def test_places_are_skipped_expired_held_and_given_back(db: Session) -> None:
    """Every status there is, each with its event; one rater returned the study, one holds a clip for too long."""
    rows = db.scalars(select(Assignment)).all()
    assert {one.status for one in rows} == {"open", "held", "done", "expired", "skipped", "surplus"}
    assert {one.purpose for one in rows} == {"sample", "gold", "repeat"}
    events = db.scalars(select(Event)).all()
    for kind, statuses in (("skipped", {"skipped"}), ("expired", {"expired", "surplus"})):
        assert {one.assignment_id for one in events if one.kind == kind} == {
            one.id for one in rows if one.status in statuses
        }
    assert {"cannot_play", "returned"} <= {one.detail["reason"] for one in events if one.kind == "skipped"}
    [returned] = [one for one in db.scalars(select(Rater)) if one.ended]
    assert returned.ended == "returned"
    assert [one.rater_id for one in events if one.kind == "returned"] == [returned.id]
    held = [one for one in rows if one.status == "held" and one.lease_until is not None]
    assert sum(one.lease_until < NOON for one in held if one.lease_until) == 1
    assert len(held) > 3


def test_no_clip_has_more_places_than_the_study_asks_for(db: Session, study: Study) -> None:
    """Places that are open, held or done are numbered 0 to 4 on every clip, each once, each with another rater."""
    places: dict[int, list[Assignment]] = {}
    for one in db.scalars(select(Assignment).where(col(Assignment.purpose) == "sample")):
        if one.status in ("open", "held", "done"):
            places.setdefault(one.study_clip_id, []).append(one)
    assert len(places) == 200
    for those in places.values():
        assert sorted(one.place for one in those) == list(range(study.raters_per_clip))
        raters = [one.rater_id for one in those if one.rater_id is not None]
        assert len(raters) == len(set(raters))


def test_times_follow_each_other(db: Session) -> None:
    """Nobody answers two clips at once, no answer comes before its clip was given out or after the newest moment."""
    by_rater: dict[int, list[Assignment]] = {}
    for one in db.scalars(select(Assignment)):
        if one.answered_at is not None and one.rater_id is not None:
            assert one.claimed_at is not None
            assert one.claimed_at < one.answered_at <= NOON
            by_rater.setdefault(one.rater_id, []).append(one)
    for those in by_rater.values():
        moments = sorted(one.answered_at.timestamp() for one in those if one.answered_at)
        assert np.diff(moments).min() > 0.5


def test_work_goes_on_in_a_generated_study(study_maker: StudyMaker, settings: Settings) -> None:
    """On both databases a newcomer takes an open place of the generated study and answers it."""
    database = study_maker.database
    study = generate(database, settings, Options(clips=30, raters=2, optional_questions=False))
    rater = study_maker.rater(study, "Newcomer")
    with database.writer() as db:
        whole = whole_study.parts(db, study.id)
        held = assignments.top_up(db, whole.study, rater, [], now=NOON, lease=LEASE)
        assert len(held) == 3
        assert record(db, held[0], rater, list(whole.criteria), Answer(answers(), "new"), now=NOON)
        db.add(Assignment(study_id=study.id, study_clip_id=held[0].clip.id, place=9))
        db.flush()


def kind_of(address: str) -> str:
    """An address without what names one filter, rater or figure of many."""
    path, _, query = address.partition("?")
    path = re.sub(r"/(histogram|roc)-\w+", r"/\1-*", path)
    path = re.sub(r"/(filters|raters|clips)/\w+", r"/\1/*", path)
    return path + "?" + "&".join(sorted({part.partition("=")[0] for part in query.split("&")} - {"truth"}))


def opened(browser: TestClient, *, with_svg: bool) -> dict[str, int]:
    """One address of each kind that the study's pages lead to, with its status; figures' SVG files only if asked."""
    waiting, statuses, seen = [PAGE], dict[str, int](), set[str]()
    while waiting:
        address = waiting.pop(0)
        if kind_of(address) in seen or (".svg" in address and not with_svg):
            continue
        seen.add(kind_of(address))
        page = browser.get(address)
        statuses[address] = page.status_code
        if page.headers["content-type"].startswith("text/html"):
            linked = re.findall(rf'(?:href|src)="({PAGE}[^"#]*)', page.text)
            drawn = re.findall(rf'data-figure="({PAGE}[^"?]*)([^"]*)"', page.text)
            linked += [f"{path}.json{query}" for path, query in drawn]
            waiting += [one.replace("&amp;", "&") for one in linked]
    return statuses


SIZES = {
    "usual": SMALL,
    "no rater": replace(SMALL, raters=0),
    "one rater": replace(SMALL, raters=1),
    "two raters": replace(SMALL, raters=2),
    "thirty filters": replace(SMALL, filters=30),
}


@pytest.mark.parametrize("size", list(SIZES))
def test_every_researcher_page_opens(size: str, tmp_path: Path) -> None:
    """With no rater, one, two, twelve, and with thirty filters no page, figure or file fails."""
    with generated(tmp_path, SIZES[size]) as made, signed_in(*made) as browser:
        statuses = opened(browser, with_svg=size == "usual")
    names = {kind_of(address).partition("?")[0].removeprefix(PAGE) for address in statuses}
    wanted = "results progress raters agreement pool fairness anchoring next plan report filters/* judgments.csv"
    assert names >= {f"/{name}" for name in wanted.split()}
    failed = {address: status for address, status in statuses.items() if status >= 400}
    # The scores are not those of TalkVid's head filter, and the page says so.
    assert failed in ({}, {f"{PAGE}/head_threshold.yml": 400}), failed


@pytest.mark.parametrize("size", ["usual", "one rater"])
def test_the_report_is_made(size: str, tmp_path: Path) -> None:
    """The pack of a study with many raters, and of one with a single rater, is made and can be read."""
    with generated(tmp_path, SIZES[size]) as made, signed_in(*made) as browser:
        assert browser.post(f"{PAGE}/report").status_code == 200
        while "Making the report" in browser.get(f"{PAGE}/report").text:
            time.sleep(0.2)
        assert "Generated study" in browser.get(f"{PAGE}/report/report.html").text
        assert browser.get(f"{PAGE}/report.zip").status_code == 200


def test_pages_name_what_is_missing(usual: tuple[Database, Settings]) -> None:
    """The filter without judged clips below its threshold says so; the unfair one loses good clips of one language."""
    with signed_in(*usual) as browser:
        few = browser.get(f"{PAGE}/filters/face_size").text
        unfair = browser.get(f"{PAGE}/consequences/figures/false_rejection.json?filter=sync&by=language").text
        anchored = browser.get(f"{PAGE}/consequences/figures/effects.json").text
    assert "no clip that the filter rejects was rated" in few
    assert "Lip sync rejects good clips of fr" in unfair
    assert "Raters who see Sharpness lean towards it" in anchored


def test_the_command_writes_a_home_that_can_be_served(tmp_path: Path) -> None:
    """It prints the researcher's link, which opens the study, and clips have pictures."""
    command = [sys.executable, "-m", "tests.helpers.generated_study", str(tmp_path / "home"), "--clips", "30"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout
    link = re.search(r"Researcher: http://127\.0\.0\.1:8000(/researcher/\S+)", said)
    assert link is not None, said
    settings = Settings(home=tmp_path / "home", database_url="", researcher_process=False)
    database = Database(settings.database)
    with TestClient(create_app(settings, database=database), "http://127.0.0.1") as browser:
        assert "Generated study" in browser.get(link[1]).text
        media = re.search(r"/media/[\w-]{16}\.mp4", browser.get(f"{PAGE}/filters/sharpness").text)
        assert media is not None
        assert browser.get(media[0]).status_code == 200
    database.dispose()
