"""Write the paper pack as a folder: report, tables, figures, texts, votes, and a snapshot of its inputs."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlmodel import Session

from analysis.figures.files import encode
from app.errors import AppError
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
from app.results import figures, study_results
from app.studies import lifecycle

FIGURE_FILES = (".svg", ".pdf", ".png")
Progress = Callable[[int, int], None]


def write(
    db: Session, study: Study, folder: Path, *, answers: Path | None = None, on_step: Progress | None = None
) -> list[str]:
    """Write the whole pack; returns the files' names, relative to the folder.

    A pack that was there is replaced as a whole, once the new one is complete; a folder with other things in it is
    refused. The same data give the same tables, byte for byte. What the author said on the Report page fills the
    checklist; a file of `answers` comes before it. Raises AppError for that, and for answers that cannot
    be read.
    """
    said = author.kept(db, study) | author.read(answers)
    _refuse_a_strange_folder(folder)
    known = facts.gather(db, study, study_results.compute(db, study, study_results.kind_of(study)))
    with tempfile.TemporaryDirectory(prefix=".report-", dir=_parent(folder)) as made:
        names = _fill(Path(made), db, known, said, on_step or _silent)
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(made, folder)
    return names


def _fill(target: Path, db: Session, known: facts.Facts, said: dict[str, str], on_step: Progress) -> list[str]:
    made = tables.all_tables(known)
    points = checklist.lines(known, said)
    notes = lifecycle.notes(known.study)
    text = methods.paragraph(known)
    votes = votes_file.table(db, known)
    mark = snapshot.text(known, votes, said)
    names = figures.names(known.results)
    steps, written = len(names) + 3, []

    def put(name: str, content: str | bytes) -> None:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        written.append(name)

    for table in made:
        put(f"tables/{table.name}.csv", formats.as_csv(table))
        put(f"tables/{table.name}.tex", formats.as_latex(table))
    put("methods.md", methods.as_markdown(known))
    put("methods.tex", methods.as_latex(known))
    put("plan.md", preregistration.as_markdown(known.plan))
    put("checklist.md", checklist.as_markdown(points))
    put("votes.parquet", votes_file.encoded(votes))
    put("estimates.json", exports.estimates_json(db, known.study, known.results))
    put("study.toml", known.study.study_file)
    put("SNAPSHOT", mark)
    on_step(1, steps)
    drawn = []
    for number, name in enumerate(names, start=2):
        chart = figures.chart(known.results, name)
        for ending in FIGURE_FILES:
            put(f"figures/{name}{ending}", encode(chart, ending))
        drawn.append(page.Drawn(name, (target / f"figures/{name}.svg").read_text(encoding="utf-8")))
        on_step(number, steps)
    put("report.html", page.render(known, made, drawn, text, points, notes, mark))
    on_step(steps - 1, steps)
    put("report.pdf", pdf.compile_pdf(pdf.source(known, made, drawn, text, points, notes, mark), drawn))
    on_step(steps, steps)
    return sorted(written)


def _silent(_done: int, _total: int) -> None:
    """Report no progress."""


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent


def _refuse_a_strange_folder(folder: Path) -> None:
    if folder.is_file():
        raise AppError(f"{folder} is a file.", "Name a folder for the report: -o report")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "SNAPSHOT").is_file():
        raise AppError(
            f"{folder} holds other things than a report.", "Name a new folder, or one that an earlier report is in."
        )
