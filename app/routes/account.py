"""Sign-in addresses: the researcher's link, and invite links of raters."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from app import auth
from app.errors import NotAllowed
from app.models import now
from app.raters import invites, raters
from app.studies import overview
from app.studies.rules import rules_of
from app.web.pages import Reader, Writer, page, see, speak

router = APIRouter()


@router.get("/")
def front(request: Request, db: Reader) -> Response:
    """Redirect researchers to the studies and raters to their clips."""
    if auth.is_researcher(request, db):
        return see("/studies")
    if auth.rater_session(request) is not None:
        return see("/rate")
    return page(request, "account/sign_in.html", {"problem": None})


@router.get("/researcher/{key}")
def researcher_link(request: Request, key: str, db: Writer) -> Response:
    """Sign the researcher in by link, and redirect so that the key does not stay in the address bar."""
    if not auth.is_researcher_key(request.app.state.settings, key):
        raise NotAllowed("This researcher link is not valid here.", "clipjury links prints the right one.")
    response = see("/studies")
    auth.sign_in_researcher(request, response, db, now=now())
    return response


@router.post("/sign-in")
def sign_in(request: Request, db: Writer, key: Annotated[str, Form(max_length=400)] = "") -> Response:
    """Sign the researcher in with the key or the whole link, pasted into the form."""
    if not auth.is_researcher_key(request.app.state.settings, key.strip().rstrip("/").rsplit("/", 1)[-1]):
        problem = "This is not the researcher's key. The command clipjury links prints it."
        return page(request, "account/sign_in.html", {"problem": problem}, status=401)
    response = see("/studies")
    auth.sign_in_researcher(request, response, db, now=now())
    return response


@router.post("/sign-out")
def sign_out(request: Request, db: Writer) -> Response:
    """Sign out of both roles. Answers are kept."""
    response = see("/")
    auth.sign_out(request, response, db)
    return response


@router.get("/join/{token}")
def invitation(request: Request, token: str, db: Reader) -> Response:
    """Open an invite link: a personal link signs in, an open one asks for a name unless the rater is known."""
    way = invites.entrance(db, token, now=now())
    rater = _known(request, db, way)
    if rater is None:
        speak(request, "", rules_of(way.study).language)
        invites.refuse_unless_open(way.study)
        query = f"?{request.url.query}" if request.url.query else ""
        context = {
            "study_name": way.study.name,
            "token_path": f"/join/{token}{query}",
            "clips": overview.clips_per_rater(db, way.study),
            "minutes": overview.minutes_per_rater(db, way.study),
        }
        return page(request, "raters/join.html", context)
    response = see("/rate")
    auth.sign_in_rater(request, response, rater)
    return response


@router.post("/join/{token}")
def join(
    request: Request, token: str, db: Writer, name: Annotated[str, Form(max_length=raters.MAX_NAME)] = ""
) -> Response:
    """Create the rater of an open link. Ids of a recruitment platform are in the query of the form's address."""
    way = invites.entrance(db, token, now=now())
    ids = invites.platform_ids(request.query_params)
    rater = _known(request, db, way) or invites.admit(db, way, name, ids)
    response = see("/rate")
    auth.sign_in_rater(request, response, rater)
    return response


def _known(request: Request, db: Session, way: invites.Entrance) -> auth.RaterWithEpoch | None:
    """The rater who opens the link: by personal link, by the platform's participant id, or by cookie; else None."""
    if way.rater is not None:
        return way.rater
    ids = invites.platform_ids(request.query_params)
    return invites.sent_before(db, way.study, ids) if ids else auth.rater_in(request, db, way.study.id)
