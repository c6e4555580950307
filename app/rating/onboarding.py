"""The way in: what a rater has to do before the next clip, one step at a time."""

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
"""Where each step is done."""
OVER = ("screened_out", "returned", "declined")
"""Endings after which there is no more work. Who has completed gets more clips when the study gets more."""


def next_step(db: Session, whole: StudyParts, rater: SignedInRater) -> Step:
    """What this rater does next. Nothing is asked of the database for a rater who is at work.

    An ended rater stays ended whatever happens to the study; a study that is not open asks for nothing, except that
    who has completed sees that page again, with its code.
    """
    if rater.ended in OVER:
        return "ended"
    if rater.study_state != "open":
        return "ended" if rater.ended == "completed" else "paused" if rater.study_state == "paused" else "closed"
    if rater.consent_hash != whole.consent_hash and whole.consent_hash:
        return "consent"
    # Who has read guidelines once has passed the device check before: only newcomers are looked up.
    if rater.guidelines_hash is None and whole.rules.device is not None and not _device_passed(db, rater):
        return "device"
    if rater.guidelines_hash != whole.study.guidelines_hash:
        return "guidelines"
    return step_before_work(db, whole, rater) or "rating"


def step_before_work(db: Session, whole: StudyParts, rater: SignedInRater) -> PurposeBeforeWork | None:
    """Training and qualification, as long as they are due: never once the first clip of the work is taken."""
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
