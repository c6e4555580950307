"""The figures of the agreement pages and the tables behind them, with the words that say what each shows."""

from typing import Any

from analysis import figures
from analysis.figures import Chart, Line, Table
from app.errors import NotFound
from app.results.agreement import Agreement, CriterionAgreement
from app.results.rater_page import RaterPage
from app.web.figure_responses import marked


def tables(found: Agreement, chosen: CriterionAgreement | None) -> dict[str, Table]:
    """The numbers behind the figures of the agreement page, of those that exist: forest, pairs, raters."""
    made = {}
    if found.estimates:
        made["forest"] = figures.agreement_forest_table(found.estimates)
    if chosen and chosen.pairs:
        made["pairs"] = figures.pair_heat_map_table(chosen.pairs, name=chosen.kappa)
    if chosen and chosen.raters:
        made["raters"] = figures.interval_plot_table(**_rest(chosen))
    return made


def bias_table(page: RaterPage) -> Table | None:
    """The numbers behind a rater's figure; None where no criterion has points."""
    return figures.interval_plot_table(**_bias(page)) if _bias_lines(page) else None


def chart(found: Agreement, name: str, chosen: CriterionAgreement | None, rater: RaterPage | None, width: int) -> Chart:
    """A figure by its name: forest, pairs and raters (of the chosen criterion), bias (of a rater).

    Raises NotFound for one that cannot be drawn.
    """
    made: Chart | None = None
    if name == "forest" and found.estimates:
        made = figures.agreement_forest(found.estimates, width=width)
    elif name == "pairs" and chosen and chosen.pairs:
        made = figures.pair_heat_map(chosen.pairs, name=chosen.kappa, width=width)
    elif name == "raters" and chosen and chosen.raters:
        made = figures.interval_plot(**_rest(chosen), width=width)
    elif name == "bias" and rater and _bias_lines(rater):
        made = figures.interval_plot(**_bias(rater), width=width)
    if made is None:
        raise NotFound(f"The figure {name!r} cannot be drawn.", "The page shows those that there are.")
    return marked(made, simulated=found.kind == "simulated")


def _rest(chosen: CriterionAgreement) -> dict[str, Any]:
    beside = [(one.rater, one.estimates[0]) for one in chosen.raters]
    known = [(estimate.value, rater) for rater, estimate in beside if estimate.value is not None]
    finding = "No rater can be compared with a majority of the others yet"
    if known:
        least, who = min(known)
        finding = f"{who} equals the others' majority least often: on {100 * least:.0f} of 100 clips"
    return {
        "lines": [Line(rater, "same answer as the others' majority", estimate) for rater, estimate in beside],
        "finding": finding,
        "caption": f"n = {_span([estimate.clips for _, estimate in beside])} clips a rater; bars are 95 % intervals",
        "axis": "same answer as the others' majority, share of clips",
        "percent": True,
    }


def _bias_lines(page: RaterPage) -> list[Line]:
    """Bias by criterion, of the criteria with points."""
    return [
        Line(one.label, "this rater less the mean of the others", one.rest["rest_bias"])
        for one in page.criteria
        if "rest_bias" in one.rest
    ]


def _bias(page: RaterPage) -> dict[str, Any]:
    lines = _bias_lines(page)
    known = [(abs(line.estimate.value), line.estimate.value, line.label) for line in lines if line.estimate.value]
    finding = f"{page.name} shows no difference to the others"
    if known:
        size, value, label = max(known)
        finding = f"{page.name} rates {label} {size:.2f} points {'above' if value > 0 else 'below'} the others"
    return {
        "lines": lines,
        "finding": finding,
        "caption": f"n = {_span([line.estimate.clips for line in lines])} clips; bars are 95 % intervals (Student's t)",
        "axis": "difference to the mean of the others, points of the scale",
        "at": 0.0,
    }


def _span(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
