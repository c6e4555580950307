"""Acknowledged answers are never lost."""

import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from app.db import Database
from app.models import Assignment, Judgment
from app.raters import raters
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Log, join, work
from tests.helpers.waiting import PATIENCE, wait_until

RATERS = 12
ANSWERS_BEFORE_THE_END = 150


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a thing of POSIX systems")
def test_kill_9_under_load_loses_no_acknowledged_answer(tmp_path: Path) -> None:
    """The server is killed while twelve raters answer; after a restart every acknowledged answer exists once."""
    settings = Settings(home=tmp_path / "home", researcher_process=False)
    database = Database(settings.database)
    database.migrate()
    study = StudyMaker(database, settings)(clips=200, raters_per_clip=RATERS, with_media=False)
    link = raters.open_link(settings, study)
    server = servers.start(settings)
    logs = [Log() for _ in range(RATERS)]
    stop = threading.Event()
    clients = [join(server.base, link, f"Rater {number}") for number in range(RATERS)]
    threads = [
        threading.Thread(target=work, args=(client, log), kwargs={"cycles": 10_000, "seed": number, "stop": stop})
        for number, (client, log) in enumerate(zip(clients, logs, strict=True))
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(len(log.acknowledged) for log in logs) >= ANSWERS_BEFORE_THE_END, "the load")
    stop.set()
    server.kill()
    for thread in threads:
        thread.join(PATIENCE)
    for client in clients:
        client.close()
    acknowledged = [pair for log in logs for pair in log.acknowledged]
    assert [problem for log in logs for problem in log.problems] == []
    assert len(acknowledged) >= ANSWERS_BEFORE_THE_END

    with servers.running(settings) as again:
        client = join(again.base, link, "After")
        assert 'action="/rate/' in client.get("/rate")[1]
        client.close()
    with database.reader() as db:
        stored = [(row.assignment_id, row.submission) for row in db.scalars(select(Judgment)).all()]
        done = {row.id for row in db.scalars(select(Assignment)).all() if row.status == "done"}
    for pair in acknowledged:
        assert stored.count(pair) == 3, "one row for each of the three questions"
        assert pair[0] in done
    database.dispose()
