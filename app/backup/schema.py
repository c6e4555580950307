"""The tables of each revision of the database, with column types that SQLite and PostgreSQL share."""

from functools import cache
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    column,
    create_engine,
    inspect,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from app.db import migration_config, upgrade

REVISIONS = "alembic_version"
"""The table in which Alembic stores the revision of the others."""
FOREIGN = ("_litestream_", "sqlite_")
"""Beginnings of the names of tables that other programs keep in a database of ClipJury."""

_KINDS: tuple[tuple[type[TypeEngine[Any]], TypeEngine[Any]], ...] = (
    (JSON, JSON(none_as_null=True)),
    (DateTime, DateTime(timezone=True)),
    (Boolean, Boolean()),
    (Integer, BigInteger()),
    (Float, Float()),
    (String, Text()),
)


def head() -> str:
    """The revision of this version of ClipJury."""
    found = ScriptDirectory.from_config(migration_config()).get_current_head()
    assert found is not None, "there are migrations"
    return found


def is_known(revision: str) -> bool:
    """True if this version of ClipJury has the migrations up to a revision."""
    try:
        return ScriptDirectory.from_config(migration_config()).get_revision(revision) is not None
    except CommandError:
        return False


def revision_of(connection: Connection) -> str | None:
    """The revision of a database; None if it has no tables of ClipJury."""
    if not inspect(connection).has_table(REVISIONS):
        return None
    return connection.execute(select(column("version_num")).select_from(table(REVISIONS))).scalar()


def is_foreign(name: str) -> bool:
    """True if a table belongs to another program, for example to Litestream."""
    return name.startswith(FOREIGN)


@cache
def tables_at(revision: str) -> tuple[Table, ...]:
    """The tables of a revision, each after those that it refers to.

    They are read from an empty database in memory that is migrated to this revision: what a revision had is written in
    the migrations only.
    """
    engine = create_engine("sqlite://")
    found = MetaData()
    with engine.connect() as connection:
        upgrade(connection, revision)
        found.reflect(connection)
    engine.dispose()
    shared = MetaData()
    return tuple(_shared(one, shared) for one in found.sorted_tables if one.name != REVISIONS)


def _shared(given: Table, shared: MetaData) -> Table:
    columns = (
        Column(
            one.name,
            _kind(one.type),
            *(ForeignKey(key.target_fullname) for key in one.foreign_keys),
            primary_key=one.primary_key,
            nullable=one.nullable,
        )
        for one in given.columns
    )
    return Table(given.name, shared, *columns)


def _kind(given: TypeEngine[Any]) -> TypeEngine[Any]:
    for kind, ours in _KINDS:
        if isinstance(given, kind):
            return ours
    raise NotImplementedError(f"backups know no columns of type {given!r}")
