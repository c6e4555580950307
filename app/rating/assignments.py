"""Assign clips to raters one at a time, and never to more raters than the study asks for."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, Update, bindparam, case, func, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.errors import NotAllowed
from app.models import Assignment, Criterion, Event, Rater, RaterRecord, Study, StudyClip, is_work
from app.rating import inserted_clips
from app.rating.inserted_clips import LAST_SOURCE, SEEN
from app.rating.rater_order import shuffled_order
from app.studies import rules as study_rules
from app.studies.rules import Rules

HELD_AHEAD = 3
"""Clips that a rater holds at once: the one on screen, and two that the browser loads in the meantime."""

MOST_LEASES = 2
"""Leases from now within which every lease ends, also if the clocks of several servers differ a little."""


@dataclass(slots=True)
class AssignmentRow:
    """The columns of an assignment that this module reads. `_change` updates the copy and the row together."""

    id: int
    study_id: int
    study_clip_id: int
    place: int
    status: str
    rater_id: int | None
    arm: str | None
    lease_until: datetime | None
    answered_at: datetime | None
    purpose: str
    occasion: int


@dataclass(frozen=True, slots=True)
class ClipView:
    """What the rating page needs to know about a clip."""

    id: int
    position: int
    criterion: str
    media_key: str
    scores: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeldAssignment:
    """An assignment that a rater holds, with its clip."""

    assignment: AssignmentRow
    clip: ClipView


# The hot path reads plain rows, not entities, and its statements are built once: both were measured, entities and
# building statements anew cost more than the database does.
_TABLE = Assignment.__table__  # type: ignore[attr-defined]  # every table model has one
_CLIP_TABLE = StudyClip.__table__  # type: ignore[attr-defined]
_PLACE = [field.name for field in fields(AssignmentRow)]
_COLUMNS = [*(_TABLE.c[name] for name in _PLACE), *(_CLIP_TABLE.c[field.name] for field in fields(ClipView))]
_mine = aliased(Assignment)
# As a list made once, not a search per open place: half the time of a claim.
_SEEN = col(Assignment.study_clip_id).in_(SEEN)
_IS_WORK = is_work()
_WITH_CLIP = select(*_COLUMNS).join_from(_TABLE, _CLIP_TABLE, _CLIP_TABLE.c.id == _TABLE.c.study_clip_id)
# Locked: a request that ends expired leases must wait until this rater's answer is stored.
_HELD = (
    _WITH_CLIP.where(col(Assignment.rater_id) == bindparam("rater"), col(Assignment.status) == "held", _IS_WORK)
    .order_by(col(Assignment.claimed_at), col(Assignment.id))
    .with_for_update(of=Assignment)
)
_BY_NUMBER = _WITH_CLIP.where(col(Assignment.id) == bindparam("assignment"))
_OWNED = _WITH_CLIP.where(col(Assignment.id) == bindparam("assignment"), col(Assignment.rater_id) == bindparam("rater"))
_NEXT_OPEN = (
    _WITH_CLIP.where(col(Assignment.study_id) == bindparam("study"), col(Assignment.status) == "open", ~_SEEN)
    .order_by(
        case((col(StudyClip.source) == LAST_SOURCE, 1), else_=0),
        col(Assignment.place),
        col(StudyClip.block),
        shuffled_order(bindparam("shuffle")),
    )
    .limit(1)
    .with_for_update(skip_locked=True, of=Assignment)
)
_others = aliased(Assignment)
_LOWEST = select(func.min(col(_others.place))).where(
    col(_others.study_id) == bindparam("study"), col(_others.status) == "open"
)
# The usual answer is among the places that come first: to look at these alone is three times as quick, and in a large
# study that is most of a claim.
_NEXT_LOWEST = _NEXT_OPEN.where(
    col(Assignment.place) == _LOWEST.scalar_subquery(), col(StudyClip.source).is_distinct_from(LAST_SOURCE)
)
_PASSES = tuple(query.where(col(StudyClip.criterion) == bindparam("criterion")) for query in (_NEXT_LOWEST, _NEXT_OPEN))


def held(db: Session, rater: RaterRecord) -> list[HeldAssignment]:
    """The assignments that the rater holds, the one on screen first."""
    return [_held(row) for row in db.connection().execute(_HELD, {"rater": rater.id})]


def top_up(
    db: Session, study: Study, rater: RaterRecord, have: list[HeldAssignment], *, now: datetime, lease: timedelta
) -> list[HeldAssignment]:
    """Reserve clips until the rater holds `HELD_AHEAD` of them, or until none is left.

    `have` is what the rater holds now. A second call only extends the leases, so a reload shows the same clip. The
    caller must have locked the rater's row, so that two tabs of one rater wait for each other.
    """
    have = list(have)
    rules = study_rules.rules_of(study)
    if rules.sessions.stabilisers and have:
        _do_not_count(db, study, rules, rater, have, now=now)
    for one in have:
        until = one.assignment.lease_until
        if until is None or not now + lease / 2 <= until <= now + MOST_LEASES * lease:
            _change(db, one.assignment, lease_until=now + lease)
    while len(have) < HELD_AHEAD:
        # A microsecond apart, so that the order in which they were taken is the order in which they are shown.
        moment = now + timedelta(microseconds=len(have))
        taken = claim(db, study, rater, now=moment, lease=lease)
        if taken is None and expire(db, study, now=now, lease=lease):
            taken = claim(db, study, rater, now=moment, lease=lease)
        if taken is None:
            break
        have.append(taken)
    return have


def claim(db: Session, study: Study, rater: RaterRecord, *, now: datetime, lease: timedelta) -> HeldAssignment | None:
    """Reserve one open place for the rater; None if there is none left for this rater.

    Two raters can never take the same place: PostgreSQL locks the row as it is selected and skips rows that another
    claim has locked, and SQLite has one writer at a time. Clips come in this order: a source other than the last
    clip's, the fewest places taken, the block (each holds its share of every stratum), the rater's own random order.
    If a gold or attention clip, a repeat or a stabiliser is due, the rater gets that instead.
    """
    rules = study_rules.rules_of(study)
    if rules.recruitment.clips_per_rater and _worked(db, rater) >= rules.recruitment.clips_per_rater:
        return None
    taken = _next_open(db, study, rules, rater)
    if taken is None:
        return None
    if study.rules:
        taken = _as_due(db, study, rules, rater, taken, now=now)
        db.execute(update(Rater).where(col(Rater.id) == rater.id).values(taken=col(Rater.taken) + 1))
    _change(
        db,
        taken.assignment,
        status="held",
        rater_id=rater.id,
        arm=draw_arm(study, rater.id, taken.clip.id),
        claimed_at=now,
        lease_until=now + lease,
    )
    return taken


def _worked(db: Session, rater: RaterRecord) -> int:
    query = select(func.count()).where(
        col(Assignment.rater_id) == rater.id, col(Assignment.status).in_(("done", "surplus", "held")), _IS_WORK
    )
    return int(db.execute(query).scalar_one())


def _next_open(db: Session, study: Study, rules: Rules, rater: RaterRecord) -> HeldAssignment | None:
    """The rater's next open place; if the study asks its criteria in separate passes, in the current pass."""
    asked = {"study": study.id, "rater": rater.id, "shuffle": rater.shuffle}
    if rules.presentation == "together":
        return _first(db, (_NEXT_LOWEST, _NEXT_OPEN), asked)
    criteria = db.execute(
        select(col(Criterion.key)).where(col(Criterion.study_id) == study.id).order_by(col(Criterion.position))
    ).scalars()
    for criterion in passes(list(criteria), rater.id):
        found = _first(db, _PASSES, {**asked, "criterion": criterion})
        if found is not None:
            return found
    return None


