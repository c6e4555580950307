"""Figures of the workbench: rates at every threshold, ROC, precision against recall, and the part of the pool kept.

Each chart has the parameter `at`, the position of a threshold in the curves. The workbench's slider sets it, which
moves the mark without drawing the rest again.
"""

from collections.abc import Mapping

import altair as alt
import numpy as np

from analysis.estimate import Estimate
from analysis.figures.rendering import Cell, Chart, Table
from analysis.number_format import estimate_text
from analysis.thresholds.threshold_curves import ThresholdCurves

WORDS = {"precision": "precision", "recall": "recall", "f1": "F1"}
_COLOURS = [
    "#3b5bdb",
    "#c2410c",
    "#0f766e",
]  # blue, rust, teal: distinct for colour-blind readers too
_DASHES = [[1, 0], [6, 3], [2, 2]]


def rate_curves(curves: ThresholdCurves, *, name: str, at: int, width: int = 440) -> Chart:
    """Precision, recall and F1 against the threshold with their bands; `name` is that of the score, with its unit."""
    rows = [
        {"threshold": float(threshold), "rate": word, "value": value, "low": low, "high": high}
        for key, word in WORDS.items()
        for threshold, value, low, high in _points(curves, key)
    ]
    x = alt.X("threshold:Q", title=name, scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("value:Q", title="rate", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="~g", tickCount=5))
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x)
    bands = [
        base.mark_area(opacity=0.14, color=colour)
        .encode(y=alt.Y("low:Q", title="rate"), y2="high:Q")
        .transform_filter(f"datum.rate == '{word}'")
        for word, colour in zip(WORDS.values(), _COLOURS, strict=True)
    ]
    colour = alt.Color("rate:N", title=None, sort=None, scale=alt.Scale(range=_COLOURS))
    dash = alt.StrokeDash("rate:N", title=None, sort=None, scale=alt.Scale(range=_DASHES))
    lines = base.mark_line(strokeWidth=2).encode(y=y, color=colour, strokeDash=dash)
    percent = f"{100 * curves.confidence:g}"
    subtitle = f"{counted(curves)}; bands: {percent} % intervals"
    title = alt.Title("What each threshold would do", subtitle=subtitle)
    return alt.layer(*bands, lines, _rule(curves, at)).properties(width=width, height=width // 2, title=title)


def roc_with_mark(curves: ThresholdCurves, auc: Estimate, *, label: str = "AUC", at: int, width: int = 300) -> Chart:
    """The ROC curve: good clips kept against bad clips kept, with a mark at the threshold. `label` names `auc`."""
    rows: list[dict[str, float | None]] = [{"k": -1, "fpr": 0.0, "tpr": 0.0, "threshold": None}]
    for k, (hits, wrong, lost, spared) in enumerate(curves.weighted.tolist()):
        if hits + lost and wrong + spared:
            shares = {"fpr": wrong / (wrong + spared), "tpr": hits / (hits + lost)}
            rows.append({"k": k, **shares, "threshold": float(curves.thresholds[k])})
    share = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="~g", tickCount=5)
    x = alt.X("fpr:Q", title="bad clips kept", scale=share, axis=axis)
    y = alt.Y("tpr:Q", title="good clips kept", scale=share, axis=axis)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
    chance = alt.Chart(alt.InlineData(values=[{"fpr": 0, "tpr": 0}, {"fpr": 1, "tpr": 1}]))
    layers = [
        chance.mark_line(style="quiet").encode(x=x, y=y),
        base.mark_line(style="curve").encode(order="k:Q"),
        base.mark_point(style="mark", size=120, filled=True, opacity=1)
        .encode(tooltip=["threshold:Q", "tpr:Q", "fpr:Q"])
        .transform_filter("datum.k == at"),
    ]
    title = alt.Title("ROC curve", subtitle=[f"{label} {estimate_text(auc)}", counted(curves)])
    return alt.layer(*layers).add_params(_at(at)).properties(width=width, height=width, title=title)


def histogram_with_mark(histogram: Chart, curves: ThresholdCurves, *, at: int) -> Chart:
    """`score_histogram` with a line at the threshold, which the slider moves."""
    return histogram + _rule(curves, at)


