"""Whether this server can do its work now, for health checks of a proxy, a container or a monitor."""

import shutil
import tempfile
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.db import Database, migration_config
from app.errors import AppError
from app.settings import Settings

LEAST_FREE = 0.05
"""Share of the data folder's disk, 0 to 1, that must be free."""

_TAKES_CHANGES = text("SHOW transaction_read_only")
"""PostgreSQL's answer is "on" for a standby, and for providers that protect a disk that is nearly full."""


def problems(settings: Settings, database: Database, *, least_free: float = LEAST_FREE) -> list[str]:
    """What keeps this server from its work; empty if it is ready.

    The words name no path, host or version, because anybody may read them.
    """
    found = [_of_database(database), _of_folder(settings.home, least_free)]
    return [one for one in found if one]


def _of_database(database: Database) -> str:
    try:
        with database.reader() as db:
            revision = MigrationContext.configure(db.connection()).get_current_revision()
            takes_changes = database.is_sqlite or db.execute(_TAKES_CHANGES).scalar_one() == "off"
    except AppError:
        return "The database does not answer."
    if revision != ScriptDirectory.from_config(migration_config()).get_current_head():
        return "The tables belong to another version of ClipJury."
    return "" if takes_changes else "The database is read-only."


def _of_folder(home: Path, least_free: float) -> str:
    try:
        with tempfile.TemporaryFile(dir=home):
            disk = shutil.disk_usage(home)
    except OSError:
        return "The data folder cannot be written."
    if disk.free < least_free * disk.total:
        return f"Less than {least_free:.0%} of the disk is free."
    return ""
