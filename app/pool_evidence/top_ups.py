"""Top up a running study with clips, by its own or a further design, and recompute the weights of all its clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col, func

from app.db import Database
from app.errors import AppError
from app.models import Event, Study, StudyClip, now
from app.models import Filter as StudyFilter
from app.pool_evidence.study_draws import StudyDraws, sampled_clips, study_draws
from app.pools.pool_files import Pool
from app.results import study_results
from app.sampling import probability
from app.sampling.design_files import PLANS, DesignFile
from app.sampling.designs import Stratified, TwoPhase
from app.sampling.joint import NEW_STUDY, DesignDraw, JointDraw
from app.settings import Settings
from app.studies import clip_files, creation, lifecycle
from app.studies.drawing import DrawnClip


@dataclass(frozen=True)
class TopUpOutcome:
    """What a top-up did to a study: `new` clips, `known` clips that the study had already, and all `clips` now."""

    study: str
    new: int
    known: int
    clips: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StratumTopUp:
    """A stratum of a planned top-up: the clips drawn so far, and the clips to be added."""

    label: str
    drawn: int
    added: int


def top_up(
    database: Database,
    settings: Settings,
    slug: str,
    clips: int,
    *,
    design: DesignFile | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> TopUpOutcome:
    """Draw `clips` more clips for a study, add them, and recompute the probabilities and weights of all its clips.

    Without a `design` the study's own design continues (the latest, if it had several): each stratum then has the clips
    that one larger draw would have given. A two-phase study gets its second phase, with the rated clips of the first
    phase as its pilot. Another `design` draws from the whole pool with its own seed; clips that the study has already
    count among `clips`. Assignments and answers are not changed. Raises AppError, and writes nothing, if the study is
    archived, the pool has changed since the study was made, or the design cannot continue.
    """
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        if study.state == "archived":
            raise AppError(f"The study {slug} is archived.", "Open it again first.")
        before = study_draws(db, study)
        sampled = sampled_clips(db, study)
        rated = _rated(db, study)
    names = before.pool.readable["clip"]
    if set(names.gather(JointDraw(before.draws).drawn)) != sampled:
        raise AppError("The study's clips are not those that its design and seed draw.", NEW_STUDY)
    draws, kind, drawn = _extended(before, design, clips, rated)
    joint = JointDraw(draws)
    strata, stratum = joint.strata()
    places = dict(zip(names.to_list(), zip(stratum, joint.chance.tolist(), strict=True), strict=True))
    new = [
        DrawnClip(clip, "", places[clip][0], places[clip][1], 1 / places[clip][1])
        for clip in names.gather(joint.drawn).to_list()
        if clip not in sampled
    ]
    if not new:
        raise AppError("The top-up draws no clip that the study has not.", "Ask for more clips.")
    entry = _history_entry(draws, kind, len(new), drawn)
    notes = list(dict.fromkeys([*study.design.get("notes", []), *draws[-1].plan.notes]))
    changed = study.design | {"strata": strata, "notes": notes, "draws": [*before.history, entry]}
    _store(database, settings, before.pool, study, changed, places, new, on_clip)
    return TopUpOutcome(slug, len(new), drawn - len(new), len(sampled) + len(new), draws[-1].plan.notes)


def preview(found: StudyDraws, clips: int) -> tuple[StratumTopUp, ...]:
    """The strata of a top-up of so many clips by the study's own design.

    Raises AppError if the pool has not so many clips, and for the second phase of a two-phase study, which depends on
    the judgments at the time of the draw.
    """
    draw = found.draws[-1]
    if _second_phase(draw) is not None:
        raise AppError("The second phase is shared out by the judgments of the first, when it is drawn.")
    after = probability.grown(draw.prepared, draw.plan.shares, clips)
    rows = zip(draw.plan.division.labels, draw.plan.shares.tolist(), after.shares.tolist(), strict=True)
    return tuple(StratumTopUp(label, drawn, then - drawn) for label, drawn, then in rows)


def _rated(db: Session, study: Study) -> dict[str, pl.DataFrame]:
    """For each filter, the clips with a verdict, as a table with the columns `clip` and `good` (0 or 1)."""
    names = {clip.id: clip.clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id))}
    found = {}
    for result in study_results.compute(db, study, "person").filters:
        rows = [(names[one.clip], float(one.verdict == "accept")) for one in result.clips if one.verdict is not None]
        found[result.rule.name] = pl.DataFrame(rows, {"clip": pl.String, "good": pl.Float64}, orient="row")
    return found


def _extended(
    before: StudyDraws, design: DesignFile | None, clips: int, rated: Mapping[str, pl.DataFrame]
) -> tuple[tuple[DesignDraw, ...], str, int]:
    """The draws with a top-up of so many clips, the kind of top-up, and the number of clips that it drew."""
    if design is not None:
        used_seeds = {draw.seed for draw in before.draws}
        added = DesignDraw.of(before.pool, _prepared(design, clips, used_seeds))
        return (*before.draws, added), "another design", len(added.drawn)
    latest = before.draws[-1]
    plan = _second_phase(latest)
    if plan is None:
        grown = replace(latest, plan=probability.grown(latest.prepared, latest.plan.shares, clips))
    else:
        grown = _with_second_phase(latest, plan.model_copy(update={"clips": clips}), rated)
    kind = "top-up" if plan is None else "second phase"
    return (*before.draws[:-1], grown), kind, len(grown.drawn) - len(latest.drawn)


def _prepared(design: DesignFile, clips: int, used_seeds: set[int]) -> DesignFile:
    """Another design for this many clips, with the first unused seed from the design's own seed on."""
    plan = design.plan
    if isinstance(plan, TwoPhase):
        raise AppError("A two-phase design begins a study and tops up no other.", "Top up by a stratified design.")
    if isinstance(plan, Stratified) and plan.shares:
        if sum(plan.shares) != clips:
            raise AppError(f"The design's shares are {sum(plan.shares)} clips, not {clips}.", "Say the same in both.")
    else:
        plan = plan.model_copy(update={"clips": clips})
    seed = next(seed for seed in range(design.seed, design.seed + len(used_seeds) + 1) if seed not in used_seeds)
    return replace(design, plan=plan, seed=seed)


