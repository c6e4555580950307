"""Pausing, closing and reopening studies: no new clips, no lost answers, clear pages."""

import pytest
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app import auth
from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Judgment, Study
from app.raters import raters
from app.rating import assignments, judgments
from app.rating.judgments import Answer
from app.settings import Settings
from app.studies import lifecycle, whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers, form
from tests.helpers.pool_entries import asked, come, events, give_rules
from tests.helpers.visitors import Visitor


def move(database: Database, study: Study, state: lifecycle.State) -> bool:
    """Put the study into a state."""
    with database.writer() as db:
        return lifecycle.change_state(db, db.get_one(Study, study.id), state)


@pytest.mark.parametrize("state", ["paused", "closed"])
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_paused_study_stores_the_open_answer_and_hands_out_no_clip(
    study_maker: StudyMaker,
    database: Database,
    settings: Settings,
    visitor: Visitor,
    state: lifecycle.State,
    headers: dict[str, str],
) -> None:
    """The answer on the screen is stored, no further clip is handed out, and the page says why."""
    study = study_maker(clips=6)
    browser = visitor()
    come(browser, settings, study)
    page = browser.post("/rate/start").text

    def taken() -> int:
        with database.reader() as db:
            return len(db.scalars(select(Assignment).where(col(Assignment.status) != "open")).all())

    before = taken()
    move(database, study, state)
    after = browser.post(asked(page), data=form("s"), headers=headers)
    assert after.status_code == 200
    assert after.url.path == "/rate/closed"
    assert ("is resting" if state == "paused" else "is closed") in after.text
    assert "Everything you answered is saved" in after.text
    with database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 3
    assert browser.get("/rate").url.path == "/rate/closed"
    assert taken() == before
    move(database, study, "open")
    assert asked(browser.get("/rate").text)


def test_a_study_that_is_not_open_admits_no_new_raters(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """The link says so before a name is entered; raters who came earlier see a page that explains it."""
    study = study_maker()
    move(database, study, "paused")
    browser = visitor()
    link = raters.open_link(settings, study)
    for answer in (browser.get(link), browser.post(link, data={"name": "Ada"})):
        assert answer.status_code == 403
        assert "takes no new raters now" in answer.text


def test_raters_of_a_closed_study_get_their_code(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Raters with answers get the completion code; raters without answers get the code for returning the study."""
    study = study_maker()
    give_rules(database, study, recruitment={"completion_code": "DONE1", "returned_code": "BACK1"})
    ada, ben = visitor(), visitor()
    come(ada, settings, study)
    come(ben, settings, study, "Ben")
    ada.post(asked(ada.post("/rate/start").text), data=form("s"))
    move(database, study, "paused")
    assert "DONE1" not in ada.get("/rate").text
    move(database, study, "closed")
    assert "DONE1" in ada.get("/rate").text
    assert "BACK1" in ben.get("/rate").text


def test_a_change_of_state_increases_the_version_and_is_an_event(study_maker: StudyMaker, database: Database) -> None:
    """The same state twice changes nothing; a closed study cannot be paused, but reopened."""
    study = study_maker()
    assert move(database, study, "paused")
    assert not move(database, study, "paused")
    assert move(database, study, "closed")
    with pytest.raises(AppError, match="is closed and cannot be paused"):
        move(database, study, "paused")
    assert move(database, study, "open")
    assert move(database, study, "archived")
    assert events(database, study) == ["paused", "closed", "resumed", "archived"]
    with database.reader() as db:
        assert db.get_one(Study, study.id).version == 5


def test_the_researcher_pauses_a_study_with_a_button(
    study_maker: StudyMaker, settings: Settings, visitor: Visitor
) -> None:
    """The study's page shows the state and the possible actions."""
    study = study_maker()
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    page = browser.post(f"/studies/{study.slug}/state", data={"state": "paused"}).text
    assert "This study is paused" in page
    assert ">Resume<" in page
    assert ">Pause<" not in page
    assert "This study is" not in browser.post(f"/studies/{study.slug}/state", data={"state": "open"}).text
    assert browser.post(f"/studies/{study.slug}/state", data={"state": "gone"}).status_code == 422


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_line_changes_the_state(
    study_maker: StudyMaker, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running server uses the new state at the next request, because the study's version increases."""
    study = study_maker()
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    runner = CliRunner()
    for command, state in (("pause", "paused"), ("resume", "open"), ("close", "closed")):
        assert f"is {state}." in runner.invoke(cli, ["study", command, study.slug]).output
        assert f"is {state} already." in runner.invoke(cli, ["study", command, study.slug]).output
        with database.reader() as db:
            assert db.get_one(Study, study.id).state == state


@pytest.mark.parametrize("ending", ["closed", "archived", "returned"])
def test_answers_are_final_when_the_study_has_ended_for_a_rater(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor, ending: str
) -> None:
    """No answer can be changed, and one sent again is still acknowledged. Reopening allows changes again."""
    study = study_maker(clips=3)
    browser = visitor()
    come(browser, settings, study)
    address = asked(browser.post("/rate/start").text)
    assert browser.post(address, data=form("first", verdict="accept")).status_code == 200
    if ending == "returned":
        assert browser.post("/rate/return").status_code == 200
    else:
        move(database, study, "closed")
        move(database, study, "archived" if ending == "archived" else "closed")
    refused = browser.post(address, data=form("second", verdict="reject"))
    assert refused.status_code == 409
    assert "cannot be changed any more" in refused.text
    assert browser.post(address, data=form("first", verdict="accept")).status_code == 200
    assert browser.get(address).url.path == "/rate/answers"
    listed = browser.get("/rate/answers").text
    assert "cannot be changed any more" in listed
    assert address not in listed
    assert stored_values(database, "verdict") == ["accept"]
    if ending != "returned":
        move(database, study, "open")
        assert browser.post(address, data=form("second", verdict="reject")).status_code == 200
        assert stored_values(database, "verdict") == ["accept", "reject"]


def test_an_answer_after_the_lease_moves_no_figure_of_a_closed_study(
    study_maker: StudyMaker, database: Database
) -> None:
    """Within its lease a first answer counts, because the clip was handed out; later it is stored as surplus."""
    study = study_maker(clips=2, raters_per_clip=1, with_media=False)
    rater = study_maker.rater(study)
    with database.writer() as db:
        whole = whole_study.parts(db, study.id)
        first, second = assignments.top_up(db, study, rater, [], now=NOON, lease=LEASE)
        for number, (held, moment) in enumerate(((first, NOON + LEASE), (second, NOON + 2 * LEASE))):
            answer = Answer(answers(), f"s{number}")
            judgments.record(db, held, rater, list(whole.criteria), answer, now=moment, final=True)
    with database.reader() as db:
        states = db.scalars(select(col(Assignment.status)).order_by(col(Assignment.id))).all()
        assert len(db.scalars(select(Judgment)).all()) == 6
    assert sorted(states) == ["done", "surplus"]


def stored_values(database: Database, criterion: str) -> list[str]:
    """Every revision of the answers to one question, in the order in which they came."""
    with database.reader() as db:
        query = select(col(Judgment.value)).join(Criterion).where(col(Criterion.key) == criterion)
        return list(db.scalars(query.order_by(col(Judgment.id))))
