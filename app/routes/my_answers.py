"""What a rater has besides the clip on the screen: the list of their answers, and their language."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response

from app.auth import signed_in_rater
from app.languages import Language
from app.raters import raters
from app.rating import judgments, room
from app.routes.rating import study_parts
from app.studies import scales
from app.web.pages import database, page, see

router = APIRouter()


@router.get("/rate/answers")
def answers(request: Request) -> Response:
    """The rater's last answers, each with the way to change it."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        mine = room.past_answers(db, whole, rater)
    final = judgments.are_final(whole.study, rater.ended)
    context = {"study_name": whole.study.name, "answers": mine, "ended": rater.ended, "final": final}
    return page(request, "rating/answers.html", context | {"scale_words": scales.fixed_words()}, block="list")


@router.post("/language")
def language(request: Request, language: Annotated[Language, Form()]) -> Response:
    """The rater chooses a language; back to the page they came from."""
    with database(request).writer() as db:
        rater = signed_in_rater(request, db)
        raters.speak(db, rater, language)
    came_from = urlsplit(request.headers.get("referer", ""))
    # Only the path, and never one that browsers read as another host.
    path = came_from.path if came_from.netloc == request.headers.get("host") else ""
    return see(path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/rate")
