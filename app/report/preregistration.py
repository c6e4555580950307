"""The preregistration: a study's plan, frozen with its SHA-256 before results are seen, and its amendments."""

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
ASKED = ("hypotheses", "exclusions", "target")
"""Parts that may not be empty when the plan is frozen."""
DRAFTED, FROZEN, AMENDED = "plan_drafted", "plan_frozen", "plan_amended"
MOST_LETTERS = 8000


@dataclass(frozen=True)
class Version:
    """A plan as it was frozen, or one amendment. `text` is what the SHA-256 is taken over, byte for byte (UTF-8)."""

    number: int
    """0 for the plan, 1, 2, ... for its amendments."""
    parts: dict[str, str]
    text: str
    sha256: str
    reason: str
    """Why it was amended; empty for the plan itself."""
    at: datetime
    answers: int
    """Judgments of people that were there at that moment."""

    @property
    def title(self) -> str:
        """What it is called in lists."""
        return f"Amendment {self.number}" if self.number else "Plan"


def draft(db: Session, study: Study) -> dict[str, str]:
    """The plan as last saved, frozen or amended; empty parts before anything was saved."""
    query = (
        select(col(Event.detail))
        .where(col(Event.study_id) == study.id, col(Event.kind).in_((DRAFTED, FROZEN, AMENDED)))
        .order_by(col(Event.id).desc())
        .limit(1)
    )
    found = db.execute(query).scalar_one_or_none()
    saved: dict[str, str] = found["parts"] if found else {}
    return dict.fromkeys(PARTS, "") | {"objective": "preset"} | saved


def versions(db: Session, study: Study) -> tuple[Version, ...]:
    """The frozen plan and its amendments in order; empty while nothing is frozen."""
    query = (
        select(col(Event.detail), col(Event.created_at))
        .where(col(Event.study_id) == study.id, col(Event.kind).in_((FROZEN, AMENDED)))
        .order_by(col(Event.id))
    )
    return tuple(
        Version(number, one["parts"], one["text"], one["sha256"], one["reason"], at, one["answers"])
        for number, (one, at) in enumerate(db.execute(query))
    )


def save(db: Session, study: Study, given: Mapping[str, str]) -> None:
    """Keep the draft of a plan that is not frozen yet. Raises AppError once it is, and for a part that is too long."""
    if versions(db, study):
        raise AppError("The plan is frozen.", "Write an amendment: it stands beside the plan.", status=409)
    parts = _parts(given)
    if parts != draft(db, study):
        db.add(Event(study_id=study.id, kind=DRAFTED, detail={"parts": parts}))
        db.flush()


def freeze(db: Session, study: Study, given: Mapping[str, str]) -> Version:
    """Freeze the plan. Raises AppError when one is frozen already, and when a part that is asked for is empty."""
    if versions(db, study):
        raise AppError("The plan is frozen already.", "Write an amendment: it stands beside the plan.", status=409)
    return _keep(db, study, given, FROZEN, reason="")


def amend(db: Session, study: Study, given: Mapping[str, str], reason: str) -> Version:
    """Add an amendment. The frozen plan does not change.

    Raises AppError before there is a plan, without a reason, and when nothing is changed.
    """
    before = versions(db, study)
    if not before:
        raise AppError("There is no frozen plan to amend.", "Freeze the plan first.", status=409)
    words = reason.replace("\r\n", "\n").strip()
    if not words:
        raise AppError("Say why the plan is amended.", "Readers of the report see the reason.", status=422)
    if _parts(given) == before[-1].parts:
        raise AppError("Nothing was changed.", "Change a part of the plan, then amend it.", status=422)
    return _keep(db, study, given, AMENDED, reason=words)


def text_of(slug: str, parts: Mapping[str, str], *, number: int = 0, amends: str = "", reason: str = "") -> str:
    """The text that is hashed: Markdown with every part; an amendment names the hash of what it amends.

    >>> text_of("s", {"hypotheses": "H1"}).splitlines()[:5]
    ['# Plan of the study s', '', '## Hypotheses', '', 'H1']
    """
    lines = [f"# Amendment {number} to the plan of the study {slug}" if number else f"# Plan of the study {slug}", ""]
    if number:
        lines += [f"Amends {amends}", "", "## Reason", "", reason, ""]
    for key, title in PARTS.items():
        lines += [f"## {title}", "", _words(key, parts.get(key, "")), ""]
    return "\n".join(lines)


def said(one: Version) -> list[tuple[str, str]]:
    """What a version says: title and text of each part, in order."""
    return [(PARTS[key], _words(key, one.parts[key])) for key in PARTS]


def as_markdown(found: tuple[Version, ...]) -> str:
    """plan.md: dates and hashes, then every version's own text."""
    return "\n".join([*(f"- {line}" for line in as_lines(found)), "", *(one.text for one in found)])


def as_lines(found: tuple[Version, ...]) -> list[str]:
    """Each version in a sentence with its date and hash; one that says so when nothing is frozen."""
    if not found:
        return ["No plan was frozen: hypotheses, exclusions and threshold rule were not fixed before the results."]
    return [
        f"{one.title} frozen on {one.at:%Y-%m-%d %H:%M} UTC, after {one.answers} judgments by people, "
        f"SHA-256 {one.sha256}" + (f"; reason: {one.reason}" if one.reason else "")
        for one in found
    ]


def _words(key: str, text: str) -> str:
    return OBJECTIVES.get(text, text) if key == "objective" else text or "Nothing."


def _keep(db: Session, study: Study, given: Mapping[str, str], kind: str, *, reason: str) -> Version:
    parts = _parts(given)
    for key in ASKED:
        if not parts[key]:
            raise AppError(
                f"The plan says nothing under “{PARTS[key]}”.", "Write “none” where there is none.", status=422
            )
    before = versions(db, study)
    amends = before[-1].sha256 if before else ""
    text = text_of(study.slug, parts, number=len(before), amends=amends, reason=reason)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    event = Event(study_id=study.id, kind=kind)
    answers = _answers(db, study)
    event.detail = {"parts": parts, "text": text, "sha256": sha256, "reason": reason, "answers": answers}
    db.add(event)
    db.flush()
    return Version(len(before), parts, text, sha256, reason, event.created_at, answers)


def _parts(given: Mapping[str, str]) -> dict[str, str]:
    parts = {key: given.get(key, "").replace("\r\n", "\n").strip() for key in PARTS}
    if parts["objective"] not in OBJECTIVES:
        raise AppError("Choose one of the threshold rules.", f"They are: {', '.join(OBJECTIVES)}.", status=422)
    for key, text in parts.items():
        if len(text) > MOST_LETTERS or "\0" in text:
            raise AppError(f"“{PARTS[key]}” is no text of at most {MOST_LETTERS:,} letters.", "Shorten it.", status=422)
    return parts


def _answers(db: Session, study: Study) -> int:
    query = (
        select(func.count())
        .select_from(Judgment)
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == "person")
    )
    return int(db.execute(query).scalar_one())
