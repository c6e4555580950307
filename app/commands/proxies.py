"""`clipjury proxies`: make smaller copies of clips for raters' browsers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.commands.numeric_options import MAX_JOBS, real, whole

if TYPE_CHECKING:
    from app.pools.proxies import ProxySummary

out = Console(highlight=False, soft_wrap=True)
SOME_FAILED = 3
"""Exit code if some clips failed."""
SHOWN = 20
"""The largest number of failed clips that are named."""


def proxies(
    pool: Annotated[Path, typer.Argument(help="The pool (Parquet), made by clipjury score.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for proxies, posters and the new pool.")],
    megabits: Annotated[
        float, real("--megabits", 0, 100_000, "Mbit/s above which a clip gets a proxy; 0: every clip.")
    ] = 4.0,
    jobs: Annotated[int, whole("--jobs", 1, MAX_JOBS, "Clips made side by side.")] = 1,
) -> None:
    """Make 720p copies for raters' browsers where a clip needs one, posters, and a pool that points at them.

    A clip needs one if browsers cannot play it, if it is over 1080p or over 4 Mbit/s. Needs ffmpeg: CLIPJURY_FFMPEG,
    the machine's own, or pip install 'clipjury[ffmpeg]'. Run again, the command makes only what is missing.
    """
    from app.pools.pool_files import read_pool
    from app.pools.proxies import make_proxies

    given = read_pool(pool)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        line = progress.add_task("Making proxies", total=None)
        summary = make_proxies(
            given,
            output,
            jobs=jobs,
            megabits=megabits,
            on_clip=lambda done, total: progress.update(line, completed=done, total=total),
        )
    _print(summary, output)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _print(summary: "ProxySummary", output: Path) -> None:
    there = f", {summary.kept} were there" if summary.kept else ""
    out.print(f"{summary.made} proxies made{there}, for {summary.clips} clips, in {summary.seconds:.1f} s.")
    for reason, count in summary.why.items():
        out.print(f"  {reason}: {count}")
    if summary.bytes_before:
        size = summary.bytes_after / summary.bytes_before
        out.print(f"  {summary.bytes_before / 1e6:.1f} MB became {summary.bytes_after / 1e6:.1f} MB ({size:.2f}x)")
    for clip, reason in summary.failed[:SHOWN]:
        out.print(f"  [red]failed[/red] {escape(clip)}: {escape(reason)}")
    if len(summary.failed) > SHOWN:
        out.print(f"  and {len(summary.failed) - SHOWN} more; they have no poster in the new pool")
    out.print(f"The pool with proxies: {escape(str(output / 'pool.parquet'))}")
