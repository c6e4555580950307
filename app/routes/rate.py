"""The rating room's addresses."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from sqlmodel import Session

from app import assignments, judgments, raters, rooms
from app.auth import RaterId, signed_in_rater
from app.db import Reader, Writer
from app.errors import AppError
from app.judgments import Answer
from app.models import Rater, now
from app.room_view import Room
from app.rooms import StudyParts
from app.web import is_htmx, markdown, page, see

router = APIRouter()
SkipReason = Literal["cannot_play", "wrong_content", "distressing", "other"]


async def answer_form(request: Request) -> Answer:
    """The sent form: one field `answer-<criterion>` per question, the submission id, the facts."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    values = {name.removeprefix("answer-"): value for name, value in form.items() if name.startswith("answer-")}
    return Answer(values=values, submission=form.get("submission", ""), facts=form.get("facts", ""))


@router.get("/rate")
def room(request: Request, who: RaterId, db: Writer) -> Response:
    """The clip to rate now; guidelines first."""
    rater = signed_in_rater(db, who, lock=True)
    whole = study_parts(request, db, rater)
    if rater.guidelines_hash != whole.study.guidelines_hash:
        context = {
            "study_name": whole.study.name,
            "guidelines_html": markdown(whole.study.guidelines),
            "criteria": rooms.criterion_views(whole, None, {}),
        }
        return page(request, "rate/guidelines.html", context)
    return next_page(request, db, whole, rater)


@router.post("/rate/start")
def start(request: Request, who: RaterId, db: Writer) -> Response:
    """The guidelines have been read."""
    rater = signed_in_rater(db, who)
    raters.agree(db, rater, study_parts(request, db, rater).study)
    return see("/rate")


@router.get("/rate/{assignment_id}")
def earlier(request: Request, assignment_id: int, who: RaterId, db: Reader, revealed: bool = False) -> Response:
    """Back to an answer already given, to look at its scores or to change it."""
    rater = signed_in_rater(db, who)
    whole = study_parts(request, db, rater)
    held = assignments.owned(db, rater, assignment_id)
    if held.assignment.answered_at is None:
        return see("/rate")
    shown = revealed and held.assignment.arm == "after"
    return room_page(request, rooms.build(db, whole, rater, held, revealed=shown))


@router.post("/rate/{assignment_id}")
def submit(
    request: Request, assignment_id: int, answer: Annotated[Answer, Depends(answer_form)], who: RaterId, db: Writer
) -> Response:
    """Store an answer, then show what comes next."""
    rater = signed_in_rater(db, who, lock=True)
    whole = study_parts(request, db, rater)
    held = assignments.owned(db, rater, assignment_id, lock=True)
    first = held.assignment.answered_at is None
    try:
        judgments.record(db, held, rater, rooms.criteria_of(whole, held), answer, now=now())
    except AppError as error:
        if error.status != 422:
            raise
        refused = rooms.build(db, whole, rater, held, problem=str(error), sent=answer.values)
        return room_page(request, refused, status=422)
    reveal = first and held.assignment.arm == "after"
    if not is_htmx(request):
        return see(f"/rate/{assignment_id}?revealed=true" if reveal else "/rate")
    if reveal:
        return room_page(request, rooms.build(db, whole, rater, held, revealed=True))
    return next_page(request, db, whole, rater)


@router.post("/rate/{assignment_id}/skip")
def skip(
    request: Request, assignment_id: int, who: RaterId, db: Writer, reason: Annotated[SkipReason, Form()]
) -> Response:
    """Give the clip back, saying why."""
    rater = signed_in_rater(db, who, lock=True)
    whole = study_parts(request, db, rater)
    held = assignments.owned(db, rater, assignment_id, lock=True)
    assignments.skip(db, whole.study, held.assignment, reason=reason, now=now())
    db.flush()
    return next_page(request, db, whole, rater) if is_htmx(request) else see("/rate")


def study_parts(request: Request, db: Session, rater: Rater) -> StudyParts:
    """The rater's study; kept in memory, because questions and filters never change once a study is made."""
    kept: dict[int, StudyParts] = request.app.state.study_parts
    if rater.study_id not in kept:
        kept[rater.study_id] = rooms.parts(db, rater.study_id)
        db.expunge_all()
        db.add(rater)
    return kept[rater.study_id]


def next_page(request: Request, db: Session, whole: StudyParts, rater: Rater) -> Response:
    """The next clip, or the page that says why there is none."""
    lease = timedelta(minutes=request.app.state.settings.lease_minutes)
    following = rooms.next_room(db, whole, rater, now=now(), lease=lease)
    if following is not None:
        return room_page(request, following)
    counts = assignments.counts(db, whole.study, rater)
    last = assignments.past(db, rater).last
    context: dict[str, Any] = {
        "study_name": whole.study.name,
        "done": counts.done,
        "undo": f"/rate/{last}" if last else None,
    }
    return page(request, "rate/waiting.html" if counts.waiting else "rate/finished.html", context, block="room")


def room_page(request: Request, room: Room, *, status: int = 200) -> Response:
    """The rating page, or its changing part."""
    return page(request, "rate/room.html", {"room": room, "study_name": room.study}, block="room", status=status)
