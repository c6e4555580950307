"""Alembic runs this module: on the connection of `Database.migrate`, or on the database of the settings."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from app import models
from app.db import Database, UtcTime
from app.settings import Settings


def plain_type(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Write plain SQLAlchemy types into migration scripts, so that old scripts do not depend on current code."""
    if kind == "type" and isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out tables that other programs keep in the database, for example Litestream."""
    return kind != "table" or name is None or not name.startswith("_litestream_")


def run(connection: Connection) -> None:
    """Run the migrations. Batch mode is needed because SQLite cannot alter tables in place."""
    context.configure(
        connection=connection,
        target_metadata=models.metadata,
        include_name=is_ours,
        render_as_batch=True,
        render_item=plain_type,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database(Settings().database).engine.begin() as opened:
        run(opened)
