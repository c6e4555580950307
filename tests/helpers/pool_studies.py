"""A study drawn from a real pool with subgroups and judged by two people, for tests of pool evidence."""

from pathlib import Path

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Study, StudyClip
from app.pools.pool_files import read_pool
from app.settings import Settings
from app.studies import creation, lifecycle
from app.studies.study_file import parse
from tests.helpers.factories import StudyMaker, tiny_video
from tests.helpers.rated_studies import vote

CLIPS = 60
SAMPLED = 30
SPEC = """
name = "Judged pool"
guidelines = "Look closely."
raters_per_clip = 2
seed = 4
score_visibility = "hidden"
[[criteria]]
key = "verdict"
label = "Verdict"
question = "Keep it?"
scale = "verdict"
[[filters]]
name = "still"
title = "Still"
score = "movement"
min = 50
[[filters]]
name = "sharp"
title = "Sharp"
score = "sharpness"
min = 20
max = 95
[sampling]
"""
STRATIFIED = f'design = "stratified"\nby = "still"\nbands = 3\nclips = {SAMPLED}\n'
BORDERLINE = 'design = "borderline"\neach = 6\nrejects = 6\n'


def frame() -> pl.DataFrame:
    """A pool of 60 clips with two scores, two attributes, and a number that a tenth of the clips lack."""
    chance = np.random.default_rng(2)
    return pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in range(CLIPS)],
            "media": ["tiny.mp4"] * CLIPS,
            "source": [f"film-{number}" for number in range(CLIPS)],
            "duration": [0.2 + number % 3 for number in range(CLIPS)],
            "width": [160] * CLIPS,
            "height": [90] * CLIPS,
            "movement": chance.permutation(np.linspace(0, 99, CLIPS)),
            "sharpness": chance.permutation(np.linspace(0, 99, CLIPS)),
            "language": [("en", "fr", "en")[number % 3] for number in range(CLIPS)],
            "gender": [("f", "m")[number // 7 % 2] for number in range(CLIPS)],
            "sync": pl.Series(
                [None if number % 10 == 9 else 5.0 + number % 4 for number in range(CLIPS)], dtype=pl.Float64
            ),
        }
    )


def make(
    database: Database,
    settings: Settings,
    folder: Path,
    sampling: str = STRATIFIED,
    *,
    without: tuple[str, ...] = (),
    scores: str = "hidden",
) -> Study:
    """Create the study without judgments; `without` names columns that the pool lacks, `scores` who sees scores."""
    (folder / "tiny.mp4").write_bytes(tiny_video(0.2))
    frame().drop(without).write_parquet(folder / "pool.parquet")
    pool = read_pool(folder / "pool.parquet")
    text = SPEC.replace('"hidden"', f'"{scores}"') + sampling
    slug = creation.create(database, settings, pool, parse(text, "study.toml"), text)
    with database.reader() as db:
        return lifecycle.by_slug(db, slug)


def clips_of(database: Database, study: Study) -> list[StudyClip]:
    """The drawn clips of a study."""
    with database.reader() as db:
        return list(db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all())


def good(clip: StudyClip) -> bool:
    """Whether the raters accept a clip: they accept moving clips, except every ninth clip, which is the reverse."""
    number = int(clip.clip[1:])
    return bool(clip.scores["movement"] >= 40) != (number % 9 == 0)


def judge(maker: StudyMaker, study: Study, clips: list[StudyClip], *, apart: int = 7) -> None:
    """Two people answer every clip; they differ if the clip's position is divisible by `apart`."""
    for name, turned in (("Ada", False), ("Ben", True)):
        plan = {}
        for clip in clips:
            accepts = good(clip) != (turned and clip.position % apart == 0)
            plan[clip.position] = {"verdict": "accept" if accepts else "reject"}
        vote(maker, study, name, plan)
