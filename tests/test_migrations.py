"""The scripts make exactly the tables that the models describe, on both databases, there and back."""

import warnings

from alembic import command
from sqlalchemy import inspect

from app.db import Database, migration_config


def run(database: Database, what: str, *arguments: str) -> None:
    """One Alembic command on the test's database."""
    with database.engine.begin() as connection, warnings.catch_warnings():
        config = migration_config()
        config.attributes["connection"] = connection
        getattr(command, what)(config, *arguments)


def test_models_and_scripts_agree(database: Database) -> None:
    """Alembic finds nothing to add to a migrated database."""
    run(database, "check")


def test_down_and_up_again(database: Database) -> None:
    """Every script can be taken back, and applied again."""
    run(database, "downgrade", "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.migrate()
    assert "judgment" in inspect(database.engine).get_table_names()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    """A start on an existing database is harmless."""
    database.migrate()
    database.migrate()
    assert database.has_tables()
