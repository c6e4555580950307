"""Whether raters may work on a study: open, paused, closed, archived."""

from typing import Literal

from sqlmodel import Session

from app.errors import AppError
from app.models import Event, Study

State = Literal["open", "paused", "closed", "archived"]
EVENTS: dict[State, str] = {"open": "resumed", "paused": "paused", "closed": "closed", "archived": "archived"}


def move(db: Session, study: Study, state: State) -> bool:
    """Put a study into a state; False when it is in it already.

    Raters of a study that is not open get no more clips; answers to clips they hold are kept all the same. A closed
    study can be opened again, an archived one too. Raises AppError for pausing what is not open.
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
