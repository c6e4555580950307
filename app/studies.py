"""Studies: made from a pool and a study file, with a drawn sample whose probabilities are kept."""

import random
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TypeVar

import polars as pl
from sqlalchemy import func
from sqlmodel import Session, col, select

from app import attention, auth, documents, known_clips, media, schedule
from app.curves import snapshot
from app.db import Database
from app.errors import AppError, NotFound
from app.models import Assignment, Criterion, Event, Filter, Judgment, Rater, Study, StudyClip
from app.pools import Pool
from app.settings import Settings
from app.study_drawing import DrawnClip, sample_from_file, sample_from_pool
from app.study_files import FilterSpec, StudyFile

Thing = TypeVar("Thing")

BLOCK = 20
"""Clips of a block: each has its share of every stratum."""

SECONDS_TO_ANSWER = 6.0
"""Added to a clip's length for the estimate of minutes before anybody has rated."""


def by_slug(db: Session, slug: str) -> Study:
    """The study of an address."""
    study = db.exec(select(Study).where(Study.slug == slug)).first() if slug_of(slug) == slug else None
    if study is None:
        raise NotFound(f"There is no study {slug!r}.", "The page /studies and the command clipjury links list them.")
    return study


def slug_of(name: str) -> str:
    """A study's name as part of an address.

    >>> slug_of("Quality, stability & verdict!")
    'quality-stability-verdict'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "study"


def free_slug(database: Database, wanted: str) -> str:
    """The wanted slug, with a number behind it when it is taken."""
    with database.reader() as db:
        taken = set(db.exec(select(Study.slug)))
    return next(slug for slug in (wanted, *(f"{wanted}-{number}" for number in range(2, 10_000))) if slug not in taken)


def notes(study: Study) -> list[str]:
    """What the researcher must know about how the sample came about."""
    return [*study.design.get("left_out", []), *study.design.get("notes", [])]


def create(
    database: Database,
    settings: Settings,
    pool: Pool,
    spec: StudyFile,
    text: str,
    *,
    slug: str | None = None,
    sample: Path | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> str:
    """Draw the sample, make the clips ready for browsers, write the study; returns its slug.

    `sample` is a sample file to take the clips from instead of drawing. Filters whose score the pool lacks are left
    out, and the study says so. Raises AppError when none is left, when the sample is from another pool, when
    the slug is taken, or when a clip cannot be made ready; nothing is written then.
    """
    slug = slug or slug_of(spec.name)
    if slug_of(slug) != slug:
        raise AppError(
            f"{slug!r} cannot stand in an address.", f"Use small letters, digits and -, as in {slug_of(slug)}."
        )
    with database.reader() as db:
        if db.exec(select(Study.id).where(Study.slug == slug)).first() is not None:
            raise AppError(f"There is a study {slug!r} already.", "Give this one another name.")
    filters, left_out = usable_filters(pool, spec)
    known = known_clips.of(spec, pool)
    free = known_clips.without(pool, [one.clip for one in known])
    drawn = sample_from_pool(free, spec, filters) if sample is None else sample_from_file(sample, pool, spec, filters)
    known_clips.refuse_in_sample(known, [one.clip for one in drawn.clips])
    if not drawn.clips:
        raise AppError("The sample is empty: no clip of the pool has a score to draw by.", "Check the pool.")
    used = [*(one.clip for one in drawn.clips), *(one.clip for one in known)]
    one_by_one = spec.presentation == "one_by_one" or drawn.design["kind"] == "borderline"
    asked = [item.key for item in spec.criteria] if one_by_one else []
    look = attention.choose(pool, spec, used, one_by_one=one_by_one)
    keys = make_ready(pool, settings, used, on_clip)
    look_keys = attention.make(pool, spec, look, settings, keys)
    with database.writer() as db:
        study = Study(
            slug=slug,
            name=spec.name,
            guidelines=spec.guidelines,
            guidelines_hash=documents.hash_of(spec.guidelines),
            score_visibility=spec.score_visibility,
            raters_per_clip=spec.raters_per_clip,
            seed=spec.seed,
            study_file=text,
            pool=str(pool.path),
            pool_fingerprint=pool.fingerprint,
            pool_clips=pool.readable.height,
            design=drawn.design | {"left_out": left_out},
            rules=spec.rules().model_dump(mode="json", exclude_defaults=True),
            invite_hash=auth.token_hash(auth.token(settings, f"join:{slug}")),
        )
        db.add(study)
        db.flush()
        _write_questions(db, study, spec, filters, pool)
        write_clips(db, study, pool, drawn.clips, keys, {rule.score for rule in filters})
        start = len(drawn.clips) * max(1, len(asked))
        read = {rule.score for rule in filters}
        last = known_clips.write(db, study, pool, known, keys, asked, read, start=start)
        known_clips.write(db, study, pool, look, look_keys, asked, read, start=last)
        documents.keep(db, study)
        db.add(Event(study_id=study.id, kind="created"))
    return slug


def usable_filters(pool: Pool, spec: StudyFile) -> tuple[list[FilterSpec], list[str]]:
    """The filters whose score the pool has, and a sentence for each of the others."""
    why = {rule.score: pool.why_without(rule.score) for rule in spec.filters}
    usable = [rule for rule in spec.filters if not why[rule.score]]
    missing = [rule for rule in spec.filters if why[rule.score]]
    for rule in usable:
        kind = pool.column(rule.score).dtype
        if not (kind.is_numeric() or kind == pl.Boolean):
            raise AppError(
                f"The filter {rule.title!r} reads the column {rule.score}, which holds {kind} and no numbers.",
                "Name a score column in the study file.",
            )
    if not usable:
        names = ", ".join(sorted({rule.score for rule in missing}))
        reasons = "; ".join(dict.fromkeys(why.values()))
        raise AppError(
            f"The pool {pool.path.name} has none of the scores the study's filters need ({names}): {reasons}.",
            "Score the clips first (clipjury score FOLDER -o pool.parquet), or edit the filters.",
        )
    return usable, [f"Filter {rule.title!r} is left out: {why[rule.score]}." for rule in missing]


def make_ready(
    pool: Pool, settings: Settings, clips: Sequence[str], on_clip: Callable[[int, int], None] | None
) -> dict[str, str]:
    """Write each clip once for browsers; returns the random name of each."""
    # In no order: neither the times of the files nor those of their making follow the clips' names.
    names = _shuffled(sorted(set(clips)))
    keys = {name: media.new_key() for name in names}
    try:
        for number, name in enumerate(names, start=1):
            media.prepare(pool.media_path(name), settings.media / f"{keys[name]}.mp4")
            if on_clip is not None:
                on_clip(number, len(names))
    except BaseException:
        forget(settings, keys)
        raise
    return keys


def forget(settings: Settings, keys: dict[str, str]) -> None:
    """Remove the copies of a study that did not come about."""
    for key in keys.values():
        (settings.media / f"{key}.mp4").unlink(missing_ok=True)


def _write_questions(db: Session, study: Study, spec: StudyFile, filters: list[FilterSpec], pool: Pool) -> None:
    judged = {spec.truth_of(rule) for rule in filters}
    # A criterion that served only filters which were left out is not asked.
    orphaned = {spec.truth_of(rule) for rule in spec.filters} - judged
    for position, item in enumerate(item for item in spec.criteria if item.key not in orphaned):
        db.add(Criterion(study_id=study.id, position=position, **item.model_dump()))
    for position, rule in enumerate(filters):
        db.add(
            Filter(
                study_id=study.id,
                position=position,
                name=rule.name,
                title=rule.title,
                score=rule.score,
                units=rule.units or pool.units(rule.score),
                minimum=rule.min,
                maximum=rule.max,
                criterion=spec.truth_of(rule),
                approximate=pool.is_approximate(rule.score),
                note=rule.note,
            )
        )


def write_clips(
    db: Session,
    study: Study,
    pool: Pool,
    clips: list[DrawnClip],
    keys: dict[str, str],
    read: set[str],
    *,
    start: int = 0,
) -> None:
    """Store the drawn clips with a snapshot of the pool's scores (`read`: those that filters use).

    `start` is the position of the first: that many clips were drawn before.
    """
    if schedule.rules_of(study).presentation == "one_by_one":
        criteria = db.exec(
            select(Criterion.key).where(Criterion.study_id == study.id).order_by(col(Criterion.position))
        )
        clips = _per_pass(clips, list(criteria))
    order = list(range(len(clips)))
    random.Random(study.seed).shuffle(order)  # noqa: S311 - an order, not a secret
    facts = {row["clip"]: row for row in pool.frame.iter_rows(named=True)}
    scores = sorted({*pool.score_columns(), *read})
    lots = random.Random(f"blocks:{study.seed}:{start}")  # noqa: S311 - a design, not a secret
    block = schedule.blocks([f"{one.criterion}:{one.stratum}" for one in clips], BLOCK, lots)
    rows = [
        StudyClip(
            study_id=study.id,
            position=start + position,
            clip=drawn.clip,
            criterion=drawn.criterion,
            drawn_for=list(drawn.drawn_for),
            block=start // BLOCK + own,
            media=facts[drawn.clip]["media"],
            media_key=keys[drawn.clip],
            source=facts[drawn.clip]["source"] or drawn.clip,
            duration=facts[drawn.clip]["duration"] or 0.0,
            width=facts[drawn.clip]["width"] or 0,
            height=facts[drawn.clip]["height"] or 0,
            stratum=drawn.stratum,
            inclusion_probability=drawn.inclusion_probability,
            weight=drawn.weight,
            scores={name: _number(facts[drawn.clip][name]) for name in scores}
            | snapshot(facts[drawn.clip], sorted(read)),
        )
        for position, drawn, own in zip(order, clips, block, strict=True)
    ]
    # Raters see numbers of assignments in addresses: rows written stratum by stratum would tell them the stratum.
    db.add_all(_shuffled(rows))
    db.flush()
    places = [(clip.id, place) for clip in rows for place in range(study.raters_per_clip)]
    db.add_all(Assignment(study_id=study.id, study_clip_id=clip, place=place) for clip, place in _shuffled(places))


def _per_pass(clips: list[DrawnClip], criteria: list[str]) -> list[DrawnClip]:
    """Each clip once for every criterion that is asked about it."""
    return [replace(one, criterion=key) for one in clips for key in ([one.criterion] if one.criterion else criteria)]


def _shuffled(things: Sequence[Thing]) -> list[Thing]:
    """The things in an order that no seed of the study gives away."""
    return secrets.SystemRandom().sample(things, len(things))


def _number(value: float | bool | None) -> float | None:
    return None if value is None else float(value)


def clips_per_rater(db: Session, study: Study) -> int:
    """How many clips a new rater could get now."""
    query = select(func.count(func.distinct(Assignment.study_clip_id)))
    return db.exec(query.where(Assignment.study_id == study.id, Assignment.status == "open")).one()


def minutes_per_rater(db: Session, study: Study) -> int:
    """A first guess of a new rater's time: each open clip once through, and a moment to answer."""
    query = (
        select(func.avg(StudyClip.duration))
        .join(Assignment, col(Assignment.study_clip_id) == StudyClip.id)
        .where(Assignment.study_id == study.id, Assignment.status == "open")
    )
    mean = db.exec(query).one() or 0.0
    return ceil(clips_per_rater(db, study) * (mean + SECONDS_TO_ANSWER) / 60)


