"""Who rates what next: places on clips, handed out one at a time, never more than the study asked for."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, Update, bindparam, case, func, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.errors import NotAllowed
from app.models import Assignment, Criterion, Event, Rater, RaterRecord, Study, StudyClip, is_work, shuffled_order
from app.rating import inserted_clips, schedule
from app.rating.inserted_clips import LAST_SOURCE, SEEN
from app.studies import rules as study_rules
from app.studies.rules import Rules

HELD_AHEAD = 3
"""The clip on screen and the two that the browser loads meanwhile."""


@dataclass(slots=True)
class Place:
    """An assignment as this module reads it; `_change` keeps it in step with its row."""

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
class Shown:
    """What a rater's page needs of a clip."""

    id: int
    position: int
    criterion: str
    media_key: str
    scores: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment with its clip."""

    assignment: Place
    clip: Shown


# The hot path reads plain rows, not entities, and its statements are built once: both were measured, entities and
# building statements anew cost more than the database does.
_TABLE = Assignment.__table__  # type: ignore[attr-defined]  # every table model has one
_CLIP_TABLE = StudyClip.__table__  # type: ignore[attr-defined]
_PLACE = [field.name for field in fields(Place)]
_COLUMNS = [*(_TABLE.c[name] for name in _PLACE), *(_CLIP_TABLE.c[field.name] for field in fields(Shown))]
_mine = aliased(Assignment)
# As a list made once, not a search per open place: half the time of a claim.
_SEEN = col(Assignment.study_clip_id).in_(SEEN)
_IS_WORK = is_work()
_WITH_CLIP = select(*_COLUMNS).join_from(_TABLE, _CLIP_TABLE, _CLIP_TABLE.c.id == _TABLE.c.study_clip_id)
# Locked, because whoever gives expired places away must wait until this rater's answer is in.
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


def held(db: Session, rater: RaterRecord) -> list[Held]:
    """What the rater has before them, the clip on screen first."""
    return [_held(row) for row in db.connection().execute(_HELD, {"rater": rater.id})]


def top_up(
    db: Session, study: Study, rater: RaterRecord, have: list[Held], *, now: datetime, lease: timedelta
) -> list[Held]:
    """Reserve clips until the rater holds the one to rate and those to load, as far as there are any.

    `have` is what they hold now. Calling it again changes nothing but the lease: a reload shows the same clip. The
    caller has locked the rater's row, so that two tabs of one rater wait for each other.
    """
    have = list(have)
    rules = study_rules.rules_of(study)
    if rules.sessions.stabilisers and have:
        _do_not_count(db, study, rules, rater, have, now=now)
    for one in have:
        if one.assignment.lease_until is None or one.assignment.lease_until < now + lease / 2:
            _change(db, one.assignment, lease_until=now + lease)
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


def claim(db: Session, study: Study, rater: RaterRecord, *, now: datetime, lease: timedelta) -> Held | None:
    """Reserve one open place for the rater; None when there is none left for them.

    The row is locked as it is picked: on PostgreSQL rows that another claim has locked are passed over, on SQLite a
    writer is alone from its first statement. So two raters can never take the same place. Order: another source
    than the last clip's, clips with the fewest places taken, blocks (each has its share of every stratum), then the
    rater's own random order. Where the rules ask for something else than the sample now, the rater gets that.
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


def _next_open(db: Session, study: Study, rules: Rules, rater: RaterRecord) -> Held | None:
    """The open place that is this rater's next one, in one pass per criterion where the study says so."""
    asked = {"study": study.id, "rater": rater.id, "shuffle": rater.shuffle}
    if rules.presentation == "together":
        return _first(db, (_NEXT_LOWEST, _NEXT_OPEN), asked)
    criteria = db.execute(
        select(col(Criterion.key)).where(col(Criterion.study_id) == study.id).order_by(col(Criterion.position))
    ).scalars()
    for criterion in schedule.passes(list(criteria), rater.id):
        found = _first(db, _PASSES, {**asked, "criterion": criterion})
        if found is not None:
            return found
    return None


