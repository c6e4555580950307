"""Create a study from a pool and a study file: draw the sample, prepare its clips, write its rows."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
from sqlmodel import Session, col, select

from app import auth
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Event, Filter, Study, StudyClip
from app.pools.pool_files import Pool
from app.settings import Settings
from app.studies import attention_clips, documents, reference_clips, rules
from app.studies.clip_files import make_ready, shuffled
from app.studies.drawing import DrawnClip, sample_from_file, sample_from_pool
from app.studies.lifecycle import slug_of
from app.studies.score_series import snapshot
from app.studies.study_file import FilterSpec, StudyFile

BLOCK = 20
"""Clips of a block: each has its share of every stratum."""


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
    known = reference_clips.of(spec, pool)
    free = reference_clips.without(pool, [one.clip for one in known])
    drawn = sample_from_pool(free, spec, filters) if sample is None else sample_from_file(sample, pool, spec, filters)
    reference_clips.refuse_in_sample(known, [one.clip for one in drawn.clips])
    if not drawn.clips:
        raise AppError("The sample is empty: no clip of the pool has a score to draw by.", "Check the pool.")
    used = [*(one.clip for one in drawn.clips), *(one.clip for one in known)]
    one_by_one = spec.presentation == "one_by_one" or drawn.design["kind"] == "borderline"
    asked = [item.key for item in spec.criteria] if one_by_one else []
    look = attention_clips.choose(pool, spec, used, one_by_one=one_by_one)
    keys = make_ready(pool, settings, used, on_clip)
    look_keys = attention_clips.make(pool, spec, look, settings, keys)
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
        last = reference_clips.write(db, study, pool, known, keys, asked, read, start=start)
        reference_clips.write(db, study, pool, look, look_keys, asked, read, start=last)
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


def _write_questions(db: Session, study: Study, spec: StudyFile, filters: list[FilterSpec], pool: Pool) -> None:
    judged = {spec.deciding_criterion(rule) for rule in filters}
    # A criterion that served only filters which were left out is not asked.
    orphaned = {spec.deciding_criterion(rule) for rule in spec.filters} - judged
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
                criterion=spec.deciding_criterion(rule),
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
    if rules.rules_of(study).presentation == "one_by_one":
        criteria = db.exec(
            select(Criterion.key).where(Criterion.study_id == study.id).order_by(col(Criterion.position))
        )
        clips = _per_pass(clips, list(criteria))
    order = list(range(len(clips)))
    random.Random(study.seed).shuffle(order)  # noqa: S311 - an order, not a secret
    facts = {row["clip"]: row for row in pool.frame.iter_rows(named=True)}
    scores = sorted({*pool.score_columns(), *read})
    lots = random.Random(f"blocks:{study.seed}:{start}")  # noqa: S311 - a design, not a secret
    block = blocks([f"{one.criterion}:{one.stratum}" for one in clips], BLOCK, lots)
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
    db.add_all(shuffled(rows))
    db.flush()
    places = [(clip.id, place) for clip in rows for place in range(study.raters_per_clip)]
    db.add_all(Assignment(study_id=study.id, study_clip_id=clip, place=place) for clip, place in shuffled(places))


def _per_pass(clips: list[DrawnClip], criteria: list[str]) -> list[DrawnClip]:
    """Each clip once for every criterion that is asked about it."""
    return [replace(one, criterion=key) for one in clips for key in ([one.criterion] if one.criterion else criteria)]


def _number(value: float | bool | None) -> float | None:
    return None if value is None else float(value)


def blocks(strata: list[str], size: int, shuffle: random.Random) -> list[int]:
    """The block of each clip by the clips' strata, such that the first n blocks hold each stratum's share, within one.

    The i-th of a stratum's n clips, in drawn order, stands at (i + a half) / n of the way; blocks of `size` are cut
    along it.
    """
    order = list(range(len(strata)))
    shuffle.shuffle(order)
    total = {name: strata.count(name) for name in set(strata)}
    seen = dict.fromkeys(total, 0)
    way: list[tuple[float, int, int]] = []
    for rank, clip in enumerate(order):
        name = strata[clip]
        way.append(((seen[name] + 0.5) / total[name], rank, clip))
        seen[name] += 1
    found = [0] * len(strata)
    for place, (_, _, clip) in enumerate(sorted(way)):
        found[clip] = place // size
    return found
