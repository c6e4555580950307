"""Health checks: what they answer, for whom, and what they do not say."""

from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from app import __version__, auth
from app.db import Database
from app.errors import AppError
from app.main import create_app
from app.settings import Settings
from app.web import readiness
from tests.helpers.visitors import on_sqlite


def test_a_server_that_can_work_is_ready(settings: Settings, database: Database) -> None:
    """Both addresses answer 200 for any host name, without a cookie, and name no version."""
    settings.home.mkdir()
    with TestClient(create_app(settings, database=database), "http://10.1.2.3:8000") as check:
        answers = [check.get("/healthz"), check.get("/readyz"), check.head("/healthz"), check.head("/readyz")]
        assert check.get("/").status_code == 421, "other addresses answer for this machine's names only"
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.text for answer in answers] == ["alive\n", "ready\n", "", ""]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert __version__ not in str(answer.headers)


def test_tables_of_another_version_are_not_ready(settings: Settings, database: Database) -> None:
    """503 with the reason; the process itself still answers."""
    settings.home.mkdir()
    with TestClient(create_app(settings, database=database), "http://127.0.0.1") as check:
        with database.writer() as db:
            db.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        answer = check.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "The tables belong to another version of ClipJury.\n")
        assert check.get("/healthz").status_code == 200


@on_sqlite
@pytest.mark.parametrize("url", ["postgresql+psycopg://me:secret@127.0.0.1:1/none", "sqlite:///{folder}/broken.db"])
def test_a_database_that_does_not_answer_is_not_ready(settings: Settings, tmp_path: Path, url: str) -> None:
    """Nobody listens, or the file is damaged. The words name neither host nor file."""
    (tmp_path / "broken.db").write_bytes(b"no database " * 500)
    settings.home.mkdir()
    broken = Database(url.format(folder=tmp_path))
    assert readiness.problems(settings, broken) == ["The database does not answer."]
    broken.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_takes_no_changes_is_not_ready(settings: Settings, database: Database) -> None:
    """A standby, or a provider's database whose disk is nearly full; requests that store something are answered 503."""
    settings.home.mkdir()
    with TestClient(create_app(settings, database=database), "http://127.0.0.1") as check:
        with database.engine.connect() as connection:
            name = database.engine.url.database
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
            connection.commit()
        database.dispose()  # the setting holds for new connections
        ready, stored = check.get("/readyz"), check.post("/sign-in", data={"key": auth.researcher_key(settings)})
    assert (ready.status_code, ready.text) == (503, "The database is read-only.\n")
    assert stored.status_code == 503
    assert "cannot be used at the moment" in stored.text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_disk_quota_of_the_database_is_an_outage(database: Database) -> None:
    """PostgreSQL reports it as an internal error (XX000), not as a full disk; the message is the one of an outage."""
    quota = "RAISE 'could not extend file: Disk quota exceeded' USING ERRCODE = 'XX000'"
    with pytest.raises(AppError, match="cannot be used at the moment"), database.writer() as db:
        db.execute(text(f"DO $$ BEGIN {quota}; END $$"))


@on_sqlite
def test_a_folder_that_cannot_be_written_is_not_ready(settings: Settings, database: Database) -> None:
    """The data folder is gone, or its disk is nearly full."""
    assert readiness.problems(settings, database) == ["The data folder cannot be written."]
    settings.home.mkdir()
    assert readiness.problems(settings, database) == []
    assert readiness.problems(settings, database, least_free=1.0) == ["Less than 100% of the disk is free."]
