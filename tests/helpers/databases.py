"""Databases that a test makes itself."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from app.db import Database

EmptyDatabase = Callable[[str], str]
"""Makes a database without tables (the `empty_database` fixture): its kind, sqlite or postgresql, gives its URL.

The URL of an SQLite database is empty: it lies in the home folder of the settings.
"""


def copy_sqlite_tables(file: Path) -> None:
    """Write an SQLite database that has the tables and no rows: a copy, because migrations take a third of a second."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_sqlite_template(), file)


@cache
def _sqlite_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="clipjury-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = Database(f"sqlite:///{folder / 'clipjury.db'}")
    database.migrate()
    database.dispose()
    return folder / "clipjury.db"
