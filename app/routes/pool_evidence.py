"""Pages on what the judgments mean for the pool: consequences, fairness, anchoring, and the next batch."""

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
from app.pool_evidence.subgroups import SubgroupMeans
from app.results.consensus import VerdictSource
from app.results.figure_registry import FILE_WIDTH, PageFigure, PageName, draw, find, on_page
from app.routes.agreement import agreement_of
from app.settings import Settings
from app.studies import lifecycle
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, database, page, see

router = APIRouter(prefix="/studies/{slug}", dependencies=[Depends(require_researcher)])
Name = Annotated[str, Query(max_length=200)]
FilterName = Annotated[str, Query(alias="filter", max_length=200)]
PAGES: tuple[PageName, ...] = ("pool", "fairness", "anchoring")
THRESHOLD_PREFIX = "cut_"
"""The address gives a filter's threshold as `cut_NAME`: an older word, kept so that saved links work."""


def evidence_of(
    request: Request,
    slug: str,
    db: Reader,
    verdict_source: Annotated[VerdictSource, Query(alias="truth")] = "raters",
) -> Evidence:
    """The evidence of the study in the address, for the thresholds and the source of verdicts in its query.

    The query says `truth`, an older word for the source of verdicts, so that saved links keep working.
    """
    state = request.app.state
    texts = {
        name.removeprefix(THRESHOLD_PREFIX): text
        for name, text in request.query_params.items()
        if name.startswith(THRESHOLD_PREFIX)
    }
    is_figure = "/figures/" in request.url.path
    return Evidence(db, lifecycle.by_slug(db, slug), state.cache, verdict_source, _thresholds(texts), is_figure)


EvidenceDep = Annotated[Evidence, Depends(evidence_of)]


def figure_data(
    evidence: EvidenceDep, by: Name = "", also: Name = "", chosen: FilterName = "", number: Name = ""
) -> EvidenceFigures:
    """The data of a figure for the choices in its address."""
    return EvidenceFigures(evidence, _attributes(by, also), chosen, number)


FigureData = Annotated[EvidenceFigures, Depends(figure_data)]


@router.get("/pool")
def pool(request: Request, evidence: EvidenceDep, by: Name = "") -> Response:
    """What the filters keep of the pool at the current and at the proposed thresholds, and how much of it is good."""
    context: dict[str, Any] = {"problem": None, "columns": None, "by": by, "query": ""}
    try:
        evidence.refuse_changed_pool()
        columns = evidence.columns()
        by = by or (columns.groups[0] if columns.groups else "")
        found = evidence.consequences(by)
        good_shares, why_none = evidence.good_shares()
        query = _query(evidence, by=by)
        context |= {
            "columns": columns,
            "by": by,
            "consequences": found,
            "groups": consequences.composition(found),
            "good_shares": good_shares,
            "why_none": why_none,
            "figures": _figures("pool", EvidenceFigures(evidence, _attributes(by, "")), query),
            "query": query,
        }
    except AppError as error:
        context["problem"] = error
    return _page(request, evidence, "pool_evidence/pool.html", context)


@router.get("/fairness")
def fairness(
    request: Request, evidence: EvidenceDep, by: Name = "", also: Name = "", name: FilterName = "", number: Name = ""
) -> Response:
    """One filter's errors by subgroup, and the mean of a column of the pool by subgroup."""
    context: dict[str, Any] = {"problem": None, "columns": None, "errors": None, "means": {}, "why_not": ""}
    context |= {"by": by, "also": also, "number": number, "chosen": evidence.filter(name), "query": ""}
    try:
        evidence.refuse_changed_pool()
        columns = evidence.columns()
        by = by or (columns.groups[0] if columns.groups else "")
        query = _query(evidence, by=by, also=also, filter=name, number=number)
        context |= {"columns": columns, "by": by, "query": query}
        if by:
            attributes = _attributes(by, also)
            context |= _subgroup_tables(evidence, attributes, name, number)
            context["figures"] = _figures("fairness", EvidenceFigures(evidence, attributes, name, number), query)
    except AppError as error:
        context["problem"] = error
    return _page(request, evidence, "pool_evidence/fairness.html", context | {"kinds": subgroups.KINDS})


@router.get("/anchoring")
def anchoring(request: Request, evidence: EvidenceDep) -> Response:
    """The effect of showing scores on raters, and how close filters come to the agreement among people."""
    influence = evidence.influence()
    drawn = _figures("anchoring", EvidenceFigures(evidence), "")
    context = {"influence": influence, "figures": drawn, "query": ""}
    return _page(request, evidence, "pool_evidence/anchoring.html", context)


