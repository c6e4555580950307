"""Fifty raters at once on one server process and SQLite: cycles a second, waiting times, nothing lost."""

import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from sqlalchemy import select

from app.db import Database
from app.models import Assignment, Judgment
from app.raters import raters
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Log, join, work

RATERS, CYCLES, OVERLAP = 50, 20, 3
CLIPS = RATERS * CYCLES // OVERLAP - 10
"""A few places fewer than answers, so that the open clips run dry."""


def run() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        # The spare researchers' process would start in the middle of the measurement; afterwards it costs nothing.
        settings = Settings(home=Path(folder), database_url="", spare_process=False)
        database = Database(settings.database)
        database.migrate()
        study = StudyMaker(database, settings)(
            clips=CLIPS, raters_per_clip=OVERLAP, score_visibility="randomised", with_media=False
        )
        link = raters.open_link(settings, study)
        with servers.running(settings) as server:
            started = psutil.Process(server.process.pid).cpu_times()
            logs, seconds = storm(server.base, link)
            busy = psutil.Process(server.process.pid).cpu_times()
        report(database, logs, seconds)
        cycles = sum(len(log.acknowledged) for log in logs)
        spent = 1000 * (busy.user + busy.system - started.user - started.system) / cycles
        print(f"  processor time of the server: {spent:.1f} ms a cycle")
        database.dispose()


def storm(base: str, link: str) -> tuple[list[Log], float]:
    """All raters at the same time, without a pause to think."""
    clients = [join(base, link, f"Rater {number}") for number in range(RATERS)]
    logs = [Log() for _ in clients]
    threads = [
        threading.Thread(target=work, args=(client, log), kwargs={"cycles": CYCLES, "seed": number})
        for number, (client, log) in enumerate(zip(clients, logs, strict=True))
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    return logs, seconds


def report(database: Database, logs: list[Log], seconds: float) -> None:
    """The figures, and what the database holds afterwards."""
    acknowledged = [pair for log in logs for pair in log.acknowledged]
    with database.reader() as db:
        stored = Counter((row.assignment_id, row.submission) for row in db.scalars(select(Judgment)).all())
        taken = Counter(
            row.study_clip_id for row in db.scalars(select(Assignment)).all() if row.status in ("held", "done")
        )
    lost = sum(stored[pair] != 3 for pair in acknowledged)
    problems = [problem for log in logs for problem in log.problems]
    print(f"load: {RATERS} raters, SQLite, one server process, {CLIPS} clips x {OVERLAP} places")
    rate = len(acknowledged) / seconds
    print(f"  {len(acknowledged)} cycles of next + submit in {seconds:.1f} s: {rate:.0f} cycles/s")
    for name, times in (
        ("next", [second for log in logs for second in log.next_seconds]),
        ("submit", [second for log in logs for second in log.submit_seconds]),
    ):
        ranked = [1000 * second for second in statistics.quantiles(times, n=100)]
        print(f"  {name}: median {ranked[49]:.0f} ms, p95 {ranked[94]:.0f} ms, p99 {ranked[98]:.0f} ms")
    print(f"  errors {len(problems)} {problems[:3]}, acknowledged answers lost {lost}")
    print(f"  places taken {sum(taken.values())} of {CLIPS * OVERLAP}, most on one clip {max(taken.values())}")
