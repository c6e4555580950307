"""`clipjury sample`: draw clips from a pool by a design, each with its inclusion probability."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands.numeric_options import MAX_COUNT, whole
from app.errors import AppError

if TYPE_CHECKING:
    from app.sampling.sample_files import SampleFile

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""


def sample(
    pool: Annotated[Path, typer.Argument(help="The pool (Parquet), made by clipjury score.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sample to write (Parquet).")],
    design: Annotated[Path | None, typer.Option(help="The design file (TOML).")] = None,
    pilot: Annotated[
        Path | None, typer.Option(help="Judgments (CSV): for Neyman shares, or the first phase of a two-phase design.")
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="The criterion of an export to take judgments from.")] = None,
    top_up: Annotated[
        Path | None, typer.Option(help="An earlier sample of this pool to add clips to; its own design is used.")
    ] = None,
    add: Annotated[int | None, whole("--add", 1, MAX_COUNT, "With --top-up: how many clips to add.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Draw clips from a pool; every one carries its stratum, inclusion probability and weight.

    The same pool, design and seed give the same sample on any machine. A top-up keeps the clips drawn so far; all
    weights in its file are those of the earlier and the new clips together.
    """
    from app.sampling import design_files, pilot_files, sample_files

    if (design is None) == (top_up is None):
        raise AppError(
            "A sample needs a design or an earlier sample.", "Give --design FILE.toml or --top-up FILE.parquet"
        )
    if add is not None and top_up is None:
        raise AppError("--add goes with --top-up.", "In a new sample the design says how many clips are drawn.")
    earlier = None if top_up is None else sample_files.read(top_up)
    judged = None if pilot is None else pilot_files.read(pilot, criterion)
    plan = earlier.design if earlier is not None else design_files.read(design or Path())
    made = sample_files.make(pool, plan, output, pilot=judged, earlier=earlier, add=add)
    if as_json:
        typer.echo(json.dumps(made.record | {"output": str(output), "clips": made.clips.height}, ensure_ascii=False))
    else:
        _show(made, output)


def _show(made: "SampleFile", output: Path) -> None:
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("stratum", "in the pool", "drawn", "weight"):
        table.add_column(head, justify="left" if head == "stratum" else "right")
    for row in made.record["strata"]:
        weight = f"{row['population'] / row['drawn']:.4g}" if row["drawn"] and "filter" not in row else ""
        table.add_row(escape(row["label"]), str(row["population"]), str(row["drawn"]), weight)
    out.print(table)
    for note in made.record["notes"]:
        out.print(f"  {escape(note)}")
    typer.echo(f"{made.clips.height} clips, design {made.record['design_id']}, seed {made.record['seed']}: {output}")
