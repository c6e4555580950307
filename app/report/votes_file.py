"""Make votes.parquet: every answer with its revision, weight, arm and version of the guidelines, under pseudonyms."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from app.models import Assignment, Criterion, Judgment, Rater, StudyClip
from app.rating.judgments import facts_of_answer
from app.rating.playback_facts import well_formed
from app.report.facts import ReportFacts

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
CLIP_COLUMNS = ("clip", "source", "stratum", "inclusion_probability", "weight")


def table(db: Session, facts: ReportFacts) -> pl.DataFrame:
    """All revisions of all answers by raters of the report's kind, in the order in which they were stored.

    Each clip is read once, and of the other tables only the columns needed: reading whole rows takes six times as long.
    """
    study = facts.study
    clip_columns = [col(StudyClip.id), *(getattr(StudyClip, name) for name in CLIP_COLUMNS)]
    clips = {number: of for number, *of in db.execute(select(*clip_columns).where(col(StudyClip.study_id) == study.id))}
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
            facts_of_answer(),
            col(Judgment.created_at),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.id))
    )
    rows = [
        (*clips[clip], keys[criterion], facts.pseudonyms[names[rater]], *given, _seconds(reported), at.isoformat())
        for clip, criterion, rater, *given, reported, at in db.execute(query)
        if rater in names
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _seconds(reported: Mapping[str, Any]) -> float | None:
    """Seconds from showing the clip to its answer; None if the browser did not report them."""
    time = well_formed(reported).get("answer_ms")
    return None if time is None else time / 1000


def encoded(votes: pl.DataFrame) -> bytes:
    """The content of the Parquet file."""
    target = BytesIO()
    votes.write_parquet(target, compression="zstd", statistics=False)
    return target.getvalue()
