"""Figures as files, one kind per ending, on the ground of their theme."""

import json
from pathlib import Path

import vl_convert

from analysis.figures.rendering import Chart, Theme, spec

ENDINGS = (".svg", ".pdf", ".png", ".html", ".json")
"""The kinds of file: .json is the Vega-Lite specification, .html a page that needs no network."""

_GROUNDS: dict[Theme, str] = {"light": "#ffffff", "dark": "#191b1e"}
_SHARP = 2.0  # pixels of a PNG per pixel of the figure


def save(chart: Chart, path: Path, theme: Theme = "light") -> None:
    """Write a figure to a file. Raises ValueError for an ending that is not one of ENDINGS."""
    path.write_bytes(encode(chart, path.suffix.lower(), theme))


def encode(chart: Chart, ending: str, theme: Theme = "light") -> bytes:
    """The content of such a file.

    >>> import altair as alt
    >>> encode(alt.Chart(alt.InlineData(values=[])).mark_point(), ".svg")[:4]
    b'<svg'
    """
    if ending not in ENDINGS:
        raise ValueError(f"a figure is no {ending or 'file without ending'}: choose {', '.join(ENDINGS)}")
    content = spec(chart, theme) | {"background": _GROUNDS[theme]}
    if ending == ".svg":
        return str(vl_convert.vegalite_to_svg(content)).encode()
    if ending == ".pdf":
        return bytes(vl_convert.vegalite_to_pdf(content))
    if ending == ".png":
        return bytes(vl_convert.vegalite_to_png(content, scale=_SHARP))
    if ending == ".html":
        return str(vl_convert.vegalite_to_html(content, bundle=True)).encode()
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
