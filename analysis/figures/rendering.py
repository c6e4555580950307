"""From a chart to what a page or a report shows: the colours of both themes, JSON specifications and SVG."""

from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import vl_convert

Theme = Literal["light", "dark"]
Chart = alt.Chart | alt.LayerChart | alt.FacetChart
Cell = str | int | float | None

VERDICT_COLOURS = {"accept": "#1b7f5c", "reject": "#b3403a", "undecided": "#8a6d1f"}
"""The same three in every figure, on either ground."""

FONT = "system-ui, sans-serif"


@dataclass(frozen=True)
class Table:
    """A figure's data for reading: headings, and rows in the same order."""

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
    """The Vega-Lite specification in a theme's colours, on a transparent ground.

    Marks whose colour depends on the theme carry one of the styles `cut`, `cut-text`, `cut-point`,
    `pool`, `curve`, `quiet`, `quiet-text`.

    >>> spec(alt.Chart(alt.InlineData(values=[])).mark_point(), "dark")["background"]
    'transparent'
    """
    ink = _INKS[theme]
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
    config = {
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
            "cut": {"color": ink.text, "strokeWidth": 1.5},
            "cut-text": {"color": ink.text, "fontSize": 13, "font": FONT},
            "cut-point": {"color": ink.text},
            "quiet-text": {"color": ink.muted, "fontSize": 11, "font": FONT},
            "pool": {"color": ink.pool},
            "curve": {"color": ink.accent, "strokeWidth": 2},
            "quiet": {"color": ink.muted, "strokeWidth": 1, "strokeDash": [4, 4]},
        },
    }
    return {**chart.to_dict(), "background": "transparent", "padding": 8, "config": config}


def svg(chart: Chart, theme: Theme) -> str:
    """The chart as an SVG document, as the report saves it."""
    return str(vl_convert.vegalite_to_svg(spec(chart, theme)))
