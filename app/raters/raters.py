"""Create raters, find them by their links, revoke them, and store what they chose."""

import secrets
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session, col

from app import auth
from app.errors import AppError, NotFound
from app.models import SHUFFLE_PRIME, Event, Rater, RaterRecord, Study
from app.settings import Settings

MAX_NAME = 40


def open_link(settings: Settings, study: Study) -> str:
    """Path of the study's own open invite link: each person who opens it becomes a rater.

    It was made with the signing key of its time; without that, or when it was withdrawn, the path opens nothing.
    """
    made = [auth.token(settings, f"join:{study.slug}", key=key) for key in settings.keys]
    return f"/join/{next((one for one in made if auth.token_hash(one) == study.invite_hash), made[0])}"


def personal_link(settings: Settings, rater: Rater) -> str:
    """Path of a rater's personal link, which signs in the same rater on every device."""
    return f"/join/{auth.token(settings, f'rater:{rater.study_id}:{rater.id}')}"


def study_of_link(db: Session, token: str) -> Study:
    """The study of an open or personal invite link. Raises NotFound."""
    digest = auth.token_hash(token)
    study = db.scalars(select(Study).where(col(Study.invite_hash) == digest)).first()
    if study is None:
        rater = invited(db, token)
        study = db.get(Study, rater.study_id) if rater else None
    if study is None:
        raise NotFound("This invite link is not valid.", "Ask the person who sent it for a new one.")
    return study


def invited(db: Session, token: str) -> Rater | None:
    """The rater of a personal link, unless it was revoked."""
    digest = auth.token_hash(token)
    return db.scalars(select(Rater).where(col(Rater.token_hash) == digest, col(Rater.revoked_at).is_(None))).first()


def join(db: Session, study: Study, name: str, *, kind: str = "person") -> Rater:
    """Create a rater. A number is appended to a name that is taken in this study."""
    readable = "".join(letter if letter.isprintable() else " " for letter in name)
    wanted = " ".join(readable.split())[:MAX_NAME] or "Rater"
    taken = set(db.scalars(select(col(Rater.name)).where(col(Rater.study_id) == study.id)))
    chosen, number = wanted, 2
    while chosen in taken:
        chosen, number = f"{wanted} {number}", number + 1
    shuffle = 1 + secrets.randbelow(SHUFFLE_PRIME - 1)
    rater = Rater(study_id=study.id, name=chosen, kind=kind, shuffle=shuffle)
    db.add(rater)
    db.flush()
    return rater


def invite(db: Session, settings: Settings, study: Study, name: str) -> str:
    """Create a rater and return the path of their personal link."""
    rater = join(db, study, name)
    path = personal_link(settings, rater)
    rater.token_hash = auth.token_hash(path.rsplit("/", 1)[-1])
    db.add(rater)
    db.flush()
    return path


def revoke(db: Session, study: Study, name: str, *, now: datetime) -> None:
    """Revoke a rater's access; the answers stay. Raises AppError."""
    rater = db.scalars(select(Rater).where(col(Rater.study_id) == study.id, col(Rater.name) == name)).first()
    if rater is None:
        raise AppError(f"The study {study.slug} has no rater {name!r}.", "The study's page lists its raters.")
    rater.revoked_at, rater.epoch = now, rater.epoch + 1
    db.add(rater)
    db.add(Event(study_id=study.id, kind="revoked", rater_id=rater.id))


def agree(db: Session, rater: RaterRecord, study: Study) -> None:
    """Record that the rater has read the current guidelines."""
    if rater.guidelines_hash != study.guidelines_hash:
        db.execute(update(Rater).where(col(Rater.id) == rater.id).values(guidelines_hash=study.guidelines_hash))
        db.add(
            Event(
                study_id=study.id,
                kind="guidelines_read",
                rater_id=rater.id,
                detail={"hash": study.guidelines_hash},
            )
        )


def speak(db: Session, rater: RaterRecord, language: str) -> None:
    """Store the language that the rater chose."""
    db.execute(update(Rater).where(col(Rater.id) == rater.id).values(language=language))
