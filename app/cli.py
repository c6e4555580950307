"""The `clipjury` command line: parse arguments, call the domain modules, print results."""

import errno
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app import __version__
from app.commands import backup as backups
from app.commands import filter as filters
from app.commands import key, running_study, tokens, webhook, weights
from app.commands import pool as pools_command
from app.commands.bench_set import bench_set
from app.commands.common import existing_database, open_database, progress_bar
from app.commands.export import export
from app.commands.invites import RaterName, Study, invite, invite_many
from app.commands.numeric_options import MAX_JOBS, whole
from app.commands.plan import plan
from app.commands.proxies import proxies
from app.commands.report import report
from app.commands.sample import sample
from app.commands.score import SOME_FAILED, score
from app.commands.score import run as run_scoring
from app.commands.segment import segment
from app.commands.serve import Port, links, serve, serve_here
from app.commands.stats import commands as stats_commands
from app.commands.top_up import top_up
from app.errors import AppError
from app.settings import Settings, load

if TYPE_CHECKING:
    from app.db import Database
    from app.studies.study_file import StudyFile

# Commands import what they need when they run: `clipjury --help` must not load the science libraries.

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="People's verdicts on video clips, and what they say about the filters that chose those clips.",
)
out = Console(highlight=False, soft_wrap=True)
Jobs = Annotated[int, whole("--jobs", 1, MAX_JOBS, "Processes that score side by side.")]


@cli.command()
def demo(
    port: Port = 8000,
    reset: Annotated[bool, typer.Option("--reset", help="Throw the demo's judgments away and end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Build, serve, rate two clips over HTTP, end.")] = False,
) -> None:
    """Build the demo study from real faces and serve it."""
    from app.demo import check as demo_check
    from app.demo import study as demo_study

    home = load().home if "CLIPJURY_HOME" in os.environ else demo_study.HOME
    if check:
        # A temporary folder: the answers of this check must not enter a study.
        with TemporaryDirectory(prefix="clipjury-check-") as folder:
            settings = Settings(home=Path(folder), database_url="")
            demo_check.run(settings, demo_study.ensure(settings, open_database(settings), typer.echo), typer.echo)
        return
    if reset:
        demo_study.reset(home)
        typer.echo(f"The demo in {home} is reset; the next start makes a new study.")
        return
    settings = load(home=home, port=port)
    serve_here(settings, demo_study.ensure(settings, open_database(settings), typer.echo))


@cli.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of videos.")],
    preset: Annotated[str, typer.Option(help="acr or talkvid.")] = "acr",
    study: Annotated[Path | None, typer.Option(help="Your own study file instead of a preset.")] = None,
    jobs: Jobs = 2,
    port: Port = 8000,
    serve_it: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the study when it is made.")] = True,
) -> None:
    """Score a folder of videos, draw a sample, make a study and print its links."""
    from app.pools import pool_files
    from app.raters.invite_list import links as link_lines
    from app.studies import creation, lifecycle, study_file
    from scoring.head.pose_methods import best_pose
    from scoring.runners.local import Processes
    from scoring.settings import Settings as ScoringSettings

    settings, how = load(port=port), ScoringSettings(pose=best_pose())
    text, spec = study_file.read(study) if study else _preset(preset)
    if not folder.is_dir():
        raise AppError(f"There is no folder {folder}.", "Name the folder that holds your videos.")
    database = open_database(settings)
    database.migrate()
    pool_file = settings.home / "pools" / f"{lifecycle.slug_of(folder.resolve().name)}.parquet"
    pool_file.parent.mkdir(parents=True, exist_ok=True)
    failed = run_scoring([folder], pool_file, runner=Processes(jobs), settings=how, prune=True)
    slug = lifecycle.free_slug(database, lifecycle.slug_of(folder.resolve().name))
    with progress_bar("Preparing clips for the browser") as advance:
        creation.create(database, settings, pool_files.read_pool(pool_file), spec, text, slug=slug, on_clip=advance)
    typer.echo(f"Pool: {pool_file}")
    _tell_ready(database, slug)
    if serve_it:
        serve_here(settings, database)
        return
    for line in link_lines(settings, database):
        typer.echo(line)
    typer.echo("Serve it with: clipjury serve")
    if failed:
        raise typer.Exit(SOME_FAILED)


