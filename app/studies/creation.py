"""Create a study from a pool and a study file: draw the sample, prepare its clips, write its rows."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from sqlalchemy import insert, select
from sqlmodel import Session, col

from app import auth
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Event, Filter, Study, StudyClip
from app.pools.pool_files import Pool
from app.settings import Settings
from app.studies import attention_clips, documents, reference_clips, rules
from app.studies.clip_files import CopyClip, digests, make_ready, prepare, shuffled
from app.studies.drawing import DrawnClip, StudySample, sample_from_file, sample_from_pool
from app.studies.lifecycle import slug_of
from app.studies.reference_clips import ReferenceClip
from app.studies.score_series import snapshot
from app.studies.study_file import FilterSpec, StudyFile

BLOCK_SIZE = 20
"""Clips in a block; each block has its share of every stratum."""


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
    copy_clip: CopyClip = prepare,
) -> str:
    """Draw the sample, prepare its clips, write the study; returns its slug.

    If `sample` is given, the clips of this sample file are used instead of a new draw. `copy_clip` writes a clip's
    copy for browsers. Filters whose score is missing in the pool are left out, and the study's notes say so. Raises
    AppError if no filter is left, if the sample is from another pool, if the slug is taken, or if a clip cannot be
    prepared; nothing is written then.
    """
    slug = _free_slug(database, slug or slug_of(spec.name))
    chosen = _choose_clips(pool, spec, sample)
    keys = make_ready(pool, settings, chosen.names, on_clip, copy_clip)
    attention_keys = attention_clips.make(pool, spec, chosen.attention, settings, keys)
    files = digests(settings, [*keys.values(), *attention_keys.values()])
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
            design=chosen.sample.design | {"left_out": chosen.left_out},
            rules=spec.rules().model_dump(mode="json", exclude_defaults=True),
            invite_hash=auth.token_hash(auth.token(settings, f"join:{slug}")),
        )
        db.add(study)
        db.flush()
        _write_questions(db, study, spec, chosen.filters, pool)
        _write_all_clips(db, study, pool, chosen, keys, attention_keys)
        db.add_all(files)
        documents.keep(db, study)
        db.add(Event(study_id=study.id, kind="created"))
    return slug


@dataclass(frozen=True)
class _ChosenClips:
    """The clips of a new study, and the filters whose scores the pool has."""

    filters: list[FilterSpec]
    left_out: list[str]
    """A sentence for each filter that is left out."""
    sample: StudySample
    reference: list[ReferenceClip]
    attention: list[ReferenceClip]
    criteria: list[str]
    """The keys of the criteria if they are asked one by one, otherwise empty."""

    @property
    def names(self) -> list[str]:
        """The clips that are shown as they are: the sample and the reference clips."""
        return [*(one.clip for one in self.sample.clips), *(one.clip for one in self.reference)]


def _free_slug(database: Database, slug: str) -> str:
    """The slug, checked. Raises AppError if it cannot be part of an address, or if another study has it."""
    if slug_of(slug) != slug:
        raise AppError(
            f"{slug!r} cannot stand in an address.", f"Use small letters, digits and -, as in {slug_of(slug)}."
        )
    with database.reader() as db:
        if db.scalars(select(col(Study.id)).where(col(Study.slug) == slug)).first() is not None:
            raise AppError(f"There is a study {slug!r} already.", "Give this one another name.")
    return slug


def _choose_clips(pool: Pool, spec: StudyFile, sample: Path | None) -> _ChosenClips:
    """Draw the sample (or read it from a file), and choose reference and attention clips outside of it."""
    filters, left_out = usable_filters(pool, spec)
    reference = reference_clips.of(spec, pool)
    drawable = reference_clips.without(pool, [one.clip for one in reference])
    drawn = (
        sample_from_pool(drawable, spec, filters) if sample is None else sample_from_file(sample, pool, spec, filters)
    )
    reference_clips.refuse_in_sample(reference, [one.clip for one in drawn.clips])
    if not drawn.clips:
        raise AppError("The sample is empty: no clip of the pool has a score to draw by.", "Check the pool.")
    one_by_one = spec.presentation == "one_by_one" or drawn.design["kind"] == "borderline"
    criteria = [item.key for item in spec.criteria] if one_by_one else []
    chosen = _ChosenClips(filters, left_out, drawn, reference, [], criteria)
    return replace(chosen, attention=attention_clips.choose(pool, spec, chosen.names, one_by_one=one_by_one))


def _write_all_clips(
    db: Session, study: Study, pool: Pool, chosen: _ChosenClips, keys: dict[str, str], attention_keys: dict[str, str]
) -> None:
    """Store the sample, then the reference clips, then the attention clips."""
    read = {rule.score for rule in chosen.filters}
    write_clips(db, study, pool, chosen.sample.clips, keys, read)
    start = len(chosen.sample.clips) * max(1, len(chosen.criteria))
    last = reference_clips.write(db, study, pool, chosen.reference, keys, chosen.criteria, read, start=start)
    reference_clips.write(db, study, pool, chosen.attention, attention_keys, chosen.criteria, read, start=last)


def usable_filters(pool: Pool, spec: StudyFile) -> tuple[list[FilterSpec], list[str]]:
    """The filters whose score is in the pool, and a sentence for each filter that is left out.

    Raises AppError if no filter is left or a score is not numeric.
    """
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
    # A criterion that is only needed by filters which were left out is not asked.
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
    """Store the drawn clips with a copy of their scores; `read` are the scores that filters use.

    `start` is the position of the first clip: the number of clips that the study has already.
    """
    if rules.rules_of(study).presentation == "one_by_one":
        criteria = db.scalars(
            select(col(Criterion.key)).where(col(Criterion.study_id) == study.id).order_by(col(Criterion.position))
        )
        clips = _per_pass(clips, list(criteria))
    rows = _clip_rows(study, pool, clips, keys, read, start)
    # Raters see ids of assignments in addresses: ids in the order of the strata would reveal the stratum.
    db.add_all(shuffled(rows))
    db.flush()
    places = [
        {"study_id": study.id, "study_clip_id": clip.id, "place": place}
        for clip in rows
        for place in range(study.raters_per_clip)
    ]
    db.execute(insert(Assignment), shuffled(places))


def _clip_rows(
    study: Study, pool: Pool, clips: list[DrawnClip], keys: dict[str, str], read: set[str], start: int
) -> list[StudyClip]:
    """A row for each clip, at random positions from `start`, with blocks that are balanced over the strata."""
    order = list(range(len(clips)))
    random.Random(study.seed).shuffle(order)  # noqa: S311 - an order, not a secret
    chance = random.Random(f"blocks:{study.seed}:{start}")  # noqa: S311 - a design, not a secret
    block = blocks([f"{one.criterion}:{one.stratum}" for one in clips], BLOCK_SIZE, chance)
    drawn_rows = pool.frame.filter(pl.col("clip").is_in([drawn.clip for drawn in clips]))
    facts = {row["clip"]: row for row in drawn_rows.iter_rows(named=True)}
    scores = sorted({*pool.score_columns(), *read})
    return [
        StudyClip(
            study_id=study.id,
            position=start + position,
            clip=drawn.clip,
            criterion=drawn.criterion,
            drawn_for=list(drawn.drawn_for),
            block=start // BLOCK_SIZE + own,
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


def _per_pass(clips: list[DrawnClip], criteria: list[str]) -> list[DrawnClip]:
    """Repeat each clip for every criterion that is asked about it, as criteria are asked one by one."""
    return [replace(one, criterion=key) for one in clips for key in ([one.criterion] if one.criterion else criteria)]


def _number(value: float | bool | None) -> float | None:
    return None if value is None else float(value)


def blocks(strata: list[str], size: int, shuffle: random.Random) -> list[int]:
    """Assign clips to blocks so that the first n blocks together hold each stratum's share, to within one clip.

    `strata` has the stratum of each clip, the result the block of each. The i-th of a stratum's n clips, in random
    order, gets the position (i + 0.5) / n; the clips sorted by position are divided into blocks of `size`.
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
