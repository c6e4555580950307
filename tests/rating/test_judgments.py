"""Answers: stored once, never changed, never lost."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError, NotAllowed, TooManyRequests
from app.models import Assignment, Criterion, Judgment, Rater, Study
from app.rating import assignments, judgments
from app.rating.assignments import HeldAssignment
from app.rating.judgments import Answer
from app.results import votes
from app.studies import scales, whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers


def hold(db: Session, study: Study, rater: Rater) -> HeldAssignment:
    """The clip the rater has before them."""
    return assignments.top_up(db, study, rater, assignments.held(db, rater), now=NOON, lease=LEASE)[0]


def send(
    maker: StudyMaker,
    study: Study,
    rater: Rater,
    assignment: int,
    submission: str,
    *,
    at: datetime = NOON,
    facts: str = "",
    **values: object,
) -> bool:
    """Send an answer to an assignment, as the page does."""
    with maker.database.writer() as db:
        whole = whole_study.parts(db, study.id)
        held = assignments.owned(db, rater, assignment)
        answer = Answer(answers(**values), submission, facts)  # type: ignore[arg-type]  # keywords of the factory
        return judgments.record(db, held, rater, list(whole.criteria), answer, now=at, revisions_per_hour=5)


def first_assignment(maker: StudyMaker, study: Study, rater: Rater) -> int:
    """Number of the clip on screen."""
    with maker.database.writer() as db:
        return hold(db, study, rater).assignment.id


def test_the_same_answer_sent_twice_is_stored_once(study_maker: StudyMaker) -> None:
    """A repeated send changes nothing, not even when its values differ."""
    study = study_maker(with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    assert send(study_maker, study, rater, number, "one")
    assert not send(study_maker, study, rater, number, "one", quality=1)
    with study_maker.database.reader() as db:
        rows = db.scalars(select(Judgment)).all()
    assert len(rows) == 3
    assert {row.value for row in rows} == {"4", "3", "accept"}


def test_an_answer_may_be_changed_so_often_within_an_hour(study_maker: StudyMaker) -> None:
    """The next change is refused with the time to wait, and stored after it; a repeated send is none."""
    study = study_maker(with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    for minute in range(6):  # the answer and five changes, one a minute
        assert send(study_maker, study, rater, number, f"s{minute}", at=NOON + timedelta(minutes=minute))
    late = NOON + timedelta(minutes=31)
    with pytest.raises(TooManyRequests) as refused:
        send(study_maker, study, rater, number, "more", at=late)
    assert refused.value.seconds == 30 * 60, "an hour after the first of the five changes"
    assert not send(study_maker, study, rater, number, "s5", at=late)
    assert send(study_maker, study, rater, number, "more", at=NOON + timedelta(minutes=61))
    with pytest.raises(TooManyRequests):
        send(study_maker, study, rater, number, "again", at=NOON + timedelta(minutes=61))


def test_facts_are_stored_once_per_answer_and_read_with_each_of_its_rows(study_maker: StudyMaker) -> None:
    """The first row of each revision holds them; `facts_of_answer` gives them for every row."""
    study = study_maker(with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    send(study_maker, study, rater, number, "one", facts='{"plays": 1}')
    send(study_maker, study, rater, number, "two", facts='{"plays": 2}')
    with study_maker.database.reader() as db:
        rows = db.execute(
            select(col(Judgment.facts), judgments.facts_of_answer(), col(Judgment.revision)).order_by(col(Judgment.id))
        ).all()
    assert [stored for stored, _read, _revision in rows] == [{"plays": 1}, {}, {}, {"plays": 2}, {}, {}]
    assert [read for _stored, read, _revision in rows] == [{"plays": 1}] * 3 + [{"plays": 2}] * 3


def test_an_edit_is_a_new_revision_and_the_old_one_stays(study_maker: StudyMaker) -> None:
    """Changing an answer adds rows; the current answer is the newest; nothing is updated in place."""
    study = study_maker(with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    send(study_maker, study, rater, number, "first", quality=2)
    send(study_maker, study, rater, number, "second", quality=5)
    with study_maker.database.reader() as db:
        rows = db.scalars(select(Judgment).order_by(col(Judgment.id))).all()
        now_counts = {vote.criterion: vote.value for vote in votes.read(db, study, kind="person")}
    assert [row.revision for row in rows] == [1, 1, 1, 2, 2, 2]
    assert rows[0].value == "2"
    assert now_counts["quality"] == "5"


def test_an_incomplete_answer_is_refused_by_name_and_nothing_is_stored(study_maker: StudyMaker) -> None:
    """A missing or unknown value names its question; the clip stays before the rater."""
    study = study_maker(with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    for values, words in (({"quality": "4"}, "Stability"), (answers() | {"quality": "9"}, "Quality has no value")):
        with study_maker.database.writer() as db:
            whole = whole_study.parts(db, study.id)
            held = assignments.owned(db, rater, number)
            with pytest.raises(AppError, match=words):
                judgments.record(db, held, rater, list(whole.criteria), Answer(values, "x"), now=NOON)
    with study_maker.database.reader() as db:
        assert db.scalars(select(Judgment)).all() == []
    assert first_assignment(study_maker, study, rater) == number


def test_odd_facts_never_cost_the_answer(study_maker: StudyMaker) -> None:
    """Facts that are no JSON object, or too many, are dropped; the answer is stored."""
    study = study_maker(clips=3, with_media=False)
    rater = study_maker.rater(study)
    for facts in ("{broken", "[1]", "x" * 5_000):
        with study_maker.database.writer() as db:
            whole = whole_study.parts(db, study.id)
            held = hold(db, study, rater)
            answer = Answer(answers(), f"s-{held.assignment.id}", facts)
            assert judgments.record(db, held, rater, list(whole.criteria), answer, now=NOON)
    with study_maker.database.reader() as db:
        assert [row.facts for row in db.scalars(select(Judgment)).all()] == [{}] * 9


def test_a_correction_after_the_scores_were_revealed_is_no_blind_answer(study_maker: StudyMaker) -> None:
    """In the arm that shows scores after the answer, the first revision is blind and the next ones are not."""
    study = study_maker(score_visibility="after", with_media=False)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    send(study_maker, study, rater, number, "before", verdict="accept")
    send(study_maker, study, rater, number, "changed", verdict="reject")
    with study_maker.database.reader() as db:
        blind = [vote.value for vote in votes.read(db, study, kind="person", blind=True) if vote.criterion == "verdict"]
        final = [vote.value for vote in votes.read(db, study, kind="person") if vote.criterion == "verdict"]
    assert (blind, final) == (["accept"], ["reject"])


def test_nobody_answers_for_somebody_else(study_maker: StudyMaker) -> None:
    """An assignment of another rater is refused."""
    study = study_maker(with_media=False)
    ada, eve = study_maker.rater(study, "Ada"), study_maker.rater(study, "Eve")
    number = first_assignment(study_maker, study, ada)
    with pytest.raises(NotAllowed):
        send(study_maker, study, eve, number, "stolen")
    with study_maker.database.reader() as db:
        assert {row.status for row in db.scalars(select(Assignment)).all()} == {"open", "held"}


def test_people_and_the_simulated_panel_are_never_mixed(study_maker: StudyMaker) -> None:
    """Votes are read of one kind at a time."""
    study = study_maker(with_media=False)
    person, robot = study_maker.rater(study, "Ada"), study_maker.rater(study, "Simulated 1", kind="simulated")
    study_maker.rate(study, person, answers())
    study_maker.rate(study, robot, answers(verdict="reject"))
    with study_maker.database.reader() as db:
        people = {vote.rater for vote in votes.read(db, study, kind="person")}
        panel = {vote.rater for vote in votes.read(db, study, kind="simulated")}
    assert (people, panel) == ({"Ada"}, {"Simulated 1"})


def test_an_optional_answer_can_be_taken_back(study_maker: StudyMaker) -> None:
    """Leaving it open in a correction is an empty revision: nothing counts any more, and nothing is deleted."""
    study = study_maker(with_media=False)
    with study_maker.database.writer() as db:
        optional = db.scalars(select(Criterion).where(col(Criterion.key) == "stability")).one()
        optional.required = False
        db.add(optional)
    rater = study_maker.rater(study)
    number = first_assignment(study_maker, study, rater)
    send(study_maker, study, rater, number, "first", stability=2)
    send(study_maker, study, rater, number, "second", stability="")
    with study_maker.database.reader() as db:
        said = {vote.criterion for vote in votes.read(db, study, kind="person")}
        shown = judgments.current(db, number)
        roles = votes.uses(db, study)
        rows = db.scalars(select(Judgment).where(col(Judgment.criterion_id) == optional.id)).all()
    assert said == {"quality", "verdict"}
    assert optional.id not in shown
    assert sorted(row.value for row in rows) == ["", "2"]
    assert not any(roles[row.id].in_agreement or roles[row.id].in_filters for row in rows)


@pytest.mark.parametrize(
    ("scale", "options", "given", "stored"),
    [
        ("likert", ["no", "so so", "yes"], "3", "3"),
        ("slider", [], "100", "100"),
        ("tags", ["blur", "shake"], '["shake", "blur"]', '["blur", "shake"]'),
        ("tags", ["blur"], "[]", None),
        ("text", [], "  a note  ", "a note"),
        ("text", [], "", None),
    ],
)
def test_each_scale_stores_its_own_kind_of_value(
    scale: str, options: list[str], given: str, stored: str | None
) -> None:
    """Tags in the study file's order, texts without blanks around them, an open optional question as nothing."""
    item = Criterion(
        study_id=1, position=0, key="k", label="K", question="K?", scale=scale, required=False, options=options
    )
    assert scales.checked(item, given) == stored


@pytest.mark.parametrize(
    ("scale", "options", "given"),
    [
        ("likert", ["no", "yes"], "3"),
        ("slider", [], "101"),
        ("slider", [], "1.5"),
        ("tags", ["blur"], '["dark"]'),
        ("tags", ["blur"], "blur"),
        ("text", [], "x" * 2001),
        ("text", [], "a\0b"),
        ("acr5", [], "6"),
    ],
)
def test_a_value_off_its_scale_is_refused(scale: str, options: list[str], given: str) -> None:
    """The question is named."""
    item = Criterion(
        study_id=1, position=0, key="k", label="Light", question="?", scale=scale, required=False, options=options
    )
    with pytest.raises(AppError, match="Light"):
        scales.checked(item, given)
