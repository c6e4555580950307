"""The threshold workbench of a filter: move the cut, see what flips, adopt it."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlmodel import Session

from analysis.figures import Theme
from app.auth import require_researcher
from app.cache import Cache
from app.filters.threshold_text import short_number, threshold_text
from app.models import Study
from app.results import votes
from app.results.figure_registry import FILE_WIDTH, draw, find, on_page
from app.results.study_results import Results, cached, kind_of
from app.studies import lifecycle, whole_study
from app.thresholds import adopted as adopted_thresholds
from app.thresholds import cascades, threshold_pairs, workbench, workbench_figures
from app.thresholds.adopted import End
from app.thresholds.cascades import Wanted
from app.thresholds.workbench import Aims, Bench
from app.thresholds.workbench_figures import WorkbenchFigures
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, Writer, page, see

router = APIRouter(prefix="/studies/{slug}", dependencies=[Depends(require_researcher)])
AimsAsked = Annotated[Aims, Query()]
WantedAsked = Annotated[Wanted, Query()]
Cut = Annotated[float | None, Query(allow_inf_nan=False)]
At = Annotated[int | None, Query(ge=0, le=10_000)]
MOST_SHOWN = 12
"""Clips of the wall in the page itself; the browser shows the rest as they are asked for."""


def bench_of(request: Request, db: Session, study: Study, name: str, aims: Aims) -> Bench:
    """The bench of a filter for these aims; kept until a judgment is added."""
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    result = _results(request, db, study).filter_named(name)
    key = ("workbench", study.id, kind, name, *vars(aims).values())
    return cache.get(key, votes.fingerprint(db, study), lambda: workbench.make(db, study, result, aims))


@router.get("/filters/{name}/workbench")
def bench(request: Request, slug: str, name: str, db: Reader, aims: AimsAsked, cut: Cut = None) -> Response:
    """The whole page, at the preset cut or at the one asked for."""
    study = lifecycle.by_slug(db, slug)
    made = bench_of(request, db, study, name, aims)
    at = made.nearest(cut)
    whole = whole_study.parts(db, study.id)
    adopted = adopted_thresholds.trail(db, study)
    context: dict[str, Any] = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "bench": made,
        "rule": made.result.rule,
        "criterion": next(item for item in whole.criteria if item.key == made.result.rule.criterion),
        "at": at,
        "flips": made.flips(at),
        "most": MOST_SHOWN,
        "ends": workbench.ends(made.result.rule),
        "cut_text": threshold_text,
        "short": short_number,
        "adopted": [one for one in adopted if one.filter == name],
        "filters": whole.filters,
        "partner": threshold_pairs.partner(_results(request, db, study), made.result.rule),
        "figures": on_page(
            "workbench",
            WorkbenchFigures(study, made, at),
            f"/studies/{study.slug}/filters/{name}/workbench/figures",
            query=urlencode({"end": made.end, "at": at}),
        ),
        "table": workbench_figures.table(made),
        "query": request.url.query,
    }
    return page(request, "thresholds/workbench.html", context)


@router.get("/filters/{name}/workbench.json")
def content(request: Request, slug: str, name: str, db: Reader, aims: AimsAsked) -> JSONResponse:
    """Every threshold with its rates, and the judged clips: what the slider reads, once."""
    study = lifecycle.by_slug(db, slug)
    found = bench_of(request, db, study, name, aims).content()
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


@router.get("/filters/{name}/workbench/figures/{figure}.json")
def figure_spec(
    request: Request,
    slug: str,
    name: str,
    figure: str,
    db: Reader,
    aims: AimsAsked,
    at: At = None,
    theme: Theme = "light",
    width: FigureWidth = FILE_WIDTH,
) -> JSONResponse:
    """A figure for the page to draw."""
    study = lifecycle.by_slug(db, slug)
    made = bench_of(request, db, study, name, aims)
    place = made.now if at is None else at
    drawn = draw(find(figure, "workbench"), WorkbenchFigures(study, made, place), width)
    return specification(drawn, theme)


@router.get("/filters/{name}/workbench/figures/{figure}.svg")
def figure_file(
    request: Request,
    slug: str,
    name: str,
    figure: str,
    db: Reader,
    aims: AimsAsked,
    at: At = None,
    theme: Theme = "light",
) -> Response:
    """The same figure as a file."""
    study = lifecycle.by_slug(db, slug)
    made = bench_of(request, db, study, name, aims)
    place = made.now if at is None else at
    drawn = draw(find(figure, "workbench"), WorkbenchFigures(study, made, place))
    return picture(drawn, theme, f"{study.slug}-{name}-{figure}")


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
    """Keep a cut as this filter's from now on; the preset stays what the results speak of."""
    study = lifecycle.by_slug(db, slug)
    made = bench_of(request, db, study, name, Aims(end=end))
    at = made.nearest(threshold)
    rates = {key: float(band.value[at]) for key, band in made.curves.rates.items() if band.value[at] == band.value[at]}
    rests_on = {
        "raters": made.result.verdicts.raters,
        "clips": int(made.curves.counts[0].sum()),
        "kind": kind_of(study),
        "counts": made.curves.counts[at].tolist(),
        "rates": rates,
    }
    adopted_thresholds.adopt(db, study, made.result.rule, end, threshold, aim=aim, reason=reason, rests_on=rests_on)
    return see(f"/studies/{study.slug}/filters/{name}/workbench?end={end}&cut={threshold!r}#adopted")


@router.get("/cascade")
def cascade(request: Request, slug: str, db: Reader, wanted: WantedAsked) -> Response:
    """All filters of a criterion together: as preset, and jointly searched where a precision is asked for."""
    study = lifecycle.by_slug(db, slug)
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    found = _results(request, db, study)
    items = cascades.criteria_of(found, whole_study.parts(db, study.id).criteria)
    item = cascades.chosen(items, wanted.criterion)
    made = cache.get(
        ("cascade", study.id, kind, item.key, wanted.target),
        votes.fingerprint(db, study),
        lambda: cascades.together(db, study, found, item, wanted.target),
    )
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "made": made,
        "items": items,
        "wanted": wanted,
        "short": short_number,
    }
    return page(request, "thresholds/cascade.html", context)


@router.get("/filters.toml")
def filters_toml(slug: str, db: Reader) -> Response:
    """The filter file with every adopted threshold."""
    study = lifecycle.by_slug(db, slug)
    return _file(adopted_thresholds.as_toml(db, study), f"{study.slug}-filters.toml")


@router.get("/head_threshold.yml")
def head_threshold(slug: str, db: Reader) -> Response:
    """The same in the layout of TalkVid's head filter."""
    study = lifecycle.by_slug(db, slug)
    return _file(adopted_thresholds.as_head_thresholds(db, study), "head_threshold.yml")


def _results(request: Request, db: Session, study: Study) -> Results:
    return cached(request.app.state.cache, db, study, kind_of(study))


def _file(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return PlainTextResponse(text, headers=headers)
