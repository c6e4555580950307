"""Which stored answers count: the one rule behind every statistic, page, export and report.

An answer counts if its place is done (not surplus), it belongs to the sample (no training, gold, attention or
stabiliser clip), its rater is not excluded, and its last revision has not been taken back.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl
from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from app.models import Assignment, Judgment, Rater, Study
from app.raters.exclusions import Exclusions

Kind = Literal["person", "simulated"]
BLIND_ARMS = ("hidden", "after")
"""Arms in which the rater answered before any score was on the page."""
SCHEMA = {
    "judgment": pl.Int64,
    "assignment": pl.Int64,
    "clip": pl.Int64,
    "criterion": pl.Int64,
    "rater": pl.Int64,
    "kind": pl.String,
    "value": pl.String,
    "given_in": pl.String,
    "arm": pl.String,
    "occasion": pl.Int64,
}


def counting(
    study: Study, kinds: Sequence[str], *, exclusions: Exclusions, purposes: Sequence[str] = ("sample",)
) -> list[ColumnElement[bool]]:
    """The SQL conditions on Judgment, Assignment and Rater (joined by the caller) that a revision may count."""
    conditions = [
        col(Judgment.study_id) == study.id,
        col(Assignment.status) == "done",
        col(Assignment.purpose).in_(purposes),
        col(Rater.kind).in_(kinds),
    ]
    not_excluded = exclusions.count()
    return conditions if not_excluded is None else [*conditions, not_excluded]


def read(
    db: Session,
    study: Study,
    kinds: Sequence[str],
    *,
    exclusions: Exclusions,
    purposes: Sequence[str] = ("sample",),
) -> pl.DataFrame:
    """One row per assignment and criterion with an answer, in the order in which the answers came.

    Columns: `assignment`, `clip`, `criterion` and `rater` (their numbers), `kind` (of the rater), `arm` (drawn for the
    assignment), `occasion` (0, and 1, 2, ... when the clip came again), `judgment` and `value` (the last revision),
    `blind_judgment` and `blind` (the last revision given without the scores in view; null without one). `value` and
    `blind` are null where that revision took an optional answer back.
    """
    query = (
        select(
            col(Judgment.id),
            col(Judgment.assignment_id),
            col(Assignment.study_clip_id),
            col(Judgment.criterion_id),
            col(Judgment.rater_id),
            col(Rater.kind),
            col(Judgment.value),
            col(Judgment.arm),
            col(Assignment.arm),
            col(Assignment.occasion),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(*counting(study, kinds, exclusions=exclusions, purposes=purposes))
        .order_by(col(Judgment.revision), col(Judgment.id))
    )
    found = db.connection().execute(query).all()
    columns = zip(*found, strict=True) if found else [()] * len(SCHEMA)
    revisions = pl.DataFrame(dict(zip(SCHEMA, map(list, columns), strict=True)), SCHEMA)
    blind = pl.col("given_in").is_in(BLIND_ARMS)
    whole = revisions.group_by("assignment", "criterion", maintain_order=True).agg(
        pl.col("clip", "rater", "kind", "arm", "occasion", "judgment", "value").last(),
        pl.col("judgment").filter(blind).last().alias("blind_judgment"),
        pl.col("value").filter(blind).last().alias("blind"),
    )
    return whole.with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in ("value", "blind"))
