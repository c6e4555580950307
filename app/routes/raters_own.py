"""What a rater has besides the clip on the screen: the list of their answers, and their language."""

from itertools import chain
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response

from app import judgments, raters, rooms
from app.auth import signed_in_rater
from app.languages import Language
from app.routes.rate import study_parts
from app.web import database, page, see

router = APIRouter()
SCALE_WORDS = frozenset(label for _value, label in chain.from_iterable(judgments.SCALES.values()))


@router.get("/rate/answers")
def answers(request: Request) -> Response:
    """The rater's last answers, each with the way to change it."""
    with database(request).reader() as db:
        rater = signed_in_rater(request, db)
        whole = study_parts(request, db, rater)
        mine = rooms.past_answers(db, whole, rater)
    context = {"study_name": whole.study.name, "answers": mine, "scale_words": SCALE_WORDS, "ended": rater.ended}
    return page(request, "rate/answers.html", context, block="list")


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
