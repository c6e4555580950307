"""Clips with known answers and the rubric's examples: checked, kept out of the draw, written with the study."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from sqlmodel import Session

from app.errors import AppError, did_you_mean
from app.models import Study, StudyClip
from app.pools.pool_files import Pool
from app.studies.scales import checked
from app.studies.score_series import snapshot
from app.studies.study_file import StudyFile

EXAMPLES = ("good_clip", "fair_clip", "poor_clip")
SILENT = ("gold", "attention")
"""Roles whose clips come among those of the sample and ask for no more than they do."""


@dataclass(frozen=True)
class ReferenceClip:
    """A clip of the pool that serves the raters' side, in its role."""

    clip: str
    role: str
    answers: dict[str, str]
    reason: str = ""


def of(spec: StudyFile, pool: Pool) -> list[ReferenceClip]:
    """The study file's known clips and examples, each with the answers as they are stored.

    Raises AppError for a clip that the pool lacks (with the nearest names) and an answer off its criterion's scale.
    """
    criteria = {item.key: item for item in spec.criteria}
    found = []
    for name, (role, known) in spec.reference_clips().items():
        answers = {}
        for key, value in known.answers.items():
            try:
                answers[key] = checked(criteria[key], value) or ""
            except AppError as error:
                raise AppError(f"The {role} clip {name}: {error}", "Correct its answers in the study file.") from error
        found.append(ReferenceClip(name, role, answers, known.reason))
    shown = dict.fromkeys(
        name for item in spec.criteria for part in EXAMPLES if (name := getattr(item.rubric, part)) != ""
    )
    found += [ReferenceClip(name, "example", {}) for name in shown]
    names = pool.readable["clip"].to_list()
    for one in found:
        if one.clip not in names:
            raise AppError(
                f"The {one.role} clip {one.clip!r} is not in the pool {pool.path.name}.",
                did_you_mean(one.clip, names) or "Name clips of the pool.",
            )
    return found


def without(pool: Pool, names: Iterable[str]) -> Pool:
    """The pool to draw from: raters who know a clip's right answer must not find it in the sample."""
    kept = sorted(set(names))
    return replace(pool, frame=pool.frame.filter(~pl.col("clip").is_in(kept))) if kept else pool


def refuse_in_sample(known: list[ReferenceClip], drawn: Iterable[str]) -> None:
    """Raises AppError naming a known clip that a given sample holds."""
    sample = set(drawn)
    for one in known:
        if one.clip in sample:
            raise AppError(
                f"The {one.role} clip {one.clip!r} is part of the sample.",
                "Draw the sample anew without it, or name another clip in the study file.",
            )


def write(
    db: Session,
    study: Study,
    pool: Pool,
    known: list[ReferenceClip],
    keys: dict[str, str],
    criteria: list[str],
    read: set[str],
    *,
    start: int,
) -> int:
    """Store the known clips behind the sample, from position `start`; weight 0, no stratum, no places. Returns the
    position after the last.

    `criteria` are the keys that are asked one by one, where the sample is (empty: all on one screen): a gold clip is
    then stored once per criterion whose answer is known, as otherwise its page would ask for more than others. `read`
    are the scores that filters use: where pages show those, they show a gold clip's too.
    """
    facts = {row["clip"]: row for row in pool.frame.iter_rows(named=True)}
    snapshots = {one.clip: _snapshot(facts[one.clip], pool.score_columns(), sorted(read)) for one in known}
    rows = [
        _row(study, one, key, facts[one.clip], snapshots[one.clip], keys[one.clip])
        for one in known
        for key in ([key for key in criteria if key in one.answers] if criteria and one.role in SILENT else [""])
    ]
    for position, row in enumerate(secrets.SystemRandom().sample(rows, len(rows))):
        row.position = start + position
        db.add(row)
    db.flush()
    return start + len(rows)


def _row(
    study: Study, one: ReferenceClip, criterion: str, facts: dict[str, Any], scores: dict[str, Any], key: str
) -> StudyClip:
    return StudyClip(
        study_id=study.id,
        position=0,
        clip=one.clip,
        role=one.role,
        answers={name: value for name, value in one.answers.items() if criterion in ("", name)},
        reason=one.reason,
        criterion=criterion,
        media=facts["media"],
        media_key=key,
        source=facts["source"] or one.clip,
        duration=facts["duration"] or 0.0,
        width=facts["width"] or 0,
        height=facts["height"] or 0,
        stratum="",
        inclusion_probability=0.0,
        weight=0.0,
        scores=scores,
    )


def _snapshot(facts: dict[str, Any], columns: list[str], read: list[str]) -> dict[str, Any]:
    kept = {name: None if facts[name] is None else float(facts[name]) for name in sorted({*columns, *read})}
    return kept | snapshot(facts, read)
