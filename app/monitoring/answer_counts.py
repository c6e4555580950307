"""A study's progress by rater and by stratum."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import Session, col

from app.models import Assignment, Event, Judgment, Rater, Study, StudyClip


@dataclass(frozen=True)
class RaterLine:
    """One rater's work so far."""

    name: str
    kind: str
    answered: int
    skipped: int
    expired: int
    last_answer: datetime | None


@dataclass(frozen=True)
class StratumLine:
    """A stratum: how many clips the pool holds, how many were drawn, how many answers people gave."""

    label: str
    criterion: str
    population: int | None
    drawn: int
    weight: float
    answers: int
    places: int


def by_rater(db: Session, study: Study) -> list[RaterLine]:
    """People first, then the simulated panel; the busiest first."""

    def share(*statuses: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((col(Assignment.status).in_(statuses), 1), else_=0)), 0)

    last = (
        select(func.max(col(Judgment.created_at)))
        .where(col(Judgment.rater_id) == col(Rater.id))
        .correlate(Rater)
        .scalar_subquery()
    )
    query = (
        select(col(Rater.name), col(Rater.kind), share("done", "surplus"), share("skipped"), share("expired"), last)
        .join(Assignment, col(Assignment.rater_id) == col(Rater.id), isouter=True)
        .where(col(Rater.study_id) == study.id)
        .group_by(col(Rater.id), col(Rater.name), col(Rater.kind))
        .order_by(col(Rater.kind), share("done", "surplus").desc(), col(Rater.name))
    )
    return [RaterLine(*row) for row in db.execute(query)]


def by_stratum(db: Session, study: Study) -> list[StratumLine]:
    """The design's strata with the answers of people so far."""
    population = {(row["label"], row.get("criterion", "")): row["population"] for row in study.design.get("strata", [])}
    answered = (
        select(col(Assignment.study_clip_id).label("clip"), func.count().label("answers"))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.status) == "done", col(Rater.kind) == "person")
        .where(col(Assignment.purpose) == "sample")
        .group_by(col(Assignment.study_clip_id))
        .subquery()
    )
    query = (
        select(
            col(StudyClip.stratum),
            col(StudyClip.criterion),
            func.count(),
            func.max(col(StudyClip.weight)),
            func.coalesce(func.sum(answered.c.answers), 0),
        )
        .join(answered, answered.c.clip == col(StudyClip.id), isouter=True)
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.stratum), col(StudyClip.criterion))
    )
    order = {key: number for number, key in enumerate(population)}
    lines = [
        StratumLine(
            label=label,
            criterion=criterion,
            population=population.get((label, criterion)),
            drawn=drawn,
            weight=weight,
            answers=int(answers),
            places=drawn * study.raters_per_clip,
        )
        for label, criterion, drawn, weight, answers in db.execute(query)
    ]
    return sorted(lines, key=lambda line: (order.get((line.label, line.criterion), len(order)), line.label))


@dataclass(frozen=True)
class Unplayable:
    """A clip that did not play, and for how many raters."""

    clip: str
    raters: int


def unplayable(db: Session, study: Study) -> list[Unplayable]:
    """Clips that did not play for somebody, by name, those that failed for the most raters first."""
    raters = func.count(func.distinct(col(Event.rater_id)))
    query = (
        select(col(StudyClip.clip), raters)
        .join(Assignment, col(Assignment.id) == col(Event.assignment_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .where(col(Event.study_id) == study.id, col(Event.kind) == "skipped", _reason() == "cannot_play")
        .group_by(col(StudyClip.clip))
        .order_by(raters.desc(), col(StudyClip.clip))
    )
    return [Unplayable(clip, int(number)) for clip, number in db.execute(query)]


def skips(db: Session, study: Study) -> dict[str, int]:
    """How often clips were skipped, by reason."""
    reasons = (
        select(_reason().label("reason"))
        .where(col(Event.study_id) == study.id, col(Event.kind) == "skipped")
        .subquery()
    )
    query = select(reasons.c.reason, func.count()).group_by(reasons.c.reason).order_by(reasons.c.reason)
    return {str(reason): int(number) for reason, number in db.execute(query)}


def _reason() -> ColumnElement[str]:
    """Why a clip was skipped, as the database reads it out of the event."""
    table = Event.__table__  # type: ignore[attr-defined]  # every table model has one
    reason: ColumnElement[str] = table.c.detail["reason"].as_string()
    return reason
