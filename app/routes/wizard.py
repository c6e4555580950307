"""The study wizard: choose pool, filters, design and questions, check the study file, create the study."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import FileResponse

from app.auth import require_researcher
from app.db import Database
from app.errors import AppError, NotFound
from app.filters.threshold_text import short_number
from app.jobs import Job, Jobs, ReportProgress
from app.pools import posters
from app.settings import Settings
from app.studies import creation, lifecycle, overview, scales, study_file
from app.web.pages import Reader, database, is_htmx, page, see
from app.wizard import drafts, forms, previews
from app.wizard.drafts import Draft
from scoring.filters import Filter

router = APIRouter(prefix="/studies/new", dependencies=[Depends(require_researcher)])
Key = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
MOST_FIELDS = 2000
STEPS = (("filters", "Filters"), ("design", "Design"), ("questions", "Questions"), ("review", "Study file"))


async def sent(request: Request) -> dict[str, str]:
    """The fields of a sent form."""
    form = await request.form(max_fields=MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Sent = Annotated[dict[str, str], Depends(sent)]


def draft_of(request: Request, key: Key) -> Draft:
    """The draft of the address."""
    return drafts.load(settings_of(request), key)


Now = Annotated[Draft, Depends(draft_of)]


def settings_of(request: Request) -> Settings:
    """The server's settings."""
    settings: Settings = request.app.state.settings
    return settings


@router.get("")
def begin(request: Request, db: Reader) -> Response:
    """Choose a pool and a preset or study to start from, or continue a draft."""
    settings = settings_of(request)
    context = {
        "pools": drafts.pools(settings, db),
        "presets": study_file.PRESETS,
        "lines": overview.overview(db),
        "drafts": drafts.listed(settings),
    }
    return page(request, "wizard/begin.html", context)


@router.post("")
def start(
    request: Request,
    db: Reader,
    pool: Annotated[str, Form(max_length=16)] = "",
    base: Annotated[str, Form(max_length=100)] = "acr",
) -> Response:
    """Create a draft from a preset or from another study."""
    settings = settings_of(request)
    if not pool:
        raise AppError("No pool was chosen.", "Go back and choose one.")
    place = drafts.chosen_pool(settings, db, pool)
    text = study_file.preset(base) if base in study_file.PRESETS else lifecycle.by_slug(db, base).study_file
    return see(f"/studies/new/{drafts.begin(settings, place, text).key}/filters")


@router.post("/{key}/forget")
def forget(request: Request, draft: Now) -> Response:
    """Discard a draft."""
    drafts.forget(settings_of(request), draft.key)
    return see("/studies/new")


@router.get("/{key}/filters")
def filters(request: Request, draft: Now) -> Response:
    """The filters, each with the histogram of its score and its threshold."""
    pool = drafts.pool_of(draft)
    rules, problem = _rules(draft)
    context = {
        "rules": draft.content.get("filters", []),
        "drawings": previews.score_drawings(pool, rules),
        "why": {rule["score"]: pool.why_without(rule["score"]) for rule in draft.content.get("filters", [])},
        "scores": previews.numbers_of(pool),
        "pool": pool,
        "short": short_number,
    }
    return _step(request, draft, "filters", context, problem)


@router.post("/{key}/filters")
def change_filters(request: Request, draft: Now, form: Sent) -> Response:
    """Save the filters."""
    return _changed(request, draft, forms.filters(draft.content, form), form, "filters", "design")


@router.get("/{key}/design")
def design(request: Request, draft: Now) -> Response:
    """The sampling design, with a preview of the sample."""
    return _design(request, draft)


@router.post("/{key}/design")
def change_design(request: Request, draft: Now, form: Sent) -> Response:
    """Save the design; htmx gets only the new preview."""
    changed = Draft(draft.key, draft.pool, forms.design(draft.content, form), draft.changed)
    drafts.save(settings_of(request), changed)
    if is_htmx(request):
        return page(request, "wizard/design.html", _previewed(changed), block="preview")
    return see(f"/studies/new/{draft.key}/{'questions' if form.get('go') == 'on' else 'design'}")


