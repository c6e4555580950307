"""Alembic runs this: on the connection `Database.migrate` hands over, or on the settings' database."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from app import models
from app.db import Database, UtcTime
from app.settings import Settings


def plain_type(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Scripts name plain SQLAlchemy types, so that an old script never depends on today's code."""
    if kind == "type" and isinstance(item, UtcTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


def run(connection: Connection) -> None:
    """Compare with the models and run the scripts; batch mode, because SQLite cannot alter in place."""
    context.configure(
        connection=connection, target_metadata=models.metadata, render_as_batch=True, render_item=plain_type
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database(Settings().database).engine.begin() as opened:
        run(opened)
