"""Exports: every answer as a row, every estimate as strict JSON, and no cell that a spreadsheet takes for a formula."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from types import GeneratorType
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app import __version__, auth
from app.db import Database
from app.models import Assignment, Rater, Study, StudyClip
from app.raters import raters
from app.rating import assignments, judgments, rater_position
from app.rating.judgments import Answer
from app.report import exports
from app.results import filter_results, study_results
from app.results.counted_answers import RaterKind
from app.settings import Settings
from app.studies import whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers
from tests.helpers.visitors import Visitor, on_sqlite

FACTS = {
    "shown_at": "2026-11-02T12:00:00.000Z",
    "first_play_at": "2026-11-02T12:00:00.400Z",
    "first_key_ms": 2100,
    "ended_to_first_key_ms": 350,
    "answer_ms": 4200,
    "plays": 2,
    "replays": 1,
    "stalls": 0,
    "stall_ms": 0,
    "seen_share": 0.98,
    "changes": 1,
    "viewport": [1280, 720],
    "playback_error": "",
}


def send(maker: StudyMaker, study: Study, rater: Rater, *, submission: str, facts: str = "", **values: Any) -> int:
    """Answer the rater's next clip, or the last one again if there is none; returns the number of the assignment."""
    with maker.database.writer() as db:
        whole = whole_study.parts(db, study.id)
        have = assignments.top_up(db, study, rater, assignments.held(db, rater), now=NOON, lease=LEASE)
        if not have:
            last = rater_position.of(db, study, rater).last
            assert last is not None
            have = [assignments.owned(db, rater, last)]
        answer = Answer(answers(**values), submission, facts)
        judgments.record(db, have[0], rater, list(whole.criteria), answer, now=NOON)
        return have[0].assignment.id


def csv_of(database: Database, study: Study) -> list[dict[str, str]]:
    """The exported rows, read by Python's CSV reader."""
    with database.reader() as db:
        return list(csv.DictReader(StringIO("".join(exports.judgments_csv(db, study)), newline="")))


def json_of(database: Database, study: Study, kind: RaterKind = "person") -> dict[str, Any]:
    """The exported estimates. NaN and Infinity, which are not JSON, fail."""
    with database.reader() as db:
        text = exports.estimates_json(db, study, study_results.compute(db, study, kind))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    content: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return content


