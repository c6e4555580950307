"""Database access on SQLite or PostgreSQL: sessions that read, sessions that write, migrations."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, DateTime, Dialect, Engine, TypeDecorator, event, func, inspect, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlmodel import Session, create_engine

from app import __version__
from app.errors import AppError
from app.settings import HERE


class UtcTime(TypeDecorator[datetime]):
    """Column type for times with a time zone. They are stored and returned in UTC, because SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to UTC. Raises ValueError for a time without a zone: its meaning would depend on the machine."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Add the UTC zone to the naive times that SQLite returns."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


LOCK_TIMEOUT = 30_000
"""Milliseconds to wait for the lock while another program writes."""
MIGRATION_LOCK = 7267131
"""Number of the advisory lock that a process holds on PostgreSQL while it changes tables."""


class WriterBusy(Exception):
    """Another writer is at work, and this one asked not to wait."""


class _WriterQueue:
    """Queue of the threads that want to write to SQLite, which allows one writer at a time.

    Queueing here instead of in SQLite's busy handler keeps the slowest request near the median (measured: p99
    14-18 ms against 224-337 ms).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self.waiting = 0

    def take(self, *, wait: bool) -> None:
        """Wait for the turn. With `wait=False` raises WriterBusy if another thread writes or waits."""
        if not wait:
            if self.waiting or not self._lock.acquire(blocking=False):
                raise WriterBusy
            return
        with self._counting:
            self.waiting += 1
        self._lock.acquire()
        with self._counting:
            self.waiting -= 1

    def give_back(self) -> None:
        """Let the next thread write."""
        self._lock.release()


class _WriterSession(Session):
    """A session that waits for its turn at its first statement, in the thread that runs the handler.

    If it waited earlier, waiting dependencies would fill the thread pool, and the writer they wait for could not
    finish.
    """

    def __init__(self, engine: Engine, queue: _WriterQueue, *, wait: bool) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._engine, self._queue, self._wait = engine, queue, wait
        self._has_turn = False

    def get_bind(self, *_about: Any, **_more: Any) -> Engine:
        """Wait for the turn, then return the engine."""
        if not self._has_turn:
            self._queue.take(wait=self._wait)
            self._has_turn = True
        return self._engine

    def close(self) -> None:
        """End the transaction, then let the next thread write."""
        try:
            super().close()
        finally:
            if self._has_turn:
                self._has_turn = False
                self._queue.give_back()


class Database:
    """A database: `reader()` opens a session that reads, `writer()` one that commits when its block succeeds."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            _create_private(Path(url.removeprefix("sqlite:///")))
        self._queue = _WriterQueue()
        if self.is_sqlite:
            # A transaction that reads first and writes later fails with "database is locked" under load. Writers
            # therefore take SQLite's lock, which also excludes other programs, at the start.
            self.engine = _sqlite(url, "BEGIN IMMEDIATE", pool_size=pool_size)
            self._at_once = _sqlite(url, "BEGIN IMMEDIATE", pool_size=1, timeout=0)
            self._read_engine = _sqlite(url, "BEGIN", pool_size=pool_size)
        else:
            self.engine = self._at_once = self._read_engine = _server(url, pool_size)

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """A session that reads one consistent state and never waits for a writer."""
        with _database_errors_explained(self.url), Session(self._read_engine) as session:
            yield session

    @contextmanager
    def writer(self, *, wait: bool = True) -> Iterator[Session]:
        """A session whose changes are committed when the block ends, or rolled back when it raises.

        On SQLite `wait=False` raises WriterBusy while another thread or program writes; nothing was done then.
        """
        try:
            with _database_errors_explained(self.url), self._writing(wait=wait) as session, session.begin():
                yield session
        except DatabaseLocked as error:
            if wait:
                raise
            raise WriterBusy from error

    @property
    def writers_wait(self) -> bool:
        """True if a thread waits to write to SQLite."""
        return self._queue.waiting > 0

    def _writing(self, *, wait: bool) -> Session:
        if self.is_sqlite:
            return _WriterSession(self.engine if wait else self._at_once, self._queue, wait=wait)
        return Session(self.engine, expire_on_commit=False)

    def migrate(self) -> None:
        """Migrate the tables to this version of ClipJury. Does nothing if they are up to date.

        Raises AppError if a newer version of ClipJury has migrated them already.
        """
        with self.changing_tables() as connection:
            try:
                upgrade(connection)
            except CommandError as error:  # the tables' revision is unknown to this version
                raise self.newer() from error

    @contextmanager
    def changing_tables(self) -> Iterator[Connection]:
        """A connection in a transaction that may create and change tables; other processes wait for its end."""
        with _database_errors_explained(self.url), self.engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None, "it is connected"
            if self.is_sqlite:
                # SQLite changes a table by creating a new one: foreign keys to the old table must be ignored meanwhile.
                driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        # Two processes that create the same table at once fail; on SQLite `BEGIN IMMEDIATE` waits.
                        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                    yield connection
            finally:
                if self.is_sqlite:
                    driver.execute("PRAGMA foreign_keys=ON")

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that reads one state of all tables, however long it takes and whatever others write."""
        with _database_errors_explained(self.url), self._read_engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection that reads one state while no other program has the database open, idle ones included.

        Raises DatabaseLocked if one has. The database must not be used by other threads meanwhile.
        """
        self.dispose()
        if self.is_sqlite:
            engine = _sqlite(self.url, "BEGIN IMMEDIATE", pool_size=1, timeout=0, locking="EXCLUSIVE")
        else:
            engine = self.engine
        with _database_errors_explained(self.url), engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                if not self.is_sqlite and not connection.execute(_NOBODY_ELSE).scalar():
                    raise DatabaseLocked(
                        f"Other programs are connected to the database {_without_password(self.url)}.",
                        "Stop ClipJury and close other programs; nothing was changed.",
                        status=503,
                    )
                yield connection
        engine.dispose()

    def newer(self) -> AppError:
        """The error that says that a newer version of ClipJury has migrated the tables."""
        return AppError(
            f"The database {_without_password(self.url)} belongs to a newer version of ClipJury.",
            f"This is version {__version__}. Install the newer one (pip install --upgrade clipjury), or "
            "name another database with CLIPJURY_HOME or CLIPJURY_DATABASE_URL. Nothing was changed.",
            status=503,
        )

    def has_tables(self) -> bool:
        """True if the database has ClipJury's tables."""
        with _database_errors_explained(self.url):
            return inspect(self.engine).has_table("study")

    def dispose(self) -> None:
        """Close every connection. On SQLite every row is then in the database file, and none in the file -wal alone."""
        for engine in (self.engine, self._at_once, self._read_engine):
            engine.dispose()
        if self.is_sqlite:
            _checkpoint(Path(self.url.removeprefix("sqlite:///")))


