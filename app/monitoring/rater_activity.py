"""Read who is rating now, at which pace, how much work is left, and who is stuck, for the progress page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlmodel import Session, col

from app.models import Assignment, Rater, Study, StudyClip, is_work
from app.monitoring.clip_flow import ANSWERED
from app.results.counted_answers import RaterKind

PACE_OVER = 20
"""The pace is computed over this many of a rater's last answers."""
LONGEST_PAUSE = 300.0
"""A longer time between two answers, in seconds, is a break and does not enter the pace."""
AT_WORK = timedelta(minutes=15)
"""A rater is at work if the last answer is not older."""
SILENT_AFTER = timedelta(hours=24)
"""A rater with clips left who gives no answer for longer than this is reported."""
MAX_STUCK = 50


@dataclass(frozen=True)
class RaterActivity:
    """One rater's clips answered, held, skipped and timed out; the pace; the clips that are left for the rater."""

    id: int
    name: str
    answered: int
    held: int
    skipped: int
    timed_out: int
    clips_left: int
    """Clips that are still open and that the rater has not been given before."""
    first_seen: datetime
    last_answer: datetime | None
    seconds_per_clip: float | None
    """The median time between the last answers, without breaks; None before there are two."""
    ended: str
    withdrawn: bool
    has_started: bool

    @property
    def minutes_left(self) -> float | None:
        """Minutes until this rater has rated all clips left, if nobody else rates meanwhile; None without a pace."""
        return None if self.seconds_per_clip is None else self.clips_left * self.seconds_per_clip / 60

    def state(self, now: datetime) -> str:
        """Return the rater's state in a few words: withdrawn, done, at work, away, not started, ..."""
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
    """A rater who holds a clip longer than its lease, or who has given no answer for long."""

    rater: str
    clip: str
    """The clip held; empty for a rater who has given no answer for long."""
    since: datetime


@dataclass(frozen=True)
class RemainingWork:
    """The work that is left in a study."""

    places: int
    """Assignments without an answer, open or held."""
    minutes: float | None
    """Minutes for one person at the usual pace; None if no pace is known."""
    at_work: int
    """Raters who are at work now."""

    @property
    def minutes_together(self) -> float | None:
        """Minutes until everything is answered if the raters at work now continue; None if nobody is at work."""
        return None if self.minutes is None or not self.at_work else self.minutes / self.at_work


def by_rater(db: Session, study: Study, *, kind: RaterKind) -> list[RaterActivity]:
    """Return all raters' activity, the rater who answered last first."""

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
    open_clips, known, paces = _open_clips(db, study), _known_open_clips(db, study), _paces(db, study)
    quota = study.rules.get("recruitment", {}).get("clips_per_rater")
    found = []
    for rater, answered, held, skipped, timed_out, last_answer in db.execute(query):
        has_ended = rater.revoked_at is not None or bool(rater.ended)
        left = 0 if has_ended else max(0, open_clips - known.get(rater.id, 0))
        found.append(
            RaterActivity(
                id=rater.id,
                name=rater.name,
                answered=int(answered),
                held=int(held),
                skipped=int(skipped),
                timed_out=int(timed_out),
                clips_left=left if not quota else min(left, max(0, quota - answered - held)),
                first_seen=rater.created_at,
                last_answer=last_answer,
                seconds_per_clip=paces.get(rater.id),
                ended=rater.ended,
                withdrawn=rater.revoked_at is not None,
                has_started=rater.guidelines_hash is not None,
            )
        )
    return found


def _open_clips(db: Session, study: Study) -> int:
    query = select(func.count(func.distinct(col(Assignment.study_clip_id))))
    return int(db.execute(query.where(*_is_open(study))).scalar_one())


def _is_open(study: Study) -> tuple[ColumnElement[bool], ...]:
    return col(Assignment.study_id) == study.id, col(Assignment.status) == "open"


def _known_open_clips(db: Session, study: Study) -> dict[int, int]:
    """Return how many of the open clips each rater has been given before, by the rater's number."""
    open_clips = select(col(Assignment.study_clip_id).label("clip")).where(*_is_open(study)).distinct().subquery()
    query = (
        select(col(Assignment.rater_id), func.count(func.distinct(col(Assignment.study_clip_id))))
        .join(open_clips, open_clips.c.clip == col(Assignment.study_clip_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.rater_id).is_not(None))
        .group_by(col(Assignment.rater_id))
    )
    return {rater: int(number) for rater, number in db.execute(query)}


def _paces(db: Session, study: Study) -> dict[int, float]:
    """Return each rater's seconds per clip: the median time between the last answers, without breaks."""
    newest = func.row_number().over(partition_by=col(Assignment.rater_id), order_by=col(Assignment.answered_at).desc())
    ranked = (
        select(col(Assignment.rater_id).label("rater"), col(Assignment.answered_at).label("at"), newest.label("nth"))
        .where(col(Assignment.study_id) == study.id, col(Assignment.status).in_(ANSWERED))
        .where(is_work(), col(Assignment.rater_id).is_not(None), col(Assignment.answered_at).is_not(None))
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
            for later, earlier in pairwise(newest_first)
            if 0 < (gap := (later - earlier).total_seconds()) <= LONGEST_PAUSE
        ]
        for rater, newest_first in times.items()
    }
    return {rater: median(found) for rater, found in gaps.items() if found}


def remaining(db: Session, study: Study, raters: Sequence[RaterActivity], *, now: datetime) -> RemainingWork:
    """Return the work that is left, at the median pace of the raters."""
    query = select(func.count()).where(
        col(Assignment.study_id) == study.id,
        col(Assignment.purpose) == "sample",
        col(Assignment.status).in_(("open", "held")),
    )
    places = int(db.execute(query).scalar_one())
    paces = [rater.seconds_per_clip for rater in raters if rater.seconds_per_clip is not None]
    minutes = places * median(paces) / 60 if paces else None
    return RemainingWork(places, minutes, sum(rater.state(now) == "at work" for rater in raters))


def overdue(db: Session, study: Study, *, kind: RaterKind, now: datetime) -> list[StuckRater]:
    """Return the raters who hold a clip longer than its lease, the longest first.

    Such a clip is given to the next rater who asks for one. At most `MAX_STUCK` raters are returned.
    """
    query = (
        select(col(Rater.name), col(StudyClip.clip), col(Assignment.lease_until))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.status) == "held", col(Rater.kind) == kind)
        .where(col(Assignment.lease_until) < now)
        .order_by(col(Assignment.lease_until))
        .limit(MAX_STUCK)
    )
    return [StuckRater(*row) for row in db.execute(query)]


def silent(raters: Sequence[RaterActivity], *, now: datetime) -> list[StuckRater]:
    """Return the raters with clips left who have given no answer for longer than `SILENT_AFTER`, the longest first.

    At most `MAX_STUCK` raters are returned.
    """
    found = [
        StuckRater(rater.name, "", rater.last_answer or rater.first_seen)
        for rater in raters
        if rater.has_started
        and rater.state(now) == "away"
        and now - (rater.last_answer or rater.first_seen) > SILENT_AFTER
    ]
    return sorted(found, key=lambda stuck: stuck.since)[:MAX_STUCK]
