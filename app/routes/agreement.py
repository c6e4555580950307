"""How far raters agree: criteria, pairs, each rater, the most disputed clips, and the researcher's own verdicts."""

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
from app.results.disputed_clips import ORDERS, SHOWS, Asked, Order, Show
from app.results.figure_registry import draw, find, on_page
from app.results.study_results import kind_of
from app.studies import lifecycle, whole_study
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, Writer, page, see

router = APIRouter(prefix="/studies/{slug}/agreement", dependencies=[Depends(require_researcher)])
Key = Annotated[str, Query(max_length=100)]


def agreement_of(request: Request, db: Session, study: Study, *, older: bool = False) -> Agreement:
    """The study's agreement: of the simulated panel while it is switched on, of people otherwise."""
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    return cache.get(
        ("agreement", study.id, kind),
        votes.fingerprint(db, study),
        lambda: study_agreement.compute(db, study, kind),
        allow_stale=older,
        allow_recent=True,
    )


@router.get("")
def agreement(request: Request, slug: str, db: Reader, criterion: Key = "") -> Response:
    """Every criterion on one plot; pairs and raters of one criterion; the first disputed clips."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    chosen = _chosen(found, criterion)
    whole = whole_study.parts(db, study.id)
    wall = disputed_clips.wall(db, study, found, whole.criteria, Asked(chosen.item.key if chosen else ""))
    context = _usual(study, found) | {
        "chosen": chosen,
        "wall": wall,
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
    """One rater: bias, inconsistency, beside the rest, beside themselves."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    one = _rater(request, db, study, found, pseudonym)
    drawn = on_page(
        "rater",
        AgreementFigures(found, rater=one),
        f"/studies/{study.slug}/agreement/figures",
        query=urlencode({"rater": one.name}),
    )
    context = {"one": one, "figures": drawn}
    return page(request, "results/rater.html", _usual(study, found) | context)


@router.get("/clips")
def clips(
    request: Request,
    slug: str,
    db: Reader,
    criterion: Key = "",
    show: Show = "disputed",
    order: Order = "disputed",
    rater: Key = "",
    page_: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The wall of disputed clips."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study)
    _chosen(found, criterion)
    asked = Asked(criterion, show, order, rater, page_)
    wall = disputed_clips.wall(db, study, found, whole_study.parts(db, study.id).criteria, asked)
    kept = {"criterion": criterion, "show": show, "order": order, "rater": rater}
    context = _usual(study, found) | {
        "wall": wall,
        "asked": asked,
        "shows": SHOWS,
        "orders": ORDERS,
        "here": f"/studies/{study.slug}/agreement/clips?{urlencode({name: one for name, one in kept.items() if one})}",
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
    """The researcher's own verdict on a clip, or its withdrawal."""
    study = lifecycle.by_slug(db, slug)
    said = adjudications.WITHDRAWN if withdraw else value
    adjudications.record(db, study, number, criterion, said, reason)
    here = f"/studies/{study.slug}/agreement/clips"
    place = back if back.startswith(f"{here}?") else f"{here}?{urlencode({'criterion': criterion})}"
    return see(f"{place}#clip-{number}")


@router.get("/figures/{name}.json")
def figure_spec(
    request: Request,
    slug: str,
    name: str,
    db: Reader,
    criterion: Key = "",
    rater: Key = "",
    theme: Theme = "light",
    width: FigureWidth = 440,
) -> JSONResponse:
    """A figure of these pages for the browser to draw."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study, older=True)
    one = _rater(request, db, study, found, rater) if rater else None
    asked = AgreementFigures(found, _chosen(found, criterion), one)
    return specification(draw(find(name, "agreement", "rater"), asked, width), theme)


@router.get("/figures/{name}.svg")
def figure_file(
    request: Request, slug: str, name: str, db: Reader, criterion: Key = "", rater: Key = "", theme: Theme = "light"
) -> Response:
    """The same figure as a file."""
    study = lifecycle.by_slug(db, slug)
    found = agreement_of(request, db, study, older=True)
    one = _rater(request, db, study, found, rater) if rater else None
    asked = AgreementFigures(found, _chosen(found, criterion), one)
    return picture(draw(find(name, "agreement", "rater"), asked), theme, f"{study.slug}-{name}")


def _usual(study: Study, found: Agreement) -> dict[str, Any]:
    simulated = found.kind == "simulated"
    return {"study_name": study.name, "study": study, "simulated": simulated, "found": found}


def _chosen(found: Agreement, key: str) -> study_agreement.CriterionAgreement | None:
    chosen = found.about(key)
    if key and chosen is None:
        names = ", ".join(one.item.key for one in found.criteria)
        raise NotFound(f"No agreement is computed on a criterion {key!r}.", f"There is: {names}.")
    return chosen


def _rater(request: Request, db: Session, study: Study, found: Agreement, name: str) -> rater_profile.RaterPage:
    cache: Cache = request.app.state.cache
    mark = votes.fingerprint(db, study)
    return cache.get(
        ("rater", study.id, found.kind, name), mark, lambda: rater_profile.rater_page(found, name, study.seed)
    )
