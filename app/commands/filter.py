"""`clipjury filter` and `clipjury filters`: apply filters to a pool, and convert filter files between layouts."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.errors import AppError

if TYPE_CHECKING:
    from app.filters.filter_files import FilterFile
    from app.pools.filtering import FilteringSummary
    from scoring.filters import Amount, Cascade

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""


def filter_pool(
    pool: Annotated[str, typer.Argument(help="The pool: a Parquet file, a folder of them, or an address (s3://...).")],
    filters: Annotated[str, typer.Option(help="Filter file (.toml, or TalkVid's .yml), or the preset talkvid.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The pool with its verdicts; default POOL_filtered.parquet.")
    ] = None,
    unknown: Annotated[Literal["fail", "pass"], typer.Option(help="What a clip without a score counts as.")] = "fail",
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict/--lenient",
            help="Filters without scores: an error, or left out (by default where the preset asks for them).",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    figure: Annotated[Path | None, typer.Option(help="Save the cascade as .svg, .pdf, .png, .html or .json.")] = None,
    theme: Annotated[Literal["light", "dark"], typer.Option(help="Colours of the figure.")] = "light",
) -> None:
    """Apply a filter file to a pool: pass or fail per clip, and what each stage keeps in clips and hours."""
    from app.filters import filter_files
    from app.pools import filtering
    from scoring.locations import is_remote

    if figure is not None:
        from analysis.figures import files

        if figure.suffix.lower() not in files.ENDINGS:
            raise AppError(f"{figure} is no figure file.", f"Choose an ending: {', '.join(files.ENDINGS)}")
    source = filter_files.find(filters)
    if output is None and is_remote(pool):
        raise AppError(f"{pool} lies in a store.", "Say where on this machine the verdicts go: -o FILE.parquet")
    place = Path(pool) if Path(pool).name else Path(pool).absolute()
    target = output or place.with_name(f"{place.stem}_filtered.parquet")
    done = filtering.filter_pool(pool, source, target, unknown=unknown, strict=strict)
    if figure is not None:
        files.save(_chart(done.cascade), figure, theme)
    if as_json:
        typer.echo(json.dumps(_facts(pool, source, done, figure), ensure_ascii=False))
    else:
        _show(pool, source, done)
        if figure is not None:
            typer.echo(f"Figure: {figure}")


def convert(
    filters: Annotated[str, typer.Argument(help="Filter file (.toml, or TalkVid's .yml), or the preset talkvid.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; .yml is TalkVid's head_threshold.yml.")
    ] = None,
) -> None:
    """Print a filter file or preset as TOML, or write it: .toml, or .yml in the layout of TalkVid's head filter."""
    from app.filters import filter_files, talkvid_yaml

    source = filter_files.find(filters)
    is_toml = Path(filters).suffix.lower() == ".toml" or source.preset
    text = source.text if is_toml else filter_files.to_toml(source.filters)
    if output is None:
        typer.echo(text, nl=False)
        for note in source.notes:
            typer.echo(note, err=True)
        return
    lost: tuple[str, ...] = ()
    if output.suffix.lower() in (".yml", ".yaml"):
        text, lost = talkvid_yaml.write(source.filters)
    elif output.suffix.lower() != ".toml":
        raise AppError(f"{output} is no filter file.", "Choose an ending: .toml, or .yml for TalkVid's layout.")
    output.write_text(text, encoding="utf-8")
    typer.echo(f"Filters: {output}")
    for note in (*source.notes, *lost):
        typer.echo(f"  {note}")


def _chart(cascade: "Cascade") -> Any:
    from analysis.figures import Level, retention_cascade

    dropped_unknown = cascade.unknown == "fail"
    raw = Level("raw", cascade.raw.clips, cascade.raw.hours)
    levels = [
        Level(stage.name, stage.kept.clips, stage.kept.hours, stage.unknown.clips if dropped_unknown else 0)
        for stage in cascade.stages
    ]
    return retention_cascade([raw, *levels])


