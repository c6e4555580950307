"""`clipjury webhook`: notify other programs when a study is closed."""

from typing import Annotated

import typer

from app.commands.common import existing_database
from app.settings import load

commands = typer.Typer(no_args_is_help=True, help="Tell other programs when a study is closed.")
Study = Annotated[str, typer.Argument(help="The study's name in addresses.")]
Url = Annotated[str, typer.Argument(help="Where to send it: https://host/path")]


@commands.command()
def add(study: Study, url: Url) -> None:
    """Tell this address when the study is closed or archived; prints the secret that signs, once."""
    from app.studies import lifecycle
    from app.webhooks import webhooks

    settings = load()
    with existing_database(settings).writer() as db:
        secret = webhooks.add(db, settings, lifecycle.by_slug(db, study), url)
    typer.echo(secret)
    typer.echo("Keep it: it is shown this once. ClipJury-Signature is sha256=HMAC-SHA256(secret, body).", err=True)


@commands.command("list")
def list_(study: Study) -> None:
    """The addresses that are told, and what became of the last delivery; never their secrets."""
    from app.studies import lifecycle
    from app.webhooks import webhooks

    with existing_database(load()).reader() as db:
        for one in webhooks.of_study(db, lifecycle.by_slug(db, study)):
            typer.echo(f"{one.url}: {one.state}; added {one.added:%Y-%m-%d}")


@commands.command()
def remove(study: Study, url: Url) -> None:
    """Tell this address nothing any more."""
    from app.studies import lifecycle
    from app.webhooks import webhooks

    with existing_database(load()).writer() as db:
        webhooks.remove(db, lifecycle.by_slug(db, study), url)
    typer.echo(f"{url} is told nothing of {study} any more.")


@commands.command()
def deliver() -> None:
    """Tell now what is due, without waiting for the server."""
    from app.webhooks import webhooks

    settings = load()
    told = webhooks.deliver(existing_database(settings), settings)
    for url, outcome in told:
        typer.echo(f"{url}: {outcome}")
    if not told:
        typer.echo("Nothing is due.")
