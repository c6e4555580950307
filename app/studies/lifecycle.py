"""A study's life after it is made: find it by its address, pause, close and archive it, show simulated raters."""

import re
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from app.db import Database
from app.errors import AppError, NotFound
from app.models import Event, Study
from app.pools.clip_names import unique_name

State = Literal["open", "paused", "closed", "archived"]
EVENTS: dict[State, str] = {"open": "resumed", "paused": "paused", "closed": "closed", "archived": "archived"}


def by_slug(db: Session, slug: str) -> Study:
    """The study with this slug. Raises NotFound."""
    study = db.scalars(select(Study).where(col(Study.slug) == slug)).first() if slug_of(slug) == slug else None
    if study is None:
        raise NotFound(f"There is no study {slug!r}.", "The page /studies and the command clipjury links list them.")
    return study


def slug_of(name: str) -> str:
    """The slug of a study: its name as a part of an address, of at most 60 characters.

    >>> slug_of("Quality, stability & verdict!")
    'quality-stability-verdict'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "study"


def free_slug(database: Database, wanted: str) -> str:
    """The wanted slug, with a number appended if it is taken."""
    with database.reader() as db:
        taken = set(db.scalars(select(col(Study.slug))))
    return unique_name(wanted, taken)


def notes(study: Study) -> list[str]:
    """Notes for the researcher about how the sample was drawn, and filters that were left out."""
    return [*study.design.get("left_out", []), *study.design.get("notes", [])]


def show_simulated(db: Session, study: Study, *, on: bool) -> None:
    """Show simulated raters instead of people on the results pages, or switch back."""
    if study.show_simulated != on:
        study.show_simulated = on
        db.add(study)
        db.add(Event(study_id=study.id, kind="simulated_on" if on else "simulated_off"))


def change_state(db: Session, study: Study, state: State) -> bool:
    """Put a study into a state. Returns False if it is in that state already.

    Raters of a study that is not open get no more clips; answers to clips that they hold are still stored. Answers of a
    closed or archived study cannot be changed (`rating.judgments.are_final`). Such a study can be opened again.
    Raises AppError if a study that is not open is paused.
    """
    if study.state == state:
        return False
    if state == "paused" and study.state != "open":
        raise AppError(
            f"The study {study.slug} is {study.state} and cannot be paused.",
            f"Open it first: clipjury study resume {study.slug}",
            status=409,
        )
    before, study.state = study.state, state
    study.version += 1
    db.add(study)
    db.add(Event(study_id=study.id, kind=EVENTS[state], detail={"from": before}))
    db.flush()
    return True
