"""The researcher's pages of a study with 100,000 judgments: first time, kept, and while raters work."""

import statistics
import tempfile
import threading
import time
from pathlib import Path

from app.db import Database
from app.models import Study
from app.raters import raters
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.generated_study import Options, generate
from tests.helpers.raters_over_http import Client, Log, join, work

BIG = Options(clips=10_000, pool=11_250, raters=30, filters=1, answers=3, open_places=1, optional_questions=False)
"""With repeats, gold clips and changed answers 100,000 judgments."""
PAGES = ("agreement", "agreement/clips?criterion=verdict", "agreement/raters/R2", "results")
LATER = ("pool", "fairness?number=sharpness", "anchoring", "next")
BUSY = 12
"""Raters at work while a page is computed."""


def run() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        settings = Settings(home=Path(folder), database_url="")
        database = Database(settings.database)
        database.migrate()
        study = big_study(database, settings)
        print(f"researcher's pages: 100,000 judgments, {BIG.clips:,} clips, {BIG.raters} raters, SQLite")
        with servers.running(settings) as server:
            browser = Client(server.base)
            browser.get(server.links["Researcher"].removeprefix(server.base))
            for name in (*PAGES, *LATER):
                times = [asked(browser, f"/studies/{study.slug}/{name}") for _ in range(4)]
                print(f"  {name}: first {1000 * times[0]:.0f} ms, then {1000 * statistics.median(times[1:]):.0f} ms")
            beside(server.base, raters.open_link(settings, study), browser, f"/studies/{study.slug}/agreement")
        database.dispose()


def asked(browser: Client, path: str) -> float:
    """Seconds until a page is there."""
    began = time.perf_counter()
    status, text = browser.get(path)
    if status != 200:
        raise RuntimeError(f"{path} answered {status}: {text[:200]}")
    return time.perf_counter() - began


def beside(base: str, link: str, browser: Client, path: str) -> None:
    """How long raters wait while a page is computed anew with every answer, against without."""
    for words, look in (("alone", False), ("while agreement is computed", True)):
        clients = [join(base, link, f"Busy {words} {number}") for number in range(BUSY)]
        logs, stop = [Log() for _ in clients], threading.Event()
        threads = [
            threading.Thread(target=work, args=(client, log), kwargs={"cycles": 10_000, "seed": number, "stop": stop})
            for number, (client, log) in enumerate(zip(clients, logs, strict=True))
        ]
        for thread in threads:
            thread.start()
        pages = []
        until = time.perf_counter() + 6
        while time.perf_counter() < until:
            if look:
                pages.append(asked(browser, path))
            else:
                time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        waits = [1000 * one for log in logs for one in log.next_seconds + log.submit_seconds]
        ranked = statistics.quantiles(waits, n=100)
        seen = f"; the page {statistics.median(pages):.2f} s in the middle" if pages else ""
        print(
            f"  {BUSY} raters {words}: a request {ranked[49]:.0f} ms, p95 {ranked[94]:.0f}, p99 {ranked[98]:.0f}{seen}"
        )
        problems = [one for log in logs for one in log.problems]
        if problems:
            print(f"  problems: {problems[:3]}")
        for client in clients:
            client.close()


def big_study(database: Database, settings: Settings) -> Study:
    """A generated study of most of its pool, three answers a clip, a fourth place open on each."""
    return generate(database, settings, BIG)
