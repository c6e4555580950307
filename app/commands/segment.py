"""`clipjury segment`: cut long videos into clips."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app.commands.numeric_options import real
from app.errors import AppError

if TYPE_CHECKING:
    from app.pools.segmenting import SegmentSummary

out = Console(highlight=False, soft_wrap=True)
SOME_FAILED = 3
"""Exit code if some videos could not be cut."""
SHOWN = 20
"""The largest number of failed videos that are named; all are in segments.json."""
MAX_SECONDS = 1_000_000


def segment(
    paths: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Long videos, or folders of videos.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the clips and their manifest.")],
    content: Annotated[float, real("--content", 0, 255, "Threshold of the Content detector; 0: without it.")] = 10.0,
    histogram: Annotated[
        float, real("--histogram", 0, 1, "Threshold of the Histogram detector; 0: without it.")
    ] = 0.085,
    shortest: Annotated[float, real("--shortest", 0, MAX_SECONDS, "Seconds; shorter scenes are dropped.")] = 5.0,
    longest: Annotated[
        float, real("--longest", 0, MAX_SECONDS, "Seconds; longer scenes are divided evenly; 0: no limit.")
    ] = 60.0,
) -> None:
    """Cut long videos into clips at scene changes, with a manifest that `clipjury score` reads.

    Thresholds are TalkVid's. If a video cannot be read, the others are cut and the exit code is 3. Run again, the
    command makes only what is missing.
    """
    from app.pools import segmenting
    from scoring.segmenting.scenes import SegmentSettings

    try:
        cutting = SegmentSettings(content or None, histogram or None, shortest, longest or None)
    except ValueError as error:
        raise AppError(str(error), "See: clipjury segment --help") from error
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        line = progress.add_task("", total=1.0)
        summary = segmenting.segment(
            paths,
            output,
            cutting,
            lambda what, share: progress.update(line, description=escape(what), completed=share),
        )
    _print(summary, output)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _print(summary: "SegmentSummary", output: Path) -> None:
    raw = summary.steps[0].seconds
    for step in summary.steps:
        share = f"{100 * step.seconds / raw:5.1f} % of raw" if raw else ""
        out.print(f"{step.name:<8}{step.seconds / 3600:10.3f} h  {share}  {step.count} {step.unit}")
    there = f", {summary.kept} were there" if summary.kept else ""
    out.print(f"{summary.made} clips made{there}: {escape(str(output))}")
    for video, reason in summary.failed[:SHOWN]:
        out.print(f"  [red]not cut[/red] {escape(video)}: {escape(reason)}")
    if len(summary.failed) > SHOWN:
        out.print(f"  and {len(summary.failed) - SHOWN} more")
    if summary.steps[1].count and not summary.steps[2].count:
        out.print(f"No scene is {summary.steps[2].name}: --shortest SECONDS keeps shorter ones, in another folder.")
    elif not summary.failed:
        out.print(f"Score them with: clipjury score {escape(str(output))} -o pool.parquet")
