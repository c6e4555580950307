"""Who rates what next: places on clips, handed out one at a time, never more than the study asked for."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import ScalarSelect, bindparam, case, func, tuple_, update
from sqlalchemy import select as rows
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


# Statements of the hot path are built once: building them anew costs more than running them (measured).
_mine = aliased(Assignment)
_SEEN = (
    rows(col(_mine.id))
    .where(col(_mine.study_clip_id) == col(Assignment.study_clip_id), col(_mine.rater_id) == bindparam("rater"))
    .exists()
)
_LAST_SOURCE = (
    rows(col(StudyClip.source))
    .join(_mine, col(_mine.study_clip_id) == col(StudyClip.id))
    .where(col(_mine.rater_id) == bindparam("rater"))
    .order_by(col(_mine.claimed_at).desc(), col(_mine.id).desc())
    .limit(1)
    .scalar_subquery()
)
_WITH_CLIP = rows(Assignment, StudyClip).join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
_HELD = _WITH_CLIP.where(col(Assignment.rater_id) == bindparam("rater"), col(Assignment.status) == "held").order_by(
    col(Assignment.claimed_at), col(Assignment.id)
)
_OWNED = _WITH_CLIP.where(col(Assignment.id) == bindparam("assignment"), col(Assignment.rater_id) == bindparam("rater"))
_OWNED_LOCKED = _OWNED.with_for_update(of=Assignment)
_NEXT_OPEN = (
    _WITH_CLIP.where(col(Assignment.study_id) == bindparam("study"), col(Assignment.status) == "open", ~_SEEN)
    .order_by(
        case((col(StudyClip.source) == _LAST_SOURCE, 1), else_=0),
        col(Assignment.place),
        (col(StudyClip.position) * bindparam("shuffle")) % SHUFFLE_PRIME,
    )
    .limit(1)
    .with_for_update(skip_locked=True, of=Assignment)
)


def held(db: Session, rater: Rater) -> list[Held]:
    """What the rater has before them, the clip on screen first."""
    return [Held(*row) for row in db.execute(_HELD, {"rater": rater.id})]


def top_up(db: Session, study: Study, rater: Rater, *, now: datetime, lease: timedelta) -> list[Held]:
    """Reserve clips until the rater holds the one to rate and the one to load, as far as there are any.

    Calling it again changes nothing but the lease: a reload shows the same clip. The caller has locked the rater's
    row, so that two tabs of one rater wait for each other.
    """
    have = held(db, rater)
    for one in have:
        if one.assignment.lease_until is None or one.assignment.lease_until < now + lease / 2:
            one.assignment.lease_until = now + lease
    while len(have) < HELD_AHEAD:
        # A microsecond apart, so that the order in which they were taken is the order in which they are shown.
        moment = now + timedelta(microseconds=len(have))
        taken = claim(db, study, rater, now=moment, lease=lease)
        if taken is None and expire(db, study, now=now):
            taken = claim(db, study, rater, now=moment, lease=lease)
        if taken is None:
            break
        have.append(taken)
    return have


def claim(db: Session, study: Study, rater: Rater, *, now: datetime, lease: timedelta) -> Held | None:
    """Reserve one open place for the rater; None when there is none left for them.

    The row is locked as it is picked: on PostgreSQL rows that another claim has locked are passed over, on SQLite a
    writer is alone from its first statement. So two raters can never take the same place. Order: another source
    than the last clip's, clips with the fewest places taken, then the rater's own random order.
    """
    asked = {"study": study.id, "rater": rater.id, "shuffle": rater.shuffle}
    row = db.execute(_NEXT_OPEN, asked).first()
    if row is None:
        return None
    taken = Held(*row)
    taken.assignment.status = "held"
    taken.assignment.rater_id = rater.id
    taken.assignment.arm = draw_arm(study, rater.id, taken.clip.id)
    taken.assignment.claimed_at = now
    taken.assignment.lease_until = now + lease
    db.flush()
    return taken


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
    asked = {"assignment": assignment_id, "rater": rater.id}
    row = db.execute(_OWNED_LOCKED if lock else _OWNED, asked).first()
    if row is None:
        raise NotAllowed("This clip is not assigned to you.", "Go on with your own clips at /rate.")
    return Held(*row)


@dataclass(frozen=True)
class Past:
    """The rater's last answers, newest first: the assignment's number and when it was answered."""

    answers: tuple[tuple[int, datetime], ...]

    @property
    def last(self) -> int | None:
        """The assignment answered last."""
        return self.answers[0][0] if self.answers else None

    @property
    def seconds_per_clip(self) -> float | None:
        """The median gap between the last answers; None before three answers."""
        gaps = sorted((later - earlier).total_seconds() for (_, later), (_, earlier) in pairwise(self.answers))
        return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


PACE_OVER = 12
_ANSWERED = rows(col(Assignment.id), col(Assignment.answered_at)).where(
    col(Assignment.rater_id) == bindparam("rater"), col(Assignment.status).in_(("done", "surplus"))
)
_NEWEST_FIRST = (col(Assignment.answered_at).desc(), col(Assignment.id).desc())
_PAST = _ANSWERED.order_by(*_NEWEST_FIRST).limit(PACE_OVER)
_BEFORE = (
    _ANSWERED.where(
        tuple_(col(Assignment.answered_at), col(Assignment.id)) < tuple_(bindparam("at"), bindparam("assignment"))
    )
    .order_by(*_NEWEST_FIRST)
    .limit(1)
)


def past(db: Session, rater: Rater) -> Past:
    """The rater's last answers."""
    return Past(tuple((row.id, row.answered_at) for row in db.execute(_PAST, {"rater": rater.id})))


def before(db: Session, rater: Rater, assignment: Assignment) -> int | None:
    """Number of the assignment the rater answered before this one."""
    asked = {"rater": rater.id, "at": assignment.answered_at, "assignment": assignment.id}
    row = db.execute(_BEFORE, asked).first()
    return row.id if row else None


@dataclass(frozen=True)
class Counts:
    """How many clips a rater has answered, holds, and could still get; `waiting` are held by others."""

    done: int
    held: int
    free: int
    waiting: int


def _own(*statuses: str) -> ScalarSelect[int]:
    own = rows(func.count()).select_from(_mine)
    return own.where(col(_mine.rater_id) == bindparam("rater"), col(_mine.status).in_(statuses)).scalar_subquery()


def _others(status: str) -> ScalarSelect[int]:
    other = rows(func.count(func.distinct(Assignment.study_clip_id)))
    there = (col(Assignment.study_id) == bindparam("study"), col(Assignment.status) == status)
    return other.where(*there, ~_SEEN).scalar_subquery()


_COUNTS = rows(_own("done", "surplus"), _own("held"), _others("open"), _others("held"))


def counts(db: Session, study: Study, rater: Rater) -> Counts:
    """Where the rater stands in the study."""
    return Counts(*db.execute(_COUNTS, {"study": study.id, "rater": rater.id}).one())


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
