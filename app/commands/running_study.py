"""`clipjury study guidelines|consent|pause|resume|close|archive`: change what raters read and whether they may rate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import existing_database
from app.errors import AppError
from app.settings import load

if TYPE_CHECKING:
    from app.studies.documents import DocumentKind
    from app.studies.lifecycle import State

Study = Annotated[str, typer.Argument(help="The study's name in addresses.")]
Text = Annotated[Path, typer.Argument(help="The new text, in Markdown.")]


def guidelines(study: Study, file: Text) -> None:
    """Put new guidelines in force: every rater reads them before the next clip."""
    _change(study, "guidelines", file, "Raters read them before their next clip.")


def consent(study: Study, file: Text) -> None:
    """Put a new consent text in force: every rater is asked again before the next clip."""
    _change(study, "consent", file, "Raters are asked before their next clip.")


def pause(study: Study) -> None:
    """Give raters no more clips until the study is resumed; answers to clips they hold are kept."""
    _move(study, "paused", "Raters get no more clips until: clipjury study resume " + study)


def resume(study: Study) -> None:
    """Open a paused or closed study again: the same links work."""
    _move(study, "open", "Raters continue where they stopped.")


def close(study: Study) -> None:
    """End a study: raters get no more clips and are told so; answers to clips they hold are kept."""
    _move(study, "closed", "Raters get no more clips.")


def archive(study: Study) -> None:
    """End a study and take it out of the list of studies; its pages and data stay."""
    _move(
        study,
        "archived",
        "Raters get no more clips; it is out of the list. Bring it back: clipjury study resume " + study,
    )


def _change(slug: str, kind: "DocumentKind", file: Path, then: str) -> None:
    from app.studies import documents, lifecycle

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(f"{file} cannot be read ({error}).", "Name a text file in UTF-8.") from error
    with existing_database(load()).writer() as db:
        changed = documents.change(db, lifecycle.by_slug(db, slug), kind, text)
    typer.echo(f"The {kind} of {slug} changed. {then}" if changed else "This is the text in force: nothing changed.")


def _move(slug: str, state: "State", then: str) -> None:
    from app.studies import lifecycle

    with existing_database(load()).writer() as db:
        moved = lifecycle.change_state(db, lifecycle.by_slug(db, slug), state)
    typer.echo(f"{slug} is {state}. {then}" if moved else f"{slug} is {state} already.")
