"""A database that a newer version of ClipJury has migrated: every command refuses it and names the way out."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import text

from app import __version__
from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.settings import Settings
from tests.helpers import commands

ON_FILES = {
    *("bench-set", "filter", "filters", "plan", "preset", "proxies", "sample", "score", "segment", "version"),
    *("pool head", "pool import", "pool join", "pool retention", "pool show", "pool tail", "pool where", "weights get"),
    *(f"stats {name}" for name in ("agreement", "anchoring", "association", "calibrate", "cascade", "consensus")),
    *(f"stats {name}" for name in ("fairness", "ppi", "raters", "talkvid")),
    *("key rotate", "restore"),
}
"""Commands that open no database of studies; `restore` refuses any that has rows."""
ON_DATABASE: dict[str, tuple[str, ...]] = {
    "backup": ("backup.zip",),
    "check": (),
    "create": ("pool.parquet", "study.toml"),
    "demo": (),
    "export": ("a-study", "--estimates", "estimates.json"),
    "init": (".",),
    "invite": ("a-study", "Ada"),
    "invites": ("a-study", "--open"),
    "links": (),
    "move-to": ("postgresql://127.0.0.1:1/new",),
    "report": ("a-study",),
    "revoke": ("a-study", "Ada"),
    "serve": ("--port", "0"),
    **{f"study {name}": ("a-study",) for name in ("archive", "close", "pause", "resume")},
    **{f"study {name}": ("a-study", "study.toml") for name in ("consent", "guidelines")},
    "study top-up": ("a-study", "--clips", "3"),
    "token create": ("reader", "--scope", "read"),
    "token list": (),
    "token revoke": ("reader",),
    "webhook add": ("a-study", "https://example.org/hook"),
    "webhook deliver": (),
    "webhook list": ("a-study",),
    "webhook remove": ("a-study", "https://example.org/hook"),
}


def make_newer(database: Database) -> None:
    """Give the tables a revision that this version does not know."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


def names(command: object, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command below one, with the words that call it."""
    below: dict[str, object] | None = getattr(command, "commands", None)
    if below is None:
        yield " ".join(before)
        return
    for name, one in below.items():
        yield from names(one, (*before, name))


def test_every_command_is_listed() -> None:
    """A new command must be put into one of the two lists of this file."""
    listed = [*ON_FILES, *ON_DATABASE]
    assert sorted(names(typer.main.get_command(cli))) == sorted(listed)


def test_the_tables_stay_as_they_are(database: Database) -> None:
    """Migrating refuses with the version that is installed, and changes nothing."""
    make_newer(database)
    with pytest.raises(AppError, match="belongs to a newer version of ClipJury") as refused:
        database.migrate()
    assert f"This is version {__version__}." in refused.value.remedy
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_the_message_holds_no_password(database_url: str) -> None:
    """The address of a database on a server is shown without user and password."""
    database = Database(database_url)
    make_newer(database)
    with pytest.raises(AppError) as refused:
        database.migrate()
    database.dispose()
    assert "@" not in str(refused.value)
    assert "postgres:" not in str(refused.value)


@pytest.mark.parametrize("words", ON_DATABASE)
def test_every_command_that_opens_it_ends_with_a_sentence(
    words: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Exit code 1, one sentence, the way out, and nothing else: no traceback, and no work done before."""
    database = Database(Settings(home=tmp_path / "home", database_url="").database)
    database.migrate()
    make_newer(database)
    database.dispose()
    (tmp_path / "study.toml").write_text(_study_file())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
    environment |= {"CLIPJURY_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    logs = tmp_path_factory.mktemp("logs")
    ended = commands.run([*words.split(), *ON_DATABASE[words]], tmp_path, logs, environment, seconds=120)
    assert (ended.code, ended.out) == (1, "")
    sentence, remedy = ended.err.splitlines()
    assert sentence.startswith("clipjury: The database ")
    assert sentence.endswith("belongs to a newer version of ClipJury.")
    assert "Install the newer one" in remedy


def _study_file() -> str:
    from app.studies.study_file import preset

    return preset("acr")