def _second_phase(draw: DesignDraw) -> TwoPhase | None:
    """The plan of a two-phase design whose second phase has not been drawn; None for every other draw."""
    plan = PLANS.validate_python(draw.record["plan"])
    if isinstance(plan, TwoPhase) and np.array_equal(draw.plan.shares, draw.prepared.plan.shares):
        return plan
    return None


def _with_second_phase(draw: DesignDraw, plan: TwoPhase, rated: Mapping[str, pl.DataFrame]) -> DesignDraw:
    """The draw of both phases, with the rated clips of the first phase as its pilot."""
    first = draw.frame.table["clip"].gather(draw.drawn)
    pilot = rated.get(plan.by, pl.DataFrame(schema={"clip": pl.String, "good": pl.Float64}))
    pilot = pilot.filter(pl.col("clip").is_in(first.implode()))
    both = probability.second_phase(draw.frame, plan, draw.prepared, pilot, draw.seed)
    counts = {one.label: one.drawn for one in both.strata}
    shares = np.array([counts[label] for label in draw.plan.division.labels], dtype=np.int64)
    return replace(draw, plan=replace(draw.plan, shares=shares, notes=both.notes))


def _history_entry(draws: Sequence[DesignDraw], kind: str, new: int, drawn: int) -> dict[str, Any]:
    """The entry of the history (JSON) for a top-up that drew `drawn` clips, of which `new` were not in the study."""
    latest = draws[-1]
    return {
        "at": now().isoformat(timespec="seconds"),
        "kind": kind,
        "part": len(draws) - 1,
        "clips": new,
        "known": drawn - new,
        "seed": latest.seed,
        "shares": latest.shares(),
        **latest.record,
    }


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
    """Write the clips and the weights in one transaction.

    `places` has the stratum and the inclusion probability of every clip of the pool, by its name. Raises AppError if
    another top-up was stored in the meantime.
    """
    keys = clip_files.make_ready(pool, settings, [one.clip for one in new], on_clip)
    try:
        files = clip_files.digests(settings, keys.values())
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
            db.add_all(files)
            live.design = design
            live.version += 1
            db.add(live)
            entry = {name: value for name, value in design["draws"][-1].items() if name != "at"}
            db.add(Event(study_id=live.id, kind="topped_up", detail=entry))
    except BaseException:
        clip_files.forget(settings, keys)
        raise
