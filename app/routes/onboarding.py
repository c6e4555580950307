"""Raters' pages before and after rating: consent, device check, guidelines, withdrawal, completion."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from app.auth import SignedInRater, signed_in_rater
from app.markdown import markdown
from app.models import now
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
    """The consent text. A rater who declined may read it again and agree."""
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
    """Record consent or refusal. If the text was changed after it was shown, the new text is shown instead."""
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
    """The device check, or the requirements that the device does not meet."""
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
    """Record what the browser reports about the device; `told` is empty without scripts."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        if onboarding.next_step(db, whole, rater) == "device" and whole.rules.device is not None:
            outcome = device_check.told_in(told)
            device_check.record(db, rater, whole.rules.device, outcome, browser=_browser(request), now=now())
    return see("/rate")


@router.get("/rate/guidelines")
def guidelines(request: Request) -> Response:
    """The guidelines, shown before the first clip and again after a change."""
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
    """Record that the guidelines with the hash `read` were read. Guidelines changed since are shown again."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        whole = study_parts(request, db, rater)
        is_it = onboarding.next_step(db, whole, rater) == "guidelines"
        if is_it and read in ("", whole.study.guidelines_hash):
            raters.agree(db, rater, whole.study)
    return see("/rate")


@router.get("/rate/closed")
def closed(request: Request) -> Response:
    """The study is paused or closed."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        step = onboarding.next_step(db, whole, rater)
        if step not in ("paused", "closed"):
            return see(PAGES[step])
        done = rater_position.of(db, whole.study, rater).done
    ending: completion.Ending = "completed" if done else "returned"
    completion_code = (
        completion.code_for(whole.rules.recruitment, ending) if step == "closed" else completion.CompletionCode()
    )
    context = {"step": step, "done": done, "completion_code": completion_code}
    return _page(request, whole, rater, "rating/onboarding_closed.html", context)


@router.get("/rate/return")
def stop(request: Request) -> Response:
    """Ask a rater to confirm that they withdraw from the study, with what it means."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if rater.ended:
            return see("/rate")
        done = rater_position.of(db, whole.study, rater).done
    return _page(request, whole, rater, "rating/onboarding_return.html", {"done": done})


@router.post("/rate/return")
def stopped(request: Request) -> Response:
    """Withdraw from the study: reserved clips become free, answers stay. Completed raters keep their code."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db, lock=True)
        if not rater.ended:
            completion.end(db, study_parts(request, db, rater).study, rater, "returned")
    return see("/rate")


@router.get("/rate/ended")
def ended(request: Request) -> Response:
    """How the rater's work ended, with the completion code."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        if onboarding.next_step(db, whole, rater) != "ended":
            return see("/rate")
        done = rater_position.of(db, whole.study, rater).done
    ending: Any = rater.ended
    context = {
        "ending": ending,
        "done": done,
        "completion_code": completion.code_for(whole.rules.recruitment, ending),
        "may_agree": ending == "declined" and whole.study.state == "open",
    }
    return _page(request, whole, rater, "rating/onboarding_ended.html", context)


def _may_agree(db: Session, whole: StudyParts, rater: SignedInRater) -> bool:
    """True if the rater is asked for consent now, or declined and may still agree."""
    if rater.ended == "declined":
        return whole.consent_hash != "" and rater.study_state == "open"
    return onboarding.next_step(db, whole, rater) == "consent"


def _browser(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _page(request: Request, whole: StudyParts, rater: SignedInRater, name: str, context: dict[str, Any]) -> Response:
    return page(request, name, {"study_name": whole.study.name, "sender": room.sender_mark(rater), **context})