@router.get("/{key}/clips")
def clips(request: Request, draft: Now, number: Annotated[int, Query(ge=1, le=100_000, alias="page")] = 1) -> Response:
    """The posters of the drawn clips."""
    shown, total = previews.wall(draft, number)
    pages = max(1, -(-total // previews.CLIPS_PER_PAGE))
    context = {"clips": shown, "total": total, "number": number, "pages": pages, "short": short_number}
    return _step(request, draft, "clips", context, None)


@router.get("/{key}/posters/{row}.jpg")
def poster(request: Request, draft: Now, row: Annotated[int, Path(ge=0, le=2**31)]) -> FileResponse:
    """A still image of the clip in a row of the draft's pool."""
    pool = drafts.pool_of(draft)
    if row >= pool.frame.height:
        raise NotFound("The pool has no such row.", "Look at the wall of clips again.")
    file = posters.poster(settings_of(request), pool, pool.frame["clip"][row])
    return FileResponse(file, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@router.get("/{key}/questions")
def questions(request: Request, draft: Now) -> Response:
    """Name, guidelines, raters and the questions."""
    offered = scales.without_options()
    titles = {scale.key: scale.title for scale in scales.SCALES.values() if scale not in offered}
    context = {"content": draft.content, "offered": offered, "titles": titles}
    return _step(request, draft, "questions", context, _problem(draft))


@router.post("/{key}/questions")
def change_questions(request: Request, draft: Now, form: Sent) -> Response:
    """Save name, guidelines, raters and questions."""
    return _changed(request, draft, forms.questions(draft.content, form), form, "questions", "review")


@router.get("/{key}/review")
def review(request: Request, draft: Now) -> Response:
    """The study file as text, and the button that creates the study."""
    return _review(request, draft, draft.text, _problem(draft))


@router.post("/{key}/review")
def change_text(request: Request, draft: Now, form: Sent) -> Response:
    """Save the edited study file. Text that is not TOML, or that the pages cannot show, is shown again."""
    text = form.get("text", "").replace("\r\n", "\n")
    try:
        content = study_file.toml(text, drafts.NAME)
        drafts.check_shape(content, text)
    except AppError as error:
        return _review(request, draft, text, str(error), status=422)
    drafts.save(settings_of(request), Draft(draft.key, draft.pool, content, draft.changed))
    return see(f"/studies/new/{draft.key}/review")


@router.post("/{key}/make")
def make(request: Request, draft: Now) -> Response:
    """Start a background job that creates the study."""
    problem = _problem(draft)
    if problem:
        return _review(request, draft, draft.text, problem, status=422)
    settings, opened = settings_of(request), database(request)
    jobs: Jobs = request.app.state.jobs
    jobs.start(f"make-{draft.key}", lambda step: _make(opened, settings, draft, step))
    return see(f"/studies/new/{draft.key}/making")


@router.get("/{key}/making")
def making(request: Request, key: Key) -> Response:
    """Progress of the job that creates the study; the page refreshes itself."""
    jobs: Jobs = request.app.state.jobs
    job = jobs.of(f"make-{key}")
    if job is None:
        return see(f"/studies/new/{key}/review")
    return page(request, "wizard/making.html", {"job": job, "key": key, "share": _share(job)}, block="progress")


def _share(job: Job) -> int:
    return round(100 * job.done / job.total) if job.total else 0


def _make(opened: Database, settings: Settings, draft: Draft, step: ReportProgress) -> str:
    pool, spec = drafts.pool_of(draft), draft.spec()
    slug = lifecycle.free_slug(opened, lifecycle.slug_of(spec.name))
    made = creation.create(opened, settings, pool, spec, draft.text, slug=slug, on_clip=step)
    drafts.forget(settings, draft.key)
    return made


def _problem(draft: Draft) -> str | None:
    """The errors of the study file; None if there are none."""
    try:
        draft.spec()
    except AppError as error:
        return error.message
    return None


def _rules(draft: Draft) -> tuple[list[Filter], str | None]:
    """The filters with numeric limits, for the histograms; and what is wrong with the others."""
    rules = []
    for rule in draft.content.get("filters", []):
        ends = [rule.get("min"), rule.get("max")]
        if all(end is None or isinstance(end, int | float) for end in ends) and any(end is not None for end in ends):
            with suppress(ValueError):  # such as a minimum above the maximum, which the problem names
                rules.append(Filter(rule["name"], rule["score"], *ends))
    return rules, _problem(draft)


def _previewed(draft: Draft) -> dict[str, Any]:
    """The preview for the design page, or the reason why there is none."""
    try:
        return {"preview": previews.preview(draft), "problem": None, "key": draft.key}
    except AppError as error:
        return {"preview": None, "problem": str(error), "key": draft.key}


def _design(request: Request, draft: Draft) -> Response:
    pool = drafts.pool_of(draft)
    strata = draft.content.get("sampling", {}).get("strata", [])
    context = {
        "content": draft.content,
        "plan": draft.content.get("sampling", {}),
        "chosen": forms.chosen_design(draft.content),
        "designs": forms.DESIGNS,
        "allocations": forms.ALLOCATIONS,
        "columns": previews.columns_of(pool),
        "rules": draft.content.get("filters", []),
        "band": next((one for one in strata if "filter" in one), {}),
        "part": next((one for one in strata if "filter" not in one), {}),
        **_previewed(draft),
    }
    return _step(request, draft, "design", context, None)


def _review(request: Request, draft: Draft, text: str, problem: str | None, *, status: int = 200) -> Response:
    return _step(request, draft, "review", {"text": text}, problem, status=status)


def _step(
    request: Request, draft: Draft, name: str, context: dict[str, Any], problem: str | None, *, status: int = 200
) -> Response:
    shared = {"draft": draft, "key": draft.key, "step": name, "steps": STEPS, "problem": problem}
    return page(request, f"wizard/{name}.html", shared | context, status=status)


def _changed(
    request: Request, draft: Draft, content: dict[str, Any], form: dict[str, str], here: str, after: str
) -> Response:
    """Save the draft and redirect to the page that the form names."""
    drafts.save(settings_of(request), Draft(draft.key, draft.pool, content, draft.changed))
    return see(f"/studies/new/{draft.key}/{after if form.get('go') == 'on' else here}")
