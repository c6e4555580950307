"""Write an archive of an installation while raters work."""

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, select

from app import __version__
from app.backup import home_files, keeping, keys, reading, rows, schema
from app.backup.home_files import KEY, HomeFile
from app.backup.manifest import FORMAT, NAME, FileEntry, Manifest, PoolEntry, TableEntry
from app.db import Database
from app.errors import AppError
from app.settings import Settings

PIECE = 1 << 18
"""Bytes that are read and written at once."""


@dataclass(frozen=True)
class _Named:
    """What the rows of the database say about files: paths of pools, random names of prepared clips."""

    pools: frozenset[str]
    media: tuple[str, ...]


def write(
    database: Database, settings: Settings, target: Path, *, now: datetime, media: bool = True, key: bool = False
) -> Manifest:
    """Write everything that the installation has into one archive, check it, and give it its name.

    The rows are those of one moment; the files are read after them, because files are written before the rows that
    name them. The archive appears complete or not at all, readable by its owner only. With `media=False` it lists the
    prepared clips without holding them, with `key=True` it holds the signing key. Raises AppError if there is a file
    of this name or nothing to back up.
    """
    if target.exists():
        raise AppError(f"{target} is there already.", "Name another file, or a folder: each backup then gets a name.")
    with _appearing(target) as (file, half):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            made = _fill(_Writer(archive, now), database, settings, media=media, key=key)
            archive.writestr(_info(NAME, now, zipfile.ZIP_DEFLATED), made.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
        reading.verify(half)
    return made


@contextmanager
def _appearing(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file that gets its name when the block succeeds; it is removed when the block fails."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = target.with_name(keeping.half_name(target.name))
    try:
        with new_private_file(half) as file:
            yield file, half
        half.rename(target)
        sync_folder(target.parent)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def new_private_file(path: Path) -> IO[bytes]:
    """A new file that only its owner can read. Raises FileExistsError."""
    binary = getattr(os, "O_BINARY", 0)  # on Windows
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | binary, 0o600), "w+b")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut. Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _info(name: str, now: datetime, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, now.timetuple()[:6])
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    info.compress_type = compression
    return info


@dataclass(frozen=True)
class _Writer:
    """Adds members to an archive, a piece at a time."""

    archive: zipfile.ZipFile
    now: datetime

    def lines(self, name: str, lines: Iterable[bytes]) -> TableEntry:
        """Add the rows of a table, in pieces of a thousand lines."""
        counted = rows.Digester()
        info = _info(f"tables/{name}.ndjson", self.now, zipfile.ZIP_DEFLATED)
        with self.archive.open(info, "w", force_zip64=True) as member:
            for part in rows.batched_lines(counted.passing(lines)):
                member.write(b"".join(part))
        found = counted.digest()
        return TableEntry(name=name, rows=found.rows, size=found.size, sha256=found.sha256)

    def file(self, source: Path, path: str, *, into: bool = True) -> FileEntry | None:
        """Add a file, or with `into=False` only read it; None if there is no such file."""
        digest, size = hashlib.sha256(), 0
        try:
            with source.open("rb") as opened, self._member(path, into=into) as member:
                while piece := opened.read(PIECE):
                    digest.update(piece)
                    size += len(piece)
                    if member is not None:
                        member.write(piece)
                modified = max(0.0, os.fstat(opened.fileno()).st_mtime)
        except FileNotFoundError:
            return None
        return FileEntry(path=path, size=size, sha256=digest.hexdigest(), modified=modified)

    @contextmanager
    def _member(self, path: str, *, into: bool) -> Iterator[IO[bytes] | None]:
        if not into:
            yield None
            return
        packed = zipfile.ZIP_STORED if path.endswith((".mp4", ".zip", ".parquet")) else zipfile.ZIP_DEFLATED
        with self.archive.open(_info(f"files/{path}", self.now, packed), "w", force_zip64=True) as member:
            yield member


def _fill(writer: _Writer, database: Database, settings: Settings, *, media: bool, key: bool) -> Manifest:
    tables, named, revision = _add_tables(writer, database)
    home = settings.home
    pools = home_files.pools_of(home, {*named.pools, *home_files.pools_of_drafts(home)})
    sources = {one.path: one for one in home_files.files_of(home)}
    sources |= {pool.file.path: pool.file for pool in pools if pool.file is not None}
    added = (writer.file(one.source, one.path) for _path, one in sorted(sources.items()))
    files = {one.path: one for one in added if one is not None}
    clips = [HomeFile(settings.media / f"{name}.mp4", f"media/{name}.mp4") for name in named.media]
    videos = [writer.file(one.source, one.path, into=media) for one in clips]
    if key:
        writer.archive.writestr(_info(KEY, writer.now, zipfile.ZIP_STORED), keys.text_of(settings))
    return Manifest(
        format=FORMAT,
        program="clipjury",
        version=__version__,
        revision=revision,
        database="sqlite" if database.is_sqlite else "postgresql",
        made_at=writer.now.isoformat(timespec="seconds"),
        installation=keys.installation_of(settings),
        key=keys.entry_of(settings),
        has_key=key,
        has_media=media,
        tables=tuple(tables),
        files=tuple(files.values()),
        media=tuple(one for one in videos if one is not None),
        pools=tuple(
            PoolEntry(written=pool.written, path=pool.file.path, inside=pool.inside)
            for pool in pools
            if pool.file is not None and pool.file.path in files
        ),
        missing=(
            *(f"pool {pool.written}" for pool in pools if pool.file is None or pool.file.path not in files),
            *(one.path for one, video in zip(clips, videos, strict=True) if video is None),
        ),
    )


def _add_tables(writer: _Writer, database: Database) -> tuple[list[TableEntry], _Named, str]:
    with database.snapshot() as connection:
        revision = schema.revision_of(connection)
        if revision is None:
            raise AppError("There is nothing to back up: the database has no tables.")
        if not schema.is_known(revision):
            raise database.newer()
        found = schema.tables_at(revision)
        tables = [writer.lines(table.name, rows.lines(connection, table)) for table in found]
        return tables, _named(connection, revision), revision


def _named(connection: Connection, revision: str) -> _Named:
    tables = {table.name: table for table in schema.tables_at(revision)}
    pool, media = tables["study"].c.pool, tables["studyclip"].c.media_key
    return _Named(
        frozenset(connection.execute(select(pool).distinct()).scalars()),
        tuple(connection.execute(select(media).distinct().order_by(media)).scalars()),
    )
