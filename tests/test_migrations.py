"""The scripts make exactly the tables that the models describe, on both databases, there and back."""

import warnings

from alembic import command
from sqlalchemy import inspect, text

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


def test_rows_of_an_older_version_stay(database: Database) -> None:
    """A database of the first version keeps its rows, with the new columns at what held before."""
    run(database, "downgrade", "0001")
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO study VALUES "
            "(1, 's', 'S', 'g', 'h', 'hidden', 1, 1, '', 'p', 'f', 1, '{{}}', {no}, {no}, 'i', {now})",
            "INSERT INTO criterion VALUES (1, 1, 0, 'verdict', 'V', 'V?', 'verdict')",
            "INSERT INTO rater (id, study_id, name, kind, shuffle, created_at) "
            "VALUES (1, 1, 'Ann', 'person', 3, {now})",
        ):
            connection.execute(text(statement.format(no="FALSE", now="CURRENT_TIMESTAMP")))
    database.migrate()
    with database.engine.begin() as connection:
        row = connection.execute(text("SELECT study.state, criterion.scale, rater.ended FROM study, criterion, rater"))
        assert row.one() == ("open", "verdict", "")
        broken = connection.execute(text("PRAGMA foreign_key_check")).all() if database.is_sqlite else []
    assert broken == []
