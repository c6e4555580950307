"""`clipjury export`: write a study's answers and estimates as files, in ClipJury's or other programs' formats."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import existing_database
from app.errors import AppError
from app.settings import load


def export(
    study: Annotated[str, typer.Argument(help="The study's name in addresses.")],
    judgments: Annotated[Path | None, typer.Option(help="Write the judgments as CSV here.")] = None,
    estimates: Annotated[Path | None, typer.Option(help="Write the estimates as JSON here.")] = None,
    form: Annotated[str, typer.Option("--format", help="label-studio or huggingface: a folder, see -o.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder for --format.")] = None,
) -> None:
    """Write a study's judgments (CSV), estimates (JSON), or a folder for Label Studio or Hugging Face."""
    from app.exchange import forms
    from app.report import exports
    from app.results import study_results
    from app.studies import lifecycle

    if judgments is None and estimates is None and not form:
        raise AppError(
            "Nothing to write.", "Name --judgments FILE.csv, --estimates FILE.json, or --format huggingface -o FOLDER."
        )
    if bool(form) != (output is not None):
        raise AppError("--format and -o belong together.", "For example: --format label-studio -o FOLDER")
    with existing_database(load()).reader() as db:
        found = lifecycle.by_slug(db, study)
        if judgments is not None:
            with judgments.open("w", encoding="utf-8") as file:
                file.writelines(exports.judgments_csv(db, found))
            typer.echo(f"Judgments: {judgments}")
        if estimates is not None:
            counted = study_results.compute(db, found, study_results.kind_of(found))
            estimates.write_text(exports.estimates_json(db, found, counted), encoding="utf-8")
            typer.echo(f"Estimates: {estimates}")
        if output is not None:
            made = forms.FORMS[forms.form_named(form)](db, found)
            forms.write(output, made)
            typer.echo(f"{form}: {', '.join(made)} in {output}")
