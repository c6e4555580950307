"""Create the demo study: score the demo clips, draw the sample, add simulated raters."""

import shutil
from collections.abc import Callable
from pathlib import Path

from app.db import Database
from app.demo.clips import make_demo_clips
from app.demo.panel import add_panel
from app.errors import AppError
from app.pools import pool_files
from app.settings import Settings
from app.studies import creation, lifecycle, study_file

SLUG = "demo"
HOME = Path("clipjury-demo")
Say = Callable[[str], None]


def ensure(settings: Settings, database: Database, say: Say) -> Database:
    """Create the demo study unless it exists. Returns the migrated database."""
    database.migrate()
    if lifecycle.free_slug(database, SLUG) != SLUG:
        return database
    say("Making 24 clips from two real faces ...")
    folder = settings.home / "clips"
    clips = make_demo_clips(folder)
    say("Scoring them ...")
    pool_file = settings.home / "pool.parquet"
    failed = pool_files.score_to_pool([folder], pool_file, jobs=2, prune=True).failed
    if failed:
        clip, reason = failed[0]
        raise AppError(f"The demo's clip {clip} could not be scored: {reason}", "Run clipjury demo --reset; try again.")
    pool = pool_files.read_pool(pool_file)
    text = study_file.preset("acr").replace('name = "Quality, stability and verdict"', 'name = "ClipJury demo"', 1)
    spec = study_file.parse(text, "the demo's study file")
    say("Drawing the sample and preparing the clips for the browser ...")
    creation.create(database, settings, pool, spec, text, slug=SLUG)
    with database.writer() as db:
        add_panel(db, lifecycle.by_slug(db, SLUG), clips)
    say("The demo is ready.")
    return database


def reset(home: Path) -> None:
    """Delete judgments and links. Clips and scores are kept, so that the next start is quick."""
    for name in ("clipjury.db", "clipjury.db-wal", "clipjury.db-shm", "signing.key"):
        (home / name).unlink(missing_ok=True)
    shutil.rmtree(home / "media", ignore_errors=True)
