"""`clipjury report`: write the paper pack of a study."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import existing_database, progress_bar
from app.errors import AppError


def report(
    study: Annotated[str, typer.Argument(help="The study, as `clipjury links` lists it.")] = "",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")] = Path("report"),
    answers: Annotated[Path | None, typer.Option(help="What only you can say (TOML); see --questions.")] = None,
    questions: Annotated[bool, typer.Option("--questions", help="Print the answers file to fill in, and end.")] = False,
) -> None:
    """Write the paper pack: report (HTML, PDF), tables (CSV, LaTeX), figures, methods, checklist, votes, snapshot."""
    from app.report import author

    if questions:
        typer.echo(author.template(), nl=False)
        return
    if not study:
        raise AppError("Which study?", "Name it: clipjury report STUDY -o report (clipjury links lists them)")
    from app.report import pack_files
    from app.settings import load
    from app.studies import lifecycle

    database = existing_database(load())
    with database.reader() as db, progress_bar("Writing the report") as on_step:
        names = pack_files.write(db, lifecycle.by_slug(db, study), output, answers=answers, on_step=on_step)
    typer.echo(f"{output / 'report.html'}: open it in a browser; {len(names)} files in {output}.")
    gaps = (output / "checklist.md").read_text(encoding="utf-8").count("**GAP**")
    if gaps:
        sys.stdout.write(f"{gaps} points of the checklist are gaps: clipjury report --questions > answers.toml\n")
