"""Which figures the results pages have, and from which results each is drawn."""

from typing import Any

from analysis import figures
from analysis.figures import Chart, Table, Theme, files
from app.errors import NotFound
from app.results.filter_results import FilterResult
from app.results.study_results import Results
from app.web.figure_responses import FILE_WIDTH, marked

AGREEMENT = "agreement"
FILTER_FIGURES = ("histogram", "roc")
WIDEST_SQUARE = 300
"""A ROC plot is square: wider ones would be taller than the histogram beside them."""


def spec(results: Results, name: str, theme: Theme, width: int) -> dict[str, Any]:
    """A figure as a Vega-Lite specification; `width` is the plot's, in pixels."""
    return figures.spec(_marked(_chart(results, name, width), results), theme)


def svg(results: Results, name: str, theme: Theme) -> str:
    """A figure as a picture."""
    return figures.svg(_marked(_chart(results, name, FILE_WIDTH), results), theme)


def encoded(results: Results, name: str, ending: str) -> bytes:
    """A figure as the content of a file: .svg, .pdf, .png."""
    return files.encode(_marked(_chart(results, name, FILE_WIDTH), results), ending)


def names(results: Results) -> list[str]:
    """Every figure that exists for these results, in the order of the pages."""
    found = [AGREEMENT] if results.agreement_is_known else []
    return found + [f"{kind}-{one.rule.name}" for one in results.filters for kind in filter_tables(one)]


def _marked(chart: Chart, results: Results) -> Chart:
    return marked(chart, simulated=results.kind == "simulated")


def agreement_table(results: Results) -> Table:
    """The numbers behind the agreement figure."""
    return figures.agreement_forest_table(_estimates(results))


def filter_tables(result: FilterResult) -> dict[str, Table]:
    """The numbers behind a filter's figures, of those that exist."""
    tables = {}
    if result.clips:
        tables["histogram"] = figures.score_histogram_table(**_histogram(result))
    if result.curve is not None and result.curve.auc.value is not None:
        tables["roc"] = figures.roc_curve_table(result.curve, cuts=_cuts(result))
    return tables


def _chart(results: Results, name: str, width: int) -> Chart:
    """A figure by its name: `agreement`, `histogram-<filter>`, `roc-<filter>`."""
    kind, _, rule = name.partition("-")
    if name == AGREEMENT:
        return figures.agreement_forest(_estimates(results), width=width)
    if kind not in FILTER_FIGURES:
        raise NotFound(f"There is no figure {name!r}.", "The results page shows those there are.")
    result = results.filter_named(rule)
    if kind not in filter_tables(result):
        raise NotFound(f"The figure {name!r} cannot be drawn yet.", "; ".join(result.missing.values()))
    if kind == "histogram":
        return figures.score_histogram(**_histogram(result), width=width)
    assert result.curve is not None, "its table exists"
    return figures.roc_curve(result.curve, cuts=_cuts(result), width=min(width, WIDEST_SQUARE))


def _estimates(results: Results) -> dict[str, list[Any]]:
    return {result.label: list(result.estimates.values()) for result in results.criteria if result.estimates}


def _histogram(result: FilterResult) -> dict[str, Any]:
    rule = result.rule
    unit = f" ({rule.units})" if rule.units else ""
    return {
        "scores": [one.score for one in result.clips],
        "verdicts": [one.verdict for one in result.clips],
        "name": f"{rule.score}{unit}",
        "low": rule.minimum,
        "high": rule.maximum,
    }


def _cuts(result: FilterResult) -> dict[str, float]:
    rule = result.rule
    # A filter with two ends is no point of the curve, which moves one end alone.
    cuts = {} if rule.minimum is not None and rule.maximum is not None else {"now": result.cut}
    if result.best is not None:
        cuts["best F1"] = result.best.threshold
    return cuts
