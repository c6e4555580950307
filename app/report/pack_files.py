"""Make the files of the paper pack: report, tables, figures, texts, votes, and a snapshot of their inputs."""

import shutil
import tempfile
from pathlib import Path

import polars as pl
from sqlmodel import Session

from analysis.figures.files import encode
from app.errors import AppError
from app.jobs import ReportProgress
from app.models import Study
from app.report import (
    author,
    checklist,
    exports,
    facts,
    formats,
    methods,
    page,
    pdf,
    preregistration,
    snapshot,
    tables,
    votes_file,
)
from app.report.page import FigureSvg, Paper
from app.results import figures, study_results
from app.studies import lifecycle

FIGURE_ENDINGS = (".svg", ".pdf", ".png")


def _ignore_progress(_done: int, _total: int) -> None:
    """Report no progress."""


def write(
    db: Session,
    study: Study,
    folder: Path,
    *,
    answers: Path | None = None,
    on_step: ReportProgress = _ignore_progress,
) -> list[str]:
    """Write the whole pack into a folder; returns the names of the files, relative to the folder.

    An earlier pack in the folder is replaced when the new one is complete. `answers` is the author's file of answers,
    if there is one. Raises AppError if the folder contains other files, or if the file of answers cannot be read.
    """
    author_answers = author.read(answers)
    _refuse_other_folder(folder)
    files = pack_files(db, study, author_answers, on_step)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".report-", dir=folder.parent) as complete:
        for name, content in files.items():
            path = Path(complete) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(complete, folder)
    return list(files)


def pack_files(
    db: Session,
    study: Study,
    author_answers: dict[str, str] | None = None,
    on_step: ReportProgress = _ignore_progress,
) -> dict[str, bytes]:
    """Make every file of the pack: its name and its content, in the order of the names.

    The same data give the same tables, byte for byte. `author_answers` take precedence over those of the Report page.
    """
    answers = author.saved(db, study) | (author_answers or {})
    known = facts.gather(db, study, study_results.compute(db, study, study_results.kind_of(study)))
    votes = votes_file.table(db, known)
    names = figures.names(known.results)
    steps = len(names) + 3
    paper = Paper(
        known,
        tables=tables.all_tables(known),
        methods=methods.paragraph(known),
        checklist=checklist.items(known, answers),
        notes=lifecycle.notes(study),
        snapshot=snapshot.text(known, votes, answers),
    )
    files = _tables_and_texts(db, paper, votes)
    on_step(1, steps)
    drawn = []
    for number, name in enumerate(names, start=2):
        pictures = _figure(known, name)
        files |= pictures
        drawn.append(FigureSvg(name, pictures[f"figures/{name}.svg"].decode()))
        on_step(number, steps)
    files["report.html"] = page.render(paper, drawn).encode()
    on_step(steps - 1, steps)
    files["report.pdf"] = pdf.compile_pdf(pdf.source(paper, drawn), drawn)
    on_step(steps, steps)
    return dict(sorted(files.items()))


def _tables_and_texts(db: Session, paper: Paper, votes: pl.DataFrame) -> dict[str, bytes]:
    known = paper.facts
    texts = {
        "methods.md": methods.as_markdown(known),
        "methods.tex": methods.as_latex(known),
        "plan.md": preregistration.as_markdown(known.plan),
        "checklist.md": checklist.as_markdown(paper.checklist),
        "estimates.json": exports.estimates_json(db, known.study, known.results),
        "study.toml": known.study.study_file,
        "SNAPSHOT": paper.snapshot,
    }
    texts |= {f"tables/{table.name}.csv": formats.as_csv(table) for table in paper.tables}
    texts |= {f"tables/{table.name}.tex": formats.as_latex(table) for table in paper.tables}
    return {name: text.encode() for name, text in texts.items()} | {"votes.parquet": votes_file.encoded(votes)}


def _figure(known: facts.ReportFacts, name: str) -> dict[str, bytes]:
    chart = figures.chart(known.results, name)
    return {f"figures/{name}{ending}": encode(chart, ending) for ending in FIGURE_ENDINGS}


def _refuse_other_folder(folder: Path) -> None:
    if folder.is_file():
        raise AppError(f"{folder} is a file.", "Name a folder for the report: -o report")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "SNAPSHOT").is_file():
        raise AppError(
            f"{folder} holds other things than a report.", "Name a new folder, or one that an earlier report is in."
        )
