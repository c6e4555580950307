"""Which stored answers count: the one rule behind every statistic, page, export and report.

An answer counts if its assignment is done (not surplus), its clip belongs to the sample (no training, gold, attention
or stabiliser clip), its rater is not excluded, and its last revision does not withdraw it.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl
from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from app.models import Assignment, Judgment, Rater, Study
from app.raters.exclusions import Exclusions

RaterKind = Literal["person", "simulated"]
BLIND_ARMS = ("hidden", "after")
"""The arms in which the rater answers before any score is shown."""
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


def may_count(
    study: Study, kinds: Sequence[str], *, exclusions: Exclusions, purposes: Sequence[str] = ("sample",)
) -> list[ColumnElement[bool]]:
    """Return the SQL conditions under which a revision may count, on Judgment, Assignment and Rater.

    The caller joins the three tables.
    """
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
    """Read one row per assignment and criterion with an answer, in the order in which the answers were given.

    Columns: `assignment`, `clip`, `criterion` and `rater` (their numbers), `kind` (of the rater), `arm` (drawn for the
    assignment), `occasion` (0; 1, 2, ... if the clip was repeated), `judgment` and `value` (the last revision),
    `blind_judgment` and `blind` (the last revision given while the scores were hidden; null if there is none). `value`
    and `blind` are null if that revision withdrew an optional answer.
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
        .where(*may_count(study, kinds, exclusions=exclusions, purposes=purposes))
        .order_by(col(Judgment.revision), col(Judgment.id))
    )
    found = db.connection().execute(query).all()
    columns = zip(*found, strict=True) if found else [()] * len(SCHEMA)
    revisions = pl.DataFrame(dict(zip(SCHEMA, map(list, columns), strict=True)), SCHEMA)
    blind = pl.col("given_in").is_in(BLIND_ARMS)
    answers = revisions.group_by("assignment", "criterion", maintain_order=True).agg(
        pl.col("clip", "rater", "kind", "arm", "occasion", "judgment", "value").last(),
        pl.col("judgment").filter(blind).last().alias("blind_judgment"),
        pl.col("value").filter(blind).last().alias("blind"),
    )
    return answers.with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in ("value", "blind"))
