"""Top up a running study with clips, by its own or a further design, and recompute the weights of all its clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col, func

from app.db import Database
from app.errors import AppError
from app.models import Event, Study, StudyClip, now
from app.models import Filter as StudyFilter
from app.pools.pool_files import Pool, read_pool, require_same_pool
from app.results import study_results
from app.sampling import probability
from app.sampling.design_files import PLANS, DesignFile
from app.sampling.designs import Stratified, TwoPhase
from app.sampling.joint import NEW_STUDY, DesignDraw, JointDraw
from app.settings import Settings
from app.studies import clip_files, creation, lifecycle, reference_clips
from app.studies.drawing import DrawnClip
from scoring.filters import Filter


@dataclass(frozen=True)
class ToppedUp:
    """What a top-up did: clips that are new, clips it drew that the study had already, all now, the notes."""

    study: str
    new: int
    known: int
    clips: int
    notes: tuple[str, ...]


def top_up(
    database: Database,
    settings: Settings,
    slug: str,
    clips: int,
    *,
    design: DesignFile | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> ToppedUp:
    """Draw `clips` more for a study and give them places; probabilities and weights of all its clips are made anew.

    Without a design the study's own is gone on with (the last, if it had several): the clips of each stratum are
    then what one larger draw had given. A two-phase study gets its second phase, with the accepted and rejected
    clips of the first as its pilot. Another `design` draws from the whole pool by a seed of its own; clips that the
    study has already count among its `clips`. What raters hold or have answered stays as it is. Raises AppError,
    with nothing written, when the pool has changed since the study was made or the design cannot be gone on with.
    """
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        there = _sampled(db, study)
        kept_out = _kept_out(db, study)
        filters = db.scalars(
            select(StudyFilter).where(col(StudyFilter.study_id) == study.id).order_by(col(StudyFilter.position))
        ).all()
        judged = _judged(db, study)
    if study.state == "archived":
        raise AppError(f"The study {slug} is archived.", "Open it again first.")
    pool, history, parts = _drawn(study, filters, kept_out, len(there))
    before = JointDraw(tuple(parts))
    if set(pool.readable["clip"].gather(before.drawn)) != there:
        raise AppError("The study's clips are not those that its design and seed draw.", NEW_STUDY)
    if design is not None:
        parts.append(DesignDraw.of(pool, _further(design, clips, {part.seed for part in parts})))
        kind = "another design"
    else:
        parts[-1], kind = _grown(parts[-1], clips, judged)
    after = parts[-1]
    joint = JointDraw(tuple(parts))
    names = pool.readable["clip"].to_list()
    chance, (strata, stratum) = joint.chance, joint.strata()
    new = [
        DrawnClip(names[place], "", stratum[place], float(chance[place]), float(1 / chance[place]))
        for place in joint.drawn.tolist()
        if names[place] not in there
    ]
    if not new:
        raise AppError("The top-up draws no clip that the study has not.", "Ask for more clips.")
    own = len(after.drawn) - (0 if design is not None else len(before.draws[-1].drawn))
    entry = {
        "at": now().isoformat(timespec="seconds"),
        "kind": kind,
        "part": len(parts) - 1,
        "clips": len(new),
        "known": own - len(new),
        "seed": after.seed,
        "shares": after.shares(),
        **after.record,
    }
    notes = tuple(dict.fromkeys([*study.design.get("notes", []), *after.plan.notes]))
    changed = study.design | {"strata": strata, "notes": list(notes), "draws": [*history, entry]}
    places = dict(zip(names, zip(stratum, chance.tolist(), strict=True), strict=True))
    _store(database, settings, pool, study, changed, places, new, on_clip)
    return ToppedUp(slug, len(new), own - len(new), len(there) + len(new), after.plan.notes)


@dataclass(frozen=True, eq=False)
class SoFar:
    """How a study's sample came out of its pool: the pool without clips never to be drawn, and its draws as parts."""

    pool: Pool
    parts: tuple[DesignDraw, ...]


def so_far(db: Session, study: Study) -> SoFar:
    """The study's draws again, from its pool as it lies there. Raises AppError when that cannot be."""
    query = select(StudyFilter).where(col(StudyFilter.study_id) == study.id).order_by(col(StudyFilter.position))
    pool, _, parts = _drawn(study, db.scalars(query).all(), _kept_out(db, study), len(_sampled(db, study)))
    return SoFar(pool, tuple(parts))


def more(found: SoFar, clips: int) -> dict[str, tuple[int, int]]:
    """What a top-up by the study's own design would take: clips of each stratum, there and more.

    A two-phase study's second phase is shared out by its judgments, when it is drawn: here it raises AppError, as it
    does where there are not so many clips.
    """
    part = found.parts[-1]
    plan = PLANS.validate_python(part.record["plan"])
    if isinstance(plan, TwoPhase) and np.array_equal(part.plan.shares, part.prepared.plan.shares):
        raise AppError("The second phase is shared out by the judgments of the first, when it is drawn.")
    after = probability.grown(part.prepared, part.plan.shares, clips)
    rows = zip(part.plan.division.labels, part.plan.shares.tolist(), after.shares.tolist(), strict=True)
    return {label: (have, then - have) for label, have, then in rows}


def _drawn(
    study: Study, filters: Sequence[StudyFilter], kept_out: set[str], clips: int
) -> tuple[Pool, list[dict[str, Any]], list[DesignDraw]]:
    if study.design["kind"] == "borderline":
        raise AppError("A borderline draw is not topped up.", NEW_STUDY)
    pool = read_pool(Path(study.pool))
    require_same_pool(pool.path.name, pool.fingerprint, study.pool_fingerprint, "the study was made")
    pool = reference_clips.without(pool, kept_out)  # as when the study was drawn
    history = _history(study, filters, clips)
    return pool, history, _parts(pool, history)


