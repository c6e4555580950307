"""Count the answers so far by rater and by stratum, for the overview page, the API and the report."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import Session, col

from app.models import Assignment, Judgment, Rater, Study, StudyClip


@dataclass(frozen=True)
class RaterAnswerCounts:
    """One rater's clips answered, skipped and timed out. The field names are keys in the API."""

    name: str
    kind: str
    answered: int
    skipped: int
    expired: int
    last_answer: datetime | None


@dataclass(frozen=True)
class StratumAnswerCounts:
    """A stratum's clips in the pool and in the sample, and people's answers. The field names are keys in the API."""

    label: str
    criterion: str
    population: int | None
    drawn: int
    weight: float
    """The largest weight of a sampled clip."""
    answers: int
    places: int
    """The number of answers that the study asks for."""


def by_rater(db: Session, study: Study) -> list[RaterAnswerCounts]:
    """Return every rater's counts, ordered by kind; within a kind, the rater with the most answers first."""

    def number(*statuses: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((col(Assignment.status).in_(statuses), 1), else_=0)), 0)

    last = (
        select(func.max(col(Judgment.created_at)))
        .where(col(Judgment.rater_id) == col(Rater.id))
        .correlate(Rater)
        .scalar_subquery()
    )
    query = (
        select(col(Rater.name), col(Rater.kind), number("done", "surplus"), number("skipped"), number("expired"), last)
        .join(Assignment, col(Assignment.rater_id) == col(Rater.id), isouter=True)
        .where(col(Rater.study_id) == study.id)
        .group_by(col(Rater.id), col(Rater.name), col(Rater.kind))
        .order_by(col(Rater.kind), number("done", "surplus").desc(), col(Rater.name))
    )
    return [RaterAnswerCounts(*row) for row in db.execute(query)]


def by_stratum(db: Session, study: Study) -> list[StratumAnswerCounts]:
    """Return the strata of the design with people's answers so far."""
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
        StratumAnswerCounts(
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
