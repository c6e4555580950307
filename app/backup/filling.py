"""Fill an empty database with the rows of another, inside one transaction, and compare what arrived."""

from collections.abc import Callable, Iterator

import psycopg
from sqlalchemy import Connection, Table, inspect, literal, select, text
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from app.backup import rows, schema
from app.backup.rows import Digest
from app.db import upgrade
from app.errors import AppError


class CannotFill(Exception):
    """The rows do not fit the tables, or are not the same after they were stored."""


def fill(connection: Connection, revision: str, lines: Callable[[Table], Iterator[bytes]]) -> dict[str, Digest]:
    """Make the tables of a revision, insert the `lines` of each and return their digests.

    Ids continue after the highest one. Raises AppError if the database is not empty, CannotFill if a line is not a row
    of its table, if a row refers to one that is not there, or if a table reads differently after it was filled.
    """
    refuse_unless_empty(connection)
    _drop_tables(connection)
    upgrade(connection, revision)
    tables = schema.tables_at(revision)
    digests = {table.name: _fill_table(connection, table, lines(table)) for table in tables}
    for table in tables:
        if rows.digest(connection, table) != digests[table.name]:
            raise CannotFill(f"the rows of {table.name} are not the same after they were stored")
    if connection.dialect.name == "sqlite":  # where foreign keys are not enforced while tables are changed
        broken = connection.execute(text("PRAGMA foreign_key_check")).first()
        if broken is not None:
            raise CannotFill(f"a row of {broken[0]} refers to a row of {broken[2]} that is not there")
    rows.set_sequences(connection, tables)
    return digests


def refuse_unless_empty(connection: Connection) -> None:
    """Raise AppError if a database has rows, or tables that are not ClipJury's. Empty tables do no harm."""
    names = {name for name in inspect(connection).get_table_names() if not schema.is_foreign(name)}
    revision = schema.revision_of(connection)
    tables = schema.tables_at(revision) if revision is not None and schema.is_known(revision) else ()
    full = {one.name for one in tables if connection.execute(select(literal(1)).select_from(one).limit(1)).first()}
    others = names - {table.name for table in tables} - {schema.REVISIONS}
    if full or others:
        what = f"rows in the table {min(full)}" if full else f"the table {min(others)}"
        raise AppError(
            f"The database is not empty: it has {what}.",
            "Make an empty one, for example with createdb NAME, and name that one.",
        )


def _drop_tables(connection: Connection) -> None:
    """Drop the empty tables of a server that was started once, so that those of the other revision can be made."""
    revision = schema.revision_of(connection)
    if revision is not None:
        for table in reversed(schema.tables_at(revision)):
            table.drop(connection)
        connection.execute(text(f"DROP TABLE {schema.REVISIONS}"))


def _fill_table(connection: Connection, table: Table, lines: Iterator[bytes]) -> Digest:
    counted = rows.Digester()
    try:
        rows.add(connection, table, counted.passing(lines))
    except (OperationalError, InterfaceError):
        raise  # the database failed, not the rows
    except psycopg.OperationalError as error:
        raise OperationalError("COPY", None, error) from error
    except (SQLAlchemyError, psycopg.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise CannotFill(f"a row of {table.name} cannot be stored ({reason[:200]})") from error
    return counted.digest()