def _sampled(db: Session, study: Study) -> set[str]:
    """The clips of the study's sample."""
    return set(
        db.scalars(
            select(col(StudyClip.clip)).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        )
    )


def _judged(db: Session, study: Study) -> dict[str, pl.DataFrame]:
    """For each filter the clips that people have decided on (clip, good)."""
    names = {clip.id: clip.clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id))}
    found = {}
    for result in study_results.compute(db, study, "person").filters:
        rows = [(names[one.clip], float(one.verdict == "accept")) for one in result.clips if one.verdict is not None]
        found[result.rule.name] = pl.DataFrame(rows, {"clip": pl.String, "good": pl.Float64}, orient="row")
    return found


def _history(study: Study, filters: Sequence[StudyFilter], clips: int) -> list[dict[str, Any]]:
    """The study's draws so far, the first made up from its design where it has not been topped up."""
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


def _parts(pool: Pool, history: Sequence[Mapping[str, Any]]) -> list[DesignDraw]:
    """The parts as the last draw of each left them."""
    found = []
    for _, entry in sorted({entry["part"]: entry for entry in history}.items()):
        filters = tuple(Filter(*rule) for rule in entry["filters"])
        plan = PLANS.validate_python(entry["plan"])
        part = DesignDraw.of(pool, DesignFile("the study's design", "", plan, entry["seed"], filters), entry["shares"])
        if entry["kind"] == "first":
            # Its counts, not its shares, were kept: a limit per source can have left fewer clips than the share.
            part = replace(
                part, plan=replace(part.plan, shares=np.maximum(part.plan.shares, part.prepared.plan.shares))
            )
        found.append(part)
    return found


def _further(design: DesignFile, clips: int, taken: set[int]) -> DesignFile:
    """A further design for this many clips, with the first unused seed, starting at the design's own."""
    plan = design.plan
    if isinstance(plan, TwoPhase):
        raise AppError("A two-phase design begins a study and tops up no other.", "Top up by a stratified design.")
    if isinstance(plan, Stratified) and plan.shares:
        if sum(plan.shares) != clips:
            raise AppError(f"The design's shares are {sum(plan.shares)} clips, not {clips}.", "Say the same in both.")
    else:
        plan = plan.model_copy(update={"clips": clips})
    seed = next(seed for seed in range(design.seed, design.seed + len(taken) + 1) if seed not in taken)
    return replace(design, plan=plan, seed=seed)


def _grown(part: DesignDraw, clips: int, judged: Mapping[str, pl.DataFrame]) -> tuple[DesignDraw, str]:
    """The part with `clips` more, and what kind of draw that is."""
    plan = PLANS.validate_python(part.record["plan"])
    if isinstance(plan, TwoPhase) and np.array_equal(part.plan.shares, part.prepared.plan.shares):
        known = part.frame.table["clip"].gather(part.drawn)
        pilot = judged.get(plan.by, pl.DataFrame(schema={"clip": pl.String, "good": pl.Float64}))
        pilot = pilot.filter(pl.col("clip").is_in(known.implode()))
        both = probability.second_phase(
            part.frame, plan.model_copy(update={"clips": clips}), part.prepared, pilot, part.seed
        )
        counts = {one.label: one.drawn for one in both.strata}
        shares = np.array([counts[label] for label in part.plan.division.labels], dtype=np.int64)
        return replace(part, plan=replace(part.plan, shares=shares, notes=both.notes)), "second phase"
    return replace(part, plan=probability.grown(part.prepared, part.plan.shares, clips)), "top-up"


def _kept_out(db: Session, study: Study) -> set[str]:
    """Clips with reference answers, which raters may know. They are never drawn."""
    return set(
        db.scalars(
            select(col(StudyClip.clip)).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) != "sample")
        )
    )


def _store(
    database: Database,
    settings: Settings,
    pool: Pool,
    study: Study,
    design: dict[str, Any],
    places: Mapping[str, tuple[str, float]],
    new: list[DrawnClip],
    on_clip: Callable[[int, int], None] | None,
) -> None:
    """Write the clips and the weights in one transaction; `places` has the stratum and probability of every clip."""
    keys = clip_files.make_ready(pool, settings, [one.clip for one in new], on_clip)
    try:
        with database.writer() as db:
            live = db.scalars(select(Study).where(col(Study.id) == study.id).with_for_update()).one()
            if live.design != study.design:
                raise AppError(f"The study {study.slug} was topped up meanwhile.", "Look at it, and start again.")
            clips = db.scalars(
                select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
            ).all()
            for clip in clips:
                clip.stratum, clip.inclusion_probability = places[clip.clip]
                clip.weight = 1 / clip.inclusion_probability
            start = db.scalars(
                select(func.max(col(StudyClip.position))).where(col(StudyClip.study_id) == study.id)
            ).one()
            read = set(db.scalars(select(col(StudyFilter.score)).where(col(StudyFilter.study_id) == study.id)))
            creation.write_clips(db, live, pool, new, keys, read, start=(-1 if start is None else start) + 1)
            live.design = design
            live.version += 1
            db.add(live)
            entry = {name: value for name, value in design["draws"][-1].items() if name != "at"}
            db.add(Event(study_id=live.id, kind="topped_up", detail=entry))
    except BaseException:
        clip_files.forget(settings, keys)
        raise