def test_every_answer_and_revision_is_a_row(study_maker: StudyMaker, database: Database) -> None:
    """Two answers and a correction to three questions give nine rows in order; the last revision is current."""
    study = study_maker(clips=1, raters_per_clip=2, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    first = send(study_maker, study, ada, submission="a", quality=2)
    send(study_maker, study, ben, submission="b", quality=4)
    send(study_maker, study, ada, submission="c", quality=5)
    rows = csv_of(database, study)
    assert [(row["rater"], row["revision"], row["submission"]) for row in rows[::3]] == [
        ("Ada", "1", "a"),
        ("Ben", "1", "b"),
        ("Ada", "2", "c"),
    ]
    assert {row["criterion"] for row in rows} == {"quality", "stability", "verdict"}
    quality = [(row["value"], row["current"]) for row in rows if row["criterion"] == "quality"]
    assert quality == [("2", "0"), ("4", "1"), ("5", "1")]
    assert {row["assignment"] for row in rows if row["rater"] == "Ada"} == {str(first)}
    assert len(rows) == 9


def test_a_row_says_how_the_clip_was_drawn_and_what_the_rater_saw(study_maker: StudyMaker, database: Database) -> None:
    """A row has source, stratum, probability and weight of the clip, and arm, guidelines and time of the answer."""
    study = study_maker(clips=3, raters_per_clip=1, weights=[2.0, 4.0, 8.0], with_media=False)
    ada = study_maker.rater(study, "Ada")
    for number in range(3):
        send(study_maker, study, ada, submission=f"s{number}")
    with database.reader() as db:
        clips = {clip.clip: clip for clip in db.scalars(select(StudyClip)).all()}
    for row in csv_of(database, study):
        clip = clips[row["clip"]]
        assert (row["study"], row["source"], row["stratum"]) == (study.slug, clip.source, clip.stratum)
        assert float(row["weight"]) == clip.weight
        assert float(row["inclusion_probability"]) * float(row["weight"]) == pytest.approx(1)
        assert (row["arm"], row["guidelines"], row["assignment_status"]) == ("hidden", study.guidelines_hash, "done")
        assert datetime.fromisoformat(row["created_at"]) == NOON


@on_sqlite
def test_a_correction_after_the_scores_has_another_arm(study_maker: StudyMaker, database: Database) -> None:
    """The arm is `after` for the blind answer, and `shown` for the correction made with the scores in view."""
    study = study_maker(clips=1, raters_per_clip=1, score_visibility="after", with_media=False)
    ada = study_maker.rater(study, "Ada")
    send(study_maker, study, ada, submission="a")
    send(study_maker, study, ada, submission="b", quality=1)
    assert [row["arm"] for row in csv_of(database, study)] == ["after"] * 3 + ["shown"] * 3


def test_each_fact_that_the_browser_reports_has_a_column(study_maker: StudyMaker, database: Database) -> None:
    """Reported values are exported unchanged, missing ones are empty, and unknown ones add no column."""
    study = study_maker(clips=2, raters_per_clip=1, with_media=False)
    ada = study_maker.rater(study, "Ada")
    send(study_maker, study, ada, submission="a", facts=json.dumps(FACTS | {"mood": "good"}))
    send(study_maker, study, ada, submission="b")
    told, silent = csv_of(database, study)[0], csv_of(database, study)[-1]
    assert tuple(told) == (*exports.COLUMNS, "score_avg_movement")
    for name, value in FACTS.items():
        assert told[name] == (json.dumps(value) if isinstance(value, list) else str(value)), name
        assert silent[name] == "", name


@on_sqlite
def test_simulated_raters_are_marked_in_every_row(study_maker: StudyMaker, database: Database) -> None:
    """The column rater_kind tells them from people."""
    study = study_maker(clips=1, raters_per_clip=2, with_media=False)
    for name, kind in (("Ada", "person"), ("Robot", "simulated")):
        send(study_maker, study, study_maker.rater(study, name, kind=kind), submission=name)
    assert {(row["rater"], row["rater_kind"]) for row in csv_of(database, study)} == {
        ("Ada", "person"),
        ("Robot", "simulated"),
    }


@on_sqlite
@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1:A9)", '=HYPERLINK("x")'])
def test_a_nickname_never_becomes_a_formula(name: str, study_maker: StudyMaker, database: Database) -> None:
    """Nickname, clip and source get an apostrophe before a formula character (OWASP, CSV injection)."""
    study = study_maker(clips=1, with_media=False)
    with database.writer() as db:
        clip = db.scalars(select(StudyClip)).one()
        clip.clip = clip.source = name
        db.add(clip)
    send(study_maker, study, study_maker.rater(study, name), submission="s")
    for row in csv_of(database, study):
        assert row["rater"] == row["clip"] == row["source"] == f"'{name}"


@on_sqlite
def test_commas_quotes_line_breaks_and_foreign_letters_are_kept(study_maker: StudyMaker, database: Database) -> None:
    """A CSV reader returns the names as they were stored."""
    study = study_maker(clips=1, with_media=False)
    wild = 'film, "part 1"\nsecond line; Ярослав 李'
    with database.writer() as db:
        clip = db.scalars(select(StudyClip)).one()
        clip.source = wild
        db.add(clip)
    send(study_maker, study, study_maker.rater(study, 'Zoë "Z", 李'), submission="s")
    rows = csv_of(database, study)
    assert {(row["source"], row["rater"]) for row in rows} == {(wild, 'Zoë "Z", 李')}
    assert len(rows) == 3


@on_sqlite
def test_an_empty_study_exports_its_columns(study_maker: StudyMaker, database: Database) -> None:
    """The file has the names of the columns and no rows."""
    study = study_maker(clips=1, with_media=False)
    with database.reader() as db:
        assert "".join(exports.judgments_csv(db, study)) == ",".join((*exports.COLUMNS, "score_avg_movement")) + "\n"


@on_sqlite
def test_only_one_study_is_exported(study_maker: StudyMaker, database: Database) -> None:
    """Answers of another study are not in the file."""
    one, other = study_maker(clips=1, with_media=False), study_maker(clips=1, with_media=False)
    for study in (one, other):
        send(study_maker, study, study_maker.rater(study, "Ada"), submission=f"s-{study.slug}")
    assert {row["study"] for row in csv_of(database, one)} == {one.slug}
    assert len(csv_of(database, one)) == 3


