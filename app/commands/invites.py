"""`clipjury invite` and `clipjury invites`: make links for raters, which are printed or written once."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import existing_database
from app.commands.numeric_options import whole
from app.commands.serve import LinkPort, served_settings
from app.errors import AppError
from app.settings import load

Expires = Annotated[
    str, typer.Option(help="Last day of the link, as 2026-12-31: it ends with that day, in UTC. A time may follow.")
]


Study = Annotated[str, typer.Argument(help="The study's short name, which clipjury links prints.")]
RaterName = Annotated[str, typer.Argument(help="The rater's name, as the study's Raters page shows it.")]


def invite(study: Study, name: RaterName, expires: Expires = "", port: LinkPort = None) -> None:
    """Make a personal link for one rater: the same person on every device that opens it."""
    from app.raters import invites
    from app.studies import lifecycle

    end = invites.end_of(expires)
    with existing_database(load()).writer() as db:
        link = invites.personal(db, lifecycle.by_slug(db, study), name, expires_at=end)
    if link.name != name:
        typer.echo(f"The name was taken, so the new rater is called {link.name}.", err=True)
        typer.echo("To give the same rater a new link, renew it on the study's Raters page.", err=True)
    typer.echo(served_settings(port).address + link.path)


def invite_many(
    study: Study,
    csv: Annotated[Path | None, typer.Option(help="Raters to invite: a CSV with the columns name and expires.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="New file for their links, as CSV.")] = None,
    open_link: Annotated[bool, typer.Option("--open", help="Make one link for everybody who has it.")] = False,
    cap: Annotated[int | None, whole("--cap", 1, 100_000, "How many raters the open link lets in.")] = None,
    expires: Expires = "",
    port: LinkPort = None,
) -> None:
    """Make a personal link for each rater of a list, or one open link."""
    from app.raters import invites
    from app.studies import lifecycle

    if open_link == (csv is not None) or (csv is None) != (output is None):
        raise AppError("Say which links to make.", "Either --csv names.csv -o links.csv, or --open.")
    if csv is not None and cap is not None:
        raise AppError("A cap belongs to an open link.", "Leave out --cap, or give --open instead of --csv.")
    end = invites.end_of(expires)
    if csv is None or output is None:
        with existing_database(load()).writer() as db:
            link = invites.opened(db, lifecycle.by_slug(db, study), cap=cap, expires_at=end)
        typer.echo(served_settings(port).address + link.path)
        return
    names = invites.names_in(_text(csv))
    with existing_database(load()).writer() as db:
        found = lifecycle.by_slug(db, study)
        links = [invites.personal(db, found, name, expires_at=own or end) for name, own in names]
        _write_secret(
            output, invites.links_csv(links, served_settings(port).address)
        )  # before the commit, so that no link exists without the file
    typer.echo(f"{len(links)} links: {output}. They are written this once; keep the file to yourself.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise AppError(f"{path} is not text in UTF-8.", "Save it from the spreadsheet as CSV UTF-8.") from error


def _write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises AppError if the file exists: it may hold other links."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
