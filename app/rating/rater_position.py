"""A rater's position in the study: clips answered, held and left, the last answers, the recent pace."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Integer, ScalarSelect, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.db import UtcTime
from app.models import Assignment, Rater, RaterRecord, Study, is_work
from app.rating import inserted_schedule
from app.rating.inserted_clips import SEEN
from app.studies import rules as study_rules

_mine = aliased(Assignment)


class AnsweredAssignment(Protocol):
    """An answered assignment, as far as this module reads it."""

    @property
    def id(self) -> int: ...
    @property
    def answered_at(self) -> datetime | None: ...


_NEWEST_FIRST = (col(Assignment.answered_at).desc(), col(Assignment.id).desc())
_IS_ANSWERED = (
    col(Assignment.rater_id) == bindparam("rater"),
    or_(col(Assignment.status) == "done", col(Assignment.status) == "surplus"),
    is_work(),
)
_ANSWERED = select(col(Assignment.id)).where(*_IS_ANSWERED)
_BEFORE = (
    _ANSWERED.where(
        tuple_(col(Assignment.answered_at), col(Assignment.id))
        < tuple_(bindparam("at", type_=UtcTime()), bindparam("assignment", type_=Integer()))
    )
    .order_by(*_NEWEST_FIRST)
    .limit(1)
)


def before(db: Session, rater: RaterRecord, assignment: AnsweredAssignment) -> int | None:
    """The number of the assignment that the rater answered before this one; None if it was the first."""
    asked = {"rater": rater.id, "at": assignment.answered_at, "assignment": assignment.id}
    row = db.connection().execute(_BEFORE, asked).first()
    return row.id if row else None


PACE_OVER = 5


@dataclass(frozen=True)
class RaterPosition:
    """A rater's position: clips answered, held and still free; the last answer; the recent pace."""

    done: int
    held: int
    free: int
    last: int | None
    """The assignment answered last."""
    latest: datetime | None
    earlier: datetime | None
    """The times of the last answer and of the one `PACE_OVER` answers earlier."""

    @property
    def seconds_per_clip(self) -> float | None:
        """Mean seconds per clip over the last five answers; None before the sixth answer."""
        if self.latest is None or self.earlier is None:
            return None
        return (self.latest - self.earlier).total_seconds() / PACE_OVER


def _own(*statuses: str) -> ScalarSelect[int]:
    wanted = or_(*(col(_mine.status) == status for status in statuses))
    own = (
        select(func.count()).select_from(_mine).where(col(_mine.rater_id) == bindparam("rater"), wanted, is_work(_mine))
    )
    return own.scalar_subquery()


_CLIPS = func.count(func.distinct(col(Assignment.study_clip_id)))
_IN_STUDY = col(Assignment.study_id) == bindparam("study")
_OPEN = select(_CLIPS).where(_IN_STUDY, col(Assignment.status) == "open").scalar_subquery()
# Counting what the rater has seen of the open clips is quicker than searching all open clips for unseen ones.
_OPEN_SEEN = (
    select(_CLIPS)
    .select_from(_mine)
    .join(Assignment, col(Assignment.study_clip_id) == col(_mine.study_clip_id))
    .where(col(_mine.rater_id) == bindparam("rater"), col(Assignment.status) == "open")
    .scalar_subquery()
)
_ANSWER_TIMES = select(col(Assignment.answered_at)).where(*_IS_ANSWERED).order_by(*_NEWEST_FIRST).limit(1)
_POSITION = select(
    _own("done", "surplus"),
    _own("held"),
    _OPEN - _OPEN_SEEN,
    _ANSWERED.order_by(*_NEWEST_FIRST).limit(1).scalar_subquery(),
    _ANSWER_TIMES.scalar_subquery(),
    _ANSWER_TIMES.offset(PACE_OVER).scalar_subquery(),
)
_HELD_BY_OTHERS = select(_CLIPS).where(
    _IN_STUDY, col(Assignment.status) == "held", col(Assignment.study_clip_id).not_in(SEEN)
)


def of(db: Session, study: Study, rater: RaterRecord) -> RaterPosition:
    """The position of a rater in the study."""
    found = RaterPosition(*db.connection().execute(_POSITION, {"study": study.id, "rater": rater.id}).one())
    if not study.rules:
        return found
    rules = study_rules.rules_of(study)
    free = found.free
    if inserted_schedule.has_inserted_clips(rules):
        taken = db.execute(select(col(Rater.taken)).where(col(Rater.id) == rater.id)).scalar_one()
        free = inserted_schedule.clips_until(rules, rater.shuffle, taken, free)
    if rules.recruitment.clips_per_rater:
        free = min(free, max(0, rules.recruitment.clips_per_rater - found.done - found.held))
    return replace(found, free=free)


def held_by_others(db: Session, study: Study, rater: RaterRecord) -> int:
    """The number of clips that other raters hold and this rater has not seen. They may become free again."""
    return int(db.execute(_HELD_BY_OTHERS, {"study": study.id, "rater": rater.id}).scalar_one())
