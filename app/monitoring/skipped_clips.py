"""Count skipped clips by reason, and find the clips that did not play."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from app.models import Assignment, Event, Study, StudyClip


@dataclass(frozen=True)
class UnplayableClip:
    """A clip that did not play, and the number of raters for whom it did not."""

    clip: str
    raters: int


def unplayable(db: Session, study: Study) -> list[UnplayableClip]:
    """Return the clips that did not play for at least one rater, those that failed for the most raters first."""
    raters = func.count(func.distinct(col(Event.rater_id)))
    query = (
        select(col(StudyClip.clip), raters)
        .join(Assignment, col(Assignment.id) == col(Event.assignment_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .where(col(Event.study_id) == study.id, _did_not_play())
        .group_by(col(StudyClip.clip))
        .order_by(raters.desc(), col(StudyClip.clip))
    )
    return [UnplayableClip(clip, int(number)) for clip, number in db.execute(query)]


def by_reason(db: Session, study: Study) -> dict[str, int]:
    """Return how often clips were skipped, by reason."""
    reasons = (
        select(_reason().label("reason"))
        .where(col(Event.study_id) == study.id, col(Event.kind) == "skipped")
        .subquery()
    )
    query = select(reasons.c.reason, func.count()).group_by(reasons.c.reason).order_by(reasons.c.reason)
    return {str(reason): int(number) for reason, number in db.execute(query)}


def failures_by_rater(db: Session, study: Study) -> dict[int, int]:
    """Return how often clips did not play, by the rater's number; raters without a failure are left out."""
    query = (
        select(col(Event.rater_id), func.count())
        .where(col(Event.study_id) == study.id, _did_not_play())
        .group_by(col(Event.rater_id))
    )
    return {rater: int(number) for rater, number in db.execute(query)}


def _did_not_play() -> ColumnElement[bool]:
    """Return the SQL condition that an event is a skip of a clip that did not play."""
    return (col(Event.kind) == "skipped") & (_reason() == "cannot_play")


def _reason() -> ColumnElement[str]:
    """Return the reason of a skip, which the database reads from the event's JSON detail."""
    table = Event.__table__  # type: ignore[attr-defined]  # every table model has one
    reason: ColumnElement[str] = table.c.detail["reason"].as_string()
    return reason
