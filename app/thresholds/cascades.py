"""All filters of a criterion as a cascade: what each rejects alone, what dropping one changes, and joint thresholds."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Floats
from analysis.filters import rates
from analysis.thresholds.cascade import FilterContribution, filter_contributions
from analysis.thresholds.cascade_guarantee import JointThresholds, joint_thresholds
from app.errors import AppError, NotFound
from app.models import Criterion, Filter, Study, StudyClip
from app.results.filter_results import CONFIDENCE, FilterResult
from app.results.judged_sample import JudgedSample, judged_sample
from app.results.study_results import Results
from app.thresholds.filter_ends import End, ends, threshold_at

FEWEST = 2
"""The smallest number of filters that make a cascade."""


class CascadeRequest(BaseModel):
    """A criterion and the precision to search joint thresholds for, as the page's form sends them."""

    criterion: Annotated[str, Field(max_length=100)] = ""
    target: Annotated[float | None, Field(gt=0, lt=1)] = None


@dataclass(frozen=True)
class FilterEnd:
    """One end of a filter's range: a column of the joint search, in which a higher `sign` * score is better."""

    rule: Filter
    end: End
    preset: float

    @property
    def sign(self) -> float:
        """1 for a minimum and -1 for a maximum."""
        return 1.0 if self.end == "min" else -1.0

    @property
    def name(self) -> str:
        """The name of the filter in tables."""
        return self.rule.title


@dataclass(frozen=True, eq=False)
class CriterionCascade:
    """The filters of one criterion, applied together to the clips that have all their scores and a majority.

    `contributions` and `table` describe the preset thresholds. `joint` is the result of the joint search; it is None if
    no search was requested, or if it failed for the reason `why_not`.
    """

    criterion: Criterion
    ends: tuple[FilterEnd, ...]
    sample: JudgedSample
    notes: tuple[str, ...]
    left_out: int
    """The number of judged clips that lack one of the scores."""
    contributions: tuple[FilterContribution, ...]
    table: rates.Confusion
    joint: JointThresholds | None
    why_not: str

    def joint_threshold(self, number: int) -> float | None:
        """The threshold found for the end of this number, in the units of its score; None if the end stays open."""
        assert self.joint is not None, "the caller has checked that the search succeeded"
        threshold = float(self.joint.thresholds[number])
        return self.ends[number].sign * threshold if np.isfinite(threshold) else None


def criteria_of(results: Results, items: tuple[Criterion, ...]) -> list[Criterion]:
    """The criteria with at least two filters, the one with the most filters first."""
    count = {item.key: sum(one.rule.criterion == item.key for one in results.filters) for item in items}
    several = [item for item in items if count[item.key] >= FEWEST]
    return sorted(several, key=lambda item: -count[item.key])


def criterion_cascade(
    db: Session, study: Study, results: Results, item: Criterion, target: float | None
) -> CriterionCascade:
    """Apply the filters of a criterion together; with a `target`, also search joint thresholds of that precision.

    Raises AppError if no judged clip has all scores.
    """
    filters = [one for one in results.filters if one.rule.criterion == item.key]
    columns = tuple(FilterEnd(one.rule, end, threshold_at(one.rule, end)) for one in filters for end in ends(one.rule))
    sample, notes, left_out = joint_sample(db, study, filters)
    values = _values(sample, filters, columns)
    names, presets = [one.name for one in columns], np.array([one.sign * one.preset for one in columns])
    good = sample.good.astype(np.float64)
    contributions = filter_contributions(names, values, presets, good, sample.design)
    kept = np.asarray((values >= presets).all(axis=1))
    table = rates.tabulate(kept, good, sample.design, CONFIDENCE)
    joint, why_not = None, ""
    if target is not None:
        try:
            joint = joint_thresholds(
                names, values, good, sample.design, target=target, confidence=CONFIDENCE, seed=study.seed
            )
        except ValueError as error:
            why_not = str(error)
    return CriterionCascade(item, columns, sample, notes, left_out, tuple(contributions), table, joint, why_not)


def find_criterion(items: list[Criterion], key: str) -> Criterion:
    """The criterion with this key, or the first if the key is empty.

    Raises AppError if no criterion has two filters, and NotFound if this one has not.
    """
    if not items:
        raise AppError(
            "No criterion of this study has two filters.", "One filter is moved on its own page.", status=404
        )
    for item in items:
        if item.key == (key or items[0].key):
            return item
    raise NotFound(f"No two filters are judged by {key!r}.", f"There is: {', '.join(one.key for one in items)}.")


def joint_sample(db: Session, study: Study, filters: list[FilterResult]) -> tuple[JudgedSample, tuple[str, ...], int]:
    """The judged clips that have the score of every filter, notes on them, and the number of clips that lack a score.

    Raises AppError if there is no such clip.
    """
    decided = [{one.clip: one for one in result.clips if one.verdict is not None} for result in filters]
    everywhere = set.intersection(*(set(one) for one in decided)) if decided else set()
    if not everywhere:
        raise AppError(
            "No judged clip has the scores of all these filters.", "A clip must have every score to pass them together."
        )
    used = tuple(one for one in decided[0].values() if one.clip in everywhere)
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    sample, notes = judged_sample(used, study, {clip.id: clip for clip in db.scalars(query) if clip.id in everywhere})
    judged = set.union(*(set(one) for one in decided))
    return sample, tuple(notes), len(judged - everywhere)


def _values(sample: JudgedSample, filters: list[FilterResult], columns: tuple[FilterEnd, ...]) -> Floats:
    """The scores with signs such that they rise with quality, shape (clips, columns)."""
    scores = {one.rule.name: {clip.clip: clip.score for clip in one.clips} for one in filters}
    found = [[column.sign * scores[column.rule.name][one.clip] for one in sample.clips] for column in columns]
    return np.array(found, dtype=np.float64).T
