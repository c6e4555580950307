"""Record answers: append-only, each sent answer stored once, nothing acknowledged before it is committed."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, insert
from sqlalchemy import select as rows
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from app.assignments import Held, settle
from app.errors import AppError
from app.models import Criterion, Judgment, SomeRater

SCALES: dict[str, tuple[tuple[str, str], ...]] = {
    # ITU-T P.910 category rating; the words are fixed.
    "acr5": (("1", "Bad"), ("2", "Poor"), ("3", "Fair"), ("4", "Good"), ("5", "Excellent")),
    "verdict": (("accept", "Accept"), ("reject", "Reject"), ("unsure", "Unsure")),
    "acceptable": (("accept", "Acceptable"), ("reject", "Unacceptable")),
}
MAX_FACTS = 4_000
SUBMISSION = re.compile(r"[A-Za-z0-9._:+-]{1,64}")


_INSERT = insert(Judgment)
_STORED = rows(
    func.coalesce(func.max(col(Judgment.revision)), 0).label("revision"),
    func.coalesce(func.max(case((col(Judgment.submission) == bindparam("submission"), 1), else_=0)), 0).label("again"),
).where(col(Judgment.assignment_id) == bindparam("assignment"))


@dataclass(frozen=True)
class Answer:
    """An answer as it was sent: one value per criterion key."""

    values: dict[str, str]
    submission: str
    facts: str = ""


def record(
    db: Session, held: Held, rater: SomeRater, criteria: list[Criterion], answer: Answer, *, now: datetime
) -> bool:
    """Store an answer as new rows and mark its assignment answered.

    Returns False when this submission is stored already (a repeated send): nothing changes then. A later answer to
    the same assignment is the next revision. Raises AppError naming what is missing or off the scale.
    """
    assignment = held.assignment
    submission = answer.submission.strip()
    if not SUBMISSION.fullmatch(submission):
        raise AppError("The answer came without its number.", "Reload the page and answer again.", status=422)
    revision = 1
    if assignment.answered_at is not None:  # else there is nothing to look for: both are written together
        stored = db.connection().execute(_STORED, {"assignment": assignment.id, "submission": submission}).one()
        if stored.again:
            return False
        revision += stored.revision
    values = {item.id: _checked(item, answer.values.get(item.key)) for item in criteria}
    # Whoever corrects an answer after its scores were revealed has seen them.
    arm = "shown" if assignment.arm == "after" and revision > 1 else assignment.arm
    assert arm is not None, "an assignment somebody holds has its arm"
    facts = _facts(answer.facts)
    written = [
        {
            "study_id": assignment.study_id,
            "assignment_id": assignment.id,
            "criterion_id": criterion_id,
            "rater_id": rater.id,
            "value": value,
            "revision": revision,
            "submission": submission,
            "arm": arm,
            "guidelines_hash": rater.guidelines_hash or "",
            "facts": facts,
            "created_at": now,
        }
        for criterion_id, value in values.items()
    ]
    try:
        db.connection().execute(_INSERT, written)
    except IntegrityError as error:
        raise AppError("This answer's number belongs to another clip.", "Reload the page.", status=409) from error
    settle(db, assignment, now=now)
    db.flush()
    return True


def current(db: Session, assignment_id: int) -> dict[int, str]:
    """The answer that counts now, by criterion: the highest revision."""
    found = db.execute(
        rows(col(Judgment.criterion_id), col(Judgment.value))
        .where(col(Judgment.assignment_id) == assignment_id)
        .order_by(col(Judgment.revision))
    )
    return dict(found.all())


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
        json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()  # what no database or file could keep
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
