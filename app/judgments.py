"""Record answers: append-only, each sent answer stored once, nothing acknowledged before it is committed."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.assignments import Held, settle
from app.errors import AppError
from app.models import Criterion, Judgment, Rater

SCALES: dict[str, tuple[tuple[str, str], ...]] = {
    # ITU-T P.910 category rating; the words are fixed.
    "acr5": (("1", "Bad"), ("2", "Poor"), ("3", "Fair"), ("4", "Good"), ("5", "Excellent")),
    "verdict": (("accept", "Accept"), ("reject", "Reject"), ("unsure", "Unsure")),
    "acceptable": (("accept", "Acceptable"), ("reject", "Unacceptable")),
}
MAX_FACTS = 4_000
MAX_SUBMISSION = 64


@dataclass(frozen=True)
class Answer:
    """An answer as it was sent: one value per criterion key."""

    values: dict[str, str]
    submission: str
    facts: str = ""


def record(db: Session, held: Held, rater: Rater, criteria: list[Criterion], answer: Answer, *, now: datetime) -> bool:
    """Store an answer as new rows and mark its assignment answered.

    Returns False when this submission is stored already (a repeated send): nothing changes then. A later answer to
    the same assignment is the next revision. Raises AppError naming what is missing or off the scale.
    """
    assignment = held.assignment
    submission = answer.submission.strip()
    if not submission or len(submission) > MAX_SUBMISSION:
        raise AppError("The answer came without its number.", "Reload the page and answer again.", status=422)
    stored = db.exec(
        select(Judgment.assignment_id).where(Judgment.submission == submission, Judgment.rater_id == rater.id)
    ).first()
    if stored is not None:
        return False
    values = {item.id: _checked(item, answer.values.get(item.key)) for item in criteria}
    revision = 1 + (
        db.exec(select(func.max(Judgment.revision)).where(Judgment.assignment_id == assignment.id)).one() or 0
    )
    # Whoever corrects an answer after its scores were revealed has seen them.
    arm = "shown" if assignment.arm == "after" and revision > 1 else assignment.arm
    assert arm is not None, "an assignment somebody holds has its arm"
    facts = _facts(answer.facts)
    db.add_all(
        Judgment(
            study_id=assignment.study_id,
            assignment_id=assignment.id,
            criterion_id=criterion_id,
            rater_id=rater.id,
            value=value,
            revision=revision,
            submission=submission,
            arm=arm,
            guidelines_hash=rater.guidelines_hash or "",
            facts=facts,
            created_at=now,
        )
        for criterion_id, value in values.items()
    )
    settle(db, assignment, now=now)
    db.flush()
    return True


def current(db: Session, assignment_id: int) -> dict[int, str]:
    """The answer that counts now, by criterion: the highest revision."""
    rows = db.execute(
        select(col(Judgment.criterion_id), col(Judgment.value))
        .where(Judgment.assignment_id == assignment_id)
        .order_by(col(Judgment.revision))
    )
    return dict(rows.all())


def pace(db: Session, rater: Rater) -> float | None:
    """Seconds per clip of this rater: the median gap between the last answers, None before three answers."""
    times = db.exec(
        select(func.min(Judgment.created_at))
        .where(Judgment.rater_id == rater.id, Judgment.revision == 1)
        .group_by(col(Judgment.assignment_id))
        .order_by(func.min(Judgment.created_at).desc())
        .limit(12)
    ).all()
    gaps = sorted((later - earlier).total_seconds() for later, earlier in pairwise(times))
    return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


def _checked(criterion: Criterion, value: str | None) -> str:
    if not value:
        raise AppError(f"{criterion.label} is not answered yet.", "Choose one value for every question.", status=422)
    if value not in dict(SCALES[criterion.scale]):
        raise AppError(f"{criterion.label} has no value {value[:20]!r}.", "Choose one of those shown.", status=422)
    return value


def _facts(text: str) -> dict[str, Any]:
    # Facts describe how an answer came about; odd ones must never cost the answer itself.
    if not text or len(text) > MAX_FACTS:
        return {}
    try:
        facts = json.loads(text)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
