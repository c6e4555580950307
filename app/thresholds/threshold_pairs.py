"""Two thresholds at once: a filter on a clip's average and its partner on the clip's worst second."""

from dataclasses import dataclass

import numpy as np
from sqlmodel import Session

from analysis.estimate import Floats
from analysis.figures import Chart, Table
from analysis.figures.threshold_pairs import WORDS, Rate, threshold_pair_map, threshold_pair_table
from analysis.thresholds.threshold_pairs import ThresholdPair, threshold_pairs, thresholds_between
from app.errors import NotFound
from app.models import Filter, Study
from app.results.figure_registry import Figure, register
from app.results.filter_results import CONFIDENCE, FilterResult, Sample
from app.results.study_results import Results
from app.thresholds import cascades
from app.thresholds.workbench_figures import axis
from scoring.registry import worst_by_overall

CUTS = 8
"""Cuts of each score besides the preset."""


@dataclass(frozen=True, eq=False)
class PairOfCuts:
    """Both filters, the pairs of their cuts, and what to know about the clips."""

    first: Filter
    second: Filter
    pairs: list[ThresholdPair]
    notes: tuple[str, ...]
    without: int
    """Judged clips left out, because one of the scores is missing."""
    simulated: bool
    """Whether the answers are the simulated panel's."""

    @property
    def table(self) -> Table:
        """The numbers behind the map."""
        return threshold_pair_table(self.pairs, first=axis(self.first), second=axis(self.second))

    def chart(self, rate: Rate, width: int) -> Chart:
        """The map of one rate."""
        preset = (_cut(self.first), _cut(self.second))
        return threshold_pair_map(
            self.pairs, rate, first=axis(self.first), second=axis(self.second), preset=preset, width=width
        )


def partner(found: Results, rule: Filter) -> FilterResult | None:
    """The filter on the same series' other summary: `min_movement` for `avg_movement`, and the other way round.

    None unless both are minimums that raters judge by the same question.
    """
    worst = worst_by_overall()
    wanted = worst.get(rule.score) or next((whole for whole, low in worst.items() if low == rule.score), None)
    if wanted is None or rule.minimum is None or rule.maximum is not None:
        return None
    for result in found.filters:
        same = result.rule.criterion == rule.criterion and result.rule.score == wanted
        if same and result.rule.minimum is not None and result.rule.maximum is None:
            return result
    return None


def make(db: Session, study: Study, found: Results, name: str) -> PairOfCuts:
    """The pair that a filter belongs to, the average first. Raises NotFound without one, AppError without clips."""
    result = found.filter_named(name)
    other = partner(found, result.rule)
    if other is None:
        raise NotFound(
            f"{result.rule.title} has no partner among the filters.",
            "A pair is a minimum on the whole clip and one on its worst second, judged by the same question.",
        )
    both = sorted((result, other), key=lambda one: one.rule.score not in worst_by_overall())
    sample, notes, without = cascades.joint_sample(db, study, both)
    first, second = (_scores(one, sample) for one in both)
    pairs = threshold_pairs(
        first,
        second,
        sample.good,
        sample.design,
        firsts=thresholds_between(first, _cut(both[0].rule), CUTS),
        seconds=thresholds_between(second, _cut(both[1].rule), CUTS),
        confidence=CONFIDENCE,
    )
    return PairOfCuts(both[0].rule, both[1].rule, pairs, notes, without, simulated=found.simulated)


def _scores(result: FilterResult, sample: Sample) -> Floats:
    scores = {clip.clip: clip.score for clip in result.clips}
    return np.array([scores[one.clip] for one in sample.clips], dtype=np.float64)


def _cut(rule: Filter) -> float:
    assert rule.minimum is not None, "only minimums have partners"
    return rule.minimum


def _figure(rate: Rate) -> Figure[PairOfCuts]:
    words = WORDS[rate]
    return Figure[PairOfCuts](
        page="pair",
        key=rate,
        title=lambda _: f"{words.capitalize()} for every pair of cuts",
        chart=lambda pair, width: pair.chart(rate, width),
    )


register(*(_figure(rate) for rate in WORDS))
