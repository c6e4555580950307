"""Build the rating page: the clip, the questions, and the scores that this rater may see now."""

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
from app.rating import assignments, completion, judgments, playback_facts, questions, rater_position
from app.rating.assignments import HeldAssignment
from app.rating.rater_position import RaterPosition
from app.rating.room_view import NoMoreClips, PastAnswer, Progress, RatingPage, Reveal, ScoreView
from app.rating.timeline import curve
from app.studies import media, scales
from app.studies.documents import RubricView
from app.studies.whole_study import StudyParts

SEEN_TO_END = 0.98
"""The share of a clip that counts as watched to its end. Players stop a frame or two early."""
LISTED = 20
"""The number of answers in a rater's own list."""


def criteria_of(whole: StudyParts, held: HeldAssignment) -> list[Criterion]:
    """The questions asked about this clip: all, or the one it was drawn for."""
    return [item for item in whole.criteria if held.clip.criterion in ("", item.key)]


def rubrics_of(whole: StudyParts, held: HeldAssignment) -> tuple[RubricView, ...]:
    """The rubrics of the questions asked about this clip."""
    if not held.clip.criterion:
        return whole.rubrics
    return tuple(one for one in whole.rubrics if one.key == held.clip.criterion)


def next_room(
    db: Session, whole: StudyParts, rater: RaterRecord, have: list[HeldAssignment], *, now: datetime, lease: timedelta
) -> RatingPage | NoMoreClips:
    """The page for the clip to rate now, with the next clips reserved; `NoMoreClips` if none is free for this rater."""
    have = assignments.top_up(db, whole.study, rater, have, now=now, lease=lease)
    if have:
        return build(db, whole, rater, have[0], following=have[1:])
    position = rater_position.of(db, whole.study, rater)
    quota = whole.rules.recruitment.clips_per_rater
    full = quota is not None and position.done >= quota
    return NoMoreClips(
        study=whole.study.name,
        sender=sender_mark(rater),
        done=position.done,
        undo=f"/rate/{position.last}" if position.last else None,
        waiting=not full and rater_position.held_by_others(db, whole.study, rater) > 0,
        completion_code=completion.code_for(whole.rules.recruitment, "completed" if position.done else "returned"),
    )


def build(
    db: Session,
    whole: StudyParts,
    rater: RaterRecord,
    held: HeldAssignment,
    *,
    following: Sequence[HeldAssignment] = (),
    revealed: bool = False,
    problem: str | None = None,
    sent: dict[str, str] | None = None,
    practice: tuple[str, Progress] | None = None,
) -> RatingPage:
    """What the page shows for one assignment. It contains scores only if this rater may see them now.

    `sent` are values of a refused answer by criterion key, shown again so that nothing is lost. `practice` is
    given before the work: its purpose, and how far the rater has come in it.
    """
    answered = held.assignment.answered_at is not None
    reveal = _reveal(held, answered=answered, revealed=revealed)
    chosen = judgments.current(db, held.assignment.id) if answered else {}
    if sent is not None:
        chosen = {item.id: sent[item.key] for item in whole.criteria if item.key in sent}
    position = rater_position.of(db, whole.study, rater)
    earlier = rater_position.before(db, rater, held.assignment) if answered else position.last
    return RatingPage(
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
        progress=practice[1] if practice else progress(position),
        practice=practice[0] if practice else "",
        editing=answered and not revealed,
        locked=whole.rules.watch_to_end and not answered,
        break_after=whole.rules.sessions.break_after,
        undo=f"/rate/{earlier}" if earlier else None,
        marks=_earlier_marks(db, held) if answered else "[]",
        problem=problem,
    )


def sender_mark(rater: RaterRecord) -> str:
    """Identifies the rater to the browser, which stores unsent answers by it."""
    return hashlib.sha256(f"{rater.id}:{rater.shuffle}:{rater.created_at}".encode()).hexdigest()[:12]


def refuse_unseen(whole: StudyParts, held: HeldAssignment, facts: str) -> None:
    """Refuse an answer whose facts say that the clip was not watched to its end, if the study requires that.

    Late answers and clips that broke while playing are taken: nothing can be watched again there, and no answer may be
    lost. Raises: AppError (422), which shows the answer again.
    """
    if not whole.rules.watch_to_end or held.assignment.status != "held":
        return
    told = playback_facts.facts_of(facts)
    share = told.get("seen_share")
    if isinstance(share, int | float) and share < SEEN_TO_END and not told.get("playback_error"):
        raise AppError("The clip has not been seen to its end yet.", "Watch it to the end, then send.", status=422)


def _earlier_marks(db: Session, held: HeldAssignment) -> str:
    """The moments marked in the current answer, as JSON."""
    found = db.execute(
        select(col(Judgment.facts))
        .where(col(Judgment.assignment_id) == held.assignment.id)
        .order_by(col(Judgment.revision).desc(), col(Judgment.id))
        .limit(1)
    ).scalar()
    return json.dumps((found or {}).get("marks", []))


def past_answers(db: Session, whole: StudyParts, rater: RaterRecord) -> tuple[PastAnswer, ...]:
    """The rater's last answers in their current revision, the newest first."""
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


def _reveal(held: HeldAssignment, *, answered: bool, revealed: bool) -> Reveal:
    if held.assignment.arm == "after":
        if revealed:
            return "revealed"
        return "shown" if answered else "later"
    return "shown" if held.assignment.arm == "shown" else "hidden"


def media_path(held: HeldAssignment) -> str:
    """The address of the clip, different for every assignment."""
    return media.address_of(held.assignment.id, held.clip.media_key)


def progress(position: RaterPosition) -> Progress:
    """Clips done, clips in all, and minutes left at the rater's own pace."""
    left = position.held + position.free
    pace = position.seconds_per_clip
    minutes = None if pace is None else max(1, round(pace * left / 60)) if left else 0
    return Progress(done=position.done, total=position.done + left, minutes_left=minutes)


def score_views(whole: StudyParts, held: HeldAssignment) -> tuple[ScoreView, ...]:
    """The clip's scores with their thresholds. A score that could not be computed has no verdict."""
    return tuple(
        score_view(rule, held.clip.scores) for rule in whole.filters if held.clip.criterion in ("", rule.criterion)
    )


def score_view(rule: Filter, scores: Mapping[str, Any]) -> ScoreView:
    """The parts of `movement 97.9 ≥ 80 ✓`, with the curve if the pool has one."""
    value = scores.get(rule.score)
    unit = f"\u202f{rule.units}" if rule.units else ""
    return ScoreView(
        name=rule.name,
        title=rule.title,
        value=None if value is None else f"{short_number(value)}{unit}",
        threshold=threshold_text(rule.minimum, rule.maximum),
        passed=None if value is None else passes(value, rule.minimum, rule.maximum),
        curve=curve(rule, scores),
    )
