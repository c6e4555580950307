"""The figures of the results page and of each filter's page. The report shows the same figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis import figures
from analysis.agreement.statistics import shown_on
from analysis.figures import Chart
from analysis.filters.roc import RocCurve
from app.results.figure_registry import FILE_WIDTH, Figure, draw, figures_of, find, is_shown, register, square
from app.results.filter_results import FilterResult
from app.results.study_results import Results


@dataclass(frozen=True)
class FilterFigures:
    """The data of the figures on a filter's page."""

    results: Results
    filter: FilterResult

    @property
    def simulated(self) -> bool:
        """True if the answers come from the simulated panel."""
        return self.results.simulated


def names(results: Results) -> list[str]:
    """Return the names of all figures that the pages show (`agreement`, `roc-<filter>`), in the order of the pages."""
    found = [figure.key for figure in figures_of("results") if is_shown(figure, results)]
    for result in results.filters:
        data = FilterFigures(results, result)
        found += [f"{figure.key}-{result.rule.name}" for figure in figures_of("filter") if is_shown(figure, data)]
    return found


def chart(results: Results, name: str, width: int = FILE_WIDTH) -> Chart:
    """Draw a figure by the name in its address. Raises NotFound if there is none, or if it cannot be drawn yet."""
    key, _, filter_name = name.partition("-")
    if filter_name and any(figure.key == key for figure in figures_of("filter")):
        return draw(find(key, "filter"), FilterFigures(results, results.filter_named(filter_name)), width)
    return draw(find(name, "results"), results, width)


def _estimates(results: Results) -> dict[str, list[Any]]:
    return {result.label: list(result.estimates.values()) for result in results.criteria if result.estimates}


def _agreement_caption(_: Results) -> str:
    pairs = " and ".join(one.label for one in shown_on("results") if one.fewest_votes > 1)
    return f"Each point is one coefficient, its bar the 95 % interval. A clip with one answer does not enter {pairs}."


def _histogram(data: FilterFigures) -> dict[str, Any]:
    result, rule = data.filter, data.filter.rule
    unit = f" ({rule.units})" if rule.units else ""
    return {
        "scores": [one.score for one in result.clips],
        "verdicts": [one.verdict for one in result.clips],
        "name": f"{rule.score}{unit}",
        "low": rule.minimum,
        "high": rule.maximum,
    }


def _roc(data: FilterFigures) -> RocCurve:
    assert data.filter.curve is not None, "the figure is missing without a curve"
    return data.filter.curve


def _thresholds(result: FilterResult) -> Mapping[str, float]:
    """Return the thresholds to mark on the ROC curve, by their label."""
    rule = result.rule
    # A filter with two limits is not a point on the curve, because the curve moves one limit only.
    marked = {} if rule.minimum is not None and rule.maximum is not None else {"now": result.threshold}
    if result.best is not None:
        marked["best F1"] = result.best.threshold
    return marked


def no_curve(data: FilterFigures) -> str:
    """Return the reason why a filter has no ROC curve; empty if it has one."""
    curve = data.filter.curve
    if curve is None:
        return data.filter.missing.get("curve") or "no clip has a verdict and this score"
    return curve.auc.undefined or ""


def _roc_caption(data: FilterFigures) -> str:
    sample = data.filter.sample
    weighted = sample is not None and sample.weights is not None
    scope = ", weighted to the pool" if weighted else " of the drawn clips"
    return f"What every threshold would keep{scope}. Interval: {_roc(data).auc.method}."


register(
    Figure[Results](
        page="results",
        key="agreement",
        title=lambda _: "Agreement by question with intervals",
        caption=_agreement_caption,
        chart=lambda results, width: figures.agreement_forest(_estimates(results), width=width),
        table=lambda results: figures.agreement_forest_table(_estimates(results)),
        missing=lambda results: "" if _estimates(results) else "no question has a statistic of agreement",
        worth_showing=lambda results: results.agreement_is_known,
    ),
    Figure[FilterFigures](
        page="filter",
        key="histogram",
        title=lambda _: "Score by verdict",
        caption=lambda _: "Judged clips by score and verdict of their raters; the line is the threshold now.",
        chart=lambda data, width: figures.score_histogram(**_histogram(data), width=width),
        table=lambda data: figures.score_histogram_table(**_histogram(data)),
        missing=lambda data: "" if data.filter.clips else "no clip has this score and an answer",
    ),
    Figure[FilterFigures](
        page="filter",
        key="roc",
        title=lambda _: "ROC curve",
        caption=_roc_caption,
        chart=lambda data, width: figures.roc_curve(_roc(data), thresholds=_thresholds(data.filter), width=width),
        table=lambda data: figures.roc_curve_table(_roc(data), thresholds=_thresholds(data.filter)),
        missing=no_curve,
        fit=square,
    ),
)
