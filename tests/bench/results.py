"""A study with 100,000 judgments: its results page, its report, and what raters at work notice of either."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.db import Database
from app.raters import raters
from app.settings import Settings
from tests.bench.researcher import BIG, BUSY, asked, big_study
from tests.helpers import servers
from tests.helpers.raters_over_http import Client, Log, join, work

FIRST, KEPT, REPORT = 1.5, 0.05, 20.0
"""Bounds in seconds: the page's first time, kept, and the report pack."""
LOOK = 8.0
"""Seconds for which raters are watched."""


def run() -> None:
    """Print what was measured, each beside its bound."""
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        settings = Settings(home=Path(folder), database_url="")
        database = Database(settings.database)
        database.migrate()
        study = big_study(database, settings)
        link, page = raters.open_link(settings, study), f"/studies/{study.slug}"
        print(f"results: 100,000 judgments, {BIG.clips:,} clips, SQLite")
        with servers.running(settings) as server:
            browser = Client(server.base)
            browser.get(server.links["Researcher"].removeprefix(server.base))
            print(f"  the researchers' process answers {asked(browser, '/studies'):.1f} s after the server does")
            first = asked(browser, f"{page}/results")
            kept = [asked(browser, f"{page}/results") for _ in range(20)]
            middle = statistics.median(kept)
            print(f"  results page: first {first:.2f} s ({verdict(first, FIRST)})")
            print(f"  kept: {1000 * middle:.0f} ms, {1000 * max(kept):.0f} at most ({verdict(middle, KEPT)})")
            seconds = made(browser, page)
            print(f"  report pack, alone: {seconds:.1f} s ({verdict(seconds, REPORT)})")
            noticed(server.base, link, "alone", lambda _until: rest())
            times = noticed(
                server.base, link, "while results are computed anew", lambda until: again(browser, page, until)
            )
            print(f"    the page meanwhile: first {times[0]:.2f} s, {statistics.median(times):.2f} in the middle")
            [seconds] = noticed(server.base, link, "while a report is made", lambda _until: [made(browser, page)])
            print(f"    the report meanwhile: {seconds:.1f} s")
        database.dispose()


def verdict(seconds: float, bound: float) -> str:
    """Whether a bound was kept."""
    return f"{'within' if seconds < bound else 'OVER'} {bound} s"


def rest() -> list[float]:
    """Nothing else goes on."""
    time.sleep(LOOK)
    return []


def again(browser: Client, page: str, until: float) -> list[float]:
    """Seconds of each look at the results, one after the other."""
    times = []
    while time.perf_counter() < until:
        times.append(asked(browser, f"{page}/results"))
        time.sleep(0.2)
    return times


def made(browser: Client, page: str) -> float:
    """Seconds from the button to the report, as the page tells it."""
    began = time.perf_counter()
    status, _text = browser.post(f"{page}/report", {})
    if status not in (200, 303):
        raise RuntimeError(f"the report was refused: {status}")
    while "Making the report" in browser.get(f"{page}/report")[1]:
        time.sleep(0.2)
    return time.perf_counter() - began


def noticed(base: str, link: str, words: str, meanwhile: Callable[[float], list[float]]) -> list[float]:
    """Print how long raters at work wait while something else goes on; returns what that gave."""
    clients = [join(base, link, f"Busy {words} {number}") for number in range(BUSY)]
    logs, stop = [Log() for _ in clients], threading.Event()
    threads = [
        threading.Thread(target=work, args=(client, log), kwargs={"cycles": 10_000, "seed": number, "stop": stop})
        for number, (client, log) in enumerate(zip(clients, logs, strict=True))
    ]
    for thread in threads:
        thread.start()
    given = meanwhile(time.perf_counter() + LOOK)
    stop.set()
    for thread in threads:
        thread.join()
    waits = [1000 * one for log in logs for one in log.next_seconds + log.submit_seconds]
    ranked = statistics.quantiles(waits, n=100)
    problems = [one for log in logs for one in log.problems]
    print(
        f"  {BUSY} raters {words}: a request {ranked[49]:.0f} ms, "
        f"p95 {ranked[94]:.0f}, p99 {ranked[98]:.0f}, n {len(waits)}"
    )
    if problems:
        print(f"    problems: {problems[:3]}")
    for client in clients:
        client.close()
    return given
