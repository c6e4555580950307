"""Upgrades: from every released schema with data in it, and by several processes at once."""

import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from app.backup import checking, schema
from app.db import Database, migration_config
from app.settings import Settings
from tests.helpers import full_installation
from tests.helpers.databases import EmptyDatabase
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.waiting import PATIENCE

REVISIONS = [one.revision for one in ScriptDirectory.from_config(migration_config()).walk_revisions()]
PROCESSES = 4


def downgrade(database: Database, revision: str) -> None:
    """Give the tables the form that they had at a revision, with the rows that there are."""
    with database.changing_tables() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def assert_upgraded(database: Database, revision: str) -> None:
    """From a revision to the newest: every row that it can hold is there afterwards, and the check finds no fault."""
    downgrade(database, revision)
    with database.snapshot() as connection:
        before = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.tables_at(revision)
        }
    assert before["judgment"] > 0
    database.migrate()
    with database.snapshot() as connection:
        assert schema.revision_of(connection) == schema.head()
        for table in schema.tables_at(schema.head()):
            count = connection.execute(select(func.count()).select_from(table)).scalar_one()
            assert count == before.get(table.name, 0), (revision, table.name)
        assert checking.of_database(connection, database) == [], revision


def test_every_released_schema_with_data_is_upgraded(database: Database, settings: Settings, tmp_path: Path) -> None:
    """All revisions but the first take a study on every scale and a generated one."""
    full_installation.fill(database, settings, tmp_path / "elsewhere")
    for revision in REVISIONS[:-1]:
        assert_upgraded(database, revision)


def test_the_first_schema_with_data_is_upgraded(database: Database, study_maker: StudyMaker) -> None:
    """The first revision knew three scales, and clips of the sample only."""
    study = study_maker(with_media=False)
    study_maker.rate(study, study_maker.rater(study), answers())
    assert_upgraded(database, REVISIONS[-1])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_start_on_one_empty_database(
    empty_database: EmptyDatabase, kind: str, tmp_path: Path
) -> None:
    """Four processes that migrate at the same moment all succeed, and the tables are there once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.server", "tests.helpers.servers", "tests.helpers.commands"])
    for number in range(3):
        settings = Settings(home=tmp_path / str(number), database_url=empty_database(kind))
        start = context.Barrier(PROCESSES)
        processes = [context.Process(target=_migrate, args=(settings.database, start)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
        database = Database(settings.database)
        with database.snapshot() as connection:
            assert schema.revision_of(connection) == schema.head()
        database.dispose()


def _migrate(url: str, start: Barrier) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    start.wait()
    database = Database(url)
    database.migrate()
    database.dispose()
