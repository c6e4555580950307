"""Choose inserted clips: gold clips, attention clips and repeats that a rater gets between those of the sample."""

from datetime import datetime

from sqlalchemy import bindparam, case, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.models import Assignment, Rater, RaterRecord, Study, StudyClip, WorkPurpose, is_work
from app.rating import inserted_schedule
from app.rating.rater_order import shuffled_order
from app.studies.rules import Rules

_mine = aliased(Assignment)
SEEN = select(col(_mine.study_clip_id)).where(col(_mine.rater_id) == bindparam("rater"))
LAST_SOURCE = (
    select(col(StudyClip.source))
    .join(_mine, col(_mine.study_clip_id) == col(StudyClip.id))
    .where(col(_mine.rater_id) == bindparam("rater"))
    .order_by(col(_mine.claimed_at).desc(), col(_mine.id).desc())
    .limit(1)
    .scalar_subquery()
)
ORDER = (
    case((col(StudyClip.source) == LAST_SOURCE, 1), else_=0),
    shuffled_order(bindparam("shuffle")),
)
_AS_ASKED = or_(col(StudyClip.criterion) == bindparam("criterion"), col(StudyClip.criterion) == "")
_KNOWN = (
    select(col(StudyClip.id))
    .where(
        col(StudyClip.study_id) == bindparam("study"),
        col(StudyClip.role) == bindparam("role"),
        col(StudyClip.id).not_in(SEEN),
        _AS_ASKED,
    )
    .order_by(*ORDER)
    .limit(1)
)
_later = aliased(Assignment)
_SHOWN = ("done", "surplus", "held")
_LATEST_FOR_REPEAT = (
    select(col(_later.claimed_at))
    .where(
        col(_later.rater_id) == bindparam("rater"),
        col(_later.status).in_(_SHOWN),
        is_work(_later),
    )
    .order_by(col(_later.claimed_at).desc(), col(_later.id).desc())
    .limit(1)
    .offset(bindparam("apart"))
    .scalar_subquery()
)
_again = aliased(Assignment)
_REPEAT = (
    select(col(StudyClip.id))
    .join(Assignment, col(Assignment.study_clip_id) == col(StudyClip.id))
    .where(
        col(Assignment.rater_id) == bindparam("rater"),
        col(Assignment.purpose) == "sample",
        col(Assignment.status).in_(("done", "surplus")),
        col(Assignment.claimed_at) <= _LATEST_FOR_REPEAT,
        col(StudyClip.criterion) == bindparam("criterion"),
        col(StudyClip.id).not_in(
            select(col(_again.study_clip_id)).where(
                col(_again.rater_id) == bindparam("rater"), col(_again.purpose) == "repeat"
            )
        ),
    )
    .order_by(*ORDER)
    .limit(1)
)


def purpose(db: Session, rules: Rules, rater: RaterRecord, *, now: datetime) -> WorkPurpose:
    """The purpose of the rater's next clip."""
    if (
        rules.sessions.stabilisers
        and inserted_schedule.in_sitting(_moments(db, rules, rater), now) < rules.sessions.stabilisers
    ):
        return "stabiliser"
    if not inserted_schedule.has_inserted_clips(rules):
        return "sample"
    taken = db.execute(select(col(Rater.taken)).where(col(Rater.id) == rater.id)).scalar_one()
    return inserted_schedule.purpose_at(rules, rater.shuffle, taken)


def is_new_sitting(db: Session, rules: Rules, rater: RaterRecord, *, now: datetime) -> bool:
    """True if a new sitting begins, because the rater's last clip is long ago."""
    return inserted_schedule.in_sitting(_moments(db, rules, rater), now) == 0


def _moments(db: Session, rules: Rules, rater: RaterRecord) -> list[datetime]:
    """The times when the rater last took or answered a clip, newest first; as many as the rules ask for stabilisers."""
    last = func.coalesce(col(Assignment.answered_at), col(Assignment.claimed_at))
    query = (
        select(last)
        .where(col(Assignment.rater_id) == rater.id, is_work())
        .order_by(last.desc())
        .limit(rules.sessions.stabilisers)
    )
    return list(db.execute(query).scalars())


def pick(
    db: Session, study: Study, rules: Rules, rater: RaterRecord, purpose: WorkPurpose, *, criterion: str
) -> tuple[int, int] | None:
    """The clip for a gold, attention or repeat assignment and its occasion; None if there is none left.

    `criterion` is the criterion of the clip that it replaces. A clip with another question would be recognisable as
    inserted.
    """
    asked = {"rater": rater.id, "shuffle": rater.shuffle, "criterion": criterion}
    if purpose == "repeat":
        assert rules.repeats is not None, "no repeat is due without its rule"
        found = db.execute(_REPEAT, {**asked, "apart": rules.repeats.apart}).scalar()
        return None if found is None else (found, 1)
    found = db.execute(_KNOWN, {**asked, "study": study.id, "role": purpose}).scalar()
    return None if found is None else (found, 0)