def test_the_csv_is_streamed(study_maker: StudyMaker, database: Database, visitor: Visitor, settings: Settings) -> None:
    """Lines are yielded one at a time; the download has no length and the same content."""
    study = study_maker(clips=2, raters_per_clip=1, with_media=False)
    ada = study_maker.rater(study, "Ada")
    for number in range(2):
        send(study_maker, study, ada, submission=f"s{number}")
    with database.reader() as db:
        lines: Iterator[str] = exports.judgments_csv(db, study)
        assert isinstance(lines, GeneratorType)
        pieces = list(lines)
    assert len(pieces) == 1 + 6
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    with browser.stream("GET", f"/studies/{study.slug}/judgments.csv") as sent:
        assert sent.headers["content-type"] == "text/csv; charset=utf-8"
        assert sent.headers["content-disposition"] == f'attachment; filename="{study.slug}-judgments.csv"'
        assert "content-length" not in sent.headers
        assert sent.read().decode() == "".join(pieces)


def test_estimates_are_strict_json_with_counts_and_signatures(study_maker: StudyMaker, database: Database) -> None:
    """Each estimate has a value or a reason, the number of clips, a method and a signature; no number is NaN."""
    study = study_maker(clips=6, raters_per_clip=2, scores=[95, 90, 85, 75, 70, None], with_media=False)
    for name, shift in (("Ada", 0), ("Ben", 1)):
        rater = study_maker.rater(study, name)
        for number in range(6):
            verdict = ("accept", "reject", "unsure", "accept")[(number + shift) % 4]
            send(study_maker, study, rater, submission=f"{name}{number}", quality=1 + number % 5, verdict=verdict)
    content = json_of(database, study)
    assert (content["clipjury"], content["study"], content["raters"]) == (__version__, study.slug, "people")
    assert content["pool"] == {"file": "pool.parquet", "sha256": "0" * 64, "clips": 12}
    assert content["guidelines"] == study.guidelines_hash
    assert [item["criterion"] for item in content["agreement"]] == ["quality", "stability", "verdict"]
    rule = content["filters"][0]
    assert (rule["filter"], rule["score"], rule["minimum"], rule["maximum"]) == ("movement", "avg_movement", 80, None)
    assert rule["current"]["tp"] + rule["current"]["fp"] + rule["current"]["fn"] + rule["current"]["tn"] == (
        rule["truth"]["accepted"] + rule["truth"]["rejected"]
    )
    estimates = [one for item in content["agreement"] for one in item["estimates"].values()]
    estimates += [rule["current"][name] for name in filter_results.RATES]
    assert len(estimates) == 3 * 3 + 6
    for one in estimates:
        assert (one["value"] is None) is bool(one["undefined"])
        assert one["clips"] >= 0
        assert one["method"]
        assert f"clipjury:{__version__}" in one["signature"]
        assert one["value"] is None or one["low"] is None or one["low"] <= one["value"] <= one["high"]


@on_sqlite
def test_estimates_that_do_not_exist_are_null_with_a_reason(study_maker: StudyMaker, database: Database) -> None:
    """Before the first answer the file has all its parts, with reasons instead of numbers."""
    content = json_of(database, study_maker(clips=2, with_media=False))
    for item in content["agreement"]:
        assert all(one["value"] is None and one["undefined"] for one in item["estimates"].values())
    rule = content["filters"][0]
    assert rule["current"] is rule["auc"] is rule["best_f1"] is None
    assert set(rule["missing"]) == {"current", "best", "curve"}
    assert json_of(database, study_maker(clips=1, with_media=False), "simulated")["raters"] == "simulated"


@on_sqlite
def test_downloads_have_the_exported_content(
    study_maker: StudyMaker, database: Database, visitor: Visitor, settings: Settings
) -> None:
    """Answers given in a browser are in both downloads, which have names of files."""
    study = study_maker(clips=1, raters_per_clip=1)
    browser, researcher = visitor(), visitor()
    browser.post(raters.open_link(settings, study), data={"name": "Ada"})
    browser.post("/rate/start")
    with database.reader() as db:
        held = db.scalars(select(Assignment).where(col(Assignment.status) == "held")).one()
    sent = {f"answer-{key}": value for key, value in answers().items()} | {"submission": "s", "facts": '{"plays": 3}'}
    assert browser.post(f"/rate/{held.id}", data=sent).status_code == 200
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    rows = list(csv.DictReader(StringIO(researcher.get(f"/studies/{study.slug}/judgments.csv").text, newline="")))
    assert [(row["rater"], row["value"], row["plays"]) for row in rows] == [
        ("Ada", "4", "3"),
        ("Ada", "3", "3"),
        ("Ada", "accept", "3"),
    ]
    got = researcher.get(f"/studies/{study.slug}/estimates.json")
    assert got.headers["content-disposition"] == f'attachment; filename="{study.slug}-estimates.json"'
    assert got.json() == json_of(database, study)
