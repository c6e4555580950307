"""SQLite has one writer at a time: who waits, who does not, and that videos are sent while a writer is slow."""

import sqlite3
import threading
import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db import LOCK_TIMEOUT, Database, WriterBusy
from app.main import create_app
from app.models import Rater
from app.raters import raters
from app.settings import Settings
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import PATIENCE


@on_sqlite
def test_a_writer_that_does_not_wait_fails_at_once_and_does_nothing(database: Database) -> None:
    """While another thread writes; afterwards writing is possible again."""
    with database.writer() as first:
        first.get(Rater, 1)
        refused = threading.Thread(target=_refused, args=(database,))
        refused.start()
        refused.join(PATIENCE)
        assert not refused.is_alive(), "it waited"
    with database.writer(wait=False) as second:
        assert second.get(Rater, 1) is None


def _refused(database: Database) -> None:
    with pytest.raises(WriterBusy), database.writer(wait=False) as db:
        db.get(Rater, 1)


@on_sqlite
def test_a_writer_that_does_not_wait_fails_while_another_program_writes(database: Database) -> None:
    """This is SQLite's own lock."""
    other = sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(WriterBusy), database.writer(wait=False) as db:
        db.get(Rater, 1)
    assert time.monotonic() - began < LOCK_TIMEOUT / 1000, "it waited for the other program"
    other.execute("ROLLBACK")
    other.close()
    with database.writer(wait=False) as db:
        assert db.get(Rater, 1) is None


@on_sqlite
def test_a_writer_that_fails_lets_the_next_one_write(database: Database) -> None:
    """However it failed."""
    with pytest.raises(ZeroDivisionError), database.writer() as db:
        _ = 1 // len(db.scalars(select(Rater)).all())
    with database.writer(wait=False) as db:
        assert db.get(Rater, 1) is None


@on_sqlite
def test_waiting_writers_come_first(database: Database) -> None:
    """A researcher's change is not delayed for ever by raters."""
    order: list[str] = []

    def patient() -> None:
        with database.writer() as db:
            db.get(Rater, 1)
            order.append("waited")

    with database.writer() as db:
        db.get(Rater, 1)
        waiting = threading.Thread(target=patient)
        waiting.start()
        while not database.writers_wait:
            time.sleep(0.001)
        order.append("first")
    while len(order) < 3:
        try:
            with database.writer(wait=False) as db:
                db.get(Rater, 1)
                order.append("at once")
        except WriterBusy:
            continue
    waiting.join()
    assert order == ["first", "waited", "at once"]


@on_sqlite
def test_pages_are_served_while_a_rater_waits_for_a_slow_writer(
    study_maker: StudyMaker, settings: Settings, database: Database
) -> None:
    """The rater's answer waits in its own thread; all other requests are served."""
    study = study_maker(clips=4, raters_per_clip=1, with_media=False)
    with TestClient(create_app(settings, database=database), base_url="http://127.0.0.1") as client:
        client.post(raters.open_link(settings, study), data={"name": "Ada"})
        client.post("/rate/start")
        seen: list[int] = []
        with database.writer() as db:
            db.get(Rater, 1)
            rating = threading.Thread(target=lambda: seen.append(client.get("/rate").status_code))
            rating.start()
            while not database.writers_wait:
                time.sleep(0.001)
            assert client.get("/rate/answers").status_code == 200
            assert not seen
        rating.join()
    assert seen == [200]
