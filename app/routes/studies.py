"""The researcher's list of studies and the overview page of a study."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import PlainTextResponse

from app.auth import require_researcher
from app.filters.threshold_text import threshold_text
from app.markdown import markdown
from app.monitoring import answer_counts, skipped_clips
from app.raters import invite_list, raters
from app.rating import questions
from app.settings import Settings
from app.studies import lifecycle, whole_study
from app.studies import overview as study_overview
from app.web.pages import Reader, Writer, page, see
from app.wizard import drafts

router = APIRouter(dependencies=[Depends(require_researcher)])


@router.get("/studies")
def index(request: Request, db: Reader) -> Response:
    """The list of all studies."""
    lines = study_overview.overview(db)
    context = {
        "lines": [line for line in lines if line.study.state != "archived"],
        "archived": [line for line in lines if line.study.state == "archived"],
    }
    return page(request, "studies/index.html", context)


@router.get("/studies/{slug}")
def overview(request: Request, slug: str, db: Reader) -> Response:
    """The overview of a study: links, progress, raters, sample."""
    study = lifecycle.by_slug(db, slug)
    settings: Settings = request.app.state.settings
    whole = whole_study.parts(db, study.id)
    context = {
        "study_name": study.name,
        "study": study,
        "line": study_overview.line_of(db, study),
        "raters": answer_counts.by_rater(db, study),
        "strata": answer_counts.by_stratum(db, study),
        "skips": skipped_clips.by_reason(db, study),
        "notes": lifecycle.notes(study),
        "criteria": questions.views(whole.criteria, {}),
        "filters": [(rule, threshold_text(rule.minimum, rule.maximum)) for rule in whole.filters],
        "guidelines_html": markdown(study.guidelines),
        "rater_link": f"{str(request.base_url).rstrip('/')}{raters.open_link(settings, study)}"
        if invite_list.has_first_link(settings, study)
        else "",
    }
    return page(request, "studies/overview.html", context)


@router.post("/studies/{slug}/simulated")
def simulated(slug: str, db: Writer, on: Annotated[bool, Form()]) -> Response:
    """Show simulated raters instead of people on the results pages, or switch back."""
    lifecycle.show_simulated(db, lifecycle.by_slug(db, slug), on=on)
    return see(f"/studies/{slug}/results")


@router.post("/studies/{slug}/state")
def state(
    slug: str,
    db: Writer,
    state: Annotated[lifecycle.State, Form()],
    back: Annotated[Literal["study", "list"], Form()] = "study",
) -> Response:
    """Pause, resume, close, archive or reopen a study."""
    lifecycle.change_state(db, lifecycle.by_slug(db, slug), state)
    return see("/studies" if back == "list" else f"/studies/{slug}")


@router.post("/studies/{slug}/clone")
def clone(request: Request, slug: str, db: Reader) -> Response:
    """Create a draft from this study, which itself is not changed."""
    draft = drafts.clone(request.app.state.settings, lifecycle.by_slug(db, slug))
    return see(f"/studies/new/{draft.key}/filters")


@router.get("/studies/{slug}/study.toml")
def study_file(slug: str, db: Reader) -> PlainTextResponse:
    """The study file that the study was created from."""
    return PlainTextResponse(lifecycle.by_slug(db, slug).study_file, media_type="application/toml; charset=utf-8")
