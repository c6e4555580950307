"""What the judgments mean for the pool: consequences, fairness, anchoring and the human ceiling, the next batch."""

from math import isfinite
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse

from analysis.figures import Theme
from app.auth import require_researcher
from app.db import Database
from app.errors import AppError
from app.jobs import Jobs, ReportProgress
from app.models import Study
from app.pool_evidence import consequences, subgroups, top_ups
from app.pool_evidence import next_batch as next_batches
from app.pool_evidence.evidence import Evidence
from app.pool_evidence.figures import EvidenceFigures
from app.pool_evidence.next_batch import MOST, USUAL
from app.pool_evidence.subgroups import Means
from app.results.consensus import VerdictSource
from app.results.figure_registry import FILE_WIDTH, Page, PageFigure, draw, find, on_page
from app.routes.agreement import agreement_of
from app.settings import Settings
from app.studies import lifecycle
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, database, page, see

router = APIRouter(prefix="/studies/{slug}", dependencies=[Depends(require_researcher)])
Name = Annotated[str, Query(max_length=200)]
FilterName = Annotated[str, Query(alias="filter", max_length=200)]
PAGES: tuple[Page, ...] = ("pool", "fairness", "anchoring")
CUT = "cut_"
"""The name of a proposed cut in an address begins with it."""


def evidence_of(
    request: Request,
    slug: str,
    db: Reader,
    verdict_source: Annotated[VerdictSource, Query(alias="truth")] = "raters",
) -> Evidence:
    """The study of the address and what is asked of it; figures may show what the page around them has shown."""
    state = request.app.state
    older = "/figures/" in request.url.path
    cuts = {name.removeprefix(CUT): value for name, value in request.query_params.items() if name.startswith(CUT)}
    return Evidence(db, lifecycle.by_slug(db, slug), state.cache, verdict_source, _numbers(cuts), older)


Found = Annotated[Evidence, Depends(evidence_of)]


@router.get("/pool")
def pool(request: Request, found: Found, by: Name = "") -> Response:
    """The whole pool at the cuts now and at proposed ones: what is kept, who is left, how much of it is good."""
    context: dict[str, Any] = {"problem": None, "columns": None, "by": by, "query": ""}
    try:
        found.refuse_another_pool()
        columns = found.columns()
        by = by or (columns.groups[0] if columns.groups else "")
        both = found.consequences(by)
        shares, why_none = found.shares()
        context |= {
            "columns": columns,
            "by": by,
            "both": both,
            "parts": consequences.composition(both),
            "shares": shares,
            "why_none": why_none,
            "figures": _figures(found, "pool", EvidenceFigures(found, _both(by, "")), _query(found, by=by)),
            "query": _query(found, by=by),
        }
    except AppError as error:
        context["problem"] = error
    return _page(request, found, "pool_evidence/pool.html", context)


@router.get("/fairness")
def fairness(
    request: Request, found: Found, by: Name = "", also: Name = "", name: FilterName = "", number: Name = ""
) -> Response:
    """One filter's errors by subgroup, and a number of the pool by subgroup."""
    context: dict[str, Any] = {"problem": None, "columns": None, "errors": None, "means": {}, "why_not": ""}
    context |= {"by": by, "also": also, "number": number, "chosen": found.filter(name), "query": ""}
    try:
        found.refuse_another_pool()
        columns = found.columns()
        by = by or (columns.groups[0] if columns.groups else "")
        context |= {"columns": columns, "by": by, "query": _query(found, by=by, also=also, filter=name, number=number)}
        if by:
            groups = _both(by, also)
            context |= _fairness(found, groups, name, number)
            asked = EvidenceFigures(found, groups, name, number)
            context["figures"] = _figures(found, "fairness", asked, context["query"])
    except AppError as error:
        context["problem"] = error
    return _page(request, found, "pool_evidence/fairness.html", context | {"kinds": subgroups.KINDS})


@router.get("/anchoring")
def anchoring(request: Request, found: Found) -> Response:
    """What showing scores does to raters, and how near filters come to what people reach among themselves."""
    seen = found.influence()
    drawn = _figures(found, "anchoring", EvidenceFigures(found), "")
    return _page(request, found, "pool_evidence/anchoring.html", {"seen": seen, "figures": drawn, "query": ""})


@router.get("/next")
def next_batch(request: Request, found: Found, clips: Annotated[int, Query(ge=1, le=MOST)] = USUAL) -> Response:
    """What more clips would buy, and where they would come from."""
    agreement = agreement_of(request, found.db, found.study)
    batch = found.kept(
        ("next", clips),
        lambda: next_batches.next_batch(found.db, found.study, found.results, agreement, clips),
    )
    return _page(request, found, "pool_evidence/next.html", {"batch": batch, "most": MOST, "query": ""})


