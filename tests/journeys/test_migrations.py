"""Migrations create exactly the tables of the models, on both databases, upwards and downwards."""

import warnings

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from app.db import Database, migration_config
from app.models import Assignment


def run(database: Database, what: str, *arguments: str) -> None:
    """One Alembic command on the test's database."""
    with database.engine.connect() as connection, warnings.catch_warnings():
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if database.is_sqlite:  # as `Database.migrate` does: tables that others refer to are made anew
            driver.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            config = migration_config()
            config.attributes["connection"] = connection
            getattr(command, what)(config, *arguments)
        if database.is_sqlite:
            driver.execute("PRAGMA foreign_keys=ON")


def filled(statement: str) -> str:
    """A statement with what both databases call no, yes and now."""
    return statement.format(no="FALSE", yes="TRUE", now="CURRENT_TIMESTAMP")


def test_models_and_migrations_agree(database: Database) -> None:
    """Alembic finds no difference in a migrated database."""
    run(database, "check")


def test_tables_of_litestream_disturb_no_migration(database: Database) -> None:
    """Litestream keeps two tables of its own in a database: they are no difference, and stay."""
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"))
    run(database, "check")
    run(database, "downgrade", "base")
    database.migrate()
    assert inspect(database.engine).has_table("_litestream_seq")


def test_down_and_up_again(database: Database) -> None:
    """Every migration can be reverted and applied again."""
    run(database, "downgrade", "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.migrate()
    assert "judgment" in inspect(database.engine).get_table_names()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    """Migrating an up-to-date database is harmless."""
    database.migrate()
    database.migrate()
    assert database.has_tables()


def test_rows_of_an_older_version_stay(database: Database) -> None:
    """A database of the first version keeps its rows; new columns get their former meaning as default."""
    run(database, "downgrade", "0001")
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO study VALUES "
            "(1, 's', 'S', 'g', 'h', 'hidden', 1, 1, '', 'p', 'f', 1, '{{}}', {no}, {no}, 'i', {now})",
            "INSERT INTO criterion VALUES (1, 1, 0, 'verdict', 'V', 'V?', 'verdict')",
            "INSERT INTO rater (id, study_id, name, kind, shuffle, created_at) "
            "VALUES (1, 1, 'Ann', 'person', 3, {now})",
        ):
            connection.execute(text(filled(statement)))
    database.migrate()
    with database.engine.begin() as connection:
        row = connection.execute(text("SELECT study.state, criterion.scale, rater.ended FROM study, criterion, rater"))
        assert row.one() == ("open", "verdict", "")
        broken = connection.execute(text("PRAGMA foreign_key_check")).all() if database.is_sqlite else []
    assert broken == []


def test_scales_and_purposes_need_no_migration(database: Database) -> None:
    """Version 0003 keeps every row and takes scales and purposes that older ones refused; it can be taken back."""
    run(database, "downgrade", "0002")
    new_scale = "INSERT INTO criterion VALUES (2, 1, 1, 'new', 'N', 'N?', 'yes_no', {yes}, '[]', '{{}}')"
    new_purpose = (
        "INSERT INTO assignment (id, study_id, study_clip_id, place, purpose, occasion, status) "
        "VALUES (2, 1, 1, 1, 'calibration', 0, 'open')"
    )
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO study (id, slug, name, guidelines, guidelines_hash, score_visibility, raters_per_clip, seed, "
            "study_file, pool, pool_fingerprint, pool_clips, design, has_simulated, show_simulated, invite_hash, "
            "created_at) VALUES (1, 's', 'S', 'g', 'h', 'hidden', 1, 1, '', 'p', 'f', 1, '{{}}', {no}, {no}, 'i', "
            "{now})",
            "INSERT INTO criterion VALUES (1, 1, 0, 'light', 'L', 'L?', 'slider', {yes}, '[]', '{{}}')",
            "INSERT INTO rater (id, study_id, name, kind, shuffle, created_at) "
            "VALUES (1, 1, 'Ann', 'person', 3, {now})",
            "INSERT INTO studyclip (id, study_id, position, clip, criterion, drawn_for, media, media_key, source, "
            "duration, width, height, stratum, inclusion_probability, weight, scores) "
            "VALUES (1, 1, 0, 'c', '', '[]', 'm', 'k', 's', 1, 1, 1, 'all', 1, 1, '{{}}')",
            "INSERT INTO assignment (id, study_id, study_clip_id, place, purpose, occasion, status, rater_id, arm) "
            "VALUES (1, 1, 1, -1, 'qualification', 0, 'done', 1, 'hidden')",
            "INSERT INTO judgment VALUES (1, 1, 1, 1, 1, '57', 1, 'x', 'hidden', 'h', '{{}}', {now})",
        ):
            connection.execute(text(filled(statement)))
    for refused in (new_scale, new_purpose):
        with pytest.raises(IntegrityError), database.engine.begin() as connection:
            connection.execute(text(filled(refused)))
    database.migrate()
    whole = (
        "SELECT criterion.scale, assignment.purpose, judgment.value FROM criterion "
        "JOIN judgment ON judgment.criterion_id = criterion.id "
        "JOIN assignment ON assignment.id = judgment.assignment_id"
    )
    with database.engine.begin() as connection:
        assert connection.execute(text(whole)).one() == ("slider", "qualification", "57")
        connection.execute(text(filled(new_scale)))
        connection.execute(text(filled(new_purpose)))
        broken = connection.execute(text("PRAGMA foreign_key_check")).all() if database.is_sqlite else []
        assert broken == []
        connection.execute(text("DELETE FROM criterion WHERE id = 2"))
        connection.execute(text("DELETE FROM assignment WHERE id = 2"))
    run(database, "downgrade", "0002")
    with database.engine.begin() as connection:
        assert connection.execute(text(whole)).one() == ("slider", "qualification", "57")
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text(filled(new_purpose)))


def test_indexes_stay_when_checks_are_dropped(database: Database) -> None:
    """SQLite makes the tables anew: every index and unique constraint of a place for raters is still there."""
    found = inspect(database.engine)
    assert {tuple(one["column_names"]) for one in found.get_indexes("assignment") if not one["unique"]} == {
        ("study_clip_id",),
        ("study_id", "status", "study_clip_id"),
        ("study_id", "status", "place"),
        ("rater_id", "status"),
    }
    unique = [tuple(one["column_names"]) for one in found.get_unique_constraints("assignment")]
    assert unique == [("study_clip_id", "rater_id", "occasion")]


def test_an_unknown_purpose_is_refused() -> None:
    """The model validates what the database no longer does."""
    with pytest.raises(ValueError, match="no purpose 'lunch'"):
        Assignment(study_id=1, study_clip_id=1, place=0, purpose="lunch")
