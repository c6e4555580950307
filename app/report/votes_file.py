"""Make votes.parquet: every answer with its revision, weight, arm and guideline version, raters under pseudonyms."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from app.models import Assignment, Criterion, Judgment, Rater, StudyClip
from app.report.facts import Facts

SCHEMA = {
    "clip": pl.String,
    "source": pl.String,
    "stratum": pl.String,
    "inclusion_probability": pl.Float64,
    "weight": pl.Float64,
    "criterion": pl.String,
    "rater": pl.String,
    "value": pl.String,
    "revision": pl.Int64,
    "arm": pl.String,
    "purpose": pl.String,
    "occasion": pl.Int64,
    "status": pl.String,
    "guidelines": pl.String,
    "seconds": pl.Float64,
    "created_at": pl.String,
}
OF_CLIP = ("clip", "source", "stratum", "inclusion_probability", "weight")


def table(db: Session, facts: Facts) -> pl.DataFrame:
    """All revisions of all answers of the kind of rater that the report speaks of, in the order they came.

    Plain columns are read, and clips once: whole rows of three tables for every answer take six times as long.
    """
    study = facts.study
    drawn = [col(StudyClip.id), *(getattr(StudyClip, name) for name in OF_CLIP)]
    clips = {number: of for number, *of in db.execute(select(*drawn).where(col(StudyClip.study_id) == study.id))}
    criteria = select(col(Criterion.id), col(Criterion.key)).where(col(Criterion.study_id) == study.id)
    keys = dict(db.execute(criteria).all())
    raters = select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)
    of_kind = raters.where(col(Rater.kind) == facts.results.kind)
    names = dict(db.execute(of_kind).all())
    query = (
        select(
            col(Assignment.study_clip_id),
            col(Judgment.criterion_id),
            col(Judgment.rater_id),
            col(Judgment.value),
            col(Judgment.revision),
            col(Judgment.arm),
            col(Assignment.purpose),
            col(Assignment.occasion),
            col(Assignment.status),
            col(Judgment.guidelines_hash),
            col(Judgment.facts),
            col(Judgment.created_at),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.id))
    )
    found = [
        (*clips[clip], keys[criterion], facts.pseudonyms[names[rater]], *given, _seconds(how), at.isoformat())
        for clip, criterion, rater, *given, how, at in db.execute(query)
        if rater in names
    ]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _seconds(how: Mapping[str, Any]) -> float | None:
    """From seeing the clip to the answer, where the browser told it."""
    time = how.get("answer_ms")
    return time / 1000 if isinstance(time, int | float) else None


def encoded(votes: pl.DataFrame) -> bytes:
    """The file's content."""
    target = BytesIO()
    votes.write_parquet(target, compression="zstd", statistics=False)
    return target.getvalue()
