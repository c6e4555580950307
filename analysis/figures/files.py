"""Figures saved as files: SVG, PDF, PNG, HTML or JSON by the file's ending, on the background of their theme."""

import json
from pathlib import Path

import vl_convert

from analysis.figures.rendering import Chart, Theme, spec

ENDINGS = (".svg", ".pdf", ".png", ".html", ".json")
"""The endings that can be saved: .json is the Vega-Lite specification, .html a page that works without a network."""

_BACKGROUNDS: dict[Theme, str] = {"light": "#ffffff", "dark": "#191b1e"}
_PNG_SCALE = 2.0  # pixels of a PNG per pixel of the figure


def save(chart: Chart, path: Path, theme: Theme = "light") -> None:
    """Write a figure to a file; raises ValueError if the ending is not one of `ENDINGS`."""
    path.write_bytes(encode(chart, path.suffix.lower(), theme))


def encode(chart: Chart, ending: str, theme: Theme = "light") -> bytes:
    """The content of a figure's file with this ending; raises ValueError if it is not one of `ENDINGS`.

    >>> import altair as alt
    >>> encode(alt.Chart(alt.InlineData(values=[])).mark_point(), ".svg")[:4]
    b'<svg'
    """
    if ending not in ENDINGS:
        raise ValueError(f"a figure is no {ending or 'file without ending'}: choose {', '.join(ENDINGS)}")
    content = spec(chart, theme) | {"background": _BACKGROUNDS[theme]}
    if ending == ".svg":
        return str(vl_convert.vegalite_to_svg(content)).encode()
    if ending == ".pdf":
        return bytes(vl_convert.vegalite_to_pdf(content))
    if ending == ".png":
        return bytes(vl_convert.vegalite_to_png(content, scale=_PNG_SCALE))
    if ending == ".html":
        return str(vl_convert.vegalite_to_html(content, bundle=True)).encode()
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
