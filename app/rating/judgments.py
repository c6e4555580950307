"""Store answers: append-only, each submission once, and acknowledged only after the commit."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import JSON, ColumnElement, bindparam, case, func, insert, select, type_coerce
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from app.errors import AppError, TooManyRequests
from app.models import Criterion, Judgment, RaterRecord, Study
from app.rating.assignments import HeldAssignment, settle
from app.rating.playback_facts import facts_of
from app.studies.scales import checked

HOUR = timedelta(hours=1)
FINAL = "This study has ended for you, so its answers cannot be changed any more."
SUBMISSION = re.compile(r"[A-Za-z0-9._:+-]{1,64}")


_INSERT = insert(Judgment)
_STORED = select(
    func.coalesce(func.max(col(Judgment.revision)), 0).label("revision"),
    func.coalesce(func.max(case((col(Judgment.submission) == bindparam("submission"), 1), else_=0)), 0).label("again"),
).where(col(Judgment.assignment_id) == bindparam("assignment"))


@dataclass(frozen=True)
class Answer:
    """An answer as the browser sent it: one value per criterion key."""

    values: dict[str, str]
    submission: str
    facts: str = ""


def are_final(study: Study, ended: str) -> bool:
    """True if a rater who left the study in this way (`Rater.ended`) cannot change answers any more.

    Closing a study makes its answers final, because its figures may have been published. A rater who returned the
    study has left it.
    """
    return study.state in ("closed", "archived") or ended in ("returned", "declined", "screened_out")


def record(
    db: Session,
    held: HeldAssignment,
    rater: RaterRecord,
    criteria: list[Criterion],
    answer: Answer,
    *,
    now: datetime,
    final: bool = False,
    revisions_per_hour: int = 30,
) -> bool:
    """Store an answer as new rows and mark its assignment as answered.

    Returns False when this submission is stored already (a repeated send): nothing changes then. A later answer to
    the same assignment is the next revision. Raises AppError naming what is missing or off the scale, and (409) for a
    revision if answers are `final`, and TooManyRequests for more than `revisions_per_hour`.
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
        if final:
            raise AppError(FINAL, "The answer that was saved before stays.", status=409)
        revision += stored.revision
        _refuse_too_many(db, assignment.id, revision, per_hour=revisions_per_hour, now=now)
    values = _checked_values(db, assignment.id, criteria, answer, revision=revision)
    written = _rows(held, rater, values, answer, revision=revision, now=now)
    try:
        if written:
            db.connection().execute(_INSERT, written)
    except IntegrityError as error:
        raise AppError("This answer's number belongs to another clip.", "Reload the page.", status=409) from error
    settle(db, assignment, now=now, final=final)
    db.flush()
    return True


def _rows(
    held: HeldAssignment, rater: RaterRecord, values: dict[int, str], answer: Answer, *, revision: int, now: datetime
) -> list[dict[str, Any]]:
    """The rows of a revision, one per criterion with a value. The first row holds the facts of the whole answer."""
    assignment = held.assignment
    # A rater who corrects an answer after its scores were revealed has seen them.
    arm = "shown" if assignment.arm == "after" and revision > 1 else assignment.arm
    assert arm is not None, "a held assignment has its arm"
    same = {
        "study_id": assignment.study_id,
        "assignment_id": assignment.id,
        "rater_id": rater.id,
        "revision": revision,
        "submission": answer.submission.strip(),
        "arm": arm,
        "guidelines_hash": rater.guidelines_hash or "",
        "created_at": now,
    }
    facts, first = facts_of(answer.facts), next(iter(values), None)
    return [
        same | {"criterion_id": criterion, "value": value, "facts": facts if criterion == first else {}}
        for criterion, value in values.items()
    ]


def _checked_values(
    db: Session, assignment_id: int, criteria: list[Criterion], answer: Answer, *, revision: int
) -> dict[int, str]:
    """The values to store by criterion. Raises AppError naming what is missing or off the scale."""
    given = {item.id: checked(item, answer.values.get(item.key)) for item in criteria}
    before = current(db, assignment_id) if revision > 1 and None in given.values() else {}
    # An optional answer that was taken back is a revision too: an empty one.
    return {key: value or "" for key, value in given.items() if value is not None or key in before}


def _refuse_too_many(db: Session, assignment_id: int, revision: int, *, per_hour: int, now: datetime) -> None:
    """Raise TooManyRequests if the last `per_hour` revisions of an answer were sent within an hour."""
    # The first answer is no revision, so the oldest that counts is `per_hour` before this one.
    oldest = db.execute(
        select(col(Judgment.created_at))
        .where(col(Judgment.assignment_id) == assignment_id, col(Judgment.revision) == revision - per_hour)
        .where(col(Judgment.revision) > 1)
        .limit(1)
    ).scalar()
    if oldest is not None and oldest + HOUR > now:
        seconds = ceil((oldest + HOUR - now).total_seconds())
        raise TooManyRequests("This answer was changed very often within an hour.", seconds=seconds)


def facts_of_answer() -> ColumnElement[dict[str, Any]]:
    """SQL value of a judgment: the facts of the answer that it is part of, which the answer's first row holds."""
    answer = (col(Judgment.assignment_id), col(Judgment.revision))
    first = func.first_value(col(Judgment.facts)).over(partition_by=answer, order_by=col(Judgment.id))
    return type_coerce(first, JSON).label("facts")


def current(db: Session, assignment_id: int) -> dict[int, str]:
    """The current answer by criterion: the last revision. A withdrawn answer is left out."""
    found = db.execute(
        select(col(Judgment.criterion_id), col(Judgment.value))
        .where(col(Judgment.assignment_id) == assignment_id)
        .order_by(col(Judgment.revision))
    )
    last = dict(found.all())
    return {criterion: value for criterion, value in last.items() if value}
