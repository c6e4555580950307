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
from app.results.filter_results import CONFIDENCE, FilterResult
from app.results.judged_sample import JudgedSample
from app.results.study_results import Results
from app.thresholds import cascades
from app.thresholds.filter_ends import threshold_at
from app.thresholds.workbench_figures import score_with_unit
from scoring.registry import worst_by_overall

THRESHOLDS = 8
"""The number of thresholds to try on each score, besides the preset."""


@dataclass(frozen=True, eq=False)
class FilterPair:
    """Two filters, the rates at the pairs of their thresholds, and notes on the clips."""

    first: Filter
    second: Filter
    pairs: list[ThresholdPair]
    notes: tuple[str, ...]
    left_out: int
    """The number of judged clips that lack one of the scores."""
    simulated: bool
    """Whether the answers are the simulated panel's."""

    @property
    def table(self) -> Table:
        """The rates of every pair, one row per pair."""
        return threshold_pair_table(self.pairs, first=score_with_unit(self.first), second=score_with_unit(self.second))

    def chart(self, rate: Rate, width: int) -> Chart:
        """The map of one rate, with the pair of presets marked; `width` in pixels."""
        return threshold_pair_map(
            self.pairs,
            rate,
            first=score_with_unit(self.first),
            second=score_with_unit(self.second),
            preset=(threshold_at(self.first, "min"), threshold_at(self.second, "min")),
            width=width,
        )


def partner(results: Results, rule: Filter) -> FilterResult | None:
    """The filter on the other summary of the same series: `min_movement` for `avg_movement`, and the reverse.

    None unless both filters are minimums and the raters judge both by the same question.
    """
    worst = worst_by_overall()
    other = worst.get(rule.score) or next((whole for whole, low in worst.items() if low == rule.score), None)
    if other is None or rule.minimum is None or rule.maximum is not None:
        return None
    for result in results.filters:
        same = result.rule.criterion == rule.criterion and result.rule.score == other
        if same and result.rule.minimum is not None and result.rule.maximum is None:
            return result
    return None


def build(db: Session, study: Study, results: Results, name: str) -> FilterPair:
    """The pair that a filter belongs to, with the filter on the average first.

    Raises NotFound if the filter has no partner, and AppError if no judged clip has both scores.
    """
    result = results.filter_named(name)
    other = partner(results, result.rule)
    if other is None:
        raise NotFound(
            f"{result.rule.title} has no partner among the filters.",
            "A pair is a minimum on the whole clip and one on its worst second, judged by the same question.",
        )
    both = sorted((result, other), key=lambda one: one.rule.score not in worst_by_overall())
    sample, notes, left_out = cascades.joint_sample(db, study, both)
    first, second = (_scores(one, sample) for one in both)
    pairs = threshold_pairs(
        first,
        second,
        sample.good,
        sample.design,
        firsts=thresholds_between(first, threshold_at(both[0].rule, "min"), THRESHOLDS),
        seconds=thresholds_between(second, threshold_at(both[1].rule, "min"), THRESHOLDS),
        confidence=CONFIDENCE,
    )
    return FilterPair(both[0].rule, both[1].rule, pairs, notes, left_out, simulated=results.simulated)


def _scores(result: FilterResult, sample: JudgedSample) -> Floats:
    scores = {clip.clip: clip.score for clip in result.clips}
    return np.array([scores[one.clip] for one in sample.clips], dtype=np.float64)


def _figure(rate: Rate) -> Figure[FilterPair]:
    words = WORDS[rate]
    return Figure[FilterPair](
        page="pair",
        key=rate,
        title=lambda _: f"{words.capitalize()} for every pair of thresholds",
        chart=lambda pair, width: pair.chart(rate, width),
    )


register(*(_figure(rate) for rate in WORDS))
