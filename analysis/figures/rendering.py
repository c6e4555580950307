"""Rendering of charts for pages and reports: the colours of both themes, Vega-Lite specifications and SVG."""

from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import vl_convert

Theme = Literal["light", "dark"]
Chart = alt.Chart | alt.LayerChart | alt.FacetChart
Cell = str | int | float | None

VERDICT_COLOURS = {"accept": "#1b7f5c", "reject": "#b3403a", "undecided": "#8a6d1f"}
"""The colours of the verdicts in every figure, on both backgrounds."""

FONT = "system-ui, sans-serif"


@dataclass(frozen=True)
class Table:
    """The numbers of a figure: headings, and rows of cells in the order of the headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class _Ink:
    text: str
    muted: str
    line: str
    pool: str
    accent: str


_INKS: dict[Theme, _Ink] = {
    "light": _Ink(text="#1b1c1e", muted="#5d6066", line="#e4e4e0", pool="#d3d4d1", accent="#3b5bdb"),
    "dark": _Ink(text="#ececea", muted="#a6a9af", line="#2b2e33", pool="#3d4147", accent="#8ea2ff"),
}


def spec(chart: Chart, theme: Theme) -> dict[str, Any]:
    """The Vega-Lite specification of a chart in the colours of a theme, on a transparent background.

    Marks whose colour depends on the theme have one of the styles `threshold`, `text`, `mark`, `pool`, `curve`,
    `quiet`, `quiet-text`.

    >>> spec(alt.Chart(alt.InlineData(values=[])).mark_point(), "dark")["background"]
    'transparent'
    """
    return {**chart.to_dict(), "background": "transparent", "padding": 8, "config": _config(_INKS[theme])}


def _config(ink: _Ink) -> dict[str, Any]:
    """The Vega-Lite configuration of a theme."""
    axis = {
        "labelColor": ink.muted,
        "titleColor": ink.text,
        "gridColor": ink.line,
        "domainColor": ink.line,
        "tickColor": ink.line,
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    return {
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False, "ticks": True},
        "axisY": {"domain": False, "ticks": False},
        "legend": {"labelColor": ink.text, "titleColor": ink.text, "labelFontSize": 13, "orient": "bottom"},
        "title": {
            "anchor": "start",
            "frame": "bounds",
            "color": ink.text,
            "fontSize": 15,
            "fontWeight": 600,
            "subtitleColor": ink.muted,
            "subtitleFontSize": 13,
            "subtitlePadding": 6,
            "offset": 18,
        },
        "style": {
            "threshold": {"color": ink.text, "strokeWidth": 1.5},
            "text": {"color": ink.text, "fontSize": 13, "font": FONT},
            "mark": {"color": ink.text},
            "quiet-text": {"color": ink.muted, "fontSize": 11, "font": FONT},
            "pool": {"color": ink.pool},
            "curve": {"color": ink.accent, "strokeWidth": 2},
            "quiet": {"color": ink.muted, "strokeWidth": 1, "strokeDash": [4, 4]},
        },
    }


def svg(chart: Chart, theme: Theme) -> str:
    """The chart as an SVG document."""
    return str(vl_convert.vegalite_to_svg(spec(chart, theme)))
