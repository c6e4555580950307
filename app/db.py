"""The database: SQLite or PostgreSQL by address, read and write sessions, migrations."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from alembic import command
from alembic.config import Config
from fastapi import Depends, Request
from sqlalchemy import DateTime, Dialect, Engine, TypeDecorator, event, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlmodel import Session, create_engine

from app.errors import AppError
from app.settings import HERE


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone: SQLite forgets the zone, so times are stored as UTC and come back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a time without a zone: it would mean something else on another machine."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give SQLite's naive times their zone back."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class _Turn:
    """A writer's place in the queue for SQLite, which has one writer at a time.

    Queueing here instead of in SQLite's busy handler keeps the slowest request near the median (measured: p99
    14-18 ms against 224-337 ms). The place is taken with the first statement, in the thread that runs the handler:
    taken any earlier, waiting dependencies would fill the thread pool and the one they wait for could not go on.
    """

    def __init__(self, lock: "threading.Lock | None") -> None:
        self._lock = lock
        self._taken = False

    def take(self) -> None:
        """Wait for the place."""
        if self._lock is not None and not self._taken:
            self._lock.acquire()
            self._taken = True

    def give_back(self) -> None:
        """Let the next one write."""
        if self._lock is not None and self._taken:
            self._taken = False
            self._lock.release()


class Database:
    """One engine and its sessions. `reader()` sees, `writer()` commits when its block ends well."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(url, pool_size)
        self._read_engine = self.engine.execution_options(clipjury_read_only=True)
        self._one_writer = threading.Lock()

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """A session that sees one consistent state and never waits for a writer."""
        with _explained(self.url), Session(self._read_engine) as session:
            yield session

    @contextmanager
    def writer(self) -> Iterator[Session]:
        """A session whose changes are committed when the block ends, or rolled back when it raises."""
        turn = _Turn(self._one_writer if self.is_sqlite else None)
        engine = self.engine.execution_options(clipjury_turn=turn)
        try:
            with _explained(self.url), Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            turn.give_back()

    def migrate(self) -> None:
        """Bring the tables to this version of ClipJury; does nothing when they are there already."""
        with _explained(self.url), self.engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            if self.is_sqlite:
                # SQLite changes a table by making it anew; rows that refer to the old one must bear that.
                driver.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]  # it is connected
            with connection.begin():
                config = migration_config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            if self.is_sqlite:
                driver.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]

    def has_tables(self) -> bool:
        """Whether `migrate` has ever run here."""
        with _explained(self.url):
            return inspect(self.engine).has_table("study")

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def migration_config() -> Config:
    """Alembic's settings; the scripts lie inside the package."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    return config


def _engine(url: str, pool_size: int) -> Engine:
    if not url.startswith("sqlite"):
        try:
            return create_engine(url, pool_size=pool_size, max_overflow=10, pool_pre_ping=True)
        except (ArgumentError, ImportError) as error:
            raise AppError(
                "CLIPJURY_DATABASE_URL is no database address that ClipJury can use.",
                "It looks like postgresql+psycopg://USER:PASSWORD@HOST/NAME; leave it empty for SQLite.",
            ) from error
    engine = create_engine(url, pool_size=pool_size, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: `_begin` says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "busy_timeout=10000", "foreign_keys=ON", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    # A transaction that reads first and writes later fails with "database is locked" under load: writers
    # take the lock at the start.
    options = connection.get_execution_options()
    driver = connection.connection.dbapi_connection
    if options.get("clipjury_read_only", False):
        driver.execute("BEGIN")
        return
    turn = options.get("clipjury_turn")
    if turn is not None:
        turn.take()
    driver.execute("BEGIN IMMEDIATE")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        if not isinstance(error, OperationalError | sqlite3.OperationalError) and "not a database" not in reason:
            raise
        if "locked" in reason:
            raise AppError(
                "The database is locked by another program.",
                "Is a second ClipJury or a database browser open on the same file? Close it; nothing was lost.",
                status=503,
            ) from error
        place = url.split("@")[-1]  # never the password
        raise AppError(
            f"The database {place} cannot be used: {reason}.",
            "Check that it runs and may be written, or set CLIPJURY_DATABASE_URL.",
            status=503,
        ) from error


def database(request: Request) -> Database:
    """The application's database."""
    db: Database = request.app.state.database
    return db


def _reader(request: Request) -> Iterator[Session]:
    with database(request).reader() as session:
        yield session


def _writer(request: Request) -> Iterator[Session]:
    with database(request).writer() as session:
        yield session


# scope="function": the commit happens before the answer leaves. FastAPI's default ends a dependency after the
# response was sent, which could acknowledge a judgment and then lose it.
Reader = Annotated[Session, Depends(_reader, scope="function")]
Writer = Annotated[Session, Depends(_writer, scope="function")]
