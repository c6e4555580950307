"""Exclusions: raters whose answers do not count, from a moment on, by a stated rule and for a stated reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlmodel import Session, col

from app.models import Exclusion, Judgment


@dataclass(frozen=True)
class Exclusions:
    """The exclusions of a study that are in force."""

    since: Mapping[int, datetime | None] = field(default_factory=dict)
    """By rater: answers given from this moment on do not count; None for all of them."""

    def count(self, judgment: type[Judgment] = Judgment) -> ColumnElement[bool] | None:
        """The SQL condition that a judgment counts; None where nobody is excluded."""
        if not self.since:
            return None
        excluded = (
            and_(col(judgment.rater_id) == rater, col(judgment.created_at) >= moment)
            if moment is not None
            else col(judgment.rater_id) == rater
            for rater, moment in self.since.items()
        )
        return not_(or_(*excluded))


def in_force(db: Session, study_id: int) -> Exclusions:
    """A study's exclusions that nobody has lifted; of several for one rater the one that reaches back the furthest."""
    query = select(col(Exclusion.rater_id), col(Exclusion.excluded_from)).where(
        col(Exclusion.study_id) == study_id, col(Exclusion.lifted_at).is_(None)
    )
    since: dict[int, datetime | None] = {}
    for rater, moment in db.execute(query).all():
        known = since.get(rater, moment)
        since[rater] = None if known is None or moment is None else min(known, moment)
    return Exclusions(since)


def version(db: Session, study_id: int) -> int:
    """A number that grows whenever an exclusion is added or lifted: results are computed again then."""
    query = select(func.count(), func.count(col(Exclusion.lifted_at))).where(col(Exclusion.study_id) == study_id)
    added, lifted = db.execute(query).one()
    return int(added) + int(lifted)