def _show(pool: str, source: "FilterFile", done: "FilteringSummary") -> None:
    """Print notes, and the tables of stages and filters."""
    from app.filters.threshold_text import threshold_text

    cascade = done.cascade
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    counts = {"fail": "failed", "pass": "passed"}[cascade.unknown]
    out.print(f"{escape(pool)} through {escape(source.name)}")
    out.print(f"A clip without a score counts as {counts} (--unknown {cascade.unknown}).")
    for line in (*done.left_out, *done.notes):
        out.print(f"  {escape(str(line))}")
    stages = _table("stage", "clips", "hours", "dropped clips", "dropped hours", "unknown clips", "% of raw")
    stages.add_row("raw", *_cells(cascade.raw), "", "", "", _share(cascade.raw, cascade))
    for stage in cascade.stages:
        words = (*_cells(stage.kept), *_cells(stage.dropped), _thin(stage.unknown.clips), _share(stage.kept, cascade))
        stages.add_row(escape(stage.name), *words)
    out.print(stages)
    heads = ("filter", "accepts", "pass rate %", "passed", "failed", "unknown", "rejected by it alone", "hours")
    alone = _table(*heads)
    for one in cascade.filters:
        rate = "" if one.pass_rate is None else f"{100 * one.pass_rate:.1f}"
        counted = [_thin(amount.clips) for amount in (one.passed, one.failed, one.unknown)]
        threshold = f"{one.filter.score} {threshold_text(one.filter.minimum, one.filter.maximum)}"
        alone.add_row(escape(one.filter.name), escape(threshold), rate, *counted, *_cells(one.unique))
    out.print(alone)
    typer.echo(f"Verdicts: {done.output}")


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, justify="left" if head in ("stage", "filter", "accepts") else "right")
    return table


def _cells(amount: "Amount") -> tuple[str, str]:
    """Clips and hours; "" for hours that are not known."""
    return _thin(amount.clips), "" if amount.hours is None else _thin(amount.hours, 2)


def _thin(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}".replace(",", "\N{THIN SPACE}")


def _share(amount: "Amount", cascade: "Cascade") -> str:
    """Percentage of the raw hours, or of the raw clips if hours are not known."""
    timed = cascade.raw.microseconds is not None
    share = amount.share_of_hours(cascade.raw) if timed else amount.share_of_clips(cascade.raw)
    return "" if share is None else f"{100 * share:.1f}"


def _facts(pool: str, source: "FilterFile", done: "FilteringSummary", figure: Path | None) -> dict[str, Any]:
    """The JSON object of --json. Hours are null without durations, shares null if their denominator is 0."""
    cascade = done.cascade

    def amount(part: "Amount") -> dict[str, Any]:
        return {"clips": part.clips, "hours": part.hours}

    return {
        "pool": pool,
        "output": str(done.output),
        "figure": None if figure is None else str(figure),
        "filters": {"file": source.name, "sha256": source.sha256},
        "unknown": cascade.unknown,
        "raw": amount(cascade.raw),
        "kept": amount(cascade.kept),
        "stages": [
            {
                "stage": stage.name,
                "filters": list(stage.filters),
                **amount(stage.kept),
                "dropped": amount(stage.dropped),
                "failed": amount(stage.failed),
                "unknown": amount(stage.unknown),
                "share_of_raw_clips": stage.kept.share_of_clips(cascade.raw),
                "share_of_raw_hours": stage.kept.share_of_hours(cascade.raw),
            }
            for stage in cascade.stages
        ],
        "each_filter": [
            {
                "filter": one.filter.name,
                "score": one.filter.score,
                "min": one.filter.minimum,
                "max": one.filter.maximum,
                "pass_rate": one.pass_rate,
                "passed": amount(one.passed),
                "failed": amount(one.failed),
                "unknown": amount(one.unknown),
                "unique_rejects": amount(one.unique),
            }
            for one in cascade.filters
        ],
        "left_out": [{"filter": out.filter.name, "score": out.filter.score, "why": out.why} for out in done.left_out],
        "notes": list(done.notes),
    }