def show_simulated(db: Session, study: Study, *, on: bool) -> None:
    """Switch the simulated panel on or off as what the results pages speak of."""
    if study.show_simulated != on:
        study.show_simulated = on
        db.add(study)
        db.add(Event(study_id=study.id, kind="simulated_on" if on else "simulated_off"))


@dataclass(frozen=True)
class StudyLine:
    """A study in the list, with its counts."""

    study: Study
    clips: int
    people: int
    answers: int
    places: int
    places_done: int


def overview(db: Session) -> list[StudyLine]:
    """All studies, newest first."""
    return [line_of(db, study) for study in db.exec(select(Study).order_by(col(Study.id).desc()))]


def clips_of(db: Session, study: Study) -> int:
    """How many clips the sample has."""
    query = select(func.count()).select_from(StudyClip)
    return db.exec(query.where(StudyClip.study_id == study.id, StudyClip.role == "sample")).one()


def line_of(db: Session, study: Study) -> StudyLine:
    """A study's counts; answers of simulated raters are not among them."""
    places = dict(
        db.execute(
            select(col(Assignment.status), func.count())
            .join(Rater, col(Rater.id) == Assignment.rater_id, isouter=True)
            .where(Assignment.study_id == study.id, Assignment.purpose == "sample")
            .where(func.coalesce(col(Rater.kind), "person") == "person")
            .group_by(col(Assignment.status))
        ).all()
    )
    people = (Rater.study_id == study.id, Rater.kind == "person")
    answers = select(func.count(func.distinct(Judgment.assignment_id))).join(Rater)
    return StudyLine(
        study=study,
        clips=clips_of(db, study),
        people=db.exec(select(func.count()).select_from(Rater).where(*people)).one(),
        answers=db.exec(answers.where(*people)).one(),
        places=sum(places.get(status, 0) for status in ("open", "held", "done")),
        places_done=places.get("done", 0),
    )
