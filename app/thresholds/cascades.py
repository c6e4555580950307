"""All filters of a criterion as a cascade: what each rejects alone, what dropping one changes, and joint thresholds."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Floats
from analysis.filters import rates
from analysis.thresholds.cascade import FilterContribution, filter_contributions
from analysis.thresholds.cascade_guarantee import Cascade, cascade
from app.errors import AppError, NotFound
from app.models import Criterion, Filter, Study, StudyClip
from app.results.filter_results import CONFIDENCE, FilterResult, Sample, sample_of
from app.results.study_results import Results

FEWEST = 2
"""Filters below which nothing can be together."""


class Wanted(BaseModel):
    """What the page's form asks for."""

    criterion: Annotated[str, Field(max_length=100)] = ""
    target: Annotated[float | None, Field(gt=0, lt=1)] = None


@dataclass(frozen=True)
class Ending:
    """One end of a filter's range: a column of the joint search. Higher `sign` x score is better."""

    rule: Filter
    end: Literal["min", "max"]
    preset: float

    @property
    def sign(self) -> float:
        """1 for a minimum, -1 for a maximum."""
        return 1.0 if self.end == "min" else -1.0

    @property
    def name(self) -> str:
        """For the tables."""
        return self.rule.title


@dataclass(frozen=True, eq=False)
class Together:
    """The filters of one criterion on the clips that have all their scores and a majority.

    `shares` and `table` are those of the preset cuts; `found` the joint search, None where none was asked for or
    none succeeded: `why_not` then says why.
    """

    criterion: Criterion
    endings: tuple[Ending, ...]
    sample: Sample
    notes: tuple[str, ...]
    without: int
    """Judged clips left out, because one of the scores is missing."""
    shares: tuple[FilterContribution, ...]
    table: rates.Confusion
    found: Cascade | None
    why_not: str

    def joint_cut(self, number: int) -> float | None:
        """The cut found for one ending, in the score's own direction; None where it stays open."""
        assert self.found is not None, "there was a search"
        cut = float(self.found.thresholds[number])
        return self.endings[number].sign * cut if np.isfinite(cut) else None


def criteria_of(found: Results, items: tuple[Criterion, ...]) -> list[Criterion]:
    """The criteria with at least two filters, the one with most filters first."""
    count = {item.key: sum(one.rule.criterion == item.key for one in found.filters) for item in items}
    several = [item for item in items if count[item.key] >= FEWEST]
    return sorted(several, key=lambda item: -count[item.key])


def together(db: Session, study: Study, found: Results, item: Criterion, target: float | None) -> Together:
    """The filters of a criterion as one. Raises AppError where no judged clip has all scores."""
    concerned = [one for one in found.filters if one.rule.criterion == item.key]
    endings = tuple(ending for one in concerned for ending in _endings(one.rule))
    sample, notes, without = joint_sample(db, study, concerned)
    values = _values(sample, concerned, endings)
    presets = np.array([ending.sign * ending.preset for ending in endings])
    good = sample.good.astype(np.float64)
    shares = filter_contributions([ending.name for ending in endings], values, presets, good, sample.design)
    kept = np.asarray((values >= presets).all(axis=1))
    table = rates.tabulate(kept, good, sample.design, CONFIDENCE)
    joint, why_not = None, ""
    if target is not None:
        try:
            names = [ending.name for ending in endings]
            joint = cascade(names, values, good, sample.design, target=target, confidence=CONFIDENCE, seed=study.seed)
        except ValueError as error:
            why_not = str(error)
    return Together(item, endings, sample, notes, without, tuple(shares), table, joint, why_not)


def chosen(items: list[Criterion], key: str) -> Criterion:
    """The criterion asked for, or the first. Raises AppError where none has two filters."""
    if not items:
        raise AppError(
            "No criterion of this study has two filters.", "One filter is moved on its own page.", status=404
        )
    for item in items:
        if item.key == (key or items[0].key):
            return item
    raise NotFound(f"No two filters are judged by {key!r}.", f"There is: {', '.join(one.key for one in items)}.")


def _endings(rule: Filter) -> list[Ending]:
    found = []
    if rule.minimum is not None:
        found.append(Ending(rule, "min", rule.minimum))
    if rule.maximum is not None:
        found.append(Ending(rule, "max", rule.maximum))
    return found


def joint_sample(db: Session, study: Study, concerned: list[FilterResult]) -> tuple[Sample, tuple[str, ...], int]:
    """The judged clips with every filter's score, notes on them, how many lack one. Raises AppError for none."""
    decided = [{one.clip: one for one in result.clips if one.verdict is not None} for result in concerned]
    everywhere = set.intersection(*(set(one) for one in decided)) if decided else set()
    if not everywhere:
        raise AppError(
            "No judged clip has the scores of all these filters.", "A clip must have every score to pass them together."
        )
    used = tuple(one for one in decided[0].values() if one.clip in everywhere)
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    sample, notes = sample_of(used, study, {clip.id: clip for clip in db.scalars(query) if clip.id in everywhere})
    judged = set.union(*(set(one) for one in decided))
    return sample, tuple(notes), len(judged - everywhere)


def _values(sample: Sample, concerned: list[FilterResult], endings: tuple[Ending, ...]) -> Floats:
    """Scores that rise with quality, shape (clips, endings)."""
    scores = {one.rule.name: {clip.clip: clip.score for clip in one.clips} for one in concerned}
    columns = [[ending.sign * scores[ending.rule.name][one.clip] for one in sample.clips] for ending in endings]
    return np.array(columns, dtype=np.float64).T
