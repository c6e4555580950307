"""`clipjury pool`: import pools, summarize them, join scores to them, and count what filters keep."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from app.commands.numeric_options import whole
from app.commands.score import SOME_FAILED
from app.errors import AppError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from app.filters.filter_files import FilterFile
    from app.filters.retention import Retention
    from app.pools.importing import ImportSummary

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""
commands = typer.Typer(
    no_args_is_help=True, help="Import pools, look at them, join scores to them, count what filters keep."
)
PoolPath = Annotated[str, typer.Argument(help="The pool: a Parquet file, a folder of them, or an address (s3://...).")]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=FIELD",
        help="Take a column from a field by its dotted path (clip=data.id, dover_scores=quality.dover); write it from "
        "fields ('media=clips/{id}.mp4'); leave it out (description=). May be given more than once.",
    ),
]
Filters = Annotated[str | None, typer.Option(help="Filter file (.toml, or TalkVid's .yml), or the preset talkvid.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Rows = Annotated[int, whole("--rows", 1, 1000, "How many clips.", short="-n")]
Chosen = Annotated[list[str] | None, typer.Option("--column", help="A column to show; may be given more than once.")]


@commands.command("import")
def import_(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="TalkVid's JSON or JSON Lines, Label Studio or FiftyOne JSON, CSV, TSV, Parquet, a folder of videos.",
        ),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The pool to write (Parquet).")],
    maps: Maps = None,
    strict: Annotated[bool, typer.Option("--strict", help="One bad record refuses the whole.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a pool that was not imported.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a pool from records. Fields are guessed and shown; bad records go to POOL.rejects.jsonl (exit code 3)."""
    from app.pools.importing import import_pool

    made = import_pool(sources, output, maps=maps or (), strict=strict, force=force)
    if as_json:
        facts = dataclasses.asdict(made) | {"clips": made.clips, "rejected": made.rejected}
        typer.echo(json.dumps(facts, ensure_ascii=False))
    else:
        _show_import(made)
    if made.rejected:
        raise typer.Exit(SOME_FAILED)


