"""What raters read before they rate: guidelines, the text they agree to, the rubric with its example clips.

The texts in force stand with the study; every text that ever was in force is kept under its hash (`Document`), so that
each judgment, which names its guidelines by that hash, can be read beside them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import update
from sqlmodel import Session, col, select

from app.errors import AppError
from app.models import Criterion, Document, Event, Rater, RaterRecord, Study, StudyClip
from app.studies import media
from app.studies.rules import Rules

Kind = Literal["guidelines", "consent"]
LEVELS = ("good", "fair", "poor")
MOST_LETTERS = 100_000


@dataclass(frozen=True)
class Level:
    """What good, fair or poor means: in words, by a clip (its address), or both."""

    name: str
    words: str
    clip: str


@dataclass(frozen=True)
class RubricView:
    """A criterion's rubric as raters see it."""

    key: str
    label: str
    levels: tuple[Level, ...]


def hash_of(text: str) -> str:
    """The short name of a text.

    >>> hash_of("Watch each clip.")
    'c46f4c31bf488960'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def consent_text(study: Study) -> str:
    """The text raters agree to now; empty where the study asks for no consent."""
    consent = Rules.model_validate(study.rules).consent
    return consent.text if consent else ""


def keep(db: Session, study: Study) -> None:
    """Keep the texts in force now, unless they are kept already."""
    for kind, text in (("guidelines", study.guidelines), ("consent", consent_text(study))):
        known = select(Document.id).where(
            Document.study_id == study.id, Document.kind == kind, Document.hash == hash_of(text)
        )
        if text and db.exec(known).first() is None:
            db.add(Document(study_id=study.id, kind=kind, hash=hash_of(text), text=text))
    db.flush()


def change(db: Session, study: Study, kind: Kind, text: str) -> bool:
    """Put another text in force; False when it is the one in force already.

    Raters read changed guidelines before their next clip, and are asked again for a changed consent. Raises AppError
    for an empty text or one that is too long.
    """
    wanted = text.replace("\r\n", "\n").strip()
    if not wanted:
        raise AppError("The text is empty.", "Write what raters shall read, in Markdown.", status=422)
    if len(wanted) > MOST_LETTERS or "\0" in wanted:
        raise AppError(
            "This is no text for raters.", f"Bring Markdown of at most {MOST_LETTERS:,} letters.", status=422
        )
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
    """Note which text the rater agreed to; who had refused it is back in the study."""
    mine = update(Rater).where(col(Rater.id) == rater.id)
    db.execute(mine.values(consent_hash=consent_hash))
    db.execute(mine.where(col(Rater.ended) == "declined").values(ended=""))
    db.add(Event(study_id=study.id, kind="consent_given", rater_id=rater.id, detail={"hash": consent_hash}))


def rubrics(db: Session, study: Study, criteria: Sequence[Criterion]) -> tuple[RubricView, ...]:
    """The rubrics of a study's criteria, in their order; a criterion without one has none."""
    if not any(item.rubric for item in criteria):
        return ()
    shown = select(StudyClip.clip, StudyClip.id, StudyClip.media_key)
    examples = {
        clip: media.address_in_study(number, key)
        for clip, number, key in db.exec(shown.where(StudyClip.study_id == study.id, StudyClip.role == "example"))
    }
    views = [RubricView(item.key, item.label, _levels(item.rubric, examples)) for item in criteria]
    return tuple(view for view in views if view.levels)


def _levels(rubric: Mapping[str, str], examples: Mapping[str, str]) -> tuple[Level, ...]:
    levels = [Level(name, rubric.get(name, ""), examples.get(rubric.get(f"{name}_clip", ""), "")) for name in LEVELS]
    return tuple(level for level in levels if level.words or level.clip)
