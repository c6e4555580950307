"""The rule about which answers count holds everywhere: excluded raters, exclusions from a moment on, lifted ones."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from app.db import Database
from app.models import Assignment, Exclusion, Rater, Study, now
from app.monitoring import consensus_flow
from app.rating import assignments
from app.rating.judgments import Answer, record
from app.report import exports
from app.results import answer_table, votes
from app.studies import whole_study
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.rated_studies import A, R, verdicts, vote


@pytest.fixture
def study(study_maker: StudyMaker) -> Study:
    """Three clips that Ada accepts and Ben rejects; Cleo accepts the first two."""
    study = study_maker(clips=3, raters_per_clip=3, with_media=False)
    for name, said in (("Ada", (A, A, A)), ("Ben", (R, R, R)), ("Cleo", (A, A))):
        vote(study_maker, study, name, verdicts(said))
    return study


def exclude(db: Session, study: Study, rater: str, excluded_from: datetime | None = None) -> Exclusion:
    """Exclude one rater."""
    number = db.execute(select(col(Rater.id)).where(col(Rater.name) == rater)).scalar_one()
    row = Exclusion(
        study_id=study.id, rater_id=number, excluded_from=excluded_from, rule="by hand", reason="haste", person="Eve"
    )
    db.add(row)
    db.flush()
    return row


def raters_that_count(db: Session, study: Study) -> set[str]:
    """Return the raters whose verdicts count; all ways of reading answers must agree on them."""
    given = {one.rater for one in votes.read(db, study, kind="person") if one.criterion == "verdict"}
    names = {f"R{place}": name for place, name in enumerate(("Ada", "Ben", "Cleo"), start=1)}
    assert {names[one] for one in answer_table.read(db, study, "person").first("verdict")["rater"]} == given
    exported = [row for row in exports.judgment_rows(db, study) if row["criterion"] == "verdict"]
    assert {row["rater"] for row in exported if row["in_agreement"]} == given
    assert {row["rater"] for row in exported if row["in_filters"]} == given
    assert {row["rater"] for row in exported if row["current"]} == {"Ada", "Ben", "Cleo"}
    return given


def test_an_excluded_raters_answers_count_nowhere(study: Study, database: Database) -> None:
    """Votes, agreement and exports leave the rater out; every answer stays in the export, marked as not counted."""
    with database.writer() as db:
        assert raters_that_count(db, study) == {"Ada", "Ben", "Cleo"}
        exclude(db, study, "Ben")
        assert raters_that_count(db, study) == {"Ada", "Cleo"}


def test_answers_before_the_start_of_an_exclusion_count(study: Study, database: Database) -> None:
    """An exclusion from a moment on keeps the answers given before it; of two exclusions the earlier start holds."""
    with database.writer() as db:
        exclude(db, study, "Ben", excluded_from=NOON + timedelta(days=1))
        assert raters_that_count(db, study) == {"Ada", "Ben", "Cleo"}
        exclude(db, study, "Ben", excluded_from=NOON - timedelta(days=1))
        assert raters_that_count(db, study) == {"Ada", "Cleo"}, "the exclusion with the earlier start holds"


def test_answers_count_again_after_an_exclusion_is_lifted(study: Study, database: Database) -> None:
    """Every change also changes the fingerprint, so that cached results are computed again."""
    with database.writer() as db:
        marks = [votes.fingerprint(db, study)]
        row = exclude(db, study, "Ben")
        marks.append(votes.fingerprint(db, study))
        row.lifted_at = now()
        db.add(row)
        db.flush()
        marks.append(votes.fingerprint(db, study))
        assert raters_that_count(db, study) == {"Ada", "Ben", "Cleo"}
    assert len(set(marks)) == 3


def test_the_consensus_on_the_progress_page_leaves_excluded_raters_out(study: Study, database: Database) -> None:
    """The counts computed in SQL use the same rule as the results."""
    with database.writer() as db:
        exclude(db, study, "Ben")
        [flow] = consensus_flow.of_study(db, study, kind="person").questions
        assert (flow.accepted, flow.rejected, flow.tied) == (3, 0, 0)


def test_an_exclusion_leaves_the_revision_before_its_start(study_maker: StudyMaker, database: Database) -> None:
    """Only revisions from the start on are left out; the last revision before it counts."""
    study = study_maker(clips=1, raters_per_clip=1, with_media=False)
    ada = vote(study_maker, study, "Ada", verdicts([A]))
    day = timedelta(days=1)
    with database.writer() as db:
        held = assignments.owned(db, ada, db.execute(select(col(Assignment.id))).scalar_one())
        criteria = list(whole_study.parts(db, study.id).criteria)
        record(db, held, ada, criteria, Answer(answers(verdict=R), "second"), now=NOON + day)
        assert [one.value for one in votes.read(db, study, kind="person") if one.criterion == "verdict"] == [R]
        exclude(db, study, "Ada", excluded_from=NOON + day)
        assert [one.value for one in votes.read(db, study, kind="person") if one.criterion == "verdict"] == [A]
