"""Reference clips of a study file (training, qualification, gold, examples): check, exclude from the draw, store."""

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
"""Roles whose clips are mixed among those of the sample and must look like them."""


@dataclass(frozen=True)
class ReferenceClip:
    """A clip of the pool with a role, its reference answers by criterion key, and their explanation."""

    clip: str
    role: str
    answers: dict[str, str]
    reason: str = ""


def of(spec: StudyFile, pool: Pool) -> list[ReferenceClip]:
    """The study file's reference clips and examples, with answers in the form in which they are stored.

    Raises AppError if a clip is not in the pool (with similar names) or an answer is not on its criterion's scale.
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
    """The pool without some clips: raters who have seen a clip's reference answer must not get it in the sample."""
    kept = sorted(set(names))
    return replace(pool, frame=pool.frame.filter(~pl.col("clip").is_in(kept))) if kept else pool


def refuse_in_sample(known: list[ReferenceClip], drawn: Iterable[str]) -> None:
    """Raise AppError if a reference clip is part of the sample."""
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
    """Store the reference clips after the sample, from position `start`. Returns the position after the last.

    They have weight 0, no stratum and no places. `criteria` are the keys if criteria are asked one by one, else empty:
    a gold clip is then stored once per criterion with a reference answer, because its page must not ask for more than
    others. `read` are the scores that filters use: pages that show scores show those of gold clips too.
    """
    those = pool.frame.filter(pl.col("clip").is_in([one.clip for one in known]))
    facts = {row["clip"]: row for row in those.iter_rows(named=True)}
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
