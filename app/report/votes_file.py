"""votes.parquet: every answer as it was given, under pseudonyms, with weights, arms and versions."""

from io import BytesIO

import polars as pl
from sqlalchemy import select as rows
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


def table(db: Session, facts: Facts) -> pl.DataFrame:
    """All revisions of all answers of the kind of rater that the report speaks of, in the order they came."""
    query = (
        rows(Judgment, Assignment, StudyClip, col(Criterion.key), col(Rater.name))
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .join(Criterion, col(Criterion.id) == col(Judgment.criterion_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == facts.study.id, col(Rater.kind) == facts.results.kind)
        .order_by(col(Judgment.id))
    )
    found = []
    for judgment, assignment, clip, criterion, rater in db.execute(query):
        time = judgment.facts.get("answer_ms")
        found.append(
            (
                clip.clip,
                clip.source,
                clip.stratum,
                clip.inclusion_probability,
                clip.weight,
                criterion,
                facts.pseudonyms[rater],
                judgment.value,
                judgment.revision,
                judgment.arm,
                assignment.purpose,
                assignment.occasion,
                assignment.status,
                judgment.guidelines_hash,
                time / 1000 if isinstance(time, int | float) else None,
                judgment.created_at.isoformat(),
            )
        )
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def encoded(votes: pl.DataFrame) -> bytes:
    """The file's content."""
    target = BytesIO()
    votes.write_parquet(target, compression="zstd", statistics=False)
    return target.getvalue()
