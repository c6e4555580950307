"""Signing in: the researcher's link, invite links for raters."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app import auth, raters, studies
from app.db import Reader, Writer
from app.errors import NotAllowed
from app.web import page, see

router = APIRouter()


@router.get("/")
def front(request: Request) -> Response:
    """Everybody to their own place."""
    if auth.session_of(request, "researcher") is not None:
        return see("/studies")
    if auth.session_of(request, "rater") is not None:
        return see("/rate")
    return page(request, "account/sign_in.html", {"problem": None})


@router.get("/researcher/{key}")
def researcher_link(request: Request, key: str) -> Response:
    """The researcher's link signs in and leaves no key in the address bar."""
    if not auth.is_researcher_key(request.app.state.settings, key):
        raise NotAllowed("This researcher link is not valid here.", "clipjury links prints the right one.")
    response = see("/studies")
    auth.sign_in(request, response, "researcher", 1)
    return response


@router.post("/sign-in")
def sign_in(request: Request, key: Annotated[str, Form(max_length=400)] = "") -> Response:
    """The same by hand: the key alone or the whole link."""
    if not auth.is_researcher_key(request.app.state.settings, key.strip().rstrip("/").rsplit("/", 1)[-1]):
        problem = "This is not the researcher's key. The command clipjury links prints it."
        return page(request, "account/sign_in.html", {"problem": problem}, status=401)
    response = see("/studies")
    auth.sign_in(request, response, "researcher", 1)
    return response


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Forget who this browser is; no answer is touched."""
    response = see("/")
    auth.sign_out(request, response)
    return response


@router.get("/join/{token}")
def invitation(request: Request, token: str, db: Reader) -> Response:
    """A personal link signs in; an open one asks for a name, unless this browser is a rater of the study."""
    study = raters.study_of_link(db, token)
    rater = raters.invited(db, token) or auth.rater_in(request, db, study.id)
    if rater is None:
        context = {
            "study_name": study.name,
            "token_path": f"/join/{token}",
            "clips": studies.clips_per_rater(db, study),
            "minutes": studies.minutes_per_rater(db, study),
        }
        return page(request, "rate/join.html", context)
    response = see("/rate")
    auth.sign_in(request, response, "rater", rater.id)
    return response


@router.post("/join/{token}")
def join(
    request: Request, token: str, db: Writer, name: Annotated[str, Form(max_length=raters.MAX_NAME)] = ""
) -> Response:
    """Become a rater of the study."""
    study = raters.study_of_link(db, token)
    rater = raters.invited(db, token) or auth.rater_in(request, db, study.id) or raters.join(db, study, name)
    response = see("/rate")
    auth.sign_in(request, response, "rater", rater.id)
    return response
