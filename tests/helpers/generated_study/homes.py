"""A home folder that holds nothing but a generated study, and a researcher's browser on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from app import auth
from app.db import Database
from app.main import create_app
from app.settings import Settings
from tests.helpers.databases import copy_sqlite_tables
from tests.helpers.generated_study import Options, generate


@contextmanager
def generated(home: Path, options: Options) -> Iterator[tuple[Database, Settings]]:
    """A home folder with the study; its database is closed afterwards."""
    settings = Settings(home=home, database_url="", researcher_process=False)
    copy_sqlite_tables(home / "clipjury.db")
    database = Database(settings.database)
    generate(database, settings, options)
    try:
        yield database, settings
    finally:
        database.dispose()


@contextmanager
def signed_in(database: Database, settings: Settings) -> Iterator[TestClient]:
    """A researcher's browser, signed in."""
    app = create_app(settings, database=database)
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as browser:
        browser.get(f"/researcher/{auth.researcher_key(settings)}")
        yield browser
