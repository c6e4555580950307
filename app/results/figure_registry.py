"""The registry of figures: what each is called, which page shows it, how it is drawn and which numbers are behind it.

A page's module declares its figures and registers them here. The page, the address of the picture and the report find
them by page and key. A new figure in an existing section of a page needs its entry only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from analysis.figures import Chart, Table
from app.errors import AppError, NotFound

Page = Literal["results", "filter", "agreement", "rater", "pool", "fairness", "anchoring", "workbench", "pair"]
FILE_WIDTH = 440
"""Pixels: the width of a plot in a file, without its axis."""
SQUARE = 300
"""Maximum width of a square plot in pixels, so that it is not taller than the figure next to it."""
FULL_WIDTH = 1060
"""Pixels: a figure that needs the page's whole width."""


class Shown(Protocol):
    """What a page's figures are drawn from."""

    @property
    def simulated(self) -> bool:
        """Whether the answers are the simulated panel's."""


Data = TypeVar("Data", bound=Shown)


@dataclass(frozen=True, eq=False)
class Figure(Generic[Data]):
    """One figure. Its functions take what the page's figures are drawn from."""

    page: Page
    key: str
    """As in the figure's address."""
    title: Callable[[Data], str]
    """What the figure is; the finding is in the chart's own title."""
    chart: Callable[[Data, int], Chart]
    """The drawing, from a plot's width in pixels."""
    table: Callable[[Data], Table] | None = None
    """The numbers behind it; None where the page has them in a table of its own."""
    caption: Callable[[Data], str] = lambda _: ""
    """What to know when reading it."""
    section: str = ""
    """The section of the page that shows it; empty on a page with one place for figures."""
    missing: Callable[[Data], str] = lambda _: ""
    """Why it cannot be drawn yet; empty when it can."""
    worth_showing: Callable[[Data], bool] = lambda _: True
    """False if the figure would be uninformative: page and report omit it, its address still draws it."""
    fit: Callable[[int], int] = lambda width: width
    """The width that is drawn, from the one asked for."""
    from_ratings: bool = True
    """False where no rater's answer enters: such a figure is never marked as simulated."""
    follows_choices: bool = True
    """False where what the page's address asks for (its query) changes nothing about the figure."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as a page shows it."""

    key: str
    section: str
    title: str
    caption: str
    table: Table | None
    address: str
    """Of its files, without their ending."""
    query: str
    simulated: bool


FIGURES: dict[tuple[Page, str], Figure[Any]] = {}
"""Every figure by page and key, in the order in which pages show them; filled by `register`."""


def register(*figures: Figure[Any]) -> None:
    """Add figures, each behind those of its page. Raises ValueError for a page that has one of that key."""
    for figure in figures:
        if (figure.page, figure.key) in FIGURES:
            raise ValueError(f"page {figure.page} has a figure {figure.key!r} already")
        FIGURES[figure.page, figure.key] = figure


def figures_of(page: Page) -> list[Figure[Any]]:
    """A page's figures, in the order in which it shows them."""
    return [figure for figure in FIGURES.values() if figure.page == page]


def find(key: str, *pages: Page) -> Figure[Any]:
    """The figure of one of these pages. Raises NotFound if there is none."""
    for page in pages:
        if (page, key) in FIGURES:
            return FIGURES[page, key]
    raise NotFound(f"There is no figure {key!r}.", "The page shows those that there are.")


def draw(figure: Figure[Data], data: Data, width: int = FILE_WIDTH) -> Chart:
    """The figure as a chart, marked if its answers are simulated. Raises NotFound if it cannot be drawn yet."""
    why = figure.missing(data)
    if why:
        raise NotFound(f"The figure {figure.key!r} cannot be drawn yet.", f"{why[:1].upper()}{why[1:]}.")
    chart = figure.chart(data, figure.fit(width))
    return _marked(chart) if figure.from_ratings and data.simulated else chart


def is_shown(figure: Figure[Data], data: Data) -> bool:
    """Whether page and report show the figure."""
    return not figure.missing(data) and figure.worth_showing(data)


def on_page(page: Page, data: Shown, folder: str, *, query: str = "", suffix: str = "") -> list[PageFigure]:
    """The figures that a page can show, with their tables. `folder` and `suffix` enclose the key in the address."""
    found = []
    for figure in figures_of(page):
        try:
            if not is_shown(figure, data):
                continue
            table = figure.table(data) if figure.table else None
        except AppError:  # the page says itself what its data lack
            continue
        found.append(
            PageFigure(
                key=figure.key,
                section=figure.section,
                title=figure.title(data),
                caption=figure.caption(data),
                table=table,
                address=f"{folder}/{figure.key}{suffix}",
                query=query if figure.follows_choices else "",
                simulated=figure.from_ratings and data.simulated,
            )
        )
    return found


def square(width: int) -> int:
    """The width of a square plot."""
    return min(width, SQUARE)


def full_width(width: int) -> int:
    """The width of a figure that takes the page's whole width; a phone gets what its words need."""
    return FULL_WIDTH if width >= FILE_WIDTH else width


def _marked(chart: Chart) -> Chart:
    """The word "simulated" in the figure itself, so that a saved file says it too."""
    said = [chart.title.subtitle] if isinstance(chart.title.subtitle, str) else list(chart.title.subtitle)
    chart.title.subtitle = ["Simulated raters, no person's answers", *said]
    return chart
