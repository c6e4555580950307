"""The raters' page of a study: list raters and links, create links (shown once), withdraw them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile
from sqlmodel import Session

from app.auth import require_researcher
from app.errors import AppError
from app.models import Study, now
from app.raters import invite_list, invites, raters
from app.raters.invites import NewLink
from app.settings import Settings
from app.studies import lifecycle
from app.web.pages import Reader, Writer, page, see

router = APIRouter(prefix="/studies/{slug}/raters", dependencies=[Depends(require_researcher)])
MOST_BYTES = 1_000_000
MAX_LABEL = 80
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Expires = Annotated[str, Form(max_length=40)]


@router.get("")
def listed(
    request: Request,
    slug: str,
    db: Reader,
    name: Annotated[str, Query(max_length=raters.MAX_NAME)] = "",
    number: Annotated[int, Query(ge=1, le=100_000, alias="page")] = 1,
) -> Response:
    """The study's raters and open links, each with its state."""
    return _page(request, db, lifecycle.by_slug(db, slug), wanted=name, number=number)


@router.post("/personal")
def personal(
    request: Request,
    slug: str,
    db: Writer,
    name: Annotated[str, Form(max_length=raters.MAX_NAME)] = "",
    expires: Expires = "",
) -> Response:
    """Create a personal link, which is shown only in this response."""
    study = lifecycle.by_slug(db, slug)
    try:
        (link,) = invite_list.invite_all(db, study, [(name, invites.end_of(expires))])
    except AppError as problem:
        return _page(request, db, study, problem=problem, typed={"name": name, "expires": expires})
    return _page(request, db, study, link=link)


@router.post("/open")
def opened(
    request: Request,
    slug: str,
    db: Writer,
    label: Annotated[str, Form(max_length=MAX_LABEL)] = "",
    cap: Annotated[str, Form(max_length=9)] = "",
    expires: Expires = "",
) -> Response:
    """Create an open link, which is shown only in this response."""
    study = lifecycle.by_slug(db, slug)
    try:
        link = invites.opened(db, study, label=label.strip(), cap=_cap(cap), expires_at=invites.end_of(expires))
    except AppError as problem:
        typed = {"label": label, "cap": cap, "open_expires": expires}
        return _page(request, db, study, problem=problem, typed=typed)
    return _page(request, db, study, link=link)


@router.post("/list")
def from_list(
    request: Request, slug: str, db: Writer, names: Annotated[UploadFile, File()], expires: Expires = ""
) -> Response:
    """Create personal links for the names in a CSV file; the response is the CSV of links, sent only once."""
    study = lifecycle.by_slug(db, slug)
    try:
        end = invites.end_of(expires)
        given = [(name, own or end) for name, own in invites.names_in(_text(names))]
        links = invite_list.invite_all(db, study, given)
    except AppError as problem:
        return _page(request, db, study, problem=problem)
    headers = {
        "Content-Disposition": f'attachment; filename="{study.slug}-links.csv"',
        "Cache-Control": "no-store",
    }
    return Response(invites.links_csv(links, _base(request)), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/{number}/link")
def renewed(request: Request, slug: str, number: Number, db: Writer, expires: Expires = "") -> Response:
    """Replace a rater's personal link; the new one is shown only in this response."""
    study = lifecycle.by_slug(db, slug)
    try:
        link = invite_list.renew(db, study, number, expires_at=invites.end_of(expires))
    except AppError as problem:
        return _page(request, db, study, problem=problem)
    return _page(request, db, study, link=link)


@router.post("/{number}/withdraw")
def withdraw(slug: str, number: Number, db: Writer) -> Response:
    """Withdraw a rater's access."""
    study = lifecycle.by_slug(db, slug)
    invite_list.withdraw_rater(db, study, number, now=now())
    return see(f"/studies/{study.slug}/raters")


@router.post("/open/first/withdraw")
def withdraw_first(slug: str, db: Writer) -> Response:
    """Withdraw the study's own open link."""
    study = lifecycle.by_slug(db, slug)
    invite_list.withdraw_first(db, study)
    return see(f"/studies/{study.slug}/raters")


@router.post("/open/{number}/withdraw")
def withdraw_open(slug: str, number: Number, db: Writer) -> Response:
    """Withdraw an open link."""
    study = lifecycle.by_slug(db, slug)
    invites.withdraw(db, study, number, now=now())
    return see(f"/studies/{study.slug}/raters")


def _cap(given: str) -> int | None:
    """The cap of an open link; None for an empty field. Raises AppError."""
    text = given.strip()
    if text and not (text.isascii() and text.isdigit()):
        raise AppError(f"{text!r} is no number of raters.", "Write it as 30, or leave the field empty.", status=422)
    return int(text) if text else None


def _text(names: UploadFile) -> str:
    """The text of the uploaded list. Raises AppError if it is too long or not text."""
    raw = names.file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise AppError("The list is larger than 1 MB.", "Bring its names in several lists.", status=413)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AppError(
            "The list is not text in UTF-8.", "Save it from the spreadsheet as CSV UTF-8.", status=422
        ) from error


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _page(
    request: Request,
    db: Session,
    study: Study,
    *,
    wanted: str = "",
    number: int = 1,
    link: NewLink | None = None,
    problem: AppError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    settings: Settings = request.app.state.settings
    moment: datetime = now()
    address = f"{_base(request)}{link.path}" if link else ""
    context = {
        "study_name": study.name,
        "study": study,
        "people": invite_list.rater_page(db, study, now=moment, wanted=wanted, number=number),
        "links": invite_list.open_links(db, settings, study, now=moment),
        "wanted": wanted,
        "link": link,
        "address": address,
        "qr": invites.qr_code(address) if link else "",
        "problem": problem,
        "typed": {"name": "", "expires": "", "label": "", "cap": "", "open_expires": ""} | (typed or {}),
        "first_link": f"{_base(request)}{raters.open_link(settings, study)}",
    }
    return page(request, "raters/raters.html", context, status=problem.status if problem else 200)
