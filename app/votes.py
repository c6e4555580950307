"""From stored judgments to the votes that the statistics read."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func
from sqlalchemy import select as rows
from sqlmodel import Session, col

from app.models import Assignment, Criterion, Judgment, Rater, Study

Kind = Literal["person", "simulated"]
BLIND_ARMS = ("hidden", "after")
"""Arms in which the rater answered before any score was on the page."""


@dataclass(frozen=True)
class Vote:
    """A rater's current answer to one criterion about one drawn clip."""

    clip: int
    criterion: str
    rater: str
    value: str


def current(db: Session, study: Study, *, kind: Kind, blind: bool = False) -> list[Vote]:
    """The answers that count, of people or of the simulated panel, never both.

    An answer's last revision counts; with `blind` its last revision given without the scores in view. Surplus
    answers (a place more than the study asked for) stay out.
    """
    query = (
        rows(
            col(Assignment.study_clip_id),
            col(Criterion.key),
            col(Rater.name),
            col(Judgment.value),
        )
        .join(Assignment, col(Assignment.id) == Judgment.assignment_id)
        .join(Criterion, col(Criterion.id) == Judgment.criterion_id)
        .join(Rater, col(Rater.id) == Judgment.rater_id)
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == kind, col(Assignment.status) == "done")
        .order_by(col(Judgment.revision))
    )
    if blind:
        query = query.where(col(Judgment.arm).in_(BLIND_ARMS))
    last = {(clip, criterion, rater): value for clip, criterion, rater, value in db.execute(query)}
    return [Vote(clip, criterion, rater, value) for (clip, criterion, rater), value in sorted(last.items())]


def fingerprint(db: Session, study: Study) -> tuple[int, int]:
    """Changes whenever a judgment is added: results are kept until then."""
    count, last = db.execute(
        rows(func.count(), func.coalesce(func.max(Judgment.id), 0)).where(col(Judgment.study_id) == study.id)
    ).one()
    return int(count), int(last)
