"""The password of PostgreSQL's user comes from a file, so that no environment and no process list contains it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from app.db import Database
from app.errors import AppError
from app.settings import Settings

URL = "postgresql+psycopg://clipjury@127.0.0.1:1/clipjury"
passwords = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1, max_size=40)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=passwords)
def test_the_password_of_the_file_is_used(tmp_path: Path, password: str) -> None:
    """Whatever characters it has; the line's end is no part of it."""
    file = tmp_path / "password"
    file.write_text(f"{password}\n", encoding="utf-8")
    found = make_url(Settings(database_url=URL, database_password_file=str(file)).database)
    assert (found.password, found.host, found.database) == (password, "127.0.0.1", "clipjury")


def test_no_message_and_no_log_contains_the_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither as it is nor as it stands in an address, when nobody listens."""
    file = tmp_path / "password"
    file.write_text("se@cr/et")
    database = Database(Settings(database_url=URL, database_password_file=str(file)).database)
    with pytest.raises(AppError) as refused, database.reader() as db:
        db.connection()
    said = f"{vars(refused.value)}{refused.value.__cause__}{caplog.text}"
    assert "127.0.0.1" in said
    assert not [part for part in ("se@", "cr/et", "se%40", "2Fet") if part in said]
    database.dispose()


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    """With the setting to correct."""
    with pytest.raises(AppError, match="CLIPJURY_DATABASE_PASSWORD_FILE") as refused:
        _ = Settings(database_url=URL, database_password_file=str(tmp_path / "none")).database
    assert str(tmp_path / "none") in str(refused.value)
