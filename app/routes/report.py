"""The Report and Plan pages: the paper pack, the author's answers, exports for other programs, preregistration."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import FileResponse

from app.auth import require_researcher
from app.errors import AppError, NotFound
from app.exchange import forms
from app.jobs import Jobs
from app.models import Study
from app.report import author, preregistration, stored_packs, zipped
from app.results import study_results, votes
from app.routes.wizard import Sent, settings_of
from app.studies import lifecycle
from app.web.pages import Reader, Writer, database, page, see

router = APIRouter(prefix="/studies/{slug}", dependencies=[Depends(require_researcher)])
REPORT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox",
    )
)
"""Content security policy of report.html, which contains its style and figures: no scripts, no other addresses."""
CONTENTS = (
    ("report.html, report.pdf", "everything on one page that opens without a network, and the same typeset"),
    ("tables/", "each table as CSV and as LaTeX"),
    ("figures/", "each figure as SVG, PDF and PNG"),
    ("methods.md, methods.tex", "a paragraph written from what happened"),
    ("plan.md", "the frozen plan and its amendments with their dates and hashes"),
    ("checklist.md", "what GRRAS, STARD, HEDS, P.910 and datasheets ask for: filled, said by you, or a visible gap"),
    ("votes.parquet", "every answer under pseudonyms, with weights, arms, revisions and guideline versions"),
    ("estimates.json", "every estimate with interval, counts, method and signature"),
    ("study.toml, SNAPSHOT", "the study file, and a hash over all inputs"),
)


@router.get("/report")
def show(request: Request, slug: str, db: Reader) -> Response:
    """Show the content of the pack, the button that makes it, and the author's answers."""
    return _report(request, db, lifecycle.by_slug(db, slug))


@router.post("/report")
def make(request: Request, slug: str, db: Reader) -> Response:
    """Make the pack in the background. Raises AppError (409) before the first answer."""
    study = lifecycle.by_slug(db, slug)
    if not votes.fingerprint(db, study)[0]:
        raise AppError("Nobody has answered yet.", "A report can be made from the first answer on.", status=409)
    settings, opened = settings_of(request), database(request)
    jobs: Jobs = request.app.state.jobs
    jobs.start(_job(study), lambda step: stored_packs.make(opened, settings, study.slug, step))
    return see(f"/studies/{slug}/report")


@router.post("/report/answers")
def answers(request: Request, slug: str, db: Writer, form: Sent) -> Response:
    """Save the author's answers, which the next pack contains."""
    study = lifecycle.by_slug(db, slug)
    try:
        author.save(db, study, form)
    except AppError as error:
        return _report(request, db, study, form=form, problem=str(error), status=error.status)
    return see(f"/studies/{slug}/report#author")


@router.get("/report/report.html")
def report_page(request: Request, slug: str, db: Reader) -> Response:
    """Show the report on one page, with its own content security policy."""
    found = stored_packs.content(settings_of(request), lifecycle.by_slug(db, slug).slug, "report.html")
    headers = {"Content-Security-Policy": REPORT_POLICY, "Cache-Control": "no-store"}
    return Response(found, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/report/report.pdf")
def report_pdf(request: Request, slug: str, db: Reader) -> Response:
    """Show the report as PDF."""
    study = lifecycle.by_slug(db, slug)
    found = stored_packs.content(settings_of(request), study.slug, "report.pdf")
    headers = {"Content-Disposition": f'inline; filename="{study.slug}-report.pdf"', "Cache-Control": "no-store"}
    return Response(found, media_type="application/pdf", headers=headers)


@router.get("/report.zip")
def report_zip(request: Request, slug: str, db: Reader) -> FileResponse:
    """Download all files of the pack as a zip file."""
    study = lifecycle.by_slug(db, slug)
    pack = stored_packs.latest(settings_of(request), study.slug)
    if pack is None:
        raise NotFound("There is no report yet.", "Make it on the study's Report page.")
    return FileResponse(
        pack.path,
        media_type="application/zip",
        filename=f"{study.slug}-report.zip",
        headers={"Cache-Control": "no-store"},
    )


@router.get("/export/{form}.zip")
def export(slug: str, form: str, db: Reader) -> Response:
    """Download the study in the form of another program."""
    study, chosen = lifecycle.by_slug(db, slug), forms.form_named(form)
    name = f"{study.slug}-{chosen}"
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', "Cache-Control": "no-store"}
    return Response(zipped.zipped(forms.FORMS[chosen](db, study), name), media_type="application/zip", headers=headers)


@router.get("/plan")
def plan(request: Request, slug: str, db: Reader) -> Response:
    """Show the plan as a form until it is frozen, afterwards as it was frozen, with its amendments."""
    return _plan(request, db, lifecycle.by_slug(db, slug))


@router.post("/plan")
def change_plan(
    request: Request,
    slug: str,
    db: Writer,
    form: Sent,
    act: Annotated[Literal["save", "freeze", "amend"], Form()] = "save",
) -> Response:
    """Save the draft of the plan, freeze it, or add an amendment."""
    study = lifecycle.by_slug(db, slug)
    try:
        if act == "save":
            preregistration.save(db, study, form)
        elif act == "freeze":
            preregistration.freeze(db, study, form)
        else:
            preregistration.amend(db, study, form, form.get("reason", ""))
    except AppError as error:
        return _plan(request, db, study, form=form, problem=str(error), status=error.status)
    return see(f"/studies/{slug}/plan")


@router.get("/plan/{number}.md")
def plan_text(slug: str, db: Reader, number: Annotated[int, Path(ge=0, le=10_000)]) -> Response:
    """Download the text that was hashed, byte for byte: version 0 is the plan, the others are its amendments."""
    study = lifecycle.by_slug(db, slug)
    versions = preregistration.versions(db, study)
    if number >= len(versions):
        raise NotFound("There is no such version of the plan.", "The study's Plan page lists them.")
    name = f"{study.slug}-plan-{number}.md"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(versions[number].text.encode(), media_type="text/markdown; charset=utf-8", headers=headers)


def _job(study: Study) -> str:
    return f"report-{study.id}"


def _report(
    request: Request,
    db: Reader,
    study: Study,
    *,
    form: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    jobs: Jobs = request.app.state.jobs
    job = jobs.of(_job(study))
    pack = stored_packs.latest(settings_of(request), study.slug)
    saved = author.saved(db, study)
    now = votes.fingerprint(db, study)
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": study_results.kind_of(study) == "simulated",
        "job": job,
        "share": round(100 * job.done / job.total) if job and job.total else 0,
        "made": pack,
        "answers": now[0],
        "newer": now[0] - pack.fingerprint[0] if pack else 0,
        "changed": pack is not None and (now != pack.fingerprint or pack.kind != study_results.kind_of(study)),
        "contents": CONTENTS,
        "questions": author.QUESTIONS,
        "said": saved if form is None else form,
        "answered": len(saved),
        "problem": problem,
        "versions": preregistration.versions(db, study),
    }
    return page(request, "report/page.html", context, block="progress", status=status)


def _plan(
    request: Request,
    db: Reader,
    study: Study,
    *,
    form: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    context = {
        "study_name": study.name,
        "study": study,
        "versions": preregistration.versions(db, study),
        "said": preregistration.draft(db, study) | (form or {}),
        "reason": (form or {}).get("reason", ""),
        "parts": preregistration.PARTS,
        "objectives": preregistration.OBJECTIVES,
        "problem": problem,
    }
    return page(request, "report/preregistration.html", context, status=status)
