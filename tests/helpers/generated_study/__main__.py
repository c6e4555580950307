"""Writes a generated study into a home folder to look at: `python -m tests.helpers.generated_study HOME`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from app.db import Database
from app.models import now
from app.raters import invite_list
from app.settings import Settings
from tests.helpers.generated_study import Options, generate


def main(
    home: Annotated[Path, typer.Argument(help="Folder to write; `CLIPJURY_HOME=HOME clipjury serve` serves it.")],
    raters: Annotated[int, typer.Option(min=0)] = Options.raters,
    filters: Annotated[int, typer.Option(min=1)] = Options.filters,
    clips: Annotated[int, typer.Option(min=20)] = Options.clips,
    seed: Annotated[int, typer.Option(min=0)] = Options.seed,
    port: Annotated[int, typer.Option(help="Port in the links.")] = 8000,
) -> None:
    """Write a study with answers that shows something on every page."""
    began = time.perf_counter()
    settings = Settings(home=home, database_url="", port=port)
    database = Database(settings.database)
    database.migrate()
    options = Options(clips=clips, raters=raters, filters=filters, seed=seed, at=now())
    generate(database, settings, options, with_videos=True)
    typer.echo(f"{clips:,} clips, {raters} raters, {filters} filters: {time.perf_counter() - began:.1f} s")
    typer.echo(f"Serve it: CLIPJURY_HOME={home} clipjury serve --port {port}")
    for line in invite_list.links(settings, database):
        typer.echo(line)
    database.dispose()


typer.run(main)
