"""Training and qualification: clips with reference answers that a rater answers before the work.

Their assignments belong to one rater, are never opened for another and enter no result.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session, col

from app.auth import SignedInRater
from app.models import Assignment, Event, PurposeBeforeWork, Rater, StudyClip
from app.rating import assignments, completion, judgments, reference_answers
from app.rating.assignments import HeldAssignment
from app.rating.reference_answers import CheckedAnswer
from app.rating.room import media_path
from app.rating.room_view import Progress
from app.studies.rules import Qualification
from app.studies.whole_study import StudyParts


@dataclass(frozen=True)
class Feedback:
    """The feedback that a rater gets after a training clip."""

    media: str
    answers: tuple[CheckedAnswer, ...]
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The result of one try of the qualification: right answers, answers needed, tries left."""

    passed: bool
    right: int
    total: int
    needed: int
    tries_left: int
    screened_out: bool


def next_clip(
    db: Session, whole: StudyParts, rater: SignedInRater, purpose: PurposeBeforeWork, *, now: datetime
) -> HeldAssignment | None:
    """The next clip of the training or qualification, reserved for this rater; None if this round is complete.

    The clips come in the order of the study file (from worst to best, as the documentation recommends).
    """
    occasion = _round(rater, purpose)
    query = select(Assignment).where(
        col(Assignment.rater_id) == rater.id, col(Assignment.purpose) == purpose, col(Assignment.occasion) == occasion
    )
    mine = {row.study_clip_id: row for row in db.execute(query).scalars()}
    for clip in _clips(db, whole, purpose):
        row = mine.get(clip.id)
        if row is None:
            row = Assignment(
                study_id=clip.study_id, study_clip_id=clip.id, place=-1, purpose=purpose, occasion=occasion
            )
            row.status, row.rater_id, row.arm, row.claimed_at = "held", rater.id, "hidden", now
            db.add(row)
            db.flush()
        if row.status == "held":
            return assignments.owned(db, rater, row.id)
    return None


def place_of(db: Session, whole: StudyParts, held: HeldAssignment) -> tuple[PurposeBeforeWork, Progress]:
    """The purpose of a practice clip and its position in the round, as the page shows them."""
    purpose: PurposeBeforeWork = "training" if held.assignment.purpose == "training" else "qualification"
    clips = _clips(db, whole, purpose)
    return purpose, Progress([clip.id for clip in clips].index(held.clip.id), len(clips), None)


def feedback(db: Session, whole: StudyParts, rater: SignedInRater, assignment_id: int) -> Feedback | None:
    """The given and the reference answers with the reason; None unless it is an answered training clip.

    Raises NotAllowed if the clip is another rater's.
    """
    held = assignments.owned(db, rater, assignment_id)
    if held.assignment.purpose != "training" or held.assignment.answered_at is None:
        return None
    clip = db.get_one(StudyClip, held.clip.id)
    given = judgments.current(db, assignment_id)
    checked = tuple(reference_answers.check(whole.criteria, given, clip.answers, 0))
    return Feedback(media_path(held), checked, clip.reason)


def conclude(db: Session, whole: StudyParts, rater: SignedInRater) -> Outcome:
    """Count the answers of a completed try: the rater passes, may try again, or is handled by `on_failure`."""
    rule = whole.rules.qualification
    assert rule is not None, "the study has a qualification"
    answers = _answers(db, whole, rater, rule)
    right, total = sum(one.right for one in answers), len(answers)
    passed = right >= rule.least_correct * total - 1e-9
    tries = rater.tries + 1
    over = passed or tries >= rule.tries
    screened_out = over and not passed and rule.on_failure == "screen_out"
    left = 0 if passed else max(0, rule.tries - tries)
    outcome = Outcome(passed, right, total, _needed(rule, total), left, screened_out)
    values = {"tries": tries} | ({"qualified": passed} if over else {})
    db.execute(update(Rater).where(col(Rater.id) == rater.id).values(values))
    kind = "qualified" if passed else "not_qualified" if over else "qualification_try_failed"
    event = Event(study_id=whole.study.id, kind=kind, rater_id=rater.id)
    event.detail = {"try": tries, "right": right, "of": total, "needed": outcome.needed}
    db.add(event)
    if screened_out:
        completion.end(db, whole.study, rater, "screened_out")
    db.flush()
    return outcome


def _round(rater: SignedInRater, purpose: PurposeBeforeWork) -> int:
    return rater.tries if purpose == "qualification" else 0


def _needed(rule: Qualification, total: int) -> int:
    return next(count for count in range(total + 1) if count >= rule.least_correct * total - 1e-9)


def _clips(db: Session, whole: StudyParts, purpose: PurposeBeforeWork) -> list[StudyClip]:
    part = whole.rules.training if purpose == "training" else whole.rules.qualification
    order = {known.clip: place for place, known in enumerate(part.clips)} if part else {}
    query = select(StudyClip).where(col(StudyClip.study_id) == whole.study.id, col(StudyClip.role) == purpose)
    return sorted(db.execute(query).scalars(), key=lambda clip: order.get(clip.clip, len(order)))


def _answers(db: Session, whole: StudyParts, rater: SignedInRater, rule: Qualification) -> list[CheckedAnswer]:
    """Every reference answer of this try with the given one. Answers to a skipped clip count as wrong."""
    query = (
        select(col(Assignment.id), col(StudyClip.answers))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .where(
            col(Assignment.rater_id) == rater.id,
            col(Assignment.purpose) == "qualification",
            col(Assignment.occasion) == rater.tries,
        )
    )
    return [
        one
        for number, known in db.execute(query).all()
        for one in reference_answers.check(whole.criteria, judgments.current(db, number), known, rule.tolerance)
    ]
