"""The sample of a study: the clips that its study file's design or a sample file selects from its pool."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import AppError
from app.pools.pool_files import Pool, require_same_pool
from app.sampling import borderline as borderline_draws
from app.sampling import draws, sample_files
from app.sampling.design_files import DesignFile
from app.sampling.designs import Borderline, Stratified, TwoPhase
from app.sampling.draws import DrawnSample
from app.sampling.frame import SamplingFrame
from app.studies.study_file import FilterSpec, StudyFile
from scoring.filters import Filter


@dataclass(frozen=True)
class DrawnClip:
    """A clip of the sample and how it was drawn; `criterion` is empty if raters answer all criteria for it."""

    clip: str
    criterion: str
    stratum: str
    inclusion_probability: float
    weight: float
    drawn_for: tuple[str, ...] = ()
    """In a borderline sample, the filters whose thresholds the clip is near."""


@dataclass(frozen=True)
class StudySample:
    """The drawn clips and the design as it is stored with the study (JSON)."""

    clips: list[DrawnClip]
    design: dict[str, Any]


def sample_from_pool(pool: Pool, spec: StudyFile, filters: list[FilterSpec]) -> StudySample:
    """Draw the sample of a study by the design in its study file; `filters` are those that the pool has scores for."""
    rules = tuple(Filter(rule.name, rule.score, rule.min, rule.max) for rule in filters)
    design = DesignFile("the study file", "", spec.sampling, spec.seed, rules)
    table, name = pool.readable, pool.path.name
    found = (
        _borderline(SamplingFrame.build(name, table, spec.sampling, rules), spec, filters)
        if isinstance(spec.sampling, Borderline)
        else _random(draws.sample(name, table, design), spec, filters)
    )
    broken = pool.frame.height - table.height
    if broken:
        found.design["notes"].insert(0, f"{broken} files of the pool cannot be read and are not part of it.")
    return found


def sample_from_file(path: Path, pool: Pool, spec: StudyFile, filters: list[FilterSpec]) -> StudySample:
    """Read the sample of a study from a sample file of the same pool.

    Raters answer only the criteria of the filters that a borderline clip was drawn for, and all criteria for other
    clips. Raises AppError if the sample is from another pool, or names filters that the study does not have.
    """
    made = sample_files.read(path)
    require_same_pool(
        pool.path.name, pool.fingerprint, made.record["pool_fingerprint"], f"the sample {path.name} was drawn"
    )
    criterion_of = {rule.name: spec.deciding_criterion(rule) for rule in filters}
    clips = []
    for row in made.clips.iter_rows(named=True):
        known = [name for name in row["drawn_for"] if name in criterion_of]
        if row["drawn_for"] and not known:
            raise AppError(
                f"{path} was drawn for filters that the study does not have ({', '.join(row['drawn_for'])}).",
                "Use the same names in the study file.",
            )
        for criterion in dict.fromkeys(criterion_of[name] for name in known) or [""]:
            own = tuple(name for name in known if criterion_of[name] == criterion)
            chance = (row["inclusion_probability"], row["weight"])
            clips.append(DrawnClip(row["clip"], criterion, row["stratum"], *chance, own))
    borderline = isinstance(made.design.plan, Borderline)
    kept = ("seed", "strata", "notes", "plan", "filters", "design_id", "design_text", "pool_fingerprint")
    kind = {"kind": "borderline" if borderline else "stratified", "design": made.design.plan.design}
    return StudySample(clips, kind | {key: made.record[key] for key in kept})


def _random(drawn: DrawnSample, spec: StudyFile, filters: list[FilterSpec]) -> StudySample:
    plan = spec.sampling
    design: dict[str, Any] = {
        "kind": "stratified",
        "design": plan.design,
        "seed": spec.seed,
        "strata": drawn.strata,
        "notes": list(drawn.notes),
        "plan": plan.model_dump(mode="json"),
    }
    by = plan.by if isinstance(plan, Stratified | TwoPhase) else ""
    if by:
        design |= {"by": by, "score": next(rule.score for rule in filters if rule.name == by)}
    if isinstance(plan, Stratified):
        design["allocation"] = plan.allocation
    clips = [
        DrawnClip(row["clip"], "", row["stratum"], row["inclusion_probability"], row["weight"])
        for row in drawn.clips.iter_rows(named=True)
    ]
    return StudySample(clips, design)


def _borderline(frame: SamplingFrame, spec: StudyFile, filters: list[FilterSpec]) -> StudySample:
    plan = spec.sampling
    assert isinstance(plan, Borderline)
    found = borderline_draws.draw(frame, plan, spec.seed)
    criterion_of = {rule.name: spec.deciding_criterion(rule) for rule in filters}
    ids = frame.table["clip"]
    clips: list[DrawnClip] = []
    for criterion in dict.fromkeys(criterion_of[side.filter.name] for side in found.sides):
        sides = tuple(side for side in found.sides if criterion_of[side.filter.name] == criterion)
        chance = found.chances(sides)
        drawn_for: dict[int, list[borderline_draws.Side]] = {}
        for side in sides:
            for place in side.clips.tolist():
                drawn_for.setdefault(place, []).append(side)
        clips += [
            DrawnClip(
                clip=str(ids[place]),
                criterion=criterion,
                stratum=own[0].near.label,
                inclusion_probability=chance[place],
                weight=1 / chance[place],
                drawn_for=tuple(side.filter.name for side in own),
            )
            for place, own in drawn_for.items()
        ]
    near = {one.clip for one in clips}
    clips += [
        DrawnClip(row["clip"], "", row["stratum"], row["inclusion_probability"], 1 / row["inclusion_probability"])
        for row in found.table.iter_rows(named=True)
        if row["clip"] not in near
    ]
    design = {
        "kind": "borderline",
        "design": "borderline",
        "each": plan.each,
        "seed": spec.seed,
        "strata": found.strata(lambda rule: criterion_of[rule.name]),
        "notes": _titled(found.notes, filters),
        "plan": plan.model_dump(mode="json"),
    }
    return StudySample(clips, design)


def _titled(notes: tuple[str, ...], filters: list[FilterSpec]) -> list[str]:
    """The notes, with filter names at their beginning replaced by the titles of the filters."""
    titles = {rule.name: rule.title for rule in filters}
    words = []
    for note in notes:
        names, colon, rest = note.partition(": ")
        known = [titles.get(name) for name in names.split(", ")]
        words.append(f"{', '.join(map(str, known))}: {rest}" if colon and all(known) else note)
    return words
