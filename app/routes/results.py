"""The results page, each filter's page, their figures, and the exports of judgments and estimates."""

from collections.abc import Iterator

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlmodel import Session

from analysis.agreement.statistics import shown_on
from analysis.figures import Theme
from app.auth import require_researcher
from app.filters.threshold_text import short_number, threshold_text
from app.models import Study
from app.report import exports, preregistration
from app.results import figures, misclassified_clips, undefined_reasons
from app.results.figure_registry import on_page
from app.results.judged_sample import is_weighted
from app.results.study_results import Results, cached, kind_of
from app.studies import lifecycle, overview
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, database, page

router = APIRouter(dependencies=[Depends(require_researcher)])


def results_of(request: Request, db: Session, study: Study) -> Results:
    """Return the study's results: of the simulated panel while it is switched on, of people otherwise."""
    return cached(request.app.state.cache, db, study, kind_of(study))


@router.get("/studies/{slug}/results")
def results(request: Request, slug: str, db: Reader) -> Response:
    """Show the agreement on every criterion and a table of all filters."""
    study = lifecycle.by_slug(db, slug)
    found = results_of(request, db, study)
    context = {
        "study_name": study.name,
        "study": study,
        "clips": overview.clips_of(db, study),
        "simulated": found.kind == "simulated",
        "results": found,
        "statistics": shown_on("results"),
        "weighted": is_weighted(study),
        "figures": on_page("results", found, f"/studies/{study.slug}/figures"),
        "thresholds": {one.rule.name: threshold_text(one.rule.minimum, one.rule.maximum) for one in found.filters},
        "undefined_agreement": undefined_reasons.of_agreement(found),
        "reasons": undefined_reasons.of_filters(found),
        "notes": lifecycle.notes(study),
        "plan": preregistration.versions(db, study),
    }
    return page(request, "results/results.html", context)


@router.get("/studies/{slug}/filters/{name}")
def filter_page(request: Request, slug: str, name: str, db: Reader) -> Response:
    """Show one filter: its score by verdict, ROC curve, and rates at the current and at the best threshold."""
    study = lifecycle.by_slug(db, slug)
    found = results_of(request, db, study)
    chosen = found.filter_named(name)
    figure_data = figures.FilterFigures(found, chosen)
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": found.kind == "simulated",
        "results": found,
        "weighted": is_weighted(study),
        "chosen": chosen,
        "figures": on_page("filter", figure_data, f"/studies/{study.slug}/figures", suffix=f"-{chosen.rule.name}"),
        "no_curve": figures.no_curve(figure_data),
        "threshold": threshold_text(chosen.rule.minimum, chosen.rule.maximum),
        "misclassified": misclassified_clips.misclassified(db, chosen),
        "short": short_number,
    }
    return page(request, "results/filter.html", context)


@router.get("/studies/{slug}/figures/{name}.json")
def figure_spec(
    request: Request, slug: str, name: str, db: Reader, theme: Theme = "light", width: FigureWidth = 440
) -> JSONResponse:
    """Return a figure's specification, which the page draws."""
    study = lifecycle.by_slug(db, slug)
    return specification(figures.chart(results_of(request, db, study), name, width), theme)


@router.get("/studies/{slug}/figures/{name}.svg")
def figure_file(request: Request, slug: str, name: str, db: Reader, theme: Theme = "light") -> Response:
    """Return the figure as an SVG file."""
    study = lifecycle.by_slug(db, slug)
    return picture(figures.chart(results_of(request, db, study), name), theme, f"{study.slug}-{name}")


@router.get("/studies/{slug}/judgments.csv")
def judgments(request: Request, slug: str, db: Reader) -> StreamingResponse:
    """Return every answer with revision, arm and timing. A column distinguishes people from simulated raters."""
    study = lifecycle.by_slug(db, slug)
    opened = database(request)

    def lines() -> Iterator[str]:
        with opened.reader() as streaming:
            yield from exports.judgments_csv(streaming, study)

    name = f"{study.slug}-judgments.csv"
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=_download(name))


@router.get("/studies/{slug}/estimates.json")
def estimates(request: Request, slug: str, db: Reader) -> Response:
    """Return every estimate with its interval, counts, method and signature."""
    study = lifecycle.by_slug(db, slug)
    text = exports.estimates_json(db, study, results_of(request, db, study))
    return Response(text, media_type="application/json", headers=_download(f"{study.slug}-estimates.json"))


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
