"""The rating room: which clip, which questions, and which scores this rater may see now."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.errors import AppError
from app.filters.threshold_text import passes, short_number, threshold_text
from app.markdown import markdown
from app.models import Assignment, Criterion, Filter, Judgment, RaterRecord, is_work
from app.rating import assignments, completion, judgments, questions, rater_position
from app.rating.assignments import Held
from app.rating.rater_position import Standing
from app.rating.room_view import Ended, PastAnswer, Progress, Reveal, Room, ScoreView
from app.rating.timeline import curve
from app.studies import media, scales
from app.studies.documents import RubricView
from app.studies.whole_study import StudyParts

SEEN_TO_END = 0.98
"""Share of a clip that counts as seen to its end: players stop a frame or two early."""
LISTED = 20
"""Answers in a rater's own list."""


def criteria_of(whole: StudyParts, held: Held) -> list[Criterion]:
    """The questions asked about this clip: all, or the one it was drawn for."""
    return [item for item in whole.criteria if held.clip.criterion in ("", item.key)]


def rubrics_of(whole: StudyParts, held: Held) -> tuple[RubricView, ...]:
    """The rubrics of the questions asked about this clip."""
    if not held.clip.criterion:
        return whole.rubrics
    return tuple(one for one in whole.rubrics if one.key == held.clip.criterion)


def next_room(
    db: Session, whole: StudyParts, rater: RaterRecord, have: list[Held], *, now: datetime, lease: timedelta
) -> Room | Ended:
    """The clip to rate now, with the next one reserved; `Ended` when nothing is free for this rater."""
    have = assignments.top_up(db, whole.study, rater, have, now=now, lease=lease)
    if have:
        return build(db, whole, rater, have[0], following=have[1:])
    standing = rater_position.standing(db, whole.study, rater)
    quota = whole.rules.recruitment.clips_per_rater
    full = quota is not None and standing.done >= quota
    return Ended(
        study=whole.study.name,
        sender=sender_mark(rater),
        done=standing.done,
        undo=f"/rate/{standing.last}" if standing.last else None,
        waiting=not full and rater_position.held_by_others(db, whole.study, rater) > 0,
        farewell=completion.farewell(whole.rules.recruitment, "completed" if standing.done else "returned"),
    )


def build(
    db: Session,
    whole: StudyParts,
    rater: RaterRecord,
    held: Held,
    *,
    following: Sequence[Held] = (),
    revealed: bool = False,
    problem: str | None = None,
    sent: dict[str, str] | None = None,
    practice: tuple[str, Progress] | None = None,
) -> Room:
    """What the page shows for one assignment. Scores are put in only when this rater may see them now.

    `sent` are values of a refused answer by criterion key, shown again so that nothing is lost. `practice` is
    given before the work: its purpose, and how far the rater has come in it.
    """
    answered = held.assignment.answered_at is not None
    reveal = _reveal(held, answered=answered, revealed=revealed)
    chosen = judgments.current(db, held.assignment.id) if answered else {}
    if sent is not None:
        chosen = {item.id: sent[item.key] for item in whole.criteria if item.key in sent}
    standing = rater_position.standing(db, whole.study, rater)
    earlier = rater_position.before(db, rater, held.assignment) if answered else standing.last
    return Room(
        study=whole.study.name,
        sender=sender_mark(rater),
        guidelines_html=markdown(whole.study.guidelines),
        rubrics=rubrics_of(whole, held),
        assignment_id=held.assignment.id,
        submission=str(uuid4()),
        media=media_path(held),
        next_media=tuple(media_path(one) for one in following),
        criteria=questions.views(criteria_of(whole, held), chosen),
        reveal=reveal,
        scores=score_views(whole, held) if reveal in ("shown", "revealed") else (),
        progress=practice[1] if practice else progress(standing),
        practice=practice[0] if practice else "",
        editing=answered and not revealed,
        locked=whole.rules.watch_to_end and not answered,
        break_after=whole.rules.sessions.break_after,
        undo=f"/rate/{earlier}" if earlier else None,
        marks=_earlier_marks(db, held) if answered else "[]",
        problem=problem,
    )


