"""The preregistration: a study's plan, frozen with its SHA-256 before the results are seen, and its amendments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.errors import AppError
from app.models import Event, Judgment, Rater, Study

PARTS: dict[str, str] = {
    "hypotheses": "Hypotheses",
    "exclusions": "Exclusion rules",
    "target": "Target",
    "objective": "Threshold rule",
    "threshold_rule": "Threshold rule in words",
}
OBJECTIVES: dict[str, str] = {
    "preset": "The preset thresholds are judged as they are; none is searched for",
    "f1": "The threshold with the highest F1, cross-fitted",
    "precision": "The loosest threshold whose precision is promised",
    "recall": "The strictest threshold that keeps a promised recall",
    "cost": "The threshold with the lowest cost of wrong decisions",
}
REQUIRED = ("hypotheses", "exclusions", "target")
"""Parts that must not be empty when the plan is frozen."""
DRAFTED, FROZEN, AMENDED = "plan_drafted", "plan_frozen", "plan_amended"
"""Kinds of the events that store the plan."""
MAX_CHARACTERS = 8000


@dataclass(frozen=True)
class PlanVersion:
    """A frozen plan, or one amendment of it; `sha256` is the hash of `text` in UTF-8."""

    number: int
    """0 for the plan; 1, 2, ... for its amendments."""
    parts: dict[str, str]
    text: str
    sha256: str
    reason: str
    """Why the plan was amended; empty for the plan itself."""
    at: datetime
    """When it was frozen."""
    answers: int
    """Number of judgments by people at that time."""

    @property
    def title(self) -> str:
        """Its name in lists."""
        return f"Amendment {self.number}" if self.number else "Plan"


def draft(db: Session, study: Study) -> dict[str, str]:
    """The parts of the plan as last saved, frozen or amended; empty texts if nothing has been saved."""
    query = (
        select(col(Event.detail))
        .where(col(Event.study_id) == study.id, col(Event.kind).in_((DRAFTED, FROZEN, AMENDED)))
        .order_by(col(Event.id).desc())
        .limit(1)
    )
    found = db.execute(query).scalar_one_or_none()
    saved: dict[str, str] = found["parts"] if found else {}
    return dict.fromkeys(PARTS, "") | {"objective": "preset"} | saved


def versions(db: Session, study: Study) -> tuple[PlanVersion, ...]:
    """The frozen plan and its amendments in order; empty if no plan is frozen."""
    query = (
        select(col(Event.detail), col(Event.created_at))
        .where(col(Event.study_id) == study.id, col(Event.kind).in_((FROZEN, AMENDED)))
        .order_by(col(Event.id))
    )
    return tuple(
        PlanVersion(number, one["parts"], one["text"], one["sha256"], one["reason"], at, one["answers"])
        for number, (one, at) in enumerate(db.execute(query))
    )


def save(db: Session, study: Study, given: Mapping[str, str]) -> None:
    """Save the draft of the plan. Raises AppError if the plan is frozen, or if a part is too long."""
    if versions(db, study):
        raise AppError("The plan is frozen.", "Write an amendment; it is kept with the plan.", status=409)
    parts = _parts(given)
    if parts != draft(db, study):
        db.add(Event(study_id=study.id, kind=DRAFTED, detail={"parts": parts}))
        db.flush()


def freeze(db: Session, study: Study, given: Mapping[str, str]) -> PlanVersion:
    """Freeze the plan. Raises AppError if a plan is frozen already, or if a required part is empty."""
    if versions(db, study):
        raise AppError("The plan is frozen already.", "Write an amendment; it is kept with the plan.", status=409)
    return _freeze(db, study, given, FROZEN, reason="")


def amend(db: Session, study: Study, given: Mapping[str, str], reason: str) -> PlanVersion:
    """Add an amendment. The frozen plan does not change.

    Raises AppError if no plan is frozen, if no reason is given, or if no part is changed.
    """
    before = versions(db, study)
    if not before:
        raise AppError("There is no frozen plan to amend.", "Freeze the plan first.", status=409)
    reason = reason.replace("\r\n", "\n").strip()
    if not reason:
        raise AppError("Say why the plan is amended.", "Readers of the report see the reason.", status=422)
    if _parts(given) == before[-1].parts:
        raise AppError("Nothing was changed.", "Change a part of the plan, then amend it.", status=422)
    return _freeze(db, study, given, AMENDED, reason=reason)


def text_of(slug: str, parts: Mapping[str, str], *, number: int = 0, amends: str = "", reason: str = "") -> str:
    """The text that is hashed: Markdown with every part. An amendment names the hash of the version that it amends.

    >>> text_of("s", {"hypotheses": "H1"}).splitlines()[:5]
    ['# Plan of the study s', '', '## Hypotheses', '', 'H1']
    """
    lines = [f"# Amendment {number} to the plan of the study {slug}" if number else f"# Plan of the study {slug}", ""]
    if number:
        lines += [f"Amends {amends}", "", "## Reason", "", reason, ""]
    for key, title in PARTS.items():
        lines += [f"## {title}", "", _part_in_words(key, parts.get(key, "")), ""]
    return "\n".join(lines)


def texts(version: PlanVersion) -> list[tuple[str, str]]:
    """The title and the text of each part of a version, in order."""
    return [(title, _part_in_words(key, version.parts[key])) for key, title in PARTS.items()]


def as_markdown(plan: tuple[PlanVersion, ...]) -> str:
    """The text of plan.md: dates and hashes, then the text of every version."""
    return "\n".join([*(f"- {line}" for line in as_lines(plan)), "", *(version.text for version in plan)])


def as_lines(plan: tuple[PlanVersion, ...]) -> list[str]:
    """A sentence for each version, with its date and hash; if no plan is frozen, one sentence that says so."""
    if not plan:
        return ["No plan was frozen: hypotheses, exclusions and threshold rule were not fixed before the results."]
    return [
        f"{version.title} frozen on {version.at:%Y-%m-%d %H:%M} UTC, after {version.answers} judgments by people, "
        f"SHA-256 {version.sha256}" + (f"; reason: {version.reason}" if version.reason else "")
        for version in plan
    ]


def _part_in_words(key: str, text: str) -> str:
    return OBJECTIVES.get(text, text) if key == "objective" else text or "Nothing."


def _freeze(db: Session, study: Study, given: Mapping[str, str], kind: str, *, reason: str) -> PlanVersion:
    parts = _parts(given)
    for key in REQUIRED:
        if not parts[key]:
            raise AppError(
                f"The plan says nothing under “{PARTS[key]}”.", "Write “none” where there is none.", status=422
            )
    before = versions(db, study)
    amends = before[-1].sha256 if before else ""
    text = text_of(study.slug, parts, number=len(before), amends=amends, reason=reason)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    event = Event(study_id=study.id, kind=kind)
    answers = _count_answers(db, study)
    event.detail = {"parts": parts, "text": text, "sha256": sha256, "reason": reason, "answers": answers}
    db.add(event)
    db.flush()
    return PlanVersion(len(before), parts, text, sha256, reason, event.created_at, answers)


def _parts(given: Mapping[str, str]) -> dict[str, str]:
    parts = {key: given.get(key, "").replace("\r\n", "\n").strip() for key in PARTS}
    if parts["objective"] not in OBJECTIVES:
        raise AppError("Choose one of the threshold rules.", f"They are: {', '.join(OBJECTIVES)}.", status=422)
    for key, text in parts.items():
        if len(text) > MAX_CHARACTERS or "\0" in text:
            raise AppError(
                f"“{PARTS[key]}” is no text of at most {MAX_CHARACTERS:,} letters.", "Shorten it.", status=422
            )
    return parts


def _count_answers(db: Session, study: Study) -> int:
    query = (
        select(func.count())
        .select_from(Judgment)
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == "person")
    )
    return int(db.execute(query).scalar_one())
