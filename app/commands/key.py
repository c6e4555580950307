"""`clipjury key rotate`: replace the key that signs sessions and links."""

import secrets
from typing import Annotated

import typer

from app.settings import KEY_BYTES, load, write_keys

commands = typer.Typer(no_args_is_help=True, help="The key that signs sessions and links.")


@commands.callback()
def key() -> None:
    """The key that signs sessions and links."""


@commands.command()
def rotate(
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Forget the earlier keys too: every session ends, webhooks get new secrets."),
    ] = False,
) -> None:
    """Sign with a new key. The researcher's link changes; studies and raters' links and sessions stay valid."""
    settings = load()
    kept = () if forget else settings.keys
    write_keys(settings.key_file, (secrets.token_bytes(KEY_BYTES), *kept), replace=True)
    typer.echo("There is a new signing key. Restart the server; clipjury links prints the researcher's new link.")
    typer.echo(f"Copy {settings.key_file} to a safe place again: a restored server needs the new key.")
    if forget:
        typer.echo("Every session has ended. Personal links sign raters in again; raters of open links need one each.")
        typer.echo("Open links still work but cannot be printed again. Webhooks sign with new secrets: add them again.")
