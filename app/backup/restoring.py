"""Restore an archive into an empty home folder and an empty database, on SQLite or PostgreSQL, whole or not at all."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, update

from app import __version__
from app.backup import filling, keys, schema
from app.backup.filling import CannotFill
from app.backup.home_files import KEY, STATE
from app.backup.manifest import FileEntry, Manifest
from app.backup.reading import Archive, damaged, opened
from app.backup.writing import new_private_file, sync_folder
from app.db import Database, upgrade
from app.errors import AppError
from app.pools.pool_files import fingerprint
from app.settings import Settings
from app.studies.clip_files import MADE_AT
from app.web.running_server import settings_of_running

NEVER_MIND = frozenset({KEY, STATE, "lost+found"})
"""What an empty home folder may hold besides empty folders: a key that was brought back by hand, what a killed server
and a file system leave there."""
ROOM = 1 << 26
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class Restored:
    """What was restored. `key_is_known` is True if the home folder has the signing key of the installation."""

    manifest: Manifest
    key_is_known: bool
    kept_pools: int
    """Pools outside of the home folder that are still where they were."""


def restore(settings: Settings, file: Path) -> Restored:
    """Restore an archive into the home folder and the database of the settings, which must be empty.

    Raises AppError if they are not, or if the archive is damaged, hostile or of a newer version of ClipJury; home and
    database are then as empty as before.
    """
    with opened(file) as archive:
        made = archive.manifest
        if not schema.is_known(made.revision):
            raise AppError(
                f"ClipJury {made.version} made the archive {file.name}, and this is version {__version__}.",
                "Install that version or a newer one: pip install --upgrade clipjury",
            )
        existed = settings.home.exists()
        _refuse_unless_empty(settings)
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _restore(settings, archive)
        finally:
            if not existed and not any(settings.home.iterdir()):
                settings.home.rmdir()


def _restore(settings: Settings, archive: Archive) -> Restored:
    made, home = archive.manifest, settings.home
    stage = home / f".restoring-{secrets.token_hex(4)}"
    stage.mkdir(mode=0o700)
    try:
        _refuse_without_room(home, sum(made.members().values()))
        for entry in made.packed_files():
            _extract(archive, entry, stage)
        key = archive.key()
        pools = _pool_places(home.resolve(), made)
        _rewrite_drafts(stage, pools)
        if key is not None and not keys.has_keys(home, made.key):
            _write(stage / KEY, key)
        with _moved(stage, home):  # back again if the database cannot be filled
            _fill_database(settings, archive, pools)
    finally:
        shutil.rmtree(stage)
    kept_pools = sum(before == after for before, after in pools.items())
    return Restored(made, keys.has_keys(home, made.key), kept_pools)


def _refuse_unless_empty(settings: Settings) -> None:
    home = settings.home
    if settings_of_running(settings) is not settings:
        raise AppError(f"A server of {home} is running.", "Stop it, restore, and start it again.")
    there = sorted(path.name for path in home.iterdir() if not _is_nothing(path)) if home.is_dir() else []
    if there:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise AppError(
            f"The folder {home} is not empty: it has {', '.join(there[:3])}{more}.",
            "Restore into a new one: CLIPJURY_HOME=FOLDER clipjury restore ARCHIVE",
        )
    if not _exists(settings.database):
        return
    database = Database(settings.database)
    try:
        with database.snapshot() as connection:
            filling.refuse_unless_empty(connection)
    finally:
        database.dispose()


def _is_nothing(path: Path) -> bool:
    return path.name in NEVER_MIND or (path.is_dir() and not any(path.iterdir()))


def _exists(url: str) -> bool:
    """False for an SQLite database that was not made yet."""
    return not url.startswith("sqlite") or Path(url.removeprefix("sqlite:///")).exists()


def _refuse_without_room(home: Path, size: int) -> None:
    free = shutil.disk_usage(home).free
    if size + ROOM > free:
        raise AppError(
            f"The archive needs {size / 1e9:.1f} GB in {home}, and {free / 1e9:.1f} GB are free.",
            "Make room, or name a folder on another disk with CLIPJURY_HOME.",
        )


def _extract(archive: Archive, entry: FileEntry, stage: Path) -> None:
    place = stage / entry.path
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place, archive.pieces(entry))
    # `Last-Modified` of clips must not reveal the order of their preparation; the others keep their time.
    moment = MADE_AT if place.parent.name == "media" else entry.modified
    os.utime(place, (moment, moment))


def _write(place: Path, content: bytes | Iterator[bytes]) -> None:
    """Write a new file that only its owner can read."""
    with new_private_file(place) as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _pool_places(home: Path, made: Manifest) -> dict[str, str]:
    """The new path of each pool, by its former one. A pool outside of the home folder stays if it is still there."""
    digests = {file.path: file.sha256 for file in made.files}
    return {
        pool.written: pool.written
        if not pool.inside and _is_still_there(Path(pool.written), digests[pool.path])
        else str(home / pool.path)
        for pool in made.pools
    }


def _is_still_there(place: Path, sha256: str) -> bool:
    try:
        return place.is_absolute() and place.is_file() and fingerprint(place) == sha256
    except (OSError, ValueError):
        return False


def _rewrite_drafts(stage: Path, pools: Mapping[str, str]) -> None:
    for draft in (stage / "drafts").glob("*.json"):
        try:
            content = json.loads(draft.read_text(encoding="utf-8"))
            place = pools[content["pool"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # no draft, or its pool was missing
        if place != content["pool"]:
            modified = draft.stat().st_mtime
            draft.write_text(json.dumps(content | {"pool": place}), encoding="utf-8")
            os.utime(draft, (modified, modified))


def _fill_database(settings: Settings, archive: Archive, pools: Mapping[str, str]) -> None:
    """Fill the database: on PostgreSQL in one transaction, on SQLite in a new file that then gets its name."""
    url, half, target = settings.database, Path(), Path()
    if is_file := url.startswith("sqlite"):
        target = Path(url.removeprefix("sqlite:///"))
        half = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        url = f"sqlite:///{half.absolute()}"
    database = Database(url)
    try:
        if is_file:
            half.touch(0o600)
        with database.changing_tables() as connection:
            _fill(connection, archive, pools)
        database.dispose()
        if is_file:
            half.rename(target)
            sync_folder(target.parent)
    finally:
        database.dispose()
        if is_file:
            for ending in ("", "-wal", "-shm"):
                half.with_name(half.name + ending).unlink(missing_ok=True)


def _fill(connection: Connection, archive: Archive, pools: Mapping[str, str]) -> None:
    made = archive.manifest
    entries = {entry.name: entry for entry in made.tables}
    tables = {table.name: table for table in schema.tables_at(made.revision)}
    if tables.keys() != entries.keys():
        raise damaged(archive.path, f"its tables are not those of revision {made.revision}")
    try:
        filling.fill(connection, made.revision, lambda table: archive.lines(entries[table.name]))
    except CannotFill as error:
        raise damaged(archive.path, str(error)) from error
    pool = tables["study"].c.pool
    for before, after in pools.items():
        if before != after:
            connection.execute(update(tables["study"]).where(pool == before).values(pool=after))
    upgrade(connection)


@contextmanager
def _moved(stage: Path, home: Path) -> Iterator[None]:
    """Move everything from the stage to the home folder; take it back when the block fails."""
    moved: list[Path] = []
    former = (home / KEY).read_bytes() if (home / KEY).exists() else None
    try:
        for path in sorted(stage.iterdir()):
            path.replace(home / path.name)
            moved.append(home / path.name)
        sync_folder(home)
        yield
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if former is not None:
            _write(home / KEY, former)
        raise