def passes(criteria: list[str], rater: int) -> list[str]:
    """The criteria in this rater's order. Every criterion comes first for the same share of raters.

    >>> passes(["quality", "verdict"], 7)
    ['verdict', 'quality']
    """
    start = rater % len(criteria)
    return criteria[start:] + criteria[:start]


def _first(db: Session, queries: Sequence[Select[Any]], asked: dict[str, Any]) -> HeldAssignment | None:
    for query in queries:
        row = db.connection().execute(query, asked).first()
        if row is not None:
            return _held(row)
    return None


def _as_due(
    db: Session, study: Study, rules: Rules, rater: RaterRecord, taken: HeldAssignment, *, now: datetime
) -> HeldAssignment:
    """The place itself, or the inserted clip that is due: the row is changed into it and the place is opened again.

    The rater sees an assignment's number in the address, so an inserted clip must have a number like any other.
    """
    purpose = inserted_clips.purpose(db, rules, rater, now=now)
    if purpose == "sample":
        return taken
    place, clip = taken.assignment.place, taken.clip
    if purpose == "stabiliser":
        _change(db, taken.assignment, purpose=purpose, place=-1)
        _reopen(db, study, clip.id, place)
        return taken
    found = inserted_clips.pick(db, study, rules, rater, purpose, criterion=clip.criterion)
    if found is None:
        return taken
    number, occasion = found
    _change(db, taken.assignment, purpose=purpose, place=-1, study_clip_id=number, occasion=occasion)
    _reopen(db, study, clip.id, place)
    return _held(db.connection().execute(_BY_NUMBER, {"assignment": taken.assignment.id}).one())


