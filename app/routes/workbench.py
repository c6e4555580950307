"""The threshold workbench of a filter, the cascade of all filters of a criterion, and files of adopted thresholds."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlmodel import Session

from analysis.figures import Theme
from app.auth import require_researcher
from app.cache import Cache
from app.filters.threshold_text import short_number
from app.models import Study
from app.results import votes
from app.results.figure_registry import FILE_WIDTH, draw, find, on_page
from app.results.study_results import Results, cached, kind_of
from app.studies import lifecycle, whole_study
from app.thresholds import adopted as adopted_thresholds
from app.thresholds import cascades, filter_ends, threshold_pairs, workbench, workbench_figures
from app.thresholds.cascades import CascadeRequest
from app.thresholds.filter_ends import End
from app.thresholds.suggestions import ThresholdAims
from app.thresholds.workbench import Workbench
from app.thresholds.workbench_figures import WorkbenchFigures
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, Writer, page, see

router = APIRouter(prefix="/studies/{slug}", dependencies=[Depends(require_researcher)])
Aims = Annotated[ThresholdAims, Query()]
# The address says `cut`, an older word for a threshold, so that saved links keep working.
Threshold = Annotated[float | None, Query(alias="cut", allow_inf_nan=False)]
MOST_SHOWN = 12
"""The number of clips on the page at first; the browser shows more when they are requested."""


def workbench_of(request: Request, db: Session, study: Study, name: str, aims: ThresholdAims) -> Workbench:
    """The workbench of a filter for these aims, cached until the judgments change."""
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    result = _results(request, db, study).filter_named(name)
    key = ("workbench", study.id, kind, name, *vars(aims).values())
    return cache.get(key, votes.fingerprint(db, study), lambda: workbench.build(db, study, result, aims))


def figure_data(
    request: Request,
    slug: str,
    name: str,
    db: Reader,
    aims: Aims,
    at: Annotated[int | None, Query(ge=0, le=10_000)] = None,
) -> WorkbenchFigures:
    """The data of the workbench's figures, with the mark at the threshold of this position (default: the preset)."""
    study = lifecycle.by_slug(db, slug)
    bench = workbench_of(request, db, study, name, aims)
    return WorkbenchFigures(study, bench, bench.preset_at if at is None else at)


FigureData = Annotated[WorkbenchFigures, Depends(figure_data)]


@router.get("/filters/{name}/workbench")
def workbench_page(
    request: Request, slug: str, name: str, db: Reader, aims: Aims, threshold: Threshold = None
) -> Response:
    """The whole page, at the preset threshold or at the requested one."""
    study = lifecycle.by_slug(db, slug)
    bench = workbench_of(request, db, study, name, aims)
    at = bench.nearest(threshold)
    whole = whole_study.parts(db, study.id)
    rule = bench.result.rule
    context: dict[str, Any] = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "bench": bench,
        "rule": rule,
        "criterion": next(item for item in whole.criteria if item.key == rule.criterion),
        "at": at,
        "flips": bench.flips(at),
        "most": MOST_SHOWN,
        "ends": filter_ends.ends(rule),
        "short": short_number,
        "adopted": [one for one in adopted_thresholds.history(db, study) if one.filter == name],
        "filters": whole.filters,
        "partner": threshold_pairs.partner(_results(request, db, study), rule),
        "figures": on_page(
            "workbench",
            WorkbenchFigures(study, bench, at),
            f"/studies/{study.slug}/filters/{name}/workbench/figures",
            query=urlencode({"end": bench.end, "at": at}),
        ),
        "table": workbench_figures.table(bench),
        "query": request.url.query,
    }
    return page(request, "thresholds/workbench.html", context)


@router.get("/filters/{name}/workbench.json")
def slider_data(request: Request, slug: str, name: str, db: Reader, aims: Aims) -> JSONResponse:
    """Every threshold with its rates, and the judged clips; the browser's slider reads them once."""
    study = lifecycle.by_slug(db, slug)
    content = workbench_of(request, db, study, name, aims).slider_data()
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


@router.get("/filters/{name}/workbench/figures/{figure}.json")
def figure_spec(data: FigureData, figure: str, theme: Theme = "light", width: FigureWidth = FILE_WIDTH) -> JSONResponse:
    """The specification of a figure, which the browser draws."""
    return specification(draw(find(figure, "workbench"), data, width), theme)


@router.get("/filters/{name}/workbench/figures/{figure}.svg")
def figure_file(data: FigureData, name: str, figure: str, theme: Theme = "light") -> Response:
    """A figure as an SVG file."""
    return picture(draw(find(figure, "workbench"), data), theme, f"{data.study.slug}-{name}-{figure}")


@router.post("/filters/{name}/workbench/adopt")
def adopt(
    request: Request,
    slug: str,
    name: str,
    db: Writer,
    end: Annotated[End, Form()],
    threshold: Annotated[float, Form(allow_inf_nan=False)],
    aim: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Adopt a threshold for the filter file; the results continue to describe the preset."""
    study = lifecycle.by_slug(db, slug)
    bench = workbench_of(request, db, study, name, ThresholdAims(end=end))
    at = bench.nearest(threshold)
    estimates = {key: band.estimates[at].value for key, band in bench.curves.rates.items()}
    evidence = {
        "raters": bench.result.verdicts.raters,
        "clips": int(bench.curves.counts[0].sum()),
        "kind": kind_of(study),
        "counts": bench.curves.counts[at].tolist(),
        "rates": {key: value for key, value in estimates.items() if value is not None},
    }
    adopted_thresholds.adopt(db, study, bench.result.rule, end, threshold, aim=aim, reason=reason, evidence=evidence)
    return see(f"/studies/{study.slug}/filters/{name}/workbench?end={end}&cut={threshold!r}#adopted")


@router.get("/cascade")
def cascade(request: Request, slug: str, db: Reader, wanted: Annotated[CascadeRequest, Query()]) -> Response:
    """All filters of a criterion together: as preset, and with joint thresholds if a precision is requested."""
    study = lifecycle.by_slug(db, slug)
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    results = _results(request, db, study)
    items = cascades.criteria_of(results, whole_study.parts(db, study.id).criteria)
    item = cascades.find_criterion(items, wanted.criterion)
    found = cache.get(
        ("cascade", study.id, kind, item.key, wanted.target),
        votes.fingerprint(db, study),
        lambda: cascades.criterion_cascade(db, study, results, item, wanted.target),
    )
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "cascade": found,
        "items": items,
        "target": wanted.target,
    }
    return page(request, "thresholds/cascade.html", context)


@router.get("/filters.toml")
def filters_toml(slug: str, db: Reader) -> Response:
    """The filter file with every adopted threshold."""
    study = lifecycle.by_slug(db, slug)
    return _file(adopted_thresholds.as_toml(db, study), f"{study.slug}-filters.toml")


@router.get("/head_threshold.yml")
def head_threshold(slug: str, db: Reader) -> Response:
    """The adopted thresholds in the format of TalkVid's head filter."""
    study = lifecycle.by_slug(db, slug)
    return _file(adopted_thresholds.as_head_thresholds(db, study), "head_threshold.yml")


def _results(request: Request, db: Session, study: Study) -> Results:
    return cached(request.app.state.cache, db, study, kind_of(study))


def _file(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return PlainTextResponse(text, headers=headers)
