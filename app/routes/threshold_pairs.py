"""Both cuts of a score together, the average's and the worst moment's: a map and its table."""

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
from app.thresholds.threshold_pairs import PairOfCuts
from app.web.figure_responses import FigureWidth, picture, specification
from app.web.pages import Reader, page

router = APIRouter(prefix="/studies/{slug}/filters/{name}/pair", dependencies=[Depends(require_researcher)])


@router.get("")
def pair(request: Request, slug: str, name: str, db: Reader, rate: Rate = "f1") -> Response:
    """The map of one rate and the numbers of all."""
    study = lifecycle.by_slug(db, slug)
    made = _pair_of(request, db, study, name)
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": study.show_simulated,
        "made": made,
        "figure": next(
            one
            for one in on_page("pair", made, f"/studies/{study.slug}/filters/{made.first.name}/pair")
            if one.key == rate
        ),
        "table": made.table,
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
    """The map for the page to draw."""
    study = lifecycle.by_slug(db, slug)
    drawn = draw(find(rate, "pair"), _pair_of(request, db, study, name), width)
    return specification(drawn, theme)


@router.get("/{rate}.svg")
def figure_file(request: Request, slug: str, name: str, rate: str, db: Reader, theme: Theme = "light") -> Response:
    """The same map as a file."""
    study = lifecycle.by_slug(db, slug)
    drawn = draw(find(rate, "pair"), _pair_of(request, db, study, name))
    return picture(drawn, theme, f"{study.slug}-{name}-pair-{rate}")


def _pair_of(request: Request, db: Session, study: Study, name: str) -> PairOfCuts:
    cache: Cache = request.app.state.cache
    kind = kind_of(study)
    found = cached(cache, db, study, kind)
    mark = votes.fingerprint(db, study)
    return cache.get(("pair", study.id, kind, name), mark, lambda: threshold_pairs.make(db, study, found, name))