cli.command()(score)
cli.add_typer(weights.commands, name="weights")
cli.add_typer(pools_command.commands, name="pool")
cli.add_typer(stats_commands, name="stats")
cli.add_typer(tokens.commands, name="token")
cli.add_typer(webhook.commands, name="webhook")
cli.add_typer(key.commands, name="key")
study_commands = typer.Typer(no_args_is_help=True, help="Change a study that is running.")
study_commands.command("top-up")(top_up)
study_commands.command("guidelines")(running_study.guidelines)
study_commands.command("consent")(running_study.consent)
study_commands.command("pause")(running_study.pause)
study_commands.command("resume")(running_study.resume)
study_commands.command("close")(running_study.close)
study_commands.command("archive")(running_study.archive)
cli.add_typer(study_commands, name="study")
cli.command()(segment)
cli.command()(proxies)
cli.command()(sample)
cli.command()(plan)
cli.command()(report)
cli.command()(export)
cli.command()(backups.backup)
cli.command()(backups.restore)
cli.command("move-to")(backups.move_to)
cli.command()(backups.check)
cli.command("bench-set")(bench_set)
cli.command("filter")(filters.filter_pool)
cli.command("filters")(filters.convert)
cli.command()(serve)
cli.command()(links)
cli.command()(invite)
cli.command("invites")(invite_many)


@cli.command()
def create(
    pool: Annotated[Path, typer.Argument(help="The pool (Parquet), made by clipjury score.")],
    study: Annotated[Path, typer.Argument(help="The study file (TOML).")],
    slug: Annotated[str | None, typer.Option(help="The study's name in addresses.")] = None,
    drawn: Annotated[
        Path | None, typer.Option("--sample", help="A sample made by clipjury sample, instead of drawing one.")
    ] = None,
) -> None:
    """Draw a sample from a pool and make a study of it."""
    from app.pools import pool_files
    from app.studies import creation, study_file

    settings = load()
    text, spec = study_file.read(study)
    database = open_database(settings)
    database.migrate()
    with progress_bar("Preparing clips for the browser") as advance:
        found = pool_files.read_pool(pool)
        made = creation.create(database, settings, found, spec, text, slug=slug, sample=drawn, on_clip=advance)
    _tell_ready(database, made)
    typer.echo("A running server shows it at once; without one, start it: clipjury serve")


def _tell_ready(database: "Database", slug: str) -> None:
    """Print that a study is ready, and what its author should know about the sample."""
    from app.studies import lifecycle

    typer.echo(f"Study {slug} is ready.")
    with database.reader() as db:
        for note in lifecycle.notes(lifecycle.by_slug(db, slug)):
            typer.echo(f"  note: {note}")


@cli.command()
def revoke(study: Study, name: RaterName) -> None:
    """Withdraw a rater's personal link and end their sessions; the answers given so far stay."""
    from app.models import now
    from app.raters import raters
    from app.studies import lifecycle

    with existing_database(load()).writer() as db:
        raters.revoke(db, lifecycle.by_slug(db, study), name, now=now())
    typer.echo(f"{name} cannot rate in {study} any more; the answers given so far stay.")


@cli.command()
def preset(name: Annotated[str, typer.Argument(help="acr or talkvid")]) -> None:
    """Print a preset study file, to edit and use with create or init --study."""
    from app.studies import study_file

    typer.echo(study_file.preset(name), nl=False)


@cli.command()
def version() -> None:
    """Print the version."""
    out.print(f"clipjury {__version__}")


def main() -> None:
    """Run the command. An error is printed as one plain message with an exit code, never as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be valid text
    try:
        cli()
    except AppError as error:
        _complain(error.message, error.internals or error.remedy)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        full = error.errno == errno.ENOSPC
        remedy = "Make room and run the command again." if full else "Check the path and its permissions."
        _complain(f"{place}{error.strerror or error}.", remedy)
    sys.exit(1)


def _complain(message: str, remedy: str = "") -> None:
    typer.echo(f"clipjury: {message}", err=True)
    if remedy:
        typer.echo(f"  {remedy}", err=True)


def _preset(name: str) -> "tuple[str, StudyFile]":
    from app.studies import study_file

    text = study_file.preset(name)
    return text, study_file.parse(text, f"preset {name}")
