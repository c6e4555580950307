"""How a rater's work ends: the code they take away, the places they give back."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from sqlalchemy import update
from sqlmodel import Session, col

from app.models import Event, Rater, RaterRecord, Study
from app.rating import assignments
from app.studies.rules import Recruitment

Ending = Literal["completed", "screened_out", "returned", "declined"]

ADDRESSES = {"prolific": "https://app.prolific.com/submissions/complete?cc={code}"}
"""Where a platform's participants go back to when the study file names no address."""


@dataclass(frozen=True)
class Farewell:
    """A code to enter where the rater was recruited, and the address to go back to; either may be empty."""

    code: str = ""
    address: str = ""


def farewell(recruitment: Recruitment, ending: Ending) -> Farewell:
    """What a rater takes away. Who declines gives the study back, as who returns it does.

    The address serves every ending that has a code to fill in, and completion alone where it takes none.

    >>> farewell(Recruitment(completion_url="https://example.org/?cc={code}", returned_code="R1"), "returned")
    Farewell(code='R1', address='https://example.org/?cc=R1')
    """
    codes = {"completed": recruitment.completion_code, "screened_out": recruitment.screened_out_code}
    code = codes.get(ending, recruitment.returned_code)
    address = recruitment.completion_url or ADDRESSES.get(recruitment.platform, "")
    goes = bool(code) if "{code}" in address else ending == "completed"
    return Farewell(code, address.replace("{code}", quote(code)) if goes else "")


def end(db: Session, study: Study, rater: RaterRecord, ending: Ending) -> None:
    """End a rater's work and give the places they hold to others; their answers stay. Twice is harmless."""
    ended = db.execute(
        update(Rater)
        .where(col(Rater.id) == rater.id, col(Rater.ended) != ending)
        .values(ended=ending)
        .returning(col(Rater.id))
    ).first()
    if ended is None:
        return
    db.add(Event(study_id=study.id, kind=ending, rater_id=rater.id))
    for one in assignments.held(db, rater):
        assignments.skip(db, study, one.assignment, reason=ending)
    db.flush()
