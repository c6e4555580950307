"""A study with everything in it, made from a seed: filters that work and filters that do not, ties, disputes, a
careless rater, both arms. Made for tests, for benchmarks, and for looking at every page
(`python -m tests.helpers.generated_study HOME`).
"""

import numpy as np
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Criterion, Study, StudyClip
from app.settings import Settings
from app.studies import lifecycle
from tests.helpers.generated_study import answers, pool, rows, study, work
from tests.helpers.generated_study.options import Options

__all__ = ["Options", "generate"]


def generate(
    database: Database,
    settings: Settings,
    options: Options = Options(),  # noqa: B008 - frozen
    *,
    with_videos: bool = False,
) -> Study:
    """Write a pool into the home folder and a study with answers into the database; the same seed gives the same rows.

    Pool, draw and study are made by the product's own functions, answers are written in bulk. `with_videos` adds tiny
    videos, so that the pages have pictures.
    """
    made = pool.world(options)
    path = settings.home / "pool.parquet"
    pool.write(made, options, path)
    found = study.create(database, settings, made, options, path)
    _answer(database, found, made, options)
    if with_videos:
        study.write_videos(database, settings, found, path)
    with database.reader() as db:
        return lifecycle.by_slug(db, options.slug)


def _answer(database: Database, found: Study, made: pool.World, options: Options) -> None:
    """Let the raters answer."""
    with database.writer() as db:
        clips = list(
            db.scalars(
                select(StudyClip)
                .where(col(StudyClip.study_id) == found.id)
                .order_by(col(StudyClip.role).desc(), col(StudyClip.clip))
            )
        )
        criteria = list(db.scalars(select(Criterion).where(col(Criterion.study_id) == found.id)))
        whole = work.assignments(options, sum(one.role == "gold" for one in clips))
        raters = rows.add_raters(db, found, options, whole)
        given = rows.arms(found, whole, raters, clips)
        at = made.rows_of([one.clip for one in clips])
        passes = np.array([one.scores[made.scores[0].name] >= made.scores[0].minimum for one in clips])
        shown = np.array([arm == "shown" for arm in given])
        said = answers.said(whole, made.quality[at], made.stability[at], passes, shown, options)
        writer = rows.Writer(db, found, options, raters, clips)
        writer.assignments(whole, given)
        writer.judgments(whole, given, said, criteria)
        writer.events(whole)
