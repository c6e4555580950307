"""A figure as an answer: a specification for the browser, or a file."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from analysis import figures
from analysis.figures import Chart, Theme

FigureWidth = Annotated[int, Query(ge=120, le=2000, description="Width of the plot in pixels, without its axis.")]


def specification(chart: Chart, theme: Theme) -> JSONResponse:
    """The figure for the page to draw."""
    return JSONResponse(figures.spec(chart, theme), headers={"Cache-Control": "no-store"})


def picture(chart: Chart, theme: Theme, name: str) -> Response:
    """The figure as an SVG file; `name` is the file's, without its ending."""
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'inline; filename="{name}.svg"'}
    return Response(figures.svg(chart, theme), media_type="image/svg+xml", headers=headers)
