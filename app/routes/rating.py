"""Addresses of the rating room.

Each handler opens its own session and renders after it has closed: what is shown is committed, and no writer waits
for a template. (A session as a dependency would cost two more thread changes a request: measured, a third of the
throughput.)
"""

import json
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from sqlmodel import Session

from app.auth import SignedInRater, signed_in_rater
from app.cache import Cache
from app.errors import AppError
from app.models import PURPOSES_BEFORE_WORK, now
from app.rating import assignments, completion, judgments, onboarding, playback_facts, training
from app.rating import room as rooms
from app.rating.judgments import Answer
from app.rating.room_view import NoMoreClips, RatingPage
from app.studies import whole_study
from app.studies.whole_study import StudyParts
from app.web.pages import database, is_htmx, page, see, speak
from app.web.rating_turns import in_turn, writer

router = APIRouter()
AssignmentId = Annotated[int, Path(ge=1, le=2**31 - 1)]
MOST_FIELDS = 200
SkipReason = Literal["cannot_play", "wrong_content", "distressing", "other"]


async def answer_form(request: Request) -> Answer:
    """The sent form: one field `answer-<criterion>` per question, the submission id, the facts."""
    # As browsers send it, without files: a third of the time that the framework's reader of every kind of form takes.
    try:
        sent = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise AppError("The answer could not be read.", "Reload the page and answer again.", status=422) from error
    form = dict(sent)
    values = {name.removeprefix("answer-"): value for name, value in form.items() if name.startswith("answer-")}
    for name in form:
        if name.startswith("tag-"):  # the one field that a browser sends several times
            tags = [value for other, value in sent if other == name]
            values[name.removeprefix("tag-")] = json.dumps(tags, ensure_ascii=False)
    return Answer(values=values, submission=form.get("submission", ""), facts=form.get("facts", ""))


@router.get("/rate")
@in_turn
def room(request: Request) -> Response:
    """Show the clip to rate now, or the step that comes before it."""
    with writer(request) as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        step = onboarding.next_step(db, whole, rater)
        if step != "rating":
            return see(onboarding.PAGES[step])
        shown = next_room(request, db, whole, rater, assignments.held(db, rater))
    return room_page(request, shown)


@router.get("/rate/{assignment_id}")
def earlier(request: Request, assignment_id: AssignmentId, revealed: bool = False) -> Response:
    """Show an answer already given, to look at its scores or to change it."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        held = assignments.owned(db, rater, assignment_id)
        if held.assignment.answered_at is None or held.assignment.purpose in PURPOSES_BEFORE_WORK:
            return see("/rate")
        whole = study_parts(request, db, rater)
        if judgments.are_final(whole.study, rater.ended):
            return see("/rate/answers")
        reveal = revealed and held.assignment.arm == "after"
        shown = rooms.build(db, whole, rater, held, revealed=reveal)
    return room_page(request, shown)


@router.post("/rate/{assignment_id}")
@in_turn
def submit(request: Request, assignment_id: AssignmentId, answer: Annotated[Answer, Depends(answer_form)]) -> Response:
    """Store an answer, then show what comes next."""
    with writer(request) as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        have = assignments.held(db, rater)
        held = assignments.owned(db, rater, assignment_id, have)
        practised = held.assignment.purpose in PURPOSES_BEFORE_WORK
        if practised and held.assignment.answered_at is not None:
            return see("/rate")  # sent twice; a training's or test's answer is not changed
        reveal = held.assignment.answered_at is None and held.assignment.arm == "after"
        try:
            rooms.refuse_unseen(whole, held, answer.facts)
            final = judgments.are_final(whole.study, rater.ended)
            judgments.record(
                db,
                held,
                rater,
                rooms.criteria_of(whole, held),
                answer,
                now=now(),
                final=final,
                revisions_per_hour=request.app.state.settings.revisions_per_hour,
            )
        except AppError as error:
            if error.status != 422:
                raise
            place = training.place_of(db, whole, held) if practised else None
            refused = rooms.build(db, whole, rater, held, problem=str(error), sent=answer.values, practice=place)
            return room_page(request, refused, status=422)
        if held.assignment.purpose == "training":
            return see(f"/rate/training/{assignment_id}")
        if not is_htmx(request):
            return see(f"/rate/{assignment_id}?revealed=true" if reveal else "/rate")
        if reveal:
            shown: RatingPage | NoMoreClips = rooms.build(db, whole, rater, held, revealed=True)
        elif (step := onboarding.next_step(db, whole, rater)) != "rating":
            return see(onboarding.PAGES[step])
        else:
            shown = next_room(request, db, whole, rater, [one for one in have if one is not held])
    return room_page(request, shown)


@router.post("/rate/{assignment_id}/alive")
def alive(request: Request, assignment_id: AssignmentId) -> Response:
    """Extend the rater's leases while a clip plays. A lease that has ended is no error: a late answer is stored too."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db)
        assignments.renew(db, rater, assignment_id, now=now(), lease=request.app.state.settings.lease)
    return Response(status_code=204)


@router.post("/rate/{assignment_id}/skip")
@in_turn
def skip(
    request: Request,
    assignment_id: AssignmentId,
    reason: Annotated[SkipReason, Form()],
    facts: Annotated[str, Form()] = "",
) -> Response:
    """Release the clip with the reason and the playback facts, then show the next one."""
    with writer(request) as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        have = assignments.held(db, rater)
        held = assignments.owned(db, rater, assignment_id, have)
        told = playback_facts.facts_of(facts)
        assignments.skip(db, whole.study, held.assignment, reason=reason, facts=told)
        db.flush()
        if not is_htmx(request):
            return see("/rate")
        if (step := onboarding.next_step(db, whole, rater)) != "rating":
            return see(onboarding.PAGES[step])
        shown = next_room(request, db, whole, rater, [one for one in have if one is not held])
    return room_page(request, shown)


def study_parts(request: Request, db: Session, rater: SignedInRater) -> StudyParts:
    """The rater's study, cached until its version changes."""
    cache: Cache = request.app.state.study_parts
    number = rater.study_id
    whole = cache.get(number, rater.study_version, lambda: whole_study.parts(db, number).detached(db))
    speak(request, rater.language, whole.rules.language)
    return whole


def next_room(
    request: Request, db: Session, whole: StudyParts, rater: SignedInRater, have: list[assignments.HeldAssignment]
) -> RatingPage | NoMoreClips:
    """The next clip, or why there is none. A rater who has answered every clip has completed the study."""
    shown = rooms.next_room(db, whole, rater, have, now=now(), lease=request.app.state.settings.lease)
    if isinstance(shown, NoMoreClips) and shown.done and not shown.waiting:
        completion.end(db, whole.study, rater, "completed")
    return shown


def room_page(request: Request, shown: RatingPage | NoMoreClips, *, status: int = 200) -> Response:
    """Render the rating page, or the page that says why there is no clip; for htmx only the block that changes."""
    if isinstance(shown, RatingPage):
        context = {"room": shown, "study_name": shown.study}
        return page(request, "rating/room.html", context, block="room", status=status)
    context = {
        "study_name": shown.study,
        "sender": shown.sender,
        "done": shown.done,
        "undo": shown.undo,
        "completion_code": shown.completion_code,
    }
    return page(request, "rating/waiting.html" if shown.waiting else "rating/finished.html", context, block="room")
