"""The addresses of the way in and of the way out: consent, device check, guidelines, endings."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from app.auth import SignedInRater, signed_in_rater
from app.markdown import markdown
from app.raters import raters
from app.rating import completion, device_check, onboarding, questions, rater_position, room
from app.rating.onboarding import PAGES
from app.routes.rating import study_parts
from app.studies import documents
from app.studies.rules import Device
from app.studies.whole_study import StudyParts
from app.web.pages import database, page, see

router = APIRouter()


@router.get("/rate/consent")
def consent(request: Request) -> Response:
    """The text to agree to; who declined may still read it and change their mind."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if not _may_agree(db, whole, rater):
            return see("/rate")
    text = whole.rules.consent.text if whole.rules.consent else ""
    context = {"text_html": markdown(text), "hash": whole.consent_hash, "changed": rater.consent_hash is not None}
    return _page(request, whole, rater, "rating/onboarding_consent.html", context)


@router.post("/rate/consent")
def answer_consent(
    request: Request, agree: Annotated[Literal["yes", "no"], Form()], text: Annotated[str, Form(max_length=16)]
) -> Response:
    """Agreed or not, to the text that was shown: one that was changed meanwhile is shown anew."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        if text == whole.consent_hash and _may_agree(db, whole, rater):
            if agree == "yes":
                documents.agree(db, rater, whole.study, whole.consent_hash)
            else:
                completion.end(db, whole.study, rater, "declined")
    return see("/rate")


@router.get("/rate/device")
def device(request: Request, again: bool = False) -> Response:
    """The check, or what it found wanting."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if onboarding.next_step(db, whole, rater) != "device":
            return see("/rate")
        outcome = {} if again else device_check.outcome_of(db, rater, browser=_browser(request))
        clip = device_check.clip_for(db, rater)
    context = {
        "clip": clip,
        "mime": device_check.MIME,
        "rule": whole.rules.device,
        "outcome": outcome,
        "demands": whole.rules.device != Device(),
    }
    return _page(request, whole, rater, "rating/onboarding_device.html", context)


@router.post("/rate/device")
def device_checked(request: Request, told: Annotated[str, Form()] = "") -> Response:
    """What the browser found out about itself; nothing where it runs no script."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        if onboarding.next_step(db, whole, rater) == "device" and whole.rules.device is not None:
            device_check.record(db, rater, whole.rules.device, device_check.told_in(told), browser=_browser(request))
    return see("/rate")


@router.get("/rate/guidelines")
def guidelines(request: Request) -> Response:
    """What a rater reads before the first clip, and again after it changed."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        step = onboarding.next_step(db, whole, rater)
    if step != "guidelines":
        return see(PAGES[step])
    context = {
        "guidelines_html": markdown(whole.study.guidelines),
        "hash": whole.study.guidelines_hash,
        "changed": rater.guidelines_hash is not None,
        "criteria": questions.views(whole.criteria, {}),
        "rubrics": whole.rubrics,
    }
    return _page(request, whole, rater, "rating/guidelines.html", context)


@router.post("/rate/start")
def start(request: Request, read: Annotated[str, Form(max_length=16)] = "") -> Response:
    """The guidelines have been read, `read` says which: those that were changed meanwhile are shown anew."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        is_it = onboarding.next_step(db, whole, rater) == "guidelines"
        if is_it and read in ("", whole.study.guidelines_hash):
            raters.agree(db, rater, whole.study)
    return see("/rate")


@router.get("/rate/closed")
def closed(request: Request) -> Response:
    """The study takes no answers now: a rest, or its end."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        step = onboarding.next_step(db, whole, rater)
        if step not in ("paused", "closed"):
            return see(PAGES[step])
        done = rater_position.standing(db, whole.study, rater).done
    ending: completion.Ending = "completed" if done else "returned"
    farewell = completion.farewell(whole.rules.recruitment, ending) if step == "closed" else completion.Farewell()
    context = {"step": step, "done": done, "farewell": farewell}
    return _page(request, whole, rater, "rating/onboarding_closed.html", context)


@router.get("/rate/return")
def stop(request: Request) -> Response:
    """Stop for good? Says what that means; who has completed has nothing to give back."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if rater.ended:
            return see("/rate")
        done = rater_position.standing(db, whole.study, rater).done
    return _page(request, whole, rater, "rating/onboarding_return.html", {"done": done})


@router.post("/rate/return")
def stopped(request: Request) -> Response:
    """Stop for good: the places go to others, the answers stay. Who has completed keeps that ending and its code."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        if not rater.ended:
            completion.end(db, study_parts(request, db, rater).study, rater, "returned")
    return see("/rate")


@router.get("/rate/ended")
def ended(request: Request) -> Response:
    """How it ended, with the code to take away."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if onboarding.next_step(db, whole, rater) != "ended":
            return see("/rate")
        done = rater_position.standing(db, whole.study, rater).done
    ending: Any = rater.ended
    context = {
        "ending": ending,
        "done": done,
        "farewell": completion.farewell(whole.rules.recruitment, ending),
        "may_agree": ending == "declined" and whole.study.state == "open",
    }
    return _page(request, whole, rater, "rating/onboarding_ended.html", context)


def _may_agree(db: Session, whole: StudyParts, rater: SignedInRater) -> bool:
    """Whether this rater is asked for consent now, or said no and may think again."""
    if rater.ended == "declined":
        return whole.consent_hash != "" and rater.study_state == "open"
    return onboarding.next_step(db, whole, rater) == "consent"


def _browser(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _page(request: Request, whole: StudyParts, rater: SignedInRater, name: str, context: dict[str, Any]) -> Response:
    return page(request, name, {"study_name": whole.study.name, "sender": room.sender_mark(rater), **context})
