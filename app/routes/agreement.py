"""The agreement page, each rater's page and the disputed clips, with the researcher's rulings on them."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from analysis.agreement.statistics import shown_on
from analysis.figures import Theme
from app.auth import require_researcher
from app.cache import Cache
from app.errors import NotFound
from app.models import Study
from app.results import adjudications, disputed_clips, rater_profile, votes
from app.results import agreement as study_agreement
from app.results.agreement import Agreement
from app.results.agreement_figures import AgreementFigures
from app.results.disputed_clips import CLIP_ORDERS, SHOWN_CLIPS, ClipOrder, ClipSelection, ShownClips
from app.results.figure_registry import draw, find, on_page
from app.results.rater_profile import RaterProfile
from app.results.study_results import kind_of
from app.studies import lifecycle, whole_study
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, Writer, page, see

router = APIRouter(prefix="/studies/{slug}/agreement", dependencies=[Depends(require_researcher)])
Name = Annotated[str, Query(max_length=100)]
"""A criterion's key or a rater's pseudonym; empty for the first criterion, or for no rater."""


def agreement_of(request: Request, db: Session, study: Study, *, allow_stale: bool = False) -> Agreement:
    """Return the study's agreement: of the simulated panel while it is switched on, of people otherwise.

    With `allow_stale` it may be older than the last answer: the figures then show the same data as their page.
    """
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    return cache.get(
        ("agreement", study.id, kind),
        votes.fingerprint(db, study),
        lambda: study_agreement.compute(db, study, kind),
        allow_stale=allow_stale,
        allow_recent=True,
    )


@router.get("")
def agreement(request: Request, slug: str, db: Reader, criterion: Name = "") -> Response:
    """Show all criteria in one plot, pairs and raters of one criterion, and its most disputed clips."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    chosen = _chosen(found, criterion)
    whole = whole_study.parts(db, study.id)
    selection = ClipSelection(chosen.item.key if chosen else "")
    context = _page_context(study, found) | {
        "chosen": chosen,
        "disputed": disputed_clips.select_clips(db, study, found, whole.criteria, selection),
        "statistics": shown_on("agreement"),
        "figures": on_page(
            "agreement",
            AgreementFigures(found, chosen),
            f"/studies/{study.slug}/agreement/figures",
            query=urlencode({"criterion": chosen.item.key}) if chosen else "",
        ),
    }
    return page(request, "results/agreement.html", context)


@router.get("/raters/{pseudonym}")
def rater(request: Request, slug: str, pseudonym: str, db: Reader) -> Response:
    """Show one rater's bias, inconsistency, and agreement with the others and on repeated clips."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    profile = _profile(request, db, study, found, pseudonym)
    drawn = on_page(
        "rater",
        AgreementFigures(found, rater=profile),
        f"/studies/{study.slug}/agreement/figures",
        query=urlencode({"rater": profile.name}),
    )
    context = {"profile": profile, "figures": drawn}
    return page(request, "results/rater.html", _page_context(study, found) | context)


@router.get("/clips")
def clips(
    request: Request,
    slug: str,
    db: Reader,
    criterion: Name = "",
    show: ShownClips = "disputed",
    order: ClipOrder = "disputed",
    rater: Name = "",
    page_: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show a page of disputed clips."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    _chosen(found, criterion)
    selection = ClipSelection(criterion, show, order, rater, page_)
    criteria = whole_study.parts(db, study.id).criteria
    choices = {"criterion": criterion, "show": show, "order": order, "rater": rater}
    query = urlencode({name: value for name, value in choices.items() if value})
    context = _page_context(study, found) | {
        "disputed": disputed_clips.select_clips(db, study, found, criteria, selection),
        "selection": selection,
        "shown_clips": SHOWN_CLIPS,
        "orders": CLIP_ORDERS,
        "here": f"/studies/{study.slug}/agreement/clips?{query}",
    }
    return page(request, "results/disputed_clips.html", context, block="wall")


@router.post("/clips/{number}")
def rule(
    slug: str,
    number: int,
    db: Writer,
    criterion: Annotated[str, Form(max_length=100)],
    reason: Annotated[str, Form(max_length=2000)] = "",
    value: Annotated[str, Form(max_length=100)] = "",
    withdraw: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Store or withdraw the researcher's ruling on a clip, and return to the page it came from."""
    study = lifecycle.by_slug(db, slug)
    verdict = adjudications.WITHDRAWN if withdraw else value
    adjudications.record(db, study, number, criterion, verdict, reason)
    here = f"/studies/{study.slug}/agreement/clips"
    address = back if back.startswith(f"{here}?") else f"{here}?{urlencode({'criterion': criterion})}"
    return see(f"{address}#clip-{number}")


@router.get("/figures/{name}.json")
def figure_spec(
    request: Request,
    slug: str,
    name: str,
    db: Reader,
    criterion: Name = "",
    rater: Name = "",
    theme: Theme = "light",
    width: FigureWidth = 440,
) -> JSONResponse:
    """Return the specification of a figure on these pages, which the browser draws."""
    study = lifecycle.by_slug(db, slug)
    figure_data = _figure_data(request, db, study, criterion, rater)
    return specification(draw(find(name, "agreement", "rater"), figure_data, width), theme)


@router.get("/figures/{name}.svg")
def figure_file(
    request: Request, slug: str, name: str, db: Reader, criterion: Name = "", rater: Name = "", theme: Theme = "light"
) -> Response:
    """Return the figure as an SVG file."""
    study = lifecycle.by_slug(db, slug)
    figure_data = _figure_data(request, db, study, criterion, rater)
    return picture(draw(find(name, "agreement", "rater"), figure_data), theme, f"{study.slug}-{name}")


def _figure_data(request: Request, db: Session, study: Study, criterion: str, rater: str) -> AgreementFigures:
    found = agreement_of(request, db, study, allow_stale=True)
    profile = _profile(request, db, study, found, rater) if rater else None
    return AgreementFigures(found, _chosen(found, criterion), profile)


def _page_context(study: Study, found: Agreement) -> dict[str, Any]:
    """Return what the templates of all these pages need."""
    simulated = found.kind == "simulated"
    return {"study_name": study.name, "study": study, "simulated": simulated, "found": found}


def _chosen(found: Agreement, key: str) -> study_agreement.CriterionAgreement | None:
    chosen = found.criterion(key)
    if key and chosen is None:
        names = ", ".join(one.item.key for one in found.criteria)
        raise NotFound(f"No agreement is computed on a criterion {key!r}.", f"There is: {names}.")
    return chosen


def _profile(request: Request, db: Session, study: Study, found: Agreement, pseudonym: str) -> RaterProfile:
    cache: Cache = request.app.state.cache
    key = ("rater", study.id, found.kind, pseudonym)
    return cache.get(
        key, votes.fingerprint(db, study), lambda: rater_profile.rater_profile(found, pseudonym, study.seed)
    )
