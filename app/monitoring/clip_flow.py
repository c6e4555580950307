"""Count, in SQL, how far a running study's clips have come, who is at work, who is stuck and which clips failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlmodel import Session, col

from app.models import Assignment, Rater, Study, StudyClip, is_work
from app.results.counted_answers import Kind

ANSWERED = ("done", "surplus")
PACE_OVER = 20
"""Answers of a rater from which the pace is taken."""
LONGEST_PAUSE = 300.0
"""Seconds between two answers above which the rater was away: no part of the pace."""
AT_WORK = timedelta(minutes=15)
"""Whose last answer is not older is at work."""
LONG = timedelta(hours=24)
"""Silence after which a rater with clips left is pointed out."""
MOST_STUCK = 50
_IS_SAMPLE = col(Assignment.purpose) == "sample"
_IS_ANSWERED = col(Assignment.status).in_(ANSWERED)


@dataclass(frozen=True)
class ClipCounts:
    """How many of a group's clips have come how far, and why the others have not. Every clip once per question pass.

    `drawn` = `waiting` + `shown`; `shown` = `on_screen` + `skipped` + `abandoned` + `rated`; `rated` >= `usable`.
    """

    drawn: int
    shown: int
    """Handed to at least one rater: on the screen, or loaded as the next."""
    rated: int
    usable: int
    """With at least one answer that counts: not one more than the study asked for."""
    complete: int
    """With as many answers as the study asked for."""
    on_screen: int
    skipped: int
    abandoned: int
    """Only given out to raters who went silent."""

    @property
    def waiting(self) -> int:
        """Not handed to anybody yet."""
        return self.drawn - self.shown


@dataclass(frozen=True)
class StratumFlow:
    """A stratum's clips, for one question where each has clips of its own."""

    label: str
    criterion: str
    counts: ClipCounts


@dataclass(frozen=True)
class RaterFlow:
    """One rater's work: clips answered, held, skipped, let lapse; the pace; what could still be theirs."""

    id: int
    name: str
    answered: int
    held: int
    skipped: int
    lapsed: int
    clips_left: int
    """Clips that are still open and unknown to them."""
    first_seen: datetime
    last_answer: datetime | None
    seconds_per_clip: float | None
    """Median over the last answers, pauses left out; None before there are two."""
    ended: str
    withdrawn: bool
    has_started: bool

    @property
    def minutes_left(self) -> float | None:
        """Until nothing is left for this rater, if nobody else rated meanwhile; None without a pace."""
        return None if self.seconds_per_clip is None else self.clips_left * self.seconds_per_clip / 60

    def state(self, now: datetime) -> str:
        """In a word or two: withdrawn, done, at work, away, not started."""
        if self.withdrawn:
            return "withdrawn"
        if self.ended:
            return {"completed": "done", "screened_out": "screened out", "returned": "gave it back"}.get(
                self.ended, "did not agree"
            )
        if self.last_answer is not None and now - self.last_answer <= AT_WORK:
            return "at work"
        if not self.clips_left and not self.held and self.answered:
            return "done"
        return "away" if self.has_started else "not started"


@dataclass(frozen=True)
class StuckRater:
    """A clip held past its time, or a rater without an answer for long."""

    rater: str
    clip: str
    """The clip they hold; empty when they hold none past its time."""
    since: datetime


@dataclass(frozen=True)
class RemainingWork:
    """The work that is left: places free or held, minutes of one person at the usual pace, and of those at work."""

    places: int
    minutes: float | None
    at_work: int

    @property
    def minutes_together(self) -> float | None:
        """Minutes until everything is answered if the raters at work now continue; None if nobody is at work."""
        return None if self.minutes is None or not self.at_work else self.minutes / self.at_work


def total(strata: Iterable[StratumFlow]) -> ClipCounts:
    """All strata together."""
    parts = [one.counts for one in strata]
    return ClipCounts(**{name: sum(getattr(part, name) for part in parts) for name in ClipCounts.__dataclass_fields__})


def by_stratum(db: Session, study: Study, *, kind: Kind) -> list[StratumFlow]:
    """Each stratum's flow, in the order of the design."""

    def any_of(*statuses: str) -> ColumnElement[int]:
        return func.max(case((col(Assignment.status).in_(statuses), 1), else_=0))

    clips = (
        select(
            col(Assignment.study_clip_id).label("clip"),
            any_of("held").label("held"),
            any_of("skipped").label("skipped"),
            any_of(*ANSWERED).label("rated"),
            func.sum(case((col(Assignment.status) == "done", 1), else_=0)).label("done"),
        )
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, _IS_SAMPLE, col(Rater.kind) == kind)
        .group_by(col(Assignment.study_clip_id))
        .subquery()
    )
    unrated = clips.c.rated == 0

    def clips_where(*those: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*those), 1), else_=0)), 0)

    query = (
        select(
            col(StudyClip.stratum),
            col(StudyClip.criterion),
            func.count(),
            func.count(clips.c.clip),
            clips_where(clips.c.rated == 1),
            clips_where(clips.c.done > 0),
            clips_where(clips.c.done >= study.raters_per_clip),
            clips_where(unrated, clips.c.held == 1),
            clips_where(unrated, clips.c.held == 0, clips.c.skipped == 1),
            clips_where(unrated, clips.c.held == 0, clips.c.skipped == 0),
        )
        .join(clips, clips.c.clip == col(StudyClip.id), isouter=True)
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.stratum), col(StudyClip.criterion))
    )
    designed = [(row["label"], row.get("criterion", "")) for row in study.design.get("strata", [])]
    order = {key: number for number, key in enumerate(designed)}
    found = [StratumFlow(row[0], row[1], ClipCounts(*(int(number) for number in row[2:]))) for row in db.execute(query)]
    return sorted(found, key=lambda one: (order.get((one.label, one.criterion), len(order)), one.label, one.criterion))


