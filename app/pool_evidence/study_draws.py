"""The draws that a study's sample comes from, repeated from its pool, its design and its history of top-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError
from app.models import Filter as StudyFilter
from app.models import Study, StudyClip
from app.pools.pool_files import Pool, read_pool, require_same_pool
from app.sampling.design_files import PLANS, DesignFile
from app.sampling.joint import NEW_STUDY, DesignDraw
from app.studies import reference_clips
from scoring.filters import Filter


@dataclass(frozen=True, eq=False)
class StudyDraws:
    """The draws that a study's sample comes from.

    `pool` is without the clips that are never drawn. `history` has an entry for every draw and top-up (JSON), `draws`
    one draw for each design.
    """

    pool: Pool
    history: list[dict[str, Any]]
    draws: tuple[DesignDraw, ...]


def study_draws(db: Session, study: Study) -> StudyDraws:
    """Repeat the study's draws from its pool. Raises AppError if the design or a changed pool does not allow it."""
    if study.design["kind"] == "borderline":
        raise AppError("A borderline draw is not topped up.", NEW_STUDY)
    query = select(StudyFilter).where(col(StudyFilter.study_id) == study.id).order_by(col(StudyFilter.position))
    filters = db.scalars(query).all()
    pool = read_pool(Path(study.pool))
    require_same_pool(pool.path.name, pool.fingerprint, study.pool_fingerprint, "the study was made")
    pool = reference_clips.without(pool, _reference_clips(db, study))  # as when the study was drawn
    history = _history(study, filters, len(sampled_clips(db, study)))
    return StudyDraws(pool, history, _repeated(pool, history))


def sampled_clips(db: Session, study: Study) -> set[str]:
    """The clips of the study's sample."""
    return set(
        db.scalars(
            select(col(StudyClip.clip)).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        )
    )


def _reference_clips(db: Session, study: Study) -> set[str]:
    """The clips with reference answers. Raters may know the answers, so these clips are never drawn."""
    return set(
        db.scalars(
            select(col(StudyClip.clip)).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) != "sample")
        )
    )


def _history(study: Study, filters: Sequence[StudyFilter], clips: int) -> list[dict[str, Any]]:
    """The history of the study's draws; before the first top-up it is derived from the study's design."""
    design = study.design
    if "draws" in design:
        return list(design["draws"])
    if "plan" not in design:
        raise AppError("The study does not know the design that it was drawn by.", NEW_STUDY)
    rules = [[rule.name, rule.score, rule.minimum, rule.maximum] for rule in filters]
    return [
        {
            "at": study.created_at.isoformat(timespec="seconds"),
            "kind": "first",
            "part": 0,
            "clips": clips,
            "known": 0,
            "seed": design["seed"],
            "shares": {row["label"]: row["drawn"] for row in design["strata"]},
            "plan": design["plan"],
            "filters": design.get("filters", rules),
        }
    ]


def _repeated(pool: Pool, history: Sequence[Mapping[str, Any]]) -> tuple[DesignDraw, ...]:
    """One draw for each design, with the clips of its latest entry in the history."""
    found = []
    for _, entry in sorted({entry["part"]: entry for entry in history}.items()):
        filters = tuple(Filter(*rule) for rule in entry["filters"])
        plan = PLANS.validate_python(entry["plan"])
        draw = DesignDraw.of(pool, DesignFile("the study's design", "", plan, entry["seed"], filters), entry["shares"])
        if entry["kind"] == "first":
            # Its counts, not its shares, were stored: a limit per source can have left fewer clips than the share.
            shares = np.maximum(draw.plan.shares, draw.prepared.plan.shares)
            draw = replace(draw, plan=replace(draw.plan, shares=shares))
        found.append(draw)
    return tuple(found)
