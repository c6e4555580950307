"""The rating room: which clip, which questions, and which scores this rater may see now."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import uuid4

from sqlmodel import Session, col, select

from app import assignments, judgments
from app.assignments import Held, Standing
from app.errors import NotFound
from app.models import Criterion, Filter, SomeRater, Study
from app.room_view import CriterionView, Ended, Option, Progress, Reveal, Room, ScoreView
from app.web import markdown

VERDICT_KEYS = {"accept": "A", "reject": "R", "unsure": "U"}


@dataclass(frozen=True)
class StudyParts:
    """A study with its questions and filters, which never change after it was made."""

    study: Study
    criteria: tuple[Criterion, ...]
    filters: tuple[Filter, ...]

    def detached(self, db: Session) -> "StudyParts":
        """The same, free of the session it came from, to be kept."""
        for row in (self.study, *self.criteria, *self.filters):
            db.expunge(row)
        return self


def parts(db: Session, study_id: int) -> StudyParts:
    """A study whole."""
    study = db.get(Study, study_id)
    if study is None:
        raise NotFound(f"There is no study number {study_id}.", "The studies are listed at /studies.")
    criteria = db.exec(select(Criterion).where(Criterion.study_id == study_id).order_by(col(Criterion.position)))
    filters = db.exec(select(Filter).where(Filter.study_id == study_id).order_by(col(Filter.position)))
    return StudyParts(study, tuple(criteria), tuple(filters))


def criteria_of(whole: StudyParts, held: Held) -> list[Criterion]:
    """The questions asked about this clip: all, or the one it was drawn for."""
    return [item for item in whole.criteria if held.clip.criterion in ("", item.key)]


def next_room(
    db: Session, whole: StudyParts, rater: SomeRater, have: list[Held], *, now: datetime, lease: timedelta
) -> Room | Ended:
    """The clip to rate now, with the next one reserved; `Ended` when nothing is free for this rater."""
    have = assignments.top_up(db, whole.study, rater, have, now=now, lease=lease)
    if have:
        return build(db, whole, rater, have[0], following=have[1] if len(have) > 1 else None)
    standing = assignments.standing(db, whole.study, rater)
    return Ended(
        study=whole.study.name,
        sender=sender_mark(rater),
        done=standing.done,
        undo=f"/rate/{standing.last}" if standing.last else None,
        waiting=assignments.held_by_others(db, whole.study, rater) > 0,
    )


def build(
    db: Session,
    whole: StudyParts,
    rater: SomeRater,
    held: Held,
    *,
    following: Held | None = None,
    revealed: bool = False,
    problem: str | None = None,
    sent: dict[str, str] | None = None,
) -> Room:
    """What the page shows for one assignment. Scores are put in only when this rater may see them now.

    `sent` are values of a refused answer by criterion key, shown again so that nothing is lost.
    """
    answered = held.assignment.answered_at is not None
    reveal = _reveal(held, answered=answered, revealed=revealed)
    chosen = judgments.current(db, held.assignment.id) if answered else {}
    if sent is not None:
        chosen = {item.id: sent[item.key] for item in whole.criteria if item.key in sent}
    standing = assignments.standing(db, whole.study, rater)
    earlier = assignments.before(db, rater, held.assignment) if answered else standing.last
    return Room(
        study=whole.study.name,
        sender=sender_mark(rater),
        guidelines_html=markdown(whole.study.guidelines),
        assignment_id=held.assignment.id,
        submission=str(uuid4()),
        media=media_path(held),
        next_media=media_path(following) if following else None,
        criteria=criterion_views(whole, held, chosen),
        reveal=reveal,
        scores=score_views(whole, held) if reveal in ("shown", "revealed") else (),
        progress=progress(standing),
        editing=answered and not revealed,
        undo=f"/rate/{earlier}" if earlier else None,
        problem=problem,
    )


def sender_mark(rater: SomeRater) -> str:
    """A mark by which a browser keeps this rater's unsent answers apart from others'."""
    return hashlib.sha256(f"{rater.id}:{rater.shuffle}:{rater.created_at}".encode()).hexdigest()[:12]


def _reveal(held: Held, *, answered: bool, revealed: bool) -> Reveal:
    if held.assignment.arm == "after":
        if revealed:
            return "revealed"
        return "shown" if answered else "later"
    return "shown" if held.assignment.arm == "shown" else "hidden"


def media_path(held: Held) -> str:
    """Address of the clip: a random name."""
    return f"/media/{held.clip.media_key}.mp4"


def progress(standing: Standing) -> Progress:
    """How many clips are done, how many there are for this rater, and the minutes left at their own pace."""
    left = standing.held + standing.free
    pace = standing.seconds_per_clip
    minutes = None if pace is None else max(1, round(pace * left / 60)) if left else 0
    return Progress(done=standing.done, total=standing.done + left, minutes_left=minutes)


def criterion_views(whole: StudyParts, held: Held | None, chosen: dict[int, str]) -> tuple[CriterionView, ...]:
    """The questions with their keys: the first category scale takes 1-5, the second Shift+1-5, verdicts A R U."""
    asked = criteria_of(whole, held) if held else list(whole.criteria)
    views = []
    scales = 0
    for item in asked:
        is_scale = item.scale == "acr5"
        views.append(
            CriterionView(
                key=item.key,
                label=item.label,
                question=item.question,
                options=_scale_options(scales) if is_scale else _verdict_options(item.scale),
                tone="scale" if is_scale else "verdict",
                chosen=chosen.get(item.id),
            )
        )
        scales += is_scale
    return tuple(views)


@cache
def _scale_options(number: int) -> tuple[Option, ...]:
    prefixes = (("", ""), ("⇧", "Shift+"))
    return tuple(
        Option(
            value=value,
            label=label,
            key=f"{prefixes[number][0]}{value}" if number < len(prefixes) else "",
            code=f"{prefixes[number][1]}Digit{value}" if number < len(prefixes) else "",
        )
        for value, label in judgments.SCALES["acr5"]
    )


@cache
def _verdict_options(scale: str) -> tuple[Option, ...]:
    return tuple(
        Option(value=value, label=label, key=VERDICT_KEYS[value], code=f"Key{VERDICT_KEYS[value]}")
        for value, label in judgments.SCALES[scale]
    )


def score_views(whole: StudyParts, held: Held) -> tuple[ScoreView, ...]:
    """The clip's scores with their cuts; a score that could not be computed has no verdict."""
    return tuple(
        score_view(rule, held.clip.scores.get(rule.score))
        for rule in whole.filters
        if held.clip.criterion in ("", rule.criterion)
    )


def score_view(rule: Filter, value: float | None) -> ScoreView:
    """`movement 97.9 ≥ 80 ✓` in parts."""
    unit = f"\u202f{rule.units}" if rule.units else ""
    return ScoreView(
        title=rule.title,
        value="no score" if value is None else f"{short(value)}{unit}",
        cut=cut_text(rule.minimum, rule.maximum),
        passed=None if value is None else passes(value, rule.minimum, rule.maximum),
    )


def passes(value: float, minimum: float | None, maximum: float | None) -> bool:
    """Whether a filter accepts a score: both ends count as inside."""
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def cut_text(minimum: float | None, maximum: float | None) -> str:
    """The cut in signs: `≥ 80`, `≤ 0.1`, `0.85 – 0.999`."""
    if minimum is not None and maximum is not None:
        return f"{minimum:g}\u2009–\u2009{maximum:g}"
    return f"≥ {minimum:g}" if minimum is not None else f"≤ {maximum:g}"


def short(value: float) -> str:
    """Three figures that matter: 97.9, 0.915, 1 240."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace(",", "\u2009").replace("-", "\u2212")