def sender_mark(rater: RaterRecord) -> str:
    """A mark by which a browser keeps this rater's unsent answers apart from others'."""
    return hashlib.sha256(f"{rater.id}:{rater.shuffle}:{rater.created_at}".encode()).hexdigest()[:12]


def refuse_unseen(whole: StudyParts, held: Held, facts: str) -> None:
    """Refuse an answer that says itself that the clip was not seen to its end, where the study asks for that.

    Late answers and clips that broke while playing are taken: nothing can be watched again there, and no answer may be
    lost. Raises: AppError (422), which shows the answer again.
    """
    if not whole.rules.watch_to_end or held.assignment.status != "held":
        return
    told = judgments.facts_of(facts)
    share = told.get("seen_share")
    if isinstance(share, int | float) and share < SEEN_TO_END and not told.get("playback_error"):
        raise AppError("The clip has not been seen to its end yet.", "Watch it to the end, then send.", status=422)


def _earlier_marks(db: Session, held: Held) -> str:
    """The moments marked with the answer that counts now, in JSON."""
    found = db.execute(
        select(col(Judgment.facts))
        .where(col(Judgment.assignment_id) == held.assignment.id)
        .order_by(col(Judgment.revision).desc())
        .limit(1)
    ).scalar()
    return json.dumps((found or {}).get("marks", []))


def past_answers(db: Session, whole: StudyParts, rater: RaterRecord) -> tuple[PastAnswer, ...]:
    """The rater's last answers as they count now, the newest first."""
    latest = db.execute(
        select(col(Assignment.id), col(Assignment.answered_at), func.count().over())
        .where(col(Assignment.rater_id) == rater.id, col(Assignment.status).in_(("done", "surplus")))
        .where(is_work())
        .order_by(col(Assignment.answered_at).desc(), col(Assignment.id).desc())
        .limit(LISTED)
    ).all()
    values = {
        (row.assignment_id, row.criterion_id): row.value
        for row in db.execute(
            select(col(Judgment.assignment_id), col(Judgment.criterion_id), col(Judgment.value))
            .where(col(Judgment.assignment_id).in_([number for number, *_ in latest]))
            .order_by(col(Judgment.revision))
        )
    }
    return tuple(
        PastAnswer(
            number=answered - place,
            address=f"/rate/{number}",
            at=at,
            said=tuple(
                (item.label, scales.word(item, values[number, item.id]))
                for item in whole.criteria
                if values.get((number, item.id))
            ),
        )
        for place, (number, at, answered) in enumerate(latest)
    )


def _reveal(held: Held, *, answered: bool, revealed: bool) -> Reveal:
    if held.assignment.arm == "after":
        if revealed:
            return "revealed"
        return "shown" if answered else "later"
    return "shown" if held.assignment.arm == "shown" else "hidden"


def media_path(held: Held) -> str:
    """Address of the clip: another one for every assignment."""
    return media.address_of(held.assignment.id, held.clip.media_key)


def progress(standing: Standing) -> Progress:
    """How many clips are done, how many there are for this rater, and the minutes left at their own pace."""
    left = standing.held + standing.free
    pace = standing.seconds_per_clip
    minutes = None if pace is None else max(1, round(pace * left / 60)) if left else 0
    return Progress(done=standing.done, total=standing.done + left, minutes_left=minutes)


def score_views(whole: StudyParts, held: Held) -> tuple[ScoreView, ...]:
    """The clip's scores with their cuts; a score that could not be computed has no verdict."""
    return tuple(
        score_view(rule, held.clip.scores) for rule in whole.filters if held.clip.criterion in ("", rule.criterion)
    )


def score_view(rule: Filter, scores: Mapping[str, Any]) -> ScoreView:
    """`movement 97.9 ≥ 80 ✓` in parts, with its curve where the pool has one."""
    value = scores.get(rule.score)
    unit = f"\u202f{rule.units}" if rule.units else ""
    return ScoreView(
        title=rule.title,
        value=None if value is None else f"{short_number(value)}{unit}",
        cut=threshold_text(rule.minimum, rule.maximum),
        passed=None if value is None else passes(value, rule.minimum, rule.maximum),
        curve=curve(rule, scores),
    )
