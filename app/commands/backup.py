"""`clipjury backup`, `restore`, `move-to` and `check`: keep an installation safe, and bring it back."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import open_database
from app.commands.numeric_options import MAX_COUNT, whole
from app.errors import AppError
from app.settings import Settings, load

if TYPE_CHECKING:
    from app.backup.manifest import Manifest

MISSING_SHOWN = 5
"""How many missing files are named on the terminal."""


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write; in a folder it gets a name with the time.")],
    no_media: Annotated[bool, typer.Option("--no-media", help="List the clips, without their videos.")] = False,
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Put the signing key into the archive.")] = False,
    keep: Annotated[
        int | None,
        whole(
            "--keep", 1, MAX_COUNT, "Number of backups to keep in FILE; older ones of this installation are removed."
        ),
    ] = None,
) -> None:
    """Write a checked archive of all studies, answers, pools and clips, while raters work."""
    from app.backup import keeping, keys, writing

    _end_orderly()
    settings, now = load(), datetime.now(UTC)
    database = open_database(settings)
    if not database.has_tables():
        raise AppError(f"There is no study in {settings.home} to back up.", "Name its folder with CLIPJURY_HOME.")
    if keep is not None and file.is_file():
        raise AppError(f"{file} is a file.", "--keep needs a folder, in which each backup gets a name of its own.")
    in_folder = keep is not None or file.is_dir()
    own = keys.installation_of(settings)
    target = file / keeping.name_of(own, now) if in_folder else file
    made = writing.write(database, settings, target, now=now, media=not no_media, key=with_keys)
    database.dispose()
    for line in summary(target, made):
        typer.echo(line)
    for name in made.missing[:MISSING_SHOWN]:
        typer.echo(f"Missing, and therefore not in the archive: {name}", err=True)
    if len(made.missing) > MISSING_SHOWN:
        more = len(made.missing) - MISSING_SHOWN
        typer.echo(f"{more} more files are missing; manifest.json in the archive lists them.", err=True)
    for path in keeping.remove_old(file, own, keep, now=now) if keep is not None else []:
        typer.echo(f"Removed: {path.name}")


def _end_orderly() -> None:
    """Let SIGTERM end the command as Ctrl-C does: what is half written is removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def summary(target: Path, made: "Manifest") -> list[str]:
    """What an archive holds, and what it means that the signing key is or is not in it."""
    megabytes = target.stat().st_size / 1e6
    clips = f"{len(made.media)} clips" if made.has_media else f"a list of {len(made.media)} clips without their videos"
    key = (
        "It holds the signing key: anyone who has this file can sign in as the researcher. Store it like a password."
        if made.has_key
        else "It does not hold signing.key: keep a copy of that file elsewhere. Without it, a restored "
        "installation has a new researcher link, and everybody must open their link again."
    )
    return [
        f"Backup: {target} ({megabytes:.1f} MB, every digest checked)",
        f"{made.rows} rows in {len(made.tables)} tables, {len(made.files)} files, {clips}.",
        key,
    ]


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that clipjury backup made.")],
) -> None:
    """Restore an archive into an empty home folder, on SQLite or PostgreSQL, and check what was restored."""
    from app.backup import restoring

    _end_orderly()
    settings = load()
    found = restoring.restore(settings, file)
    made = found.manifest
    typer.echo(f"Restored into {settings.home}: {made.rows} rows, {len(made.files)} files, made at {made.made_at}.")
    if not made.has_media:
        typer.echo(f"The archive lists {len(made.media)} clips: copy their videos into {settings.media} yourself.")
    if not found.key_is_known:
        typer.echo(
            "The signing key of the installation is not here. Copy signing.key into the folder before the first start; "
            "otherwise the researcher gets a new link, and raters must open theirs again."
        )
    _tell_faults(settings, key=found.key_is_known, media=made.has_media)


def move_to(
    url: Annotated[str, typer.Argument(help="An empty database: postgresql+psycopg://USER:PASSWORD@HOST/NAME")],
) -> None:
    """Copy the database to PostgreSQL while ClipJury is stopped; files stay in the home folder."""
    from app.backup import moving

    settings, address = load(), moving.address(url)
    database = open_database(settings)
    if not database.has_tables():
        raise AppError(f"There is no study in {settings.home} to move.", "Name its folder with CLIPJURY_HOME.")
    after = settings.model_copy(update={"database_url": address})
    moved = moving.move(database, after.database)
    rows = sum(digest.rows for digest in moved.values())
    typer.echo(f"Copied {rows} rows in {len(moved)} tables; both databases hold the same rows.")
    typer.echo("Add this setting before you start ClipJury, otherwise new answers go into the old database:")
    typer.echo(f'  CLIPJURY_DATABASE_URL="{moving.without_password(address)}"')
    typer.echo("The old database was not changed. Keep it until you have looked at the studies.")
    _tell_faults(after)


def check() -> None:
    """Check the database and the files of this installation; exit code 1 if something is wrong."""
    settings = load()
    if not open_database(settings).has_tables():
        raise AppError(f"There is no study in {settings.home} to check.", "Name its folder with CLIPJURY_HOME.")
    _tell_faults(settings)


def _tell_faults(settings: Settings, *, key: bool = True, media: bool = True) -> None:
    """Print the faults of an installation; end with exit code 1 if there are any."""
    from app.backup import checking

    faults = checking.check(open_database(settings), settings, key=key, media=media)
    for fault in faults:
        typer.echo(f"Fault: {fault.what}", err=True)
        typer.echo(f"  {fault.remedy}", err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("Checked: database and files are in order.")