def _do_not_count(
    db: Session, study: Study, rules: Rules, rater: RaterRecord, have: list[HeldAssignment], *, now: datetime
) -> None:
    """After a long break, turn the first clips that the rater still holds into stabilisers and reopen their places.

    Every held clip counts as taken now, in order, so that later calls know how many belong to this sitting.
    """
    if not inserted_clips.is_new_sitting(db, rules, rater, now=now):
        return
    for number, one in enumerate(have):
        _change(db, one.assignment, claimed_at=now + timedelta(microseconds=number))
    for one in [one for one in have if one.assignment.purpose == "sample"][: rules.sessions.stabilisers]:
        _reopen(db, study, one.assignment.study_clip_id, one.assignment.place)
        _change(db, one.assignment, purpose="stabiliser", place=-1)


def renew(db: Session, rater: RaterRecord, assignment_id: int, *, now: datetime, lease: timedelta) -> bool:
    """Extend the rater's leases while a clip plays. False if that clip is no longer reserved for this rater."""
    renewed = db.execute(
        update(Assignment)
        .where(col(Assignment.rater_id) == rater.id, col(Assignment.status) == "held")
        .values(lease_until=now + lease)
        .returning(col(Assignment.id))
    ).scalars()
    return assignment_id in set(renewed)


def draw_arm(study: Study, rater_id: int, study_clip_id: int) -> str:
    """The arm of an assignment: as the study says, or, if it is randomised, drawn with a seed of the study's own."""
    if study.score_visibility != "randomised":
        return study.score_visibility
    coin = random.Random(f"{study.seed}:{rater_id}:{study_clip_id}")  # noqa: S311 - a design, not a secret
    return coin.choice(("shown", "hidden"))


def expire(db: Session, study: Study, *, now: datetime, lease: timedelta) -> int:
    """End the leases that have run out and return their number. A new place opens for each; the old row stays.

    A lease that ends more than `MOST_LEASES` from now was given by a clock that was ahead. It ends too: its rater may
    have left.
    """
    gone = db.execute(
        update(Assignment)
        .where(
            col(Assignment.study_id) == study.id,
            col(Assignment.status) == "held",
            or_(col(Assignment.lease_until) < now, col(Assignment.lease_until) > now + MOST_LEASES * lease),
            _IS_WORK,
        )
        .values(status="expired")
        .returning(
            col(Assignment.id),
            col(Assignment.rater_id),
            col(Assignment.study_clip_id),
            col(Assignment.place),
            col(Assignment.purpose),
        )
    ).all()
    for row in gone:
        if row.purpose == "sample":
            _reopen(db, study, row.study_clip_id, row.place)
        db.add(Event(study_id=study.id, kind="expired", rater_id=row.rater_id, assignment_id=row.id))
    db.flush()
    return len(gone)


