"""Figures of pages and reports: each a chart whose title states the finding, and a table with its numbers.

A figure is a function that returns a `Chart`; the same name with `_table` returns its `Table`. `rendering` turns charts
into Vega-Lite and SVG. Imports every other package of analysis.
"""

from analysis.figures.cascade import Level, retention_cascade, retention_cascade_table
from analysis.figures.forest import agreement_forest, agreement_forest_table
from analysis.figures.histogram import score_histogram, score_histogram_table
from analysis.figures.intervals import Line, interval_plot, interval_plot_table
from analysis.figures.rater_pairs import PairAgreement, pair_heat_map, pair_heat_map_table
from analysis.figures.rendering import VERDICT_COLOURS, Chart, Table, Theme, spec, svg
from analysis.figures.roc import roc_curve, roc_curve_table

__all__ = [
    "VERDICT_COLOURS",
    "Chart",
    "Level",
    "Line",
    "PairAgreement",
    "Table",
    "Theme",
    "agreement_forest",
    "agreement_forest_table",
    "interval_plot",
    "interval_plot_table",
    "pair_heat_map",
    "pair_heat_map_table",
    "retention_cascade",
    "retention_cascade_table",
    "roc_curve",
    "roc_curve_table",
    "score_histogram",
    "score_histogram_table",
    "spec",
    "svg",
]
