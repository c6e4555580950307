"""The studies' list: the clips, raters, answers and places of each study, and the time a new rater needs."""

from dataclasses import dataclass
from math import ceil

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.models import Assignment, Judgment, Rater, Study, StudyClip

SECONDS_TO_ANSWER = 6.0
"""Seconds added to a clip's duration to estimate the rating time before there are answers."""


def clips_per_rater(db: Session, study: Study) -> int:
    """Number of clips that are open for a new rater."""
    query = select(func.count(func.distinct(col(Assignment.study_clip_id))))
    return db.scalars(query.where(col(Assignment.study_id) == study.id, col(Assignment.status) == "open")).one()


def minutes_per_rater(db: Session, study: Study) -> int:
    """Estimated minutes of a new rater: watch each open clip once, and answer."""
    query = (
        select(func.avg(col(StudyClip.duration)))
        .join(Assignment, col(Assignment.study_clip_id) == col(StudyClip.id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.status) == "open")
    )
    mean = db.scalars(query).one() or 0.0
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
    return [line_of(db, study) for study in db.scalars(select(Study).order_by(col(Study.id).desc()))]


def clips_of(db: Session, study: Study) -> int:
    """Number of clips in the sample."""
    query = select(func.count()).select_from(StudyClip)
    return db.scalars(query.where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")).one()


def line_of(db: Session, study: Study) -> StudyLine:
    """The row of a study."""
    places = dict(
        db.execute(
            select(col(Assignment.status), func.count())
            .join(Rater, col(Rater.id) == col(Assignment.rater_id), isouter=True)
            .where(col(Assignment.study_id) == study.id, col(Assignment.purpose) == "sample")
            .where(func.coalesce(col(Rater.kind), "person") == "person")
            .group_by(col(Assignment.status))
        ).all()
    )
    people = (col(Rater.study_id) == study.id, col(Rater.kind) == "person")
    answers = select(func.count(func.distinct(col(Judgment.assignment_id)))).join(Rater)
    return StudyLine(
        study=study,
        clips=clips_of(db, study),
        people=db.scalars(select(func.count()).select_from(Rater).where(*people)).one(),
        answers=db.scalars(answers.where(*people)).one(),
        places=sum(places.get(status, 0) for status in ("open", "held", "done")),
        places_done=places.get("done", 0),
    )
