"""What several commands use: the database of the settings, and a progress bar."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.errors import AppError
from app.settings import Settings

if TYPE_CHECKING:
    from app.db import Database


def open_database(settings: Settings) -> "Database":
    """Open the database of the settings, whether or not it has tables."""
    from app.db import Database
    from app.private_files import make_private

    make_private(settings)
    database = Database(settings.database, pool_size=settings.pool_size)
    atexit.register(database.dispose)  # the database file alone is complete when the program has ended
    return database


def existing_database(settings: Settings) -> "Database":
    """Open an existing database. Raises AppError, which says how to make one, if there is none."""
    database = open_database(settings)
    if not database.has_tables():
        raise AppError(f"There is no study in {settings.home} yet.", "Make one: clipjury init FOLDER_OF_VIDEOS")
    database.migrate()
    return database


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal, nothing in a pipe; gives the function that advances it."""
    out = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        line = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(line, completed=done, total=total)