def precision_recall(curves: ThresholdCurves, *, at: int, width: int = 300) -> Chart:
    """Precision against recall, with a mark at the threshold."""
    precision, recall = curves.rates["precision"].value, curves.rates["recall"].value
    rows = [
        {"k": k, "recall": float(recall[k]), "precision": float(precision[k]), "threshold": float(threshold)}
        for k, threshold in enumerate(curves.thresholds)
        if np.isfinite(precision[k]) and np.isfinite(recall[k])
    ]
    share = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="~g", tickCount=5)
    x = alt.X("recall:Q", title="recall: good clips kept", scale=share, axis=axis)
    y = alt.Y("precision:Q", title="precision: good among those kept", scale=share, axis=axis)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
    line = base.mark_line(style="curve").encode(order="k:Q")
    mark = (
        base.mark_point(style="mark", size=120, filled=True, opacity=1)
        .encode(tooltip=["threshold:Q", "precision:Q", "recall:Q"])
        .transform_filter("datum.k == at")
    )
    subtitle = f"{counted(curves)}; intervals of both stand in the table"
    title = alt.Title("Precision against recall", subtitle=subtitle)
    return alt.layer(line, mark).add_params(_at(at)).properties(width=width, height=width, title=title)


def kept_curve(
    curves: ThresholdCurves, amounts: Mapping[str, list[float]], *, clips: int, name: str, at: int, width: int = 440
) -> Chart:
    """The hours (or minutes, or clips) of the pool that this filter alone keeps at every threshold.

    `amounts` holds one list, named by its unit ("hours", "minutes" or "clips"), with a value per threshold; `clips` is
    the size of the pool.
    """
    ((unit, kept),) = amounts.items()
    rows = [
        {"threshold": float(threshold), "kept": float(value)}
        for threshold, value in zip(curves.thresholds, kept, strict=True)
    ]
    x = alt.X("threshold:Q", title=name, scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("kept:Q", title=f"{unit} of the pool kept", axis=alt.Axis(format=",.4~r", tickCount=5))
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(style="curve").encode(x=x, y=y)
    counts = f"n = {clips:,} clips of the pool".replace(",", "\N{THIN SPACE}") + ", all counted: no interval"
    title = alt.Title(f"{unit.capitalize()} of the pool kept by this filter alone", subtitle=counts)
    return alt.layer(line, _rule(curves, at)).properties(width=width, height=width // 2, title=title)


def threshold_table(curves: ThresholdCurves, amounts: Mapping[str, list[float]] | None = None) -> Table:
    """One row per threshold: counts of rated clips, rates as pages write them, amounts of the pool kept."""
    extra = tuple(amounts or {})
    words = {**WORDS, "specificity": "specificity"}
    headings = ("threshold", "good kept", "bad kept", "good rejected", "bad rejected", *words.values())
    rows: list[tuple[Cell, ...]] = []
    for k, threshold in enumerate(curves.thresholds):
        figures = [estimate_text(curves.rates[key].estimates[k]) for key in words]
        kept = [amounts[unit][k] for unit in extra] if amounts else []
        rows.append((float(threshold), *(int(count) for count in curves.counts[k]), *figures, *kept))
    return Table((*headings, *(f"{unit} of the pool kept" for unit in extra)), tuple(rows))


def counted(curves: ThresholdCurves) -> str:
    """The number of rated clips behind the curves, in words."""
    good_kept, bad_kept, good_lost, bad_lost = (int(count) for count in curves.counts[0])
    good, bad = good_kept + good_lost, bad_kept + bad_lost
    return f"n = {good + bad} rated clips ({good} good, {bad} bad)"


def _points(curves: ThresholdCurves, key: str) -> list[tuple[float, float | None, float | None, float | None]]:
    band = curves.rates[key]
    return [
        (threshold, _known(value), _known(low), _known(high))
        for threshold, value, low, high in zip(curves.thresholds, band.value, band.low, band.high, strict=True)
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _at(at: int) -> alt.Parameter:
    return alt.param(name="at", value=at)


def _rule(curves: ThresholdCurves, at: int) -> Chart:
    rows = [{"k": k, "threshold": float(threshold)} for k, threshold in enumerate(curves.thresholds)]
    rule = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rule(style="threshold")
        .encode(x="threshold:Q")
        .transform_filter("datum.k == at")
    )
    return alt.layer(rule).add_params(_at(at))