def by_rater(db: Session, study: Study, *, kind: Kind) -> list[RaterFlow]:
    """Everybody's work; who answered last comes first."""

    def number(*statuses: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((col(Assignment.status).in_(statuses), 1), else_=0)), 0)

    work = and_(col(Assignment.rater_id) == col(Rater.id), is_work())
    last = func.max(col(Assignment.answered_at))
    query = (
        select(Rater, number(*ANSWERED), number("held"), number("skipped"), number("expired"), last)
        .join(Assignment, work, isouter=True)
        .where(col(Rater.study_id) == study.id, col(Rater.kind) == kind)
        .group_by(col(Rater.id))
        .order_by(last.desc().nulls_last(), col(Rater.id))
    )
    open_clips, known, pace = _open_clips(db, study), _open_known(db, study), _pace(db, study)
    quota = study.rules.get("recruitment", {}).get("clips_per_rater")
    found = []
    for rater, answered, held, skipped, lapsed, latest in db.execute(query):
        over = rater.revoked_at is not None or bool(rater.ended)
        free = 0 if over else max(0, open_clips - known.get(rater.id, 0))
        found.append(
            RaterFlow(
                id=rater.id,
                name=rater.name,
                answered=int(answered),
                held=int(held),
                skipped=int(skipped),
                lapsed=int(lapsed),
                clips_left=free if not quota else min(free, max(0, quota - answered - held)),
                first_seen=rater.created_at,
                last_answer=latest,
                seconds_per_clip=pace.get(rater.id),
                ended=rater.ended,
                withdrawn=rater.revoked_at is not None,
                has_started=rater.guidelines_hash is not None,
            )
        )
    return found


def _open_clips(db: Session, study: Study) -> int:
    query = select(func.count(func.distinct(col(Assignment.study_clip_id))))
    return int(db.execute(query.where(*_open(study))).scalar_one())


def _open(study: Study) -> tuple[ColumnElement[bool], ...]:
    return col(Assignment.study_id) == study.id, col(Assignment.status) == "open"


def _open_known(db: Session, study: Study) -> dict[int, int]:
    """How many of the open clips each rater has seen already."""
    open_clips = select(col(Assignment.study_clip_id).label("clip")).where(*_open(study)).distinct().subquery()
    query = (
        select(col(Assignment.rater_id), func.count(func.distinct(col(Assignment.study_clip_id))))
        .join(open_clips, open_clips.c.clip == col(Assignment.study_clip_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.rater_id).is_not(None))
        .group_by(col(Assignment.rater_id))
    )
    return {rater: int(number) for rater, number in db.execute(query)}


def _pace(db: Session, study: Study) -> dict[int, float]:
    """Seconds per clip: the median gap between a rater's last answers, pauses left out."""
    newest = func.row_number().over(partition_by=col(Assignment.rater_id), order_by=col(Assignment.answered_at).desc())
    ranked = (
        select(col(Assignment.rater_id).label("rater"), col(Assignment.answered_at).label("at"), newest.label("nth"))
        .where(col(Assignment.study_id) == study.id, _IS_ANSWERED, col(Assignment.answered_at).is_not(None))
        .where(is_work(), col(Assignment.rater_id).is_not(None))
        .subquery()
    )
    query = (
        select(ranked.c.rater, ranked.c.at).where(ranked.c.nth <= PACE_OVER + 1).order_by(ranked.c.rater, ranked.c.nth)
    )
    times: dict[int, list[datetime]] = {}
    for rater, at in db.execute(query):
        times.setdefault(rater, []).append(at)
    gaps = {
        rater: [
            gap
            for later, earlier in pairwise(listed)
            if 0 < (gap := (later - earlier).total_seconds()) <= LONGEST_PAUSE
        ]
        for rater, listed in times.items()
    }
    return {rater: median(found) for rater, found in gaps.items() if found}


def remaining(db: Session, study: Study, raters: list[RaterFlow], *, now: datetime) -> RemainingWork:
    """What is left of the study, at the usual pace of its raters."""
    query = select(func.count()).where(
        col(Assignment.study_id) == study.id, _IS_SAMPLE, col(Assignment.status).in_(("open", "held"))
    )
    places = int(db.execute(query).scalar_one())
    paces = [one.seconds_per_clip for one in raters if one.seconds_per_clip is not None]
    minutes = places * median(paces) / 60 if paces else None
    return RemainingWork(places, minutes, sum(one.state(now) == "at work" for one in raters))


def overdue(db: Session, study: Study, *, kind: Kind, now: datetime) -> list[StuckRater]:
    """Clips held past their time, the longest first: they are given to others when somebody asks for a clip."""
    query = (
        select(col(Rater.name), col(StudyClip.clip), col(Assignment.lease_until))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.status) == "held", col(Rater.kind) == kind)
        .where(col(Assignment.lease_until) < now)
        .order_by(col(Assignment.lease_until))
        .limit(MOST_STUCK)
    )
    return [StuckRater(*row) for row in db.execute(query)]


def silent(raters: list[RaterFlow], *, now: datetime) -> list[StuckRater]:
    """Raters who began, still have clips left, and have given no answer for long; the longest silent first."""
    found = [
        StuckRater(one.name, "", one.last_answer or one.first_seen)
        for one in raters
        if one.has_started and one.state(now) == "away" and now - (one.last_answer or one.first_seen) > LONG
    ]
    return sorted(found, key=lambda one: one.since)[:MOST_STUCK]