@router.post("/next")
def draw_more(request: Request, slug: str, db: Reader, clips: Annotated[int, Form(ge=1, le=MOST)]) -> Response:
    """Draw that many more clips by the study's own design, in the background."""
    study = lifecycle.by_slug(db, slug)
    jobs: Jobs = request.app.state.jobs
    opened, settings = database(request), request.app.state.settings
    jobs.start(_job(study), lambda step: _draw(opened, settings, study.slug, clips, step))
    return see(f"/studies/{study.slug}/next/drawing")


@router.get("/next/drawing")
def drawing(request: Request, slug: str, db: Reader) -> Response:
    """How far the draw is; it looks again by itself."""
    study = lifecycle.by_slug(db, slug)
    jobs: Jobs = request.app.state.jobs
    job = jobs.of(_job(study))
    if job is None:
        return see(f"/studies/{study.slug}/next")
    share = round(100 * job.done / job.total) if job.total else 0
    context = {"study": study, "study_name": study.name, "job": job, "share": share}
    return page(request, "pool_evidence/drawing.html", context, block="progress")


@router.get("/consequences/figures/{name}.json")
def figure_spec(
    found: Found,
    name: str,
    by: Name = "",
    also: Name = "",
    chosen: FilterName = "",
    number: Name = "",
    theme: Theme = "light",
    width: FigureWidth = FILE_WIDTH,
) -> JSONResponse:
    """A figure of these pages for the browser to draw."""
    asked = EvidenceFigures(found, _both(by, also), chosen, number)
    return specification(draw(find(name, *PAGES), asked, width), theme)


@router.get("/consequences/figures/{name}.svg")
def figure_file(
    found: Found,
    name: str,
    by: Name = "",
    also: Name = "",
    chosen: FilterName = "",
    number: Name = "",
    theme: Theme = "light",
) -> Response:
    """The same figure as a file."""
    asked = EvidenceFigures(found, _both(by, also), chosen, number)
    return picture(draw(find(name, *PAGES), asked), theme, f"{found.study.slug}-{name}")


def _fairness(found: Evidence, by: tuple[str, ...], name: str, number: str) -> dict[str, Any]:
    """The errors of the filter, or why there are none yet; the number in the whole pool and in what is kept."""
    means: dict[str, Means] = {}
    why_not, errors = "", None
    if number:
        means["mean"] = found.means(number, by, kept=False)
        try:
            means["mean_kept"] = found.means(number, by, kept=True)
        except AppError as error:
            why_not = str(error)
    try:
        errors = found.errors(name, by)
    except AppError as error:
        why_not = str(error)
    return {"errors": errors, "means": means, "why_not": why_not}


def _draw(opened: Database, settings: Settings, slug: str, clips: int, step: ReportProgress) -> str:
    made = top_ups.top_up(opened, settings, slug, clips, on_clip=step)
    return f"{made.new} new clips, {made.clips} in all."


def _job(study: Study) -> str:
    return f"top-up-{study.slug}"


def _both(by: str, also: str) -> tuple[str, ...]:
    """One attribute, or the intersection of two."""
    return tuple(dict.fromkeys(name for name in (by, also) if name))


def _numbers(cuts: dict[str, str]) -> dict[str, float]:
    """The proposed thresholds; an empty field proposes none. Raises AppError if a value is not a number."""
    found = {}
    for name, text in cuts.items():
        if not text.strip():
            continue
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = float("nan")
        if not isfinite(found[name]):
            raise AppError(f"The cut {text!r} of {name} is no number.", "Write it as 0.85.")
    return found


def _figures(found: Evidence, page: Page, asked: EvidenceFigures, query: str) -> list[PageFigure]:
    return on_page(page, asked, f"/studies/{found.study.slug}/consequences/figures", query=query)


def _query(found: Evidence, **more: str) -> str:
    """What figures and links of the page ask for, as the page was asked."""
    own = {f"{CUT}{name}": repr(value) for name, value in found.cuts.items()}
    if found.verdict_source != "raters":
        own["truth"] = found.verdict_source
    return urlencode(own | {name: value for name, value in more.items() if value})


def _page(request: Request, found: Evidence, name: str, context: dict[str, Any]) -> Response:
    study = found.study
    usual = {
        "study_name": study.name,
        "study": study,
        "simulated": found.simulated,
        "results": found.results,
        "verdict_source": found.verdict_source,
    }
    return page(request, name, usual | context)
