"""Who rates what next: places on clips, handed out one at a time, never more than the study asked for."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, case, func, update
from sqlalchemy import select as rows
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.errors import NotAllowed
from app.models import Assignment, Event, Rater, Study, StudyClip

HELD_AHEAD = 2
"""The clip on screen and the one that the browser loads meanwhile."""

SHUFFLE_PRIME = 1_000_003
"""Clips are ordered by (position * the rater's multiplier) modulo this prime: a permutation of each rater's own."""


@dataclass(frozen=True)
class Held:
    """An assignment with its clip."""

    assignment: Assignment
    clip: StudyClip


def held(db: Session, rater: Rater) -> list[Held]:
    """What the rater has before them, the clip on screen first."""
    return _with_clips(
        db,
        _of_rater(rater)
        .where(col(Assignment.status) == "held")
        .order_by(col(Assignment.claimed_at), col(Assignment.id)),
    )


def top_up(db: Session, study: Study, rater: Rater, *, now: datetime, lease: timedelta) -> list[Held]:
    """Reserve clips until the rater holds the one to rate and the one to load, as far as there are any.

    Calling it again changes nothing but the lease: a reload shows the same clip.
    """
    have = held(db, rater)
    claimed = 0
    if len(have) < HELD_AHEAD:
        expire(db, study, now=now)
        # A microsecond apart, so that the order in which they were taken is the order in which they are shown.
        while len(have) + claimed < HELD_AHEAD and claim(
            db, study, rater, now=now + timedelta(microseconds=claimed), lease=lease
        ):
            claimed += 1
    if any(one.assignment.lease_until < now + lease / 2 for one in have if one.assignment.lease_until):
        db.execute(
            update(Assignment)
            .where(col(Assignment.rater_id) == rater.id, col(Assignment.status) == "held")
            .values(lease_until=now + lease)
        )
    return held(db, rater) if claimed else have


def claim(db: Session, study: Study, rater: Rater, *, now: datetime, lease: timedelta) -> bool:
    """Reserve one open place for the rater; False when there is none left for them.

    One statement picks and takes the place, so that two raters can never take the same; on PostgreSQL rows
    that another claim has locked are passed over. Order: another source than the last clip's, clips with
    the fewest places taken, then the rater's own random order.
    """
    mine = aliased(Assignment)
    seen = select(mine.id).where(mine.study_clip_id == Assignment.study_clip_id, col(mine.rater_id) == rater.id)
    last_source = (
        select(StudyClip.source)
        .join(mine, col(mine.study_clip_id) == StudyClip.id)
        .where(col(mine.rater_id) == rater.id)
        .order_by(col(mine.claimed_at).desc(), col(mine.id).desc())
        .limit(1)
        .scalar_subquery()
    )
    pick = (
        select(Assignment.id)
        .join(StudyClip, col(StudyClip.id) == Assignment.study_clip_id)
        .where(Assignment.study_id == study.id, Assignment.status == "open", ~seen.exists())
        .order_by(
            case((col(StudyClip.source) == last_source, 1), else_=0),
            col(Assignment.place),
            (col(StudyClip.position) * rater.shuffle) % SHUFFLE_PRIME,
        )
        .limit(1)
        .with_for_update(skip_locked=True, of=Assignment)
        .scalar_subquery()
    )
    take = (
        update(Assignment)
        .where(col(Assignment.id) == pick, col(Assignment.status) == "open")
        .values(status="held", rater_id=rater.id, claimed_at=now, lease_until=now + lease)
        .returning(col(Assignment.id), col(Assignment.study_clip_id))
    )
    try:
        with db.begin_nested():
            row = db.execute(take).first()
    except IntegrityError:  # a second tab of this rater took another place of the same clip at this moment
        return False
    if row is None:
        return False
    arm = draw_arm(study, rater.id, row.study_clip_id)
    db.execute(update(Assignment).where(col(Assignment.id) == row.id).values(arm=arm))
    return True


def draw_arm(study: Study, rater_id: int, study_clip_id: int) -> str:
    """Whether this rater sees this clip's scores: as the study says, or drawn by a seeded coin."""
    if study.score_visibility != "randomised":
        return study.score_visibility
    coin = random.Random(f"{study.seed}:{rater_id}:{study_clip_id}")  # noqa: S311 - a design, not a secret
    return coin.choice(("shown", "hidden"))


def expire(db: Session, study: Study, *, now: datetime) -> int:
    """Give the places of silent raters back; a new place opens, the old row stays as what happened."""
    gone = db.execute(
        update(Assignment)
        .where(
            col(Assignment.study_id) == study.id,
            col(Assignment.status) == "held",
            col(Assignment.lease_until) < now,
        )
        .values(status="expired")
        .returning(col(Assignment.id), col(Assignment.rater_id), col(Assignment.study_clip_id), col(Assignment.place))
    ).all()
    for row in gone:
        _reopen(db, study, row.study_clip_id, row.place)
        db.add(Event(study_id=study.id, kind="expired", rater_id=row.rater_id, assignment_id=row.id))
    return len(gone)


def skip(db: Session, study: Study, assignment: Assignment, *, reason: str, now: datetime) -> None:
    """Free the place for somebody else and remember why; skipping twice is harmless."""
    if assignment.status != "held":
        return
    assignment.status = "skipped"
    assignment.answered_at = now
    db.add(assignment)
    _reopen(db, study, assignment.study_clip_id, assignment.place)
    db.add(
        Event(
            study_id=study.id,
            kind="skipped",
            rater_id=assignment.rater_id,
            assignment_id=assignment.id,
            detail={"reason": reason},
        )
    )


def settle(db: Session, assignment: Assignment, *, now: datetime) -> None:
    """Mark an assignment answered. An answer that comes after its lease ended takes a place that is still open,
    or stays as surplus: it is never thrown away and never pushes a clip over its number of raters.
    """
    if assignment.status == "held":
        assignment.status = "done"
    elif assignment.status in ("expired", "skipped"):
        free = db.execute(
            update(Assignment)
            .where(col(Assignment.id) == _open_place(assignment.study_clip_id), col(Assignment.status) == "open")
            .values(status="expired")
            .returning(col(Assignment.id))
        ).first()
        assignment.status = "surplus" if free is None else "done"
    assignment.answered_at = assignment.answered_at or now
    db.add(assignment)


def owned(db: Session, rater: Rater, assignment_id: int, *, lock: bool = False) -> Held:
    """The rater's own assignment, or a refusal."""
    query = _of_rater(rater).where(col(Assignment.id) == assignment_id)
    found = _with_clips(db, query.with_for_update(of=Assignment) if lock else query)
    if not found:
        raise NotAllowed("This clip is not assigned to you.", "Go on with your own clips at /rate.")
    return found[0]


def previous(db: Session, rater: Rater, before: Assignment | None) -> int | None:
    """Number of the assignment the rater answered last, or last before the given one."""
    query = select(Assignment.id).where(
        Assignment.rater_id == rater.id, col(Assignment.status).in_(("done", "surplus"))
    )
    if before is not None and before.answered_at is not None:
        query = query.where(
            (col(Assignment.answered_at) < before.answered_at)
            | and_(col(Assignment.answered_at) == before.answered_at, col(Assignment.id) < before.id)
        )
    return db.exec(query.order_by(col(Assignment.answered_at).desc(), col(Assignment.id).desc()).limit(1)).first()


@dataclass(frozen=True)
class Counts:
    """How many clips a rater has answered, holds, and could still get; `waiting` are held by others."""

    done: int
    held: int
    free: int
    waiting: int


def counts(db: Session, study: Study, rater: Rater) -> Counts:
    """Where the rater stands in the study."""
    mine = aliased(Assignment)
    seen = select(mine.id).where(mine.study_clip_id == Assignment.study_clip_id, col(mine.rater_id) == rater.id)
    own = dict(
        db.execute(
            select(col(Assignment.status), func.count())
            .where(Assignment.rater_id == rater.id)
            .group_by(col(Assignment.status))
        ).all()
    )
    others = dict(
        db.execute(
            select(col(Assignment.status), func.count(func.distinct(Assignment.study_clip_id)))
            .where(Assignment.study_id == study.id, ~seen.exists())
            .where(col(Assignment.status).in_(("open", "held")))
            .group_by(col(Assignment.status))
        ).all()
    )
    return Counts(
        done=own.get("done", 0) + own.get("surplus", 0),
        held=own.get("held", 0),
        free=others.get("open", 0),
        waiting=others.get("held", 0),
    )


def _reopen(db: Session, study: Study, study_clip_id: int, place: int) -> None:
    db.add(Assignment(study_id=study.id, study_clip_id=study_clip_id, place=place))


def _open_place(study_clip_id: int) -> object:
    return (
        select(Assignment.id)
        .where(Assignment.study_clip_id == study_clip_id, Assignment.status == "open")
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )


def _of_rater(rater: Rater) -> Select[Assignment, StudyClip]:
    return (
        rows(Assignment, StudyClip)
        .join(StudyClip, col(StudyClip.id) == Assignment.study_clip_id)
        .where(col(Assignment.rater_id) == rater.id)
    )


def _with_clips(db: Session, query: Select[Assignment, StudyClip]) -> list[Held]:
    return [Held(assignment, clip) for assignment, clip in db.execute(query)]
