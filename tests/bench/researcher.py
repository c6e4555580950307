"""The researcher's pages of a study with 100,000 judgments: first time, kept, and while raters work."""

import statistics
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import delete, insert, select
from sqlmodel import Session, col

from app.db import Database
from app.models import Assignment, Criterion, Judgment, Rater, Study, StudyClip
from app.raters import raters
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.raters_over_http import Client, Log, join, work

CLIPS, PEOPLE, PLACES = 11_112, 30, 3
PAGES = ("agreement", "agreement/clips?criterion=verdict", "agreement/raters/R2", "results")
LATER = ("pool", "fairness?number=sync", "anchoring", "next")
BUSY = 12
"""Raters at work while a page is computed."""


def run() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        settings = Settings(home=Path(folder), database_url="")
        database = Database(settings.database)
        database.migrate()
        study = big_study(database, settings)
        print(f"researcher's pages: {3 * CLIPS * PLACES:,} judgments, {CLIPS:,} clips, {PEOPLE} raters, SQLite")
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
    """Clips of which seven in ten are good, with a score that tells; raters who differ a little; a pool beside it."""
    chance = np.random.default_rng(0)
    good = chance.random(CLIPS) < 0.7
    scores = np.where(good, 84, 70) + chance.normal(0, 9, CLIPS)
    study = StudyMaker(database, settings)(clips=1, raters_per_clip=PLACES + 1, with_media=False)
    pool = settings.home / "pool.parquet"
    with database.writer() as db:
        first = db.scalars(select(StudyClip)).one()
        names = [first.clip, *(f"c{number:06}" for number in range(1, CLIPS))]
        write_pool(pool, names, scores, chance)
        live = db.get_one(Study, study.id)
        live.pool, live.pool_fingerprint, live.pool_clips = str(pool), sha256(pool.read_bytes()).hexdigest(), CLIPS
        live.design = {"kind": "stratified", "strata": [{"label": "all", "population": CLIPS}], "notes": []}
        base = first.model_dump()
        clips = []
        for number in range(1, CLIPS):
            key = {"id": first.id + number, "position": number, "clip": names[number], "media_key": f"k{number:015}"}
            clips.append(base | key | {"source": f"s{number // 4}", "scores": {"avg_movement": float(scores[number])}})
        db.execute(insert(StudyClip), clips)
        db.add(live)
        fill(db, study, first.id, good, chance)
    return study


def write_pool(path: Path, names: list[str], scores: np.ndarray, chance: np.random.Generator) -> None:
    """The clips with two attributes and a number."""
    places = range(len(names))
    pl.DataFrame(
        {
            "clip": names,
            "media": ["x.mp4"] * len(names),
            "duration": [4.0] * len(names),
            "source": [f"s{number // 4}" for number in places],
            "avg_movement": scores,
            "language": [("en", "fr", "zh", "de")[number % 4] for number in places],
            "gender": [("f", "m")[number // 4 % 2] for number in places],
            "sync": chance.normal(6, 1.5, len(names)),
        }
    ).write_parquet(path)


def fill(db: Session, study: Study, first: int, good: np.ndarray, chance: np.random.Generator) -> None:
    """Everybody's answers: three raters a clip, a fourth place stays open."""
    db.execute(delete(Assignment))
    criteria = db.scalars(select(Criterion).order_by(col(Criterion.position))).all()
    people = [Rater(study_id=study.id, name=f"P{number:02}", shuffle=number + 1) for number in range(PEOPLE)]
    db.add_all(people)
    db.flush()
    bias = chance.normal(0, 0.4, PEOPLE)
    places: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for number in range(CLIPS):
        clip = {"study_id": study.id, "study_clip_id": first + number}
        arm = "shown" if number % 2 else "hidden"
        for place, who in enumerate(chance.choice(PEOPLE, PLACES, replace=False).tolist()):
            key = len(places) + 1
            rater = people[who].id
            done = {"status": "done", "rater_id": rater, "arm": arm, "answered_at": NOON, "claimed_at": NOON}
            places.append(clip | done | {"id": key, "place": place})
            quality = int(np.clip(round((3.8 if good[number] else 2.4) + bias[who] + chance.normal(0, 0.7)), 1, 5))
            stability = int(np.clip(quality + chance.integers(-1, 2), 1, 5))
            right = good[number] if chance.random() < 0.88 else not good[number]
            answer = {
                "study_id": study.id,
                "assignment_id": key,
                "rater_id": rater,
                "submission": f"s{key}",
                "arm": arm,
            }
            for item, value in zip(criteria, (quality, stability, "accept" if right else "reject"), strict=True):
                made = {"criterion_id": item.id, "value": str(value), "revision": 1, "guidelines_hash": "x"}
                said.append(answer | made | {"facts": {"answer_ms": 4000}, "created_at": NOON})
    free = [{"study_id": study.id, "study_clip_id": first + number, "place": PLACES} for number in range(CLIPS)]
    db.execute(insert(Assignment), places)
    db.execute(insert(Assignment), free)
    db.execute(insert(Judgment), said)