@commands.command()
def show(
    pool: PoolPath,
    filters: Filters = None,
    by: Annotated[list[str] | None, typer.Option(help="A column of subgroups; may be given more than once.")] = None,
    score: Annotated[list[str] | None, typer.Option(help="A score to draw; may be given more than once.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the same as a page to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Size, hours, how scores are spread around the thresholds, subgroups, columns and missing values."""
    from app.pools import summary as pool_summary
    from app.pools import summary_terminal

    summary = pool_summary.summarize(pool, _filter_file(filters), by=by or (), scores=score or ())
    if html is not None:
        from app.pools.summary_page import render

        html.write_text(render(summary), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(summary), ensure_ascii=False))
    else:
        summary_terminal.show(_out(), summary)
        if html is not None:
            typer.echo(f"Page: {html}")


@commands.command()
def join(
    pool: PoolPath,
    other: Annotated[
        str, typer.Argument(help="A file with the clips' ids and further columns, of any kind import reads.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The pool to write (Parquet).")],
    maps: Maps = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take columns that the pool has from the file.")] = False,
) -> None:
    """Add the columns of another file to a pool, by the clips' ids; clips it does not have get no value."""
    from app.pools import joining
    from app.pools.summary_terminal import count, plain

    done = joining.join(pool, other, output, maps=tuple(maps or ()), replace=replace)
    typer.echo(f"Joined {plain(', '.join(done.columns))}: {count(done.matched)} clips have a match.")
    if done.unmatched:
        typer.echo(f"  {count(done.unmatched)} clips of the pool are not in the file: they have no value.")
    if done.strangers:
        typer.echo(f"  {count(done.strangers)} clips of the file are not in the pool: they are left out.")
    typer.echo(f"Pool: {done.output}")


@commands.command()
def head(pool: PoolPath, rows: Rows = 10, column: Chosen = None) -> None:
    """Print the first clips."""
    from app.pools.scanning import scan_pool

    _show_rows(pool, scan_pool(pool).head(rows), column)


@commands.command()
def tail(pool: PoolPath, rows: Rows = 10, column: Chosen = None) -> None:
    """Print the last clips."""
    from app.pools.scanning import scan_pool

    _show_rows(pool, scan_pool(pool).tail(rows), column)


@commands.command()
def where(
    pool: PoolPath,
    condition: Annotated[
        str, typer.Argument(help="""A condition as in SQL: avg_movement < 80 and "Age Group" = '60+'.""")
    ],
    rows: Rows = 10,
    column: Chosen = None,
) -> None:
    """Print the first clips for which a condition holds, and say how many there are."""
    import polars as pl

    from app.pools.scanning import pool_errors, scan_pool
    from app.pools.summary import condition_of
    from app.pools.summary_terminal import count

    scan = scan_pool(pool)
    found = scan.filter(condition_of(scan.collect_schema(), condition))
    with pool_errors(pool):
        clips = found.select(pl.len()).collect(engine="streaming").item()
    _show_rows(pool, found.head(rows), column)
    typer.echo(f"{count(clips)} clips.")


@commands.command()
def retention(
    pool: PoolPath,
    filters: Annotated[str, typer.Option(help="Filter file (.toml, or TalkVid's .yml), or the preset talkvid.")],
    by: Annotated[str, typer.Option(help="A column of subgroups.")] = "",
    unknown: Annotated[Literal["fail", "pass"], typer.Option(help="What a clip without a score counts as.")] = "fail",
    as_json: AsJson = False,
) -> None:
    """Clips and hours that each stage of a filter file keeps, of the whole pool and of each subgroup."""
    from app.filters import filter_files
    from app.filters import retention as pool_retention
    from app.pools.scanning import pool_errors, scan_pool

    source = filter_files.find(filters)
    with pool_errors(pool):
        found = pool_retention.retention(scan_pool(pool), source, by=by, unknown=unknown)
    if as_json:
        typer.echo(json.dumps(pool_retention.to_dict(found), ensure_ascii=False))
    else:
        _show_retention(found)


def _filter_file(name: str | None) -> "FilterFile | None":
    from app.filters import filter_files

    return None if name is None else filter_files.find(name)


def _out() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def _show_import(made: "ImportSummary") -> None:
    """Print the mapping of each source, and the number of its good and bad records."""
    from app.pools.summary_terminal import count, grid, shortened, words

    out = _out()
    for source in made.sources:
        out.print(f"[bold]{words(source.name)}[/]  {escape(source.kind)}, {count(source.records)} records")
        table = grid("column", "field", "role", "clips", "NaN or endless")
        for one in source.fields:
            lost = count(one.lost) if one.lost else ""
            table.add_row(shortened(one.column, 28), shortened(one.path, 40), one.role, count(one.clips), lost)
        out.print(table)
        if source.rejected:
            out.print(f"  {count(source.rejected)} bad records are left out.")
    out.print("  Another field: --map COLUMN=FIELD")
    typer.echo(f"{count(made.clips)} clips: {made.output}")
    if made.rejects:
        typer.echo(f"{count(made.rejected)} bad records, with the reasons: {made.rejects}", err=True)


def _show_rows(pool: str, rows: "pl.LazyFrame", column: list[str] | None) -> None:
    from app.pools.scanning import pool_errors
    from app.pools.summary_terminal import row_table

    out = _out()
    schema = rows.collect_schema()
    for name in column or ():
        if name not in schema:
            raise AppError(f"The pool has no column {name!r}.", did_you_mean(name, schema))
    chosen = list(dict.fromkeys(["clip", *(column or schema)]))
    with pool_errors(pool):
        frame = rows.select(chosen).collect()
    table, more = row_table(frame, out.width)
    out.print(table)
    if more:
        out.print(f"  and {more} more columns: --column NAME shows one")


def _show_retention(found: "Retention") -> None:
    """Print a table of stages, and one of subgroups with the share that is left after each stage."""
    from app.filters.retention import stage_names
    from app.pools.summary_terminal import count, grid, hours, shortened, words

    out = _out()
    for note in found.left_out:
        out.print(f"  {words(note)}")
    timed = found.whole.raw.microseconds is not None
    table = grid("stage", "clips", "hours", "% of raw")
    table.add_row("raw", count(found.whole.raw.clips), hours(found.whole.raw.hours), "")
    for stage in found.whole.stages:
        share = stage.kept.share_of_hours(found.whole.raw) if timed else stage.kept.share_of_clips(found.whole.raw)
        left = "" if share is None else f"{100 * share:.1f}"
        table.add_row(words(stage.name), count(stage.kept.clips), hours(stage.kept.hours), left)
    out.print(table)
    if not found.groups:
        return
    out.print(f"\n[bold]{words(found.by)}[/]  ({'hours' if timed else 'clips'} left after each stage, in %)")
    table = grid(
        "group", "clips", "hours", *(shortened(name, 12) for name in stage_names(found)), "kept clips", "kept hours"
    )
    for group in found.groups:
        raw = group.cascade.raw
        cells = [count(raw.clips), hours(raw.hours)]
        for stage in group.cascade.stages:
            share = stage.kept.share_of_hours(raw) if timed else stage.kept.share_of_clips(raw)
            cells.append("" if share is None else f"{100 * share:.1f}")
        table.add_row(
            shortened(group.value, 24), *cells, count(group.cascade.kept.clips), hours(group.cascade.kept.hours)
        )
    out.print(table)
