"""The figures of pages and reports: each a chart whose title says the finding, and the table behind it."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.figures.cascade import Level, retention_cascade, retention_cascade_table
from analysis.figures.curves import roc_curve, roc_curve_table
from analysis.figures.forest import agreement_forest, agreement_forest_table
from analysis.figures.histogram import score_histogram, score_histogram_table
from analysis.figures.rendering import VERDICT_COLOURS, Chart, Table, Theme, spec, svg

__all__ = [
    "FIGURES",
    "VERDICT_COLOURS",
    "Chart",
    "Figure",
    "Level",
    "Table",
    "Theme",
    "agreement_forest",
    "agreement_forest_table",
    "retention_cascade",
    "retention_cascade_table",
    "roc_curve",
    "roc_curve_table",
    "score_histogram",
    "score_histogram_table",
    "spec",
    "svg",
]


@dataclass(frozen=True)
class Figure:
    """`draw` makes the chart and `table` its rows; `table` takes the same arguments without `width`."""

    draw: Callable[..., Chart]
    table: Callable[..., Table]


FIGURES: dict[str, Figure] = {
    "score_histogram": Figure(score_histogram, score_histogram_table),
    "roc_curve": Figure(roc_curve, roc_curve_table),
    "agreement_forest": Figure(agreement_forest, agreement_forest_table),
    "retention_cascade": Figure(retention_cascade, retention_cascade_table),
}
"""Every figure by name."""
