"""Researchers' own verdicts on clips (rulings), with reasons. All revisions are kept; results use them on request."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.errors import AppError, NotFound
from app.models import Criterion, Event, Study, StudyClip
from app.results.filter_results import Scored
from app.studies import scales

KIND = "adjudicated"
WITHDRAWN = ""
MOST_LETTERS = 1000


@dataclass(frozen=True)
class Ruling:
    """One revision of a ruling: the verdict (empty if it was withdrawn) and the reason."""

    clip: int
    criterion: str
    value: str
    reason: str
    at: datetime


Trail = tuple[Ruling, ...]
"""All revisions of the ruling on one clip and criterion, the newest last."""


def record(db: Session, study: Study, clip: int, key: str, value: str, reason: str) -> Ruling:
    """Keep the researcher's verdict on a clip; an empty value takes the last one back.

    Raises AppError for a clip or criterion that the study has not, for a value that is not on its scale, without a
    reason, and for taking back what is not there.
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
    if not words or len(words) > MOST_LETTERS:
        raise AppError("Say in a few words why.", f"The reason stays with the verdict; {MOST_LETTERS} letters at most.")
    if value == WITHDRAWN:
        if not standing(trails(db, study)).get((clip, key)):
            raise AppError("There is no verdict of yours to take back.")
    elif not scales.of(item).has_agreement or value not in allowed(item):
        raise AppError(f"{value!r} is no answer to {item.label}.", "Choose one of the answers that raters had.")
    event = Event(study_id=study.id, kind=KIND)
    event.detail = {"clip": clip, "criterion": key, "value": value, "reason": words}
    db.add(event)
    db.flush()
    return Ruling(clip, key, value, words, event.created_at)


def allowed(item: Criterion) -> dict[str, str]:
    """The answers a researcher may give, and their words: those of the scale that are a vote."""
    scale = scales.of(item)
    return {value: word for value, word in scale.words(item.options).items() if value not in scale.missing}


def trails(db: Session, study: Study) -> dict[tuple[int, str], Trail]:
    """Every revision, by clip and criterion."""
    query = (
        select(col(Event.detail), col(Event.created_at))
        .where(col(Event.study_id) == study.id, col(Event.kind) == KIND)
        .order_by(col(Event.id))
    )
    found: dict[tuple[int, str], list[Ruling]] = defaultdict(list)
    for detail, at in db.execute(query):
        one = Ruling(detail["clip"], detail["criterion"], detail["value"], detail["reason"], at)
        found[one.clip, one.criterion].append(one)
    return {key: tuple(revisions) for key, revisions in found.items()}


def standing(found: Mapping[tuple[int, str], Trail]) -> dict[tuple[int, str], str]:
    """The rulings in force, without withdrawn ones."""
    last = {key: trail[-1].value for key, trail in found.items()}
    return {key: value for key, value in last.items() if value != WITHDRAWN}


def fingerprint(db: Session, study: Study) -> int:
    """A number that changes with every ruling."""
    query = select(func.coalesce(func.max(col(Event.id)), 0)).where(
        col(Event.study_id) == study.id, col(Event.kind) == KIND
    )
    return int(db.execute(query).scalar_one())


def applied(clips: tuple[Scored, ...], key: str, rulings: Mapping[tuple[int, str], str]) -> tuple[Scored, ...]:
    """Judged clips with the researcher's verdict in the place of their raters', where there is one.

    Only clips that people have judged are touched: a ruling decides a dispute, it is no vote on a clip nobody saw.
    """
    return tuple(replace(one, verdict=rulings.get((one.clip, key), one.verdict)) for one in clips)