def _first(db: Session, queries: Sequence[Select[Any]], asked: dict[str, Any]) -> Held | None:
    for query in queries:
        row = db.connection().execute(query, asked).first()
        if row is not None:
            return _held(row)
    return None


def _as_due(db: Session, study: Study, rules: Rules, rater: RaterRecord, taken: Held, *, now: datetime) -> Held:
    """The place as it is, or, where something else is due, its row turned into that and the place opened anew.

    So a special assignment's number, which the rater sees in the address, is one like any other.
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
    db: Session, study: Study, rules: Rules, rater: RaterRecord, have: list[Held], *, now: datetime
) -> None:
    """Clips reserved before a long silence are the first of a new sitting: stabilisers, their places free again.

    All that is held counts as taken now, in its order, so that what follows knows how many are of this sitting.
    """
    if not inserted_clips.is_new_sitting(db, rules, rater, now=now):
        return
    for number, one in enumerate(have):
        _change(db, one.assignment, claimed_at=now + timedelta(microseconds=number))
    for one in [one for one in have if one.assignment.purpose == "sample"][: rules.sessions.stabilisers]:
        _reopen(db, study, one.assignment.study_clip_id, one.assignment.place)
        _change(db, one.assignment, purpose="stabiliser", place=-1)


def renew(db: Session, rater: RaterRecord, assignment_id: int, *, now: datetime, lease: timedelta) -> bool:
    """Prolong the rater's leases while a clip plays; False when that clip is not reserved for them any more."""
    renewed = db.execute(
        update(Assignment)
        .where(col(Assignment.rater_id) == rater.id, col(Assignment.status) == "held")
        .values(lease_until=now + lease)
        .returning(col(Assignment.id))
    ).scalars()
    return assignment_id in set(renewed)


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


def skip(db: Session, study: Study, assignment: Place, *, reason: str, facts: Mapping[str, Any] | None = None) -> None:
    """Free the place for somebody else and remember why, with what the player reported; twice is harmless."""
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


def settle(db: Session, assignment: Place, *, now: datetime) -> None:
    """Mark an assignment answered. An answer that comes after its lease ended takes a place that is still open,
    or stays as surplus: it is never thrown away and never pushes a clip over its number of raters.
    """
    status = assignment.status
    if status == "held" or (status in ("expired", "skipped") and assignment.purpose != "sample"):
        status = "done"
    elif status in ("expired", "skipped"):
        free = db.execute(
            update(Assignment)
            .where(col(Assignment.id) == _open_place(assignment.study_clip_id), col(Assignment.status) == "open")
            .values(status="expired")
            .returning(col(Assignment.id))
        ).first()
        status = "surplus" if free is None else "done"
    _change(db, assignment, status=status, answered_at=assignment.answered_at or now)


def owned(db: Session, rater: RaterRecord, assignment_id: int, among: Sequence[Held] = ()) -> Held:
    """The rater's own assignment, or a refusal; looked for `among` those already read, then in the database."""
    for one in among:
        if one.assignment.id == assignment_id:
            return one
    row = db.connection().execute(_OWNED, {"assignment": assignment_id, "rater": rater.id}).first()
    if row is None:
        raise NotAllowed("This clip is not assigned to you.", "Go on with your own clips at /rate.")
    return _held(row)


def _held(row: Row[Any]) -> Held:
    return Held(Place(*row[: len(_PLACE)]), Shown(*row[len(_PLACE) :]))


@cache
def _setting(names: tuple[str, ...]) -> Update:
    """The statement that writes these columns of one assignment."""
    return update(_TABLE).where(_TABLE.c.id == bindparam("which")).values({name: bindparam(name) for name in names})


def _change(db: Session, assignment: Place, **values: Any) -> None:
    """Write some columns of one row, here and now."""
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
