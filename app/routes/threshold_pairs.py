"""Pairs of thresholds, one on a clip's average and one on its worst moment: a map and its table."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from analysis.figures import Theme
from analysis.figures.threshold_pairs import WORDS, Rate
from app.auth import require_researcher
from app.cache import Cache
from app.models import Study
from app.results import votes
from app.results.figure_registry import FILE_WIDTH, draw, find, on_page
from app.results.study_results import cached, kind_of
from app.studies import lifecycle
from app.thresholds import threshold_pairs
from app.thresholds.threshold_pairs import FilterPair
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, page

router = APIRouter(prefix="/studies/{slug}/filters/{name}/pair", dependencies=[Depends(require_researcher)])


@router.get("")
def pair_page(request: Request, slug: str, name: str, db: Reader, rate: Rate = "f1") -> Response:
    """The map of one rate, and the table of all rates."""
    study = lifecycle.by_slug(db, slug)
    pair = _pair_of(request, db, study, name)
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "pair": pair,
        "figure": next(
            one
            for one in on_page("pair", pair, f"/studies/{study.slug}/filters/{pair.first.name}/pair")
            if one.key == rate
        ),
        "table": pair.table,
        "rate": rate,
        "words": WORDS,
    }
    return page(request, "thresholds/pair.html", context)


@router.get("/{rate}.json")
def figure_spec(
    request: Request,
    slug: str,
    name: str,
    rate: str,
    db: Reader,
    theme: Theme = "light",
    width: FigureWidth = FILE_WIDTH,
) -> JSONResponse:
    """The specification of a map, which the browser draws."""
    study = lifecycle.by_slug(db, slug)
    drawn = draw(find(rate, "pair"), _pair_of(request, db, study, name), width)
    return specification(drawn, theme)


@router.get("/{rate}.svg")
def figure_file(request: Request, slug: str, name: str, rate: str, db: Reader, theme: Theme = "light") -> Response:
    """A map as an SVG file."""
    study = lifecycle.by_slug(db, slug)
    drawn = draw(find(rate, "pair"), _pair_of(request, db, study, name))
    return picture(drawn, theme, f"{study.slug}-{name}-pair-{rate}")


def _pair_of(request: Request, db: Session, study: Study, name: str) -> FilterPair:
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    results = cached(cache, db, study, kind)
    version = votes.fingerprint(db, study)
    return cache.get(("pair", study.id, kind, name), version, lambda: threshold_pairs.build(db, study, results, name))
