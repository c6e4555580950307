"""`clipjury token`: make and revoke API tokens for programs."""

from typing import Annotated

import typer

from app.commands.common import existing_database
from app.settings import load

commands = typer.Typer(no_args_is_help=True, help="Tokens for programs that use /api/v1.")


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    scope: Annotated[list[str], typer.Option(help="read, judgments or write; may be given more than once.")],
) -> None:
    """Make a token and print it: it is shown this once."""
    from app import api_tokens

    with existing_database(load()).writer() as db:
        secret = api_tokens.create(db, name, scope)
    typer.echo(secret)
    typer.echo("Keep it: nobody can read it again. Send it as: Authorization: Bearer TOKEN", err=True)


@commands.command("list")
def list_() -> None:
    """All tokens with their scopes; never their secrets."""
    from app import api_tokens

    with existing_database(load()).reader() as db:
        for token in api_tokens.listed(db):
            state = "revoked" if token.revoked_at else ", ".join(token.scopes)
            typer.echo(f"{token.name}: {state}; made {token.created_at:%Y-%m-%d}")


@commands.command()
def revoke(name: str) -> None:
    """End a token at once."""
    from app import api_tokens
    from app.models import now

    with existing_database(load()).writer() as db:
        api_tokens.revoke(db, name, now=now())
    typer.echo(f"The token {name} lets nobody in any more.")
