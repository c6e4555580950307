"""The studies' list: the clips, raters, answers and places of each study, and the time a new rater needs."""

from dataclasses import dataclass
from math import ceil

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.models import Assignment, Judgment, Rater, Study, StudyClip

SECONDS_TO_ANSWER = 6.0
"""Seconds added to a clip's duration to estimate the rating time before there are answers."""


def clips_per_rater(db: Session, study: Study) -> int:
    """Number of clips that are open for a new rater."""
    query = select(func.count(func.distinct(Assignment.study_clip_id)))
    return db.exec(query.where(Assignment.study_id == study.id, Assignment.status == "open")).one()


def minutes_per_rater(db: Session, study: Study) -> int:
    """Estimated minutes of a new rater: watch each open clip once, and answer."""
    query = (
        select(func.avg(StudyClip.duration))
        .join(Assignment, col(Assignment.study_clip_id) == StudyClip.id)
        .where(Assignment.study_id == study.id, Assignment.status == "open")
    )
    mean = db.exec(query).one() or 0.0
    return ceil(clips_per_rater(db, study) * (mean + SECONDS_TO_ANSWER) / 60)


@dataclass(frozen=True)
class StudyLine:
    """A row of the list of studies. Answers and places are those of people; simulated raters are not counted."""

    study: Study
    clips: int
    people: int
    answers: int
    places: int
    places_done: int


def overview(db: Session) -> list[StudyLine]:
    """The rows of all studies, newest first."""
    return [line_of(db, study) for study in db.exec(select(Study).order_by(col(Study.id).desc()))]


def clips_of(db: Session, study: Study) -> int:
    """Number of clips in the sample."""
    query = select(func.count()).select_from(StudyClip)
    return db.exec(query.where(StudyClip.study_id == study.id, StudyClip.role == "sample")).one()


def line_of(db: Session, study: Study) -> StudyLine:
    """The row of a study."""
    places = dict(
        db.execute(
            select(col(Assignment.status), func.count())
            .join(Rater, col(Rater.id) == Assignment.rater_id, isouter=True)
            .where(Assignment.study_id == study.id, Assignment.purpose == "sample")
            .where(func.coalesce(col(Rater.kind), "person") == "person")
            .group_by(col(Assignment.status))
        ).all()
    )
    people = (Rater.study_id == study.id, Rater.kind == "person")
    answers = select(func.count(func.distinct(Judgment.assignment_id))).join(Rater)
    return StudyLine(
        study=study,
        clips=clips_of(db, study),
        people=db.exec(select(func.count()).select_from(Rater).where(*people)).one(),
        answers=db.exec(answers.where(*people)).one(),
        places=sum(places.get(status, 0) for status in ("open", "held", "done")),
        places_done=places.get("done", 0),
    )
