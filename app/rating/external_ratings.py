"""Store ratings that were given elsewhere (by a model or another team). They are compared with people, never merged."""

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError
from app.models import SHUFFLE_PRIME, Assignment, Criterion, Event, Judgment, Rater, Study, StudyClip
from app.studies import scales

MOST = 200_000
"""The largest number of ratings in one request."""


@dataclass(frozen=True)
class ExternalRating:
    """One answer of a model to one criterion about one drawn clip, by the clip's name in the pool."""

    clip: str
    criterion: str
    value: str


@dataclass(frozen=True)
class ImportOutcome:
    """The outcome of an import: how many ratings were stored, and how many were stored already."""

    rater: str
    stored: int
    unchanged: int


def take(db: Session, study: Study, name: str, given: list[ExternalRating], *, now: datetime) -> ImportOutcome:
    """Store a model's ratings. A rating sent again changes nothing; another value is a new revision.

    Raises AppError with the clip, criterion or value that the study does not have; nothing is stored then.
    """
    if len(given) > MOST:
        raise AppError(f"{len(given)} ratings are too many at once.", f"Send {MOST} at the most in one request.")
    criteria = {item.key: item for item in db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id))}
    clips = _clips(db, study)
    _refuse_unknown(study, given, criteria, clips)
    given = [replace(one, value=_as_stored(criteria[one.criterion], one.value)) for one in given]
    rater = _rater(db, study, name)
    assignments, answers = _assignments(db, study, rater), _last_answers(db, rater)
    stored = 0
    for number, one in enumerate(given):
        clip = clips[one.clip, one.criterion]
        if clip not in assignments:
            assignments[clip] = _new_assignment(db, study, rater, clip, now)
        key = (assignments[clip], criteria[one.criterion].id)
        revision, value = answers.get(key, (0, None))
        if value == one.value:
            continue
        answers[key] = (revision + 1, one.value)
        stored += 1
        db.add(
            Judgment(
                study_id=study.id,
                assignment_id=key[0],
                criterion_id=key[1],
                rater_id=rater.id,
                value=one.value,
                revision=revision + 1,
                submission=f"outside:{rater.id}:{key[0]}:{revision + 1}:{number}"[:64],
                arm="hidden",
                guidelines_hash="",
                created_at=now,
            )
        )
    if stored:
        db.add(Event(study_id=study.id, kind="outside_ratings", rater_id=rater.id, detail={"stored": stored}))
    db.flush()
    return ImportOutcome(rater.name, stored, len(given) - stored)


def _assignments(db: Session, study: Study, rater: Rater) -> dict[int, int]:
    """The model's assignment for each clip (by number) that it has rated."""
    query = select(col(Assignment.study_clip_id), col(Assignment.id)).where(
        col(Assignment.rater_id) == rater.id, col(Assignment.study_id) == study.id
    )
    return dict(db.execute(query).all())


def _last_answers(db: Session, rater: Rater) -> dict[tuple[int, int], tuple[int, str]]:
    """The last revision and its value, by assignment and criterion."""
    columns = (Judgment.assignment_id, Judgment.criterion_id, Judgment.revision, Judgment.value)
    query = select(*map(col, columns)).where(col(Judgment.rater_id) == rater.id).order_by(col(Judgment.revision))
    return {(assignment, criterion): (revision, value) for assignment, criterion, revision, value in db.execute(query)}


def _new_assignment(db: Session, study: Study, rater: Rater, clip: int, now: datetime) -> int:
    """Store an assignment without a place, so that it takes none from people; returns its number."""
    made = Assignment(
        study_id=study.id, study_clip_id=clip, place=-1, status="done", rater_id=rater.id, arm="hidden",
        claimed_at=now, answered_at=now,
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made.id


def _clips(db: Session, study: Study) -> dict[tuple[str, str], int]:
    """The number of each drawn clip, by its name and each criterion asked about it."""
    keys = list(db.scalars(select(col(Criterion.key)).where(col(Criterion.study_id) == study.id)))
    query = select(col(StudyClip.id), col(StudyClip.clip), col(StudyClip.criterion)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
    )
    return {
        (row.clip, key): row.id for row in db.execute(query) for key in ([row.criterion] if row.criterion else keys)
    }


def _refuse_unknown(
    study: Study, given: list[ExternalRating], criteria: dict[str, Criterion], clips: dict[tuple[str, str], int]
) -> None:
    for one in given:
        if one.criterion not in criteria:
            raise AppError(f"{study.slug} has no criterion {one.criterion!r}.", f"It asks: {', '.join(criteria)}.")
        if (one.clip, one.criterion) not in clips:
            raise AppError(
                f"{study.slug} asks nothing about {one.criterion} of the clip {one.clip!r}.",
                "Send ratings of its drawn clips, by their names in the pool (GET .../clips lists them).",
            )
    again = [pair for pair, count in Counter((one.clip, one.criterion) for one in given).items() if count > 1]
    if again:
        raise AppError(f"The clip {again[0][0]!r} is rated twice on {again[0][1]}.", "Send one rating of each.")


def _as_stored(criterion: Criterion, value: str) -> str:
    try:
        stored = scales.checked(criterion, value)
    except AppError:
        stored = None
    if stored is None:
        rule = scales.of(criterion).rule(criterion.options)
        raise AppError(f"{criterion.key} has no value {value[:40]!r}.", f"Values are: {rule}.")
    return stored


def _rater(db: Session, study: Study, name: str) -> Rater:
    """The model's row among the raters. Raises AppError if a person has this name."""
    readable = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())[:40]
    if not readable:
        raise AppError("The rater has no name.", 'Name the model: "rater": "my-model-v2".')
    found = db.scalars(select(Rater).where(col(Rater.study_id) == study.id, col(Rater.name) == readable)).first()
    if found is not None and found.kind != "model":
        raise AppError(f"{readable!r} is a person's name in this study.", "Give the model another name.")
    if found is None:
        shuffle = random.Random(readable).randrange(1, SHUFFLE_PRIME)  # noqa: S311 - it is never used to order clips
        found = Rater(study_id=study.id, name=readable, kind="model", shuffle=shuffle)
        db.add(found)
        db.flush()
    return found