def _create_private(path: Path) -> None:
    """Create the database file for its owner only; SQLite gives the files next to it the same access."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # an old file, or a folder that cannot be written, of which SQLite tells
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision, in the caller's transaction.

    Raises CommandError if the tables have a revision that this version does not know.
    """
    config = migration_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def migration_config() -> Config:
    """Alembic's settings; the scripts lie inside the package."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    return config


def _server(url: str, pool_size: int) -> Engine:
    try:
        return create_engine(url, pool_size=pool_size, max_overflow=10, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, ImportError) as error:
        raise AppError(
            "CLIPJURY_DATABASE_URL is no database address that ClipJury can use.",
            "It looks like postgresql+psycopg://USER:PASSWORD@HOST/NAME; leave it empty for SQLite.",
        ) from error


_NOBODY_ELSE = text(
    # The lock keeps a server that starts now waiting.
    "SELECT pg_try_advisory_xact_lock(:lock) AND count(*) = 0 FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
).bindparams(lock=MIGRATION_LOCK)


def _sqlite(url: str, begin: str, *, pool_size: int, timeout: int = LOCK_TIMEOUT, locking: str = "NORMAL") -> Engine:
    """An engine whose transactions start with the statement `begin` and wait `timeout` milliseconds for the lock."""

    def set_up(connection: Any, _record: object) -> None:
        # The driver must not open transactions itself: `begin` determines their kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"locking_mode={locking}",
            "journal_mode=WAL",
            f"busy_timeout={timeout}",
            "foreign_keys=ON",
            "synchronous=FULL",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    engine = create_engine(url, pool_size=pool_size, connect_args={"check_same_thread": False}, hide_parameters=True)
    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", lambda connection: connection.connection.dbapi_connection.execute(begin))
    return engine


def _checkpoint(file: Path) -> None:
    """Copy what is in the file -wal alone into the database file; nobody waits for it.

    SQLite does so itself when the last connection is closed, but another program may have the file open.
    """
    log = file.with_name(f"{file.name}-wal")
    with suppress(OSError, sqlite3.Error):
        if log.stat().st_size:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _without_password(url: str) -> str:
    return url.split("@")[-1]


def _is_outage(error: DBAPIError | sqlite3.Error, reason: str) -> bool:
    """True if the database cannot work at the moment; False if the statement is at fault."""
    if isinstance(error, OperationalError | sqlite3.OperationalError) or "not a database" in reason:
        return True
    # Read-only: a standby, or a provider whose disk is nearly full. XX000 is also a disk quota that is used up.
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("25006", "XX000")


class DatabaseLocked(AppError):
    """Another program holds the lock of the database."""


@contextmanager
def _database_errors_explained(url: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        if "NUL (0x00)" in reason:  # PostgreSQL stores and compares no such text, wherever it was typed or sent
            raise AppError("The text holds a character that is no text.", "Type it anew.", status=422) from error
        if not _is_outage(error, reason):
            raise
        if "locked" in reason:
            raise DatabaseLocked(
                "The database is locked by another program.",
                "Is a second ClipJury or a database browser open on the same file? Close it; nothing was lost.",
                status=503,
            ) from error
        raise AppError(
            "The database cannot be used at the moment.",
            "Nothing that was saved is lost. The log of the server names the cause.",
            status=503,
            internals=f"The database {_without_password(url)} cannot be used: {reason}. Check that it runs and may be "
            "written, or set CLIPJURY_DATABASE_URL.",
        ) from error