@router.get("/next")
def next_batch(
    request: Request, evidence: EvidenceDep, clips: Annotated[int, Query(ge=1, le=MOST)] = USUAL
) -> Response:
    """How much precision more clips would gain, and which strata they would come from."""
    agreement = agreement_of(request, evidence.db, evidence.study)
    batch = evidence.from_cache(
        ("next", clips),
        lambda: next_batches.next_batch(evidence.db, evidence.study, evidence.results, agreement, clips),
    )
    return _page(request, evidence, "pool_evidence/next.html", {"batch": batch, "most": MOST, "query": ""})


@router.post("/next")
def draw_more(request: Request, slug: str, db: Reader, clips: Annotated[int, Form(ge=1, le=MOST)]) -> Response:
    """Draw so many more clips by the study's own design, in the background."""
    study = lifecycle.by_slug(db, slug)
    jobs: Jobs = request.app.state.jobs
    opened, settings = database(request), request.app.state.settings
    jobs.start(_job(study), lambda step: _draw(opened, settings, study.slug, clips, step))
    return see(f"/studies/{study.slug}/next/drawing")


@router.get("/next/drawing")
def drawing(request: Request, slug: str, db: Reader) -> Response:
    """The progress of the draw; the page refreshes itself."""
    study = lifecycle.by_slug(db, slug)
    jobs: Jobs = request.app.state.jobs
    job = jobs.of(_job(study))
    if job is None:
        return see(f"/studies/{study.slug}/next")
    share = round(100 * job.done / job.total) if job.total else 0
    context = {"study": study, "study_name": study.name, "job": job, "share": share}
    return page(request, "pool_evidence/drawing.html", context, block="progress")


@router.get("/consequences/figures/{name}.json")
def figure_spec(data: FigureData, name: str, theme: Theme = "light", width: FigureWidth = FILE_WIDTH) -> JSONResponse:
    """The specification of a figure, which the browser draws."""
    return specification(draw(find(name, *PAGES), data, width), theme)


@router.get("/consequences/figures/{name}.svg")
def figure_file(data: FigureData, name: str, theme: Theme = "light") -> Response:
    """A figure as an SVG file."""
    return picture(draw(find(name, *PAGES), data), theme, f"{data.evidence.study.slug}-{name}")


def _subgroup_tables(evidence: Evidence, by: tuple[str, ...], name: str, number: str) -> dict[str, Any]:
    """The filter's errors and the means of the column `number`, or the reason why they cannot be computed yet."""
    means: dict[str, SubgroupMeans] = {}
    why_not, errors = "", None
    if number:
        means["mean"] = evidence.means(number, by, kept=False)
        try:
            means["mean_kept"] = evidence.means(number, by, kept=True)
        except AppError as error:
            why_not = str(error)
    try:
        errors = evidence.errors(name, by)
    except AppError as error:
        why_not = str(error)
    return {"errors": errors, "means": means, "why_not": why_not}


def _draw(opened: Database, settings: Settings, slug: str, clips: int, step: ReportProgress) -> str:
    outcome = top_ups.top_up(opened, settings, slug, clips, on_clip=step)
    return f"{outcome.new} new clips, {outcome.clips} in all."


def _job(study: Study) -> str:
    return f"top-up-{study.slug}"


def _attributes(by: str, also: str) -> tuple[str, ...]:
    """The chosen columns of subgroups, each once: none, one, or two to be crossed."""
    return tuple(dict.fromkeys(name for name in (by, also) if name))


def _thresholds(texts: dict[str, str]) -> dict[str, float]:
    """Read the requested thresholds, leaving out empty fields. Raises AppError if one is not a finite number."""
    found = {}
    for name, text in texts.items():
        if not text.strip():
            continue
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = float("nan")
        if not isfinite(found[name]):
            raise AppError(f"The cut {text!r} of {name} is no number.", "Write it as 0.85.")
    return found


def _figures(page: PageName, data: EvidenceFigures, query: str) -> list[PageFigure]:
    return on_page(page, data, f"/studies/{data.evidence.study.slug}/consequences/figures", query=query)


def _query(evidence: Evidence, **choices: str) -> str:
    """The query of the page's figures and links: the requested thresholds, the source of verdicts, and the choices."""
    found = {f"{THRESHOLD_PREFIX}{name}": repr(value) for name, value in evidence.requested_thresholds.items()}
    if evidence.verdict_source != "raters":
        found["truth"] = evidence.verdict_source
    return urlencode(found | {name: value for name, value in choices.items() if value})


def _page(request: Request, evidence: Evidence, name: str, context: dict[str, Any]) -> Response:
    study = evidence.study
    common = {
        "study_name": study.name,
        "study": study,
        "simulated": evidence.simulated,
        "results": evidence.results,
        "verdict_source": evidence.verdict_source,
    }
    return page(request, name, common | context)
