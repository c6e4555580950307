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
MAX_FACTS = 12_000
MAX_TEXT = 2_000
MAX_MARKS = 50
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
    given = {item.id: checked(item, answer.values.get(item.key)) for item in criteria}
    before = current(db, assignment.id) if revision > 1 and None in given.values() else {}
    # An optional answer that was taken back is a revision too: an empty one.
    values = {key: value or "" for key, value in given.items() if value is not None or key in before}
    # Whoever corrects an answer after its scores were revealed has seen them.
    arm = "shown" if assignment.arm == "after" and revision > 1 else assignment.arm
    assert arm is not None, "an assignment somebody holds has its arm"
    facts = facts_of(answer.facts)
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
        if written:
            db.connection().execute(_INSERT, written)
    except IntegrityError as error:
        raise AppError("This answer's number belongs to another clip.", "Reload the page.", status=409) from error
    settle(db, assignment, now=now)
    db.flush()
    return True


def current(db: Session, assignment_id: int) -> dict[int, str]:
    """The answer that counts now, by criterion: the highest revision; none where it was taken back."""
    found = db.execute(
        rows(col(Judgment.criterion_id), col(Judgment.value))
        .where(col(Judgment.assignment_id) == assignment_id)
        .order_by(col(Judgment.revision))
    )
    last = dict(found.all())
    return {criterion: value for criterion, value in last.items() if value}


def checked(criterion: Criterion, value: str | None) -> str | None:
    """An answer as it is stored; None for an optional question left open. Raises AppError when it is off the scale.

    acr5, verdict and acceptable: a value of `SCALES`; likert: 1 to the number of its words; slider: a whole number 0
    to 100; tags: a JSON list of the chosen ones in the study file's order; text: up to 2,000 characters, stripped.
    """
    given = (value or "").strip()
    if criterion.scale == "tags" and given:
        given = _tags(criterion, given)
    if not given:
        if criterion.required:
            raise AppError(
                f"{criterion.label} is not answered yet.", "Choose one value for every question.", status=422
            )
        return None
    if criterion.scale == "tags":
        return given
    if criterion.scale == "text":
        if len(given) > MAX_TEXT:
            raise AppError(f"{criterion.label} is too long.", f"Keep to {MAX_TEXT:,} characters.", status=422)
        if "\0" in given:  # PostgreSQL stores no such text
            raise AppError(f"{criterion.label} holds a character that is no text.", "Type it anew.", status=422)
        return given
    if given not in values_of(criterion):
        raise AppError(f"{criterion.label} has no value {given[:20]!r}.", "Choose one of those shown.", status=422)
    return given


def values_of(criterion: Criterion) -> tuple[str, ...]:
    """The values an answer may have, from worst to best where they are ordered; none for tags and text."""
    if criterion.scale == "likert":
        return tuple(str(step) for step in range(1, len(criterion.options) + 1))
    if criterion.scale == "slider":
        return SLIDER
    return tuple(value for value, _word in SCALES.get(criterion.scale, ()))


SLIDER = tuple(str(step) for step in range(101))


def _tags(criterion: Criterion, given: str) -> str:
    """The chosen tags as stored; "" for none."""
    try:
        chosen = json.loads(given)
    except (ValueError, RecursionError):
        chosen = None
    if not isinstance(chosen, list) or not all(isinstance(tag, str) for tag in chosen):
        raise AppError(f"{criterion.label} could not be read.", "Reload the page and answer again.", status=422)
    unknown = [tag for tag in chosen if tag not in criterion.options]
    if unknown:
        raise AppError(f"{criterion.label} has no value {unknown[0][:20]!r}.", "Choose one of those shown.", status=422)
    kept = [tag for tag in criterion.options if tag in chosen]
    return json.dumps(kept, ensure_ascii=False) if kept else ""


def facts_of(text: str) -> dict[str, Any]:
    """What the browser reported with an answer; nothing where that cannot be kept."""
    # Facts describe how an answer came about; odd ones must never cost the answer itself.
    if not text or len(text) > MAX_FACTS:
        return {}
    try:
        facts = json.loads(text)
        json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()  # what no database or file could keep
    except (ValueError, RecursionError):
        return {}
    if not isinstance(facts, dict):
        return {}
    return facts | {"marks": _marks(facts["marks"])} if "marks" in facts else facts


def _marks(given: object) -> list[dict[str, Any]]:
    """The moments marked in a clip: `t` in seconds from its start, a tag where one was given; others are left out."""
    marks = []
    for one in given if isinstance(given, list) else []:
        second, tag = (one.get("t"), one.get("tag")) if isinstance(one, dict) else (None, None)
        if isinstance(second, int | float) and not isinstance(second, bool) and 0 <= second < 1e6:
            marks.append({"t": second, "tag": tag[:60] if isinstance(tag, str) else ""})
    return marks[:MAX_MARKS]
