"""`clipjury study top-up`: draw more clips for a running study, and recompute the weights of all its clips."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import existing_database, progress_bar
from app.commands.numeric_options import MAX_COUNT, whole
from app.settings import load


def top_up(
    study: Annotated[str, typer.Argument(help="The study's name in addresses.")],
    clips: Annotated[int, whole("--clips", 1, MAX_COUNT, "How many clips to draw.")],
    design: Annotated[
        Path | None, typer.Option(help="Draw by this design file (TOML) instead of the study's own design.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Draw more clips for a running study. Raters see the new clips at once; their answers so far are not changed.

    The study's own design continues, or another design draws from the whole pool. Inclusion probabilities and weights
    are recomputed for all clips, old and new. A two-phase study gets its second phase.
    """
    from app.pool_evidence import top_ups
    from app.sampling import design_files

    settings = load()
    given = None if design is None else design_files.read(design)
    with progress_bar("Preparing clips for the browser") as advance:
        done = top_ups.top_up(existing_database(settings), settings, study, clips, design=given, on_clip=advance)
    if as_json:
        typer.echo(dumps(asdict(done), ensure_ascii=False))
        return
    for note in done.notes:
        typer.echo(f"  note: {note}")
    if done.known:
        typer.echo(f"  {done.known} of the clips drawn were in the study already; no clip is there twice.")
    typer.echo(f"{done.new} new clips for {study}, {done.clips} in all. The weights of all were made anew.")
