"""Copy the database of an installation to PostgreSQL, whole or not at all; the home folder stays where it is."""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.backup import filling, rows, schema
from app.backup.filling import CannotFill
from app.backup.rows import Digest
from app.db import Database, DatabaseLocked, upgrade
from app.errors import AppError


def address(given: str) -> str:
    """The URL for SQLAlchemy of a PostgreSQL database. Raises AppError for anything else.

    >>> address("postgresql://ada@db.example/clipjury")
    'postgresql+psycopg://ada@db.example/clipjury'
    """
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres", "postgresql+psycopg") or not url.database:
        raise AppError(
            "The new database is no PostgreSQL address.", "It looks like postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        )
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def without_password(url: str) -> str:
    """The URL with *** instead of the password, to be printed."""
    return make_url(url).render_as_string()


def move(database: Database, url: str) -> dict[str, Digest]:
    """Copy all rows to the empty PostgreSQL database at `url`; returns the digest of each table.

    The old database is not changed. Raises AppError if a server or another program has it open, because answers given
    from now on would be lost, or if the new database is not empty; nothing is written then.
    """
    target = Database(url)
    if url == database.url:
        raise AppError("The installation uses this database already.", "Name another one.")
    try:
        with database.alone() as source:
            revision = schema.revision_of(source)
            if revision is None:
                raise AppError("There is nothing to move: the database has no tables.")
            if not schema.is_known(revision):
                raise database.newer()
            with target.changing_tables() as connection:
                digests = filling.fill(connection, revision, lambda table: rows.lines(source, table))
                upgrade(connection)
    except DatabaseLocked as error:
        raise AppError(
            "A running ClipJury or another program has the database open, so answers could be lost.",
            "Stop ClipJury, close database browsers and repeat the command; nothing was changed.",
            status=503,
        ) from error
    except CannotFill as error:
        raise AppError(f"The database cannot be moved: {error}.", "Run clipjury check; nothing was changed.") from error
    finally:
        target.dispose()
    return digests
