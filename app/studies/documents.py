"""The texts that raters read before they rate: guidelines, consent text, rubrics with example clips.

The current texts are stored with the study. Every version is kept as a `Document` with its hash, and each judgment
refers to the guidelines it was made under by this hash.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select, update
from sqlmodel import Session, col

from app.errors import AppError
from app.markdown import hidden_images
from app.models import Criterion, Document, Event, Rater, RaterRecord, Study, StudyClip
from app.studies import media
from app.studies.rules import Rules
from app.toml_errors import REMEDY

DocumentKind = Literal["guidelines", "consent"]
LEVELS = ("good", "fair", "poor")
MAX_CHARACTERS = 100_000


@dataclass(frozen=True)
class RubricLevel:
    """Good, fair or poor: its description, the address of its example clip, or both."""

    name: str
    words: str
    clip: str


@dataclass(frozen=True)
class RubricView:
    """The rubric of a criterion as raters see it."""

    key: str
    label: str
    levels: tuple[RubricLevel, ...]


def hash_of(text: str) -> str:
    """The first 16 hexadecimal digits of a text's SHA-256.

    >>> hash_of("Watch each clip.")
    'c46f4c31bf488960'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def consent_text(study: Study) -> str:
    """The current consent text; empty if the study asks for no consent."""
    consent = Rules.model_validate(study.rules).consent
    return consent.text if consent else ""


def keep(db: Session, study: Study) -> None:
    """Store the current texts as documents, unless they are stored already."""
    for kind, text in (("guidelines", study.guidelines), ("consent", consent_text(study))):
        known = select(col(Document.id)).where(
            col(Document.study_id) == study.id, col(Document.kind) == kind, col(Document.hash) == hash_of(text)
        )
        if text and db.scalars(known).first() is None:
            db.add(Document(study_id=study.id, kind=kind, hash=hash_of(text), text=text))
    db.flush()


def change(db: Session, study: Study, kind: DocumentKind, text: str) -> bool:
    """Replace the guidelines or the consent text. Returns False if the text is unchanged.

    Raters must read changed guidelines before their next clip, and must agree to a changed consent text. Raises
    AppError if the text is empty or too long, or has an image that raters would not see.
    """
    wanted = text.replace("\r\n", "\n").strip()
    if not wanted:
        raise AppError("The text is empty.", "Write what raters shall read, in Markdown.", status=422)
    if len(wanted) > MAX_CHARACTERS or "\0" in wanted:
        raise AppError(
            "This is no text for raters.", f"Bring Markdown of at most {MAX_CHARACTERS:,} letters.", status=422
        )
    if images := hidden_images(wanted):
        raise AppError("\n".join(f"{kind.capitalize()}, {one}." for one in images), REMEDY, status=422)
    before = study.guidelines if kind == "guidelines" else consent_text(study)
    if before.strip() == wanted:
        return False
    keep(db, study)
    if kind == "guidelines":
        study.guidelines, study.guidelines_hash = wanted, hash_of(wanted)
    else:
        study.rules = {**study.rules, "consent": {"text": wanted}}
    study.version += 1
    db.add(study)
    keep(db, study)
    detail = {"from": hash_of(before) if before else "", "to": hash_of(wanted)}
    db.add(Event(study_id=study.id, kind=f"{kind}_changed", detail=detail))
    return True


def agree(db: Session, rater: RaterRecord, study: Study, consent_hash: str) -> None:
    """Record which text the rater agreed to. A rater who had declined returns to the study."""
    mine = update(Rater).where(col(Rater.id) == rater.id)
    db.execute(mine.values(consent_hash=consent_hash))
    db.execute(mine.where(col(Rater.ended) == "declined").values(ended=""))
    db.add(Event(study_id=study.id, kind="consent_given", rater_id=rater.id, detail={"hash": consent_hash}))


def rubrics(db: Session, study: Study, criteria: Sequence[Criterion]) -> tuple[RubricView, ...]:
    """The rubrics of a study's criteria in their order; criteria without a rubric are left out."""
    if not any(item.rubric for item in criteria):
        return ()
    shown = select(col(StudyClip.clip), col(StudyClip.id), col(StudyClip.media_key))
    examples = {
        clip: media.address_in_study(number, key)
        for clip, number, key in db.execute(
            shown.where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "example")
        )
    }
    views = [RubricView(item.key, item.label, _levels(item.rubric, examples)) for item in criteria]
    return tuple(view for view in views if view.levels)


def _levels(rubric: Mapping[str, str], examples: Mapping[str, str]) -> tuple[RubricLevel, ...]:
    levels = [
        RubricLevel(name, rubric.get(name, ""), examples.get(rubric.get(f"{name}_clip", ""), "")) for name in LEVELS
    ]
    return tuple(level for level in levels if level.words or level.clip)
