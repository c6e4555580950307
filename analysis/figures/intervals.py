"""Interval plot: estimates with their intervals, one line each, for subgroups, the human ceiling, effects, means."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import altair as alt

from analysis.estimate import Estimate
from analysis.figures.rendering import Chart, Table
from analysis.number_format import decimal, estimate_text

_COLOURS = ("#5b78e6", "#8b8f97", "#b08a2e")  # readable on both backgrounds; shapes distinguish them as well
_SHAPES = ("circle", "diamond", "square")
_LABEL = 220  # pixels; a longer name of a line is truncated, and the tooltip has all of it
_LETTER = 6.8  # pixels of a letter
_MIN_WIDTH = 150  # pixels of the plot
_NARROW = 300  # pixels; in a narrower figure names get half the room and the legend has one column
_ROW = 26  # pixels per estimate
_GAP = 10  # pixels between lines with several estimates


@dataclass(frozen=True)
class Line:
    """An estimate, the label of its line, the series it belongs to, and a mark such as "too few"."""

    label: str
    series: str
    estimate: Estimate
    mark: str = ""


def interval_plot(
    lines: Sequence[Line],
    *,
    finding: str,
    caption: str,
    axis: str,
    share: bool = False,
    counted: bool = False,
    at: float | None = None,
    digits: int = 2,
    width: int = 440,
) -> Chart:
    """Points with interval bars by line and series; an undefined estimate has words in its place.

    `axis` names what is measured, with its unit; `share` says that it lies between 0 and 1; `counted` shares are plain
    counts without an interval and are written in percent; `at` draws a line of reference, such as 0 for no effect;
    `digits` are the decimals of means in a unit of their own. Lines and series keep their order. `width` in pixels
    includes names longer than nine letters. Raises ValueError without a line.
    """
    if not lines:
        raise ValueError("no estimate to draw")
    labels = list(dict.fromkeys(_label(line) for line in lines))
    series = list(dict.fromkeys(line.series for line in lines))
    known = [
        _row(line) | {"estimate": _written(line.estimate, counted=counted, digits=digits)}
        for line in lines
        if line.estimate.value is not None
    ]
    ends = [end for row in known for end in (row["value"], row["low"], row["high"])] + ([] if at is None else [at])
    domain = _domain(ends, share=share)
    room = min(_LABEL if width >= _NARROW else _LABEL // 2, max(len(label) for label in labels) * _LETTER)
    plot = round(max(_MIN_WIDTH, width - max(0.0, room - _LETTER * 9)))
    x = alt.X(
        "value:Q",
        title=wrap(axis, round(plot / _LETTER)),
        scale=alt.Scale(domain=domain, nice=not share, zero=False),
        axis=alt.Axis(grid=True, tickCount=6, format="%" if counted else "~g"),
    )
    y = alt.Y("label:N", title=None, sort=labels, axis=alt.Axis(grid=False, labelPadding=8, labelLimit=room + _LETTER))
    together = len({(_label(line), line.series) for line in lines}) > len(labels)
    place: dict[str, Any] = {"y": y}
    if together:
        place["yOffset"] = alt.YOffset("series:N", sort=series, scale=alt.Scale(domain=series, paddingOuter=0.6))
    colour, shape = _by_series(series, narrow=width < _NARROW)
    layers: list[alt.Chart] = []
    if at is not None:
        layers.append(alt.Chart(alt.InlineData(values=[{"value": at}])).mark_rule(style="quiet").encode(x=x))
    data = alt.Chart(alt.InlineData(values=known))
    tips = ["label:N", "series:N", "estimate:N", "clips:Q"]
    layers.append(data.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", **place, color=colour))
    points = data.mark_point(size=70, filled=True, opacity=1)
    layers.append(points.encode(x=x, **place, color=colour, shape=shape, tooltip=tips))
    absent = [_row(line) | {"value": domain[0]} for line in lines if line.estimate.value is None]
    if absent:
        words = alt.Chart(alt.InlineData(values=absent)).mark_text(style="quiet-text", align="left", dx=4)
        layers.append(words.encode(x=x, **place, text=alt.value("not defined"), tooltip="reason:N"))
    height = len(labels) * (_ROW * (len(series) if together else 1) + (_GAP if together else 2))
    title = alt.Title(finding, subtitle=caption)
    return alt.layer(*layers).properties(width=plot, height=height, title=title)


def _by_series(series: list[str], *, narrow: bool) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of every series, with a legend if there are several."""
    legend = None if len(series) == 1 else alt.Legend(columns=1 if narrow else 3, labelLimit=280)
    colours = alt.Scale(domain=series, range=list(_COLOURS[: len(series)]))
    shapes = alt.Scale(domain=series, range=list(_SHAPES[: len(series)]))
    return (
        alt.Color("series:N", title=None, sort=series, scale=colours, legend=legend),
        alt.Shape("series:N", title=None, sort=series, scale=shapes, legend=legend),
    )


def interval_plot_table(lines: Sequence[Line], *, axis: str, counted: bool = False, digits: int = 2) -> Table:
    """One row per estimate: line, series, the estimate as pages write it, clips, method."""
    headings = ("", "of", axis, "clips", "mark", "method")
    rows = [
        (
            line.label,
            line.series,
            _written(line.estimate, counted=counted, digits=digits),
            line.estimate.clips,
            line.mark or None,
            line.estimate.method,
        )
        for line in lines
    ]
    return Table(headings, tuple(rows))


def _written(one: Estimate, *, counted: bool, digits: int) -> str:
    return f"{decimal(100 * one.value, 1)} %" if counted and one.value is not None else estimate_text(one, digits)


def _label(line: Line) -> str:
    return f"{line.label} ({line.mark})" if line.mark else line.label


def _row(line: Line) -> dict[str, Any]:
    one = line.estimate
    return {
        "label": _label(line),
        "series": line.series,
        "value": one.value,
        "low": one.value if one.low is None else one.low,
        "high": one.value if one.high is None else one.high,
        "clips": one.clips,
        "reason": one.undefined,
    }


def _domain(ends: Sequence[float], *, share: bool) -> list[float]:
    if share:
        least, most = min([0.0, *ends]), max([0.0, *ends])
        return [max(-1.0, 1.1 * least), min(1.0, 1.1 * most) or 1.0]
    return [min(ends), max(ends)] if ends and min(ends) < max(ends) else [min([0.0, *ends]), max([1.0, *ends])]