def skip(
    db: Session, study: Study, assignment: AssignmentRow, *, reason: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Release a clip for another rater, with the reason and the playback facts. A second call changes nothing."""
    if assignment.status != "held":
        return
    _change(db, assignment, status="skipped")
    if assignment.purpose == "sample":
        _reopen(db, study, assignment.study_clip_id, assignment.place)
    db.add(
        Event(
            study_id=study.id,
            kind="skipped",
            rater_id=assignment.rater_id,
            assignment_id=assignment.id,
            detail={"reason": reason, **({"facts": dict(facts)} if facts else {})},
        )
    )


def settle(db: Session, assignment: AssignmentRow, *, now: datetime, final: bool = False) -> None:
    """Mark an assignment as answered.

    An answer that arrives after its lease has ended takes an open place of the clip if there is one. Otherwise it is
    stored as surplus: no answer is discarded, and no clip gets more raters than the study asks for. If the study's
    answers are `final`, every answer after its lease is surplus, so that published figures stay as they are.
    """
    status = assignment.status
    if (
        final
        and status != "done"
        and not (status == "held" and assignment.lease_until and now <= assignment.lease_until)
    ):
        status = "surplus"
    elif status == "held" or (status in ("expired", "skipped") and assignment.purpose != "sample"):
        status = "done"
    elif status in ("expired", "skipped"):
        free = db.execute(
            update(Assignment)
            .where(col(Assignment.id) == _open_place(assignment.study_clip_id), col(Assignment.status) == "open")
            .values(status="expired")
            .returning(col(Assignment.place))
        ).first()
        status = "surplus" if free is None else "done"
        if free is not None:
            _change(db, assignment, place=free.place)
    _change(db, assignment, status=status, answered_at=assignment.answered_at or now)


def owned(db: Session, rater: RaterRecord, assignment_id: int, among: Sequence[HeldAssignment] = ()) -> HeldAssignment:
    """The rater's assignment of this number, from `among` or the database. Raises NotAllowed if it is another's."""
    for one in among:
        if one.assignment.id == assignment_id:
            return one
    row = db.connection().execute(_OWNED, {"assignment": assignment_id, "rater": rater.id}).first()
    if row is None:
        raise NotAllowed("This clip is not assigned to you.", "Continue with your own clips at /rate.")
    return _held(row)


def _held(row: Row[Any]) -> HeldAssignment:
    return HeldAssignment(AssignmentRow(*row[: len(_PLACE)]), ClipView(*row[len(_PLACE) :]))


@cache
def _setting(names: tuple[str, ...]) -> Update:
    """The statement that writes these columns of one assignment."""
    return update(_TABLE).where(_TABLE.c.id == bindparam("which")).values({name: bindparam(name) for name in names})


def _change(db: Session, assignment: AssignmentRow, **values: Any) -> None:
    """Write some columns of one assignment immediately."""
    db.connection().execute(_setting(tuple(values)), {"which": assignment.id, **values})
    for name, value in values.items():
        if name != "claimed_at":
            setattr(assignment, name, value)


def _reopen(db: Session, study: Study, study_clip_id: int, place: int) -> None:
    db.add(Assignment(study_id=study.id, study_clip_id=study_clip_id, place=place))


def _open_place(study_clip_id: int) -> object:
    return (
        select(col(Assignment.id))
        .where(col(Assignment.study_clip_id) == study_clip_id, col(Assignment.status) == "open")
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
