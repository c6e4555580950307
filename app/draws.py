"""From a study file's sampling section to drawn clips: the only place where pools meet the sampling library."""

from dataclasses import dataclass, replace
from typing import Any

from analysis import sampling
from app.errors import AppError
from app.pools import Pool
from app.study_files import Borderline, FilterSpec, Stratified, StudyFile


@dataclass(frozen=True)
class DrawnClip:
    """A clip of the sample and how it came in; `criterion` is empty when all questions are asked about it."""

    clip: str
    criterion: str
    stratum: str
    inclusion_probability: float
    weight: float
    drawn_for: tuple[str, ...] = ()
    """In a borderline draw the filters whose threshold it lies next to."""


@dataclass(frozen=True)
class Sample:
    """The drawn clips and the design as it is stored with the study (JSON)."""

    clips: list[DrawnClip]
    design: dict[str, Any]


def draw(pool: Pool, spec: StudyFile, filters: list[FilterSpec]) -> Sample:
    """Draw as the study file says, among the filters that can be used."""
    if isinstance(spec.sampling, Stratified):
        sample = _stratified(pool, spec, spec.sampling, filters)
    else:
        sample = _borderline(pool, spec, spec.sampling, filters)
    broken = pool.frame.height - pool.readable.height
    if broken:
        sample.design["notes"].insert(0, f"{broken} files of the pool cannot be read and are not part of it.")
    return sample


def _stratified(pool: Pool, spec: StudyFile, plan: Stratified, filters: list[FilterSpec]) -> Sample:
    rule = next((rule for rule in filters if rule.name == plan.by), None)
    if rule is None:
        raise AppError(
            f"The sample is stratified by the filter {plan.by!r}, but the pool lacks its score.",
            f"Choose another in [sampling] by = ...; possible: {', '.join(rule.name for rule in filters)}.",
        )
    ids, scores = _ids(pool), _scores(pool, rule.score)
    if not any(score is not None for score in scores):
        raise AppError(
            f"No clip of the pool has the score {rule.score}, by which the sample is drawn.",
            "The pool's column `reason` says why; or choose another filter in [sampling] by = ...",
        )
    try:
        drawn = sampling.stratified(
            ids,
            scores,
            edges=_edges(scores, plan.bands, rule),
            n=plan.clips,
            allocation=plan.allocation,
            seed=spec.seed,
        )
    except ValueError as error:
        raise AppError(f"The sample cannot be drawn: {error}.", "Change [sampling] in the study file.") from error
    design = {
        "kind": "stratified",
        "by": rule.name,
        "score": rule.score,
        "seed": spec.seed,
        "allocation": plan.allocation,
        "strata": _table(drawn),
        "notes": list(drawn.notes),
    }
    return Sample(_clips(drawn, ids, ""), design)


def _borderline(pool: Pool, spec: StudyFile, plan: Borderline, filters: list[FilterSpec]) -> Sample:
    ids = _ids(pool)
    wanted = plan.filters or tuple(rule.name for rule in filters)
    clips: dict[tuple[str, str], DrawnClip] = {}
    strata: list[dict[str, Any]] = []
    said: dict[str, list[str]] = {}
    for rule in (rule for rule in filters if rule.name in wanted):
        try:
            drawn = sampling.borderline(
                ids, _scores(pool, rule.score), low=rule.min, high=rule.max, n_each=plan.each, seed=spec.seed
            )
        except ValueError as error:
            raise AppError(f"No clips can be drawn for {rule.title!r}: {error}.", "Change the filters.") from error
        criterion = spec.truth_of(rule)
        for one in _clips(drawn, ids, criterion):
            before = clips.get((one.clip, criterion), one)
            clips[one.clip, criterion] = replace(before, drawn_for=(*before.drawn_for, rule.name))
        strata += [row | {"filter": rule.name, "criterion": criterion} for row in _table(drawn)]
        for note in drawn.notes:
            said.setdefault(note, []).append(rule.title)
    notes = [f"{', '.join(titles)}: {note}" for note, titles in said.items()]
    design = {"kind": "borderline", "each": plan.each, "seed": spec.seed, "strata": strata, "notes": notes}
    return Sample(list(clips.values()), design)


def _edges(scores: list[float | None], bands: int, rule: FilterSpec) -> tuple[float, ...]:
    if bands == 1:
        return ()
    if rule.min is not None:
        return sampling.bands(scores, bands, rule.min)
    return sampling.bands(scores, bands, rule.max, direction="le")


def _ids(pool: Pool) -> list[str]:
    return [str(clip) for clip in pool.readable["clip"]]


def _scores(pool: Pool, name: str) -> list[float | None]:
    return [None if value is None else float(value) for value in pool.readable[name]]


def _clips(drawn: sampling.Draw, ids: list[str], criterion: str) -> list[DrawnClip]:
    return [
        DrawnClip(ids[index], criterion, stratum, float(probability), float(weight))
        for index, stratum, probability, weight in zip(
            drawn.indices, drawn.stratum, drawn.inclusion_probability, drawn.weight, strict=True
        )
    ]


def _table(drawn: sampling.Draw) -> list[dict[str, Any]]:
    return [
        {"label": row.label, "low": row.low, "high": row.high, "population": row.population, "drawn": row.drawn}
        for row in drawn.strata
    ]
