"""Rulings: a researcher's own verdicts on clips, with reasons. All revisions are kept; results use them on request."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.errors import AppError, NotFound
from app.models import Criterion, Event, Study, StudyClip
from app.results.judged_sample import JudgedClip
from app.studies import scales

EVENT_KIND = "adjudicated"
WITHDRAWN = ""
"""The value of a revision that withdraws the ruling."""
MAX_REASON_LETTERS = 1000


@dataclass(frozen=True)
class Ruling:
    """One revision of a ruling: the verdict (`WITHDRAWN` if it was withdrawn) and the reason."""

    clip: int
    criterion: str
    value: str
    reason: str
    at: datetime


RulingHistory = tuple[Ruling, ...]
"""All revisions of the ruling on one clip and criterion, the newest last."""


def record(db: Session, study: Study, clip: int, key: str, value: str, reason: str) -> Ruling:
    """Store the researcher's verdict on a clip; an empty value withdraws the last one.

    Raises AppError if the study has no such clip or criterion, the value is not on the criterion's scale, the reason
    is missing or too long, or there is no ruling to withdraw.
    """
    found = db.execute(
        select(StudyClip).where(col(StudyClip.id) == clip, col(StudyClip.study_id) == study.id)
    ).scalar_one_or_none()
    item = db.execute(
        select(Criterion).where(col(Criterion.study_id) == study.id, col(Criterion.key) == key)
    ).scalar_one_or_none()
    if found is None or found.role != "sample" or item is None:
        raise NotFound("The study has no such clip and criterion.", "Start from the page of disputed clips.")
    words = " ".join(reason.split())
    if not words or len(words) > MAX_REASON_LETTERS:
        raise AppError(
            "Say in a few words why.", f"The reason stays with the verdict; {MAX_REASON_LETTERS} letters at most."
        )
    if value == WITHDRAWN:
        if not in_force(histories(db, study)).get((clip, key)):
            raise AppError("There is no verdict of yours to take back.")
    elif not scales.of(item).has_agreement or value not in possible_answers(item):
        raise AppError(f"{value!r} is no answer to {item.label}.", "Choose one of the answers that raters had.")
    event = Event(study_id=study.id, kind=EVENT_KIND)
    event.detail = {"clip": clip, "criterion": key, "value": value, "reason": words}
    db.add(event)
    db.flush()
    return Ruling(clip, key, value, words, event.created_at)


def possible_answers(item: Criterion) -> dict[str, str]:
    """Return the answers that a ruling may give, with their words: those of the scale that count as a vote."""
    scale = scales.of(item)
    return {value: word for value, word in scale.words(item.options).items() if value not in scale.missing}


def histories(db: Session, study: Study) -> dict[tuple[int, str], RulingHistory]:
    """Return all revisions of all rulings, by clip and criterion."""
    query = (
        select(col(Event.detail), col(Event.created_at))
        .where(col(Event.study_id) == study.id, col(Event.kind) == EVENT_KIND)
        .order_by(col(Event.id))
    )
    found: dict[tuple[int, str], list[Ruling]] = defaultdict(list)
    for detail, at in db.execute(query):
        ruling = Ruling(detail["clip"], detail["criterion"], detail["value"], detail["reason"], at)
        found[ruling.clip, ruling.criterion].append(ruling)
    return {key: tuple(revisions) for key, revisions in found.items()}


def in_force(found: Mapping[tuple[int, str], RulingHistory]) -> dict[tuple[int, str], str]:
    """Return the verdict of every ruling that is not withdrawn, by clip and criterion."""
    newest = {key: history[-1].value for key, history in found.items()}
    return {key: value for key, value in newest.items() if value != WITHDRAWN}


def fingerprint(db: Session, study: Study) -> int:
    """Return a number that changes with every ruling."""
    query = select(func.coalesce(func.max(col(Event.id)), 0)).where(
        col(Event.study_id) == study.id, col(Event.kind) == EVENT_KIND
    )
    return int(db.execute(query).scalar_one())


def with_rulings(
    clips: tuple[JudgedClip, ...], key: str, rulings: Mapping[tuple[int, str], str]
) -> tuple[JudgedClip, ...]:
    """Replace the raters' verdict on a criterion by the researcher's, on the clips that have a ruling.

    Clips without any vote are not added, because a ruling decides a dispute and is not a vote.
    """
    return tuple(replace(judged, verdict=rulings.get((judged.clip, key), judged.verdict)) for judged in clips)
