"""End a rater's work: the completion code for the recruitment platform, and the release of the clips they hold."""

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
"""Addresses that participants return to, by platform, if the study file names none."""


@dataclass(frozen=True)
class CompletionCode:
    """The code to enter on the recruitment platform, and the address to return to. Either may be empty."""

    code: str = ""
    address: str = ""


def code_for(recruitment: Recruitment, ending: Ending) -> CompletionCode:
    """The completion code of an ending. A rater who declines the consent gets the code of a withdrawal.

    An address with `{code}` is used for every ending that has a code; an address without it for completion only.

    >>> code_for(Recruitment(completion_url="https://example.org/?cc={code}", returned_code="R1"), "returned")
    CompletionCode(code='R1', address='https://example.org/?cc=R1')
    """
    codes = {"completed": recruitment.completion_code, "screened_out": recruitment.screened_out_code}
    code = codes.get(ending, recruitment.returned_code)
    address = recruitment.completion_url or ADDRESSES.get(recruitment.platform, "")
    goes = bool(code) if "{code}" in address else ending == "completed"
    return CompletionCode(code, address.replace("{code}", quote(code)) if goes else "")


def end(db: Session, study: Study, rater: RaterRecord, ending: Ending) -> None:
    """End a rater's work and release the clips they hold. Their answers stay. A second call changes nothing."""
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
