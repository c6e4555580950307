"""`clipjury score`: score clips into a pool, on this machine or a cluster; or draw sheets that explain the scores."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.commands.numeric_options import MAX_JOBS, whole
from app.errors import AppError
from scoring.weights import OWN_FILES

if TYPE_CHECKING:
    from scoring.pipeline import ClipScores
    from scoring.runners.score_files import Runner
    from scoring.settings import Settings

out = Console(highlight=False, soft_wrap=True)
SOME_FAILED = 3
"""Exit code if some clips could not be scored."""
SHOWN = 20
"""The largest number of failed clips that are named; all are in the pool."""
QUIET = 10.0
"""Seconds between two lines of progress if the output is not a terminal."""


def score(
    paths: Annotated[list[str], typer.Argument(help="Videos, folders of videos, or addresses: s3://bucket/folder.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The pool to write (Parquet); a path or an address.")
    ] = None,
    jobs: Annotated[int, whole("--jobs", 1, MAX_JOBS, "Processes that score side by side.")] = 1,
    runner: Annotated[Literal["local", "dask"], typer.Option(help="Here, or on a Dask cluster.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(help="Address of the Dask scheduler; without it Dask starts --jobs workers here.")
    ] = None,
    faces: Annotated[Literal["yunet", "centerface"], typer.Option(help="What finds faces.")] = "yunet",
    pose: Annotated[
        Literal["auto", "points", "mesh"],
        typer.Option(help="What measures the head's turn; auto: mesh if it is there."),
    ] = "auto",
    talkvid_compat: Annotated[
        bool, typer.Option("--talkvid-compat", help="Repeat the quirks of TalkVid's code.")
    ] = False,
    skip_nonreference: Annotated[
        bool, typer.Option("--skip-nonreference", help="Decode fewer frames: quicker, some scores are missing.")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="Look for text in the picture (extra `text`; slow).")] = False,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help=f"Your own model file: {', '.join(OWN_FILES)}.")
    ] = None,
    transcripts: Annotated[Path | None, typer.Option(help="Folder of .vtt or .srt named like the clips.")] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Save a sheet per clip here: frames, boxes, curves. -o is not needed then.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try clips again that failed before.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop the pool's rows of clips that are not among PATHS.")
    ] = False,
) -> None:
    """Score clips into a pool. A file that cannot be scored becomes a row with the reason; exit code 3 then.

    Run again, it continues: clips that are finished and have not changed are not scored again. Clips that failed are
    tried again only with --retry-failed; rows of clips that you no longer name stay unless you give --prune.
    """
    from scoring.settings import Settings

    if output is None and explain is None:
        raise AppError("There is nothing to write.", "Name the pool with -o POOL.parquet, or --explain DIR.")
    settings = Settings(
        faces=faces,
        pose=_pose(pose),
        talkvid_compat=talkvid_compat,
        skip_nonreference=skip_nonreference,
        text=text,
        weights=_weights(weights or []),
        transcripts=None if transcripts is None else _folder(transcripts),
    )
    failed = _explain(paths, settings, explain) if explain is not None else 0
    if output is not None:
        where = _runner(runner, jobs, scheduler)
        failed += run(paths, output, runner=where, settings=settings, retry_failed=retry_failed, prune=prune)
    if failed:
        raise typer.Exit(SOME_FAILED)


def run(paths: Sequence[str | Path], output: str | Path, **options: Any) -> int:
    """Score (`options`: see score_to_pool) with progress and a summary; returns the number of failed clips."""
    from app.pools.scoring import score_to_pool

    with _progress() as tell:
        summary = score_to_pool(paths, output, on_clip=tell, **options)
    rate = summary.scored / summary.seconds if summary.seconds else 0.0
    if summary.scored:
        typer.echo(f"{summary.scored} clips scored in {summary.seconds:.1f} s ({rate:.1f} clips/s): {output}")
    else:
        typer.echo(f"Nothing to score: all {summary.clips} clips were finished before: {output}")
    if 0 < summary.scored < summary.clips:
        typer.echo(f"{summary.clips - summary.scored} of {summary.clips} were finished before.")
    for clip, reason in summary.failed[:SHOWN]:
        out.print(f"  [red]not scored[/red] {escape(clip)}: {escape(reason)}")
    if len(summary.failed) > SHOWN:
        out.print(f"  and {len(summary.failed) - SHOWN} more")
    if summary.failed:
        out.print(f"{len(summary.failed)} of {summary.clips} clips have no scores; the pool says why in each row.")
    return len(summary.failed)


@contextmanager
def _progress() -> "Iterator[Callable[[int, int, ClipScores], None]]":
    """A progress bar on a terminal, otherwise a line from time to time: progress, clips/s, time left, failures."""
    state = Pace()
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        line = progress.add_task("", total=None, pace="")

        def tell(done: int, total: int, result: "ClipScores") -> None:
            state.count(failed=result.error is not None)
            words = state.words(total - done)
            progress.update(line, completed=done, total=total, pace=words)
            if not out.is_terminal and state.is_due():
                typer.echo(f"{done} of {total} clips, {words}")
                sys.stdout.flush()

        yield tell


class Pace:
    """The pace of scoring. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._said = now()
        self._clips = self._failed = 0

    def count(self, *, failed: bool) -> None:
        """Count one more clip."""
        self._clips += 1
        self._failed += failed

    def words(self, left: int) -> str:
        """Clips per second, time left for `left` clips, and failures, as text."""
        rate = self._clips / max(self._now() - self._began, 1e-9)
        minutes, seconds = divmod(round(left / rate), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{rate:.1f} clips/s, {hours}:{minutes:02}:{seconds:02} left, {self._failed} failed"

    def is_due(self) -> bool:
        """Whether it is time for another line of progress."""
        due = self._now() - self._said >= QUIET
        self._said = self._now() if due else self._said
        return due


def _runner(name: str, jobs: int, scheduler: str | None) -> "Runner":
    if name == "local":
        if scheduler is not None:
            raise AppError("A scheduler is for --runner dask.", "Add --runner dask, or leave --scheduler away.")
        from scoring.runners.local import Processes

        # Even a single job gets its own process: a file that crashes the decoder must not end the run.
        return Processes(jobs)
    from scoring.runners.dask_cluster import DaskCluster

    return DaskCluster(scheduler, jobs=jobs)


def _pose(name: Literal["auto", "points", "mesh"]) -> Literal["points", "mesh"]:
    if name != "auto":
        return name
    from scoring.head.pose_methods import best_pose

    return best_pose()


def _weights(given: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """NAME=FILE options for the settings, with absolute paths, because workers run in other folders."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not file or name not in OWN_FILES:
            raise AppError(f"--weights {text} is not NAME=FILE.", f"Names: {', '.join(OWN_FILES)}. Say dover=FILE.onnx")
        if not Path(file).is_file():
            raise AppError(f"There is no model file {file}.", "Check the path given with --weights.")
        found[name] = Path(file).absolute()
    return tuple(sorted(found.items()))


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise AppError(f"There is no folder {path}.", "Name the folder of transcripts.")
    return path.absolute()


def _explain(paths: Sequence[str], settings: "Settings", folder: Path) -> int:
    """Draw a sheet for each clip; returns the number of clips without one."""
    from app.pools.clip_names import clip_names, file_names
    from scoring.explain.explain_clip import explain
    from scoring.locations import LocationError, fetched, find_files, text_of
    from scoring.video.reading import Unreadable
    from scoring.weights import WeightsError

    failed = 0
    try:
        places = [file.place for file in find_files(paths)]
        if not places:
            raise AppError(
                f"There are no videos in {', '.join(paths)}.", "Name a folder with .mp4 files, or the files."
            )
        for place, name in zip(places, file_names(clip_names(places, paths)), strict=True):
            try:
                with fetched(place) as path:
                    typer.echo(f"{place}: {explain(path, settings, folder, name=name)}")
            except Unreadable as error:
                out.print(f"  [red]not explained[/red] {escape(text_of(place))}: {escape(str(error))}")
                failed += 1
    except (LocationError, WeightsError) as error:
        raise AppError(str(error)) from error
    return failed
