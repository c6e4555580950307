"""Check an installation: what is wrong in its database and its files, and what can be done about it."""

from collections.abc import Iterator

from sqlalchemy import Boolean, Connection, Integer, func, inspect, literal_column, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.backup import answers_checks, file_checks, rows, schema
from app.backup.fault import Fault, examples
from app.db import Database
from app.models import metadata
from app.settings import Settings

RESTORE = "Restore the last backup from before: clipjury restore ARCHIVE, into a new folder."


def check(database: Database, settings: Settings, *, key: bool = True, media: bool = True) -> list[Fault]:
    """The faults of an installation, empty if there is none. Nothing is changed.

    With `key=False` or `media=False` the signing key or the prepared clips may be missing. A database that cannot be
    read, or whose tables are not those of this version, is the only fault that is told then. Raises AppError if a newer
    version of ClipJury has migrated the tables.
    """
    try:
        with database.snapshot() as connection:
            faults = of_database(connection, database)
            if any(fault.stops for fault in faults):
                return faults
            with Session(connection) as db:
                return [*faults, *file_checks.check(db, settings, key=key, media=media)]
    except DBAPIError as error:
        return [Fault(f"The database cannot be read ({str(error.orig).splitlines()[0]}).", RESTORE)]


def of_database(connection: Connection, database: Database) -> list[Fault]:
    """The faults of tables and rows; those of rows only if the tables are in order.

    Raises AppError if a newer version of ClipJury has migrated the tables.
    """
    if faults := [*_unreadable(connection), *_tables(connection, database)]:
        return faults
    with Session(connection) as db:
        return [*_dangling(connection), *_sequences(connection), *answers_checks.check(db)]


def _unreadable(connection: Connection) -> Iterator[Fault]:
    """SQLite reads every page and every index; PostgreSQL has checksums of its own."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("PRAGMA integrity_check(3)")).scalars().all()
        if found != ["ok"]:
            yield Fault(f"The database file is damaged: {'; '.join(found)}.", RESTORE, stops=True)


def _tables(connection: Connection, database: Database) -> Iterator[Fault]:
    revision, head = schema.revision_of(connection), schema.head()
    if revision is None:
        yield Fault(
            "The database has no tables of ClipJury.", "Check CLIPJURY_HOME and CLIPJURY_DATABASE_URL.", stops=True
        )
        return
    if not schema.is_known(revision):
        raise database.newer()
    if revision != head:
        yield Fault(
            f"The tables are those of revision {revision}, and this version of ClipJury has revision {head}.",
            "Make a backup, then start ClipJury: it migrates the tables.",
            stops=True,
        )
        return
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        names = {one["name"] for one in inspector.get_columns(table.name)} if table.name in there else set()
        lacking = [column.name for column in table.columns if column.name not in names]
        if table.name not in there:
            yield Fault(f"The table {table.name} is not there.", RESTORE, stops=True)
        elif lacking:
            yield Fault(f"The table {table.name} lacks the column {lacking[0]}.", RESTORE, stops=True)


def _dangling(connection: Connection) -> Iterator[Fault]:
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda one: one.parent.name):
            there = key.column.table.alias()
            found = select(table.c.id).where(
                key.parent.is_not(None),
                ~select(there.c[key.column.name]).where(there.c[key.column.name] == key.parent).exists(),
            )
            ids = connection.execute(found.order_by(table.c.id)).scalars().all()
            if ids:
                yield Fault(
                    f"{len(ids)} rows of {table.name} refer to a {key.column.table.name} that is not there "
                    f"({key.parent.name} of row {examples(ids)}).",
                    RESTORE,
                )


def _sequences(connection: Connection) -> Iterator[Fault]:
    for table in metadata.sorted_tables:
        sequence = rows.sequence_of(connection, table)
        if sequence is None:
            continue
        highest = connection.execute(select(func.max(*table.primary_key))).scalar() or 0
        last, used = connection.execute(
            select(literal_column("last_value", Integer), literal_column("is_called", Boolean)).select_from(
                text(sequence)
            )
        ).one()
        if last + used <= highest:
            yield Fault(
                f"The next row of {table.name} would get the id {last + used}, and ids go to {highest} already.",
                f"Run in psql: SELECT setval('{sequence}', {highest});",
            )
