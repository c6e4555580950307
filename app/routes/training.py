"""Raters' pages for training and qualification: their clips, feedback on each training clip, the test's outcome."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.auth import signed_in_rater
from app.models import PurposeBeforeWork, now
from app.rating import onboarding, room, training
from app.routes.rating import AssignmentId, room_page, study_parts
from app.studies import scales, whole_study
from app.web.pages import database, page, see

router = APIRouter()


@router.get("/rate/training")
def practise(request: Request) -> Response:
    """The next training clip."""
    return _next(request, "training")


@router.get("/rate/qualification")
def test(request: Request) -> Response:
    """The next clip of the qualification test, or its outcome."""
    return _next(request, "qualification")


@router.get("/rate/training/{assignment_id}")
def told(request: Request, assignment_id: AssignmentId) -> Response:
    """Feedback on a training clip: the reference answers and their explanation."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        feedback = training.feedback(db, whole, rater, assignment_id)
        if feedback is None:
            return see("/rate")
        more = onboarding.next_step(db, whole, rater) == "training"
    lines = [
        (
            one.criterion.label,
            scales.word(one.criterion, one.given or ""),
            scales.word(one.criterion, one.known),
            one.right,
        )
        for one in feedback.answers
    ]
    context = {
        "feedback": feedback,
        "lines": lines,
        "more": more,
        "sender": room.sender_mark(rater),
        "scale_words": scales.fixed_words(),
    }
    return page(request, "rating/training_feedback.html", _of(whole, context), block="room")


def _next(request: Request, purpose: PurposeBeforeWork) -> Response:
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        step = onboarding.next_step(db, whole, rater)
        if step != purpose:
            return see(onboarding.PAGES[step])
        found = training.next_clip(db, whole, rater, purpose, now=now())
        if found is not None:
            place = training.place_of(db, whole, found)
            return room_page(request, room.build(db, whole, rater, found, practice=place))
        assert purpose == "qualification", "a training that is due has a clip to show"
        outcome = training.conclude(db, whole, rater)
    if outcome.screened_out:
        return see("/rate/ended")
    context = {"outcome": outcome, "sender": room.sender_mark(rater)}
    return page(request, "rating/training_outcome.html", _of(whole, context), block="room")


def _of(whole: whole_study.StudyParts, context: dict[str, Any]) -> dict[str, Any]:
    return {"study_name": whole.study.name, **context}
