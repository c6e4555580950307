"""Onboarding: the step that a rater has to complete before the next clip (consent, device check, guidelines, ...)."""

from typing import Literal

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.auth import SignedInRater
from app.models import Assignment, PurposeBeforeWork, Rater
from app.studies.whole_study import StudyParts

Step = Literal["ended", "paused", "closed", "consent", "device", "guidelines", PurposeBeforeWork, "rating"]
PAGES: dict[Step, str] = {
    "ended": "/rate/ended",
    "paused": "/rate/closed",
    "closed": "/rate/closed",
    "consent": "/rate/consent",
    "device": "/rate/device",
    "guidelines": "/rate/guidelines",
    "training": "/rate/training",
    "qualification": "/rate/qualification",
    "rating": "/rate",
}
"""The page of each step."""
OVER = ("screened_out", "returned", "declined")
"""Endings that are final. A rater who has completed the study may continue when clips are added."""


def next_step(db: Session, whole: StudyParts, rater: SignedInRater) -> Step:
    """The rater's next step. For a rater who is at work this needs no query.

    A final ending holds whatever happens to the study. While a study is not open there is no step, except that a
    rater who has completed it sees the page with the completion code again.
    """
    if rater.ended in OVER:
        return "ended"
    if rater.study_state != "open":
        return "ended" if rater.ended == "completed" else "paused" if rater.study_state == "paused" else "closed"
    if rater.consent_hash != whole.consent_hash and whole.consent_hash:
        return "consent"
    # A rater who has read the guidelines once has passed the device check: only new raters need a query.
    if rater.guidelines_hash is None and whole.rules.device is not None and not _device_passed(db, rater):
        return "device"
    if rater.guidelines_hash != whole.study.guidelines_hash:
        return "guidelines"
    return step_before_work(db, whole, rater) or "rating"


def step_before_work(db: Session, whole: StudyParts, rater: SignedInRater) -> PurposeBeforeWork | None:
    """Training or qualification, if one is due. Neither is due after the first clip of the work was assigned."""
    training, qualification = whole.rules.training, whole.rules.qualification
    if rater.taken or rater.qualified is not None or (training is None and qualification is None):
        return None
    if training is not None and _trained_clips(db, rater) < len(training.clips):
        return "training"
    return "qualification" if qualification is not None else None


def _trained_clips(db: Session, rater: SignedInRater) -> int:
    query = select(func.count()).where(
        col(Assignment.rater_id) == rater.id,
        col(Assignment.purpose) == "training",
        col(Assignment.status).in_(("done", "skipped")),
    )
    return int(db.execute(query).scalar_one())


def _device_passed(db: Session, rater: SignedInRater) -> bool:
    found = db.execute(select(col(Rater.device)).where(col(Rater.id) == rater.id)).scalar_one()
    return bool(found.get("passed"))
