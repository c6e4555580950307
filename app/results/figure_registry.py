"""Registry of figures: one entry per figure, with its title, page, drawing function and table.

The module of a page's figures registers them here. The page, the address of the picture and the report look them up by
page and key. A new figure in an existing section of a page needs one entry and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from analysis.figures import Chart, Table
from app.errors import AppError, NotFound

PageName = Literal["results", "filter", "agreement", "rater", "pool", "fairness", "anchoring", "workbench", "pair"]
FILE_WIDTH = 440
"""The width of a plot in a file, without its axis, in pixels."""
SQUARE = 300
"""Maximum width of a square plot in pixels, so that it is not taller than the figure next to it."""
FULL_WIDTH = 1060
"""The width of a figure that needs the page's whole width, in pixels."""


class FigureData(Protocol):
    """The data that a page's figures are drawn from."""

    @property
    def simulated(self) -> bool:
        """True if the answers come from the simulated panel."""


Data = TypeVar("Data", bound=FigureData)


@dataclass(frozen=True, eq=False)
class Figure(Generic[Data]):
    """One figure. Its functions take the data of the page's figures."""

    page: PageName
    key: str
    """The figure's name in addresses and files."""
    title: Callable[[Data], str]
    """Names the figure; its finding is in the chart's own title."""
    chart: Callable[[Data, int], Chart]
    """Draws the figure for a plot width in pixels."""
    table: Callable[[Data], Table] | None = None
    """Returns the numbers in the figure; None if the page shows them in another table."""
    caption: Callable[[Data], str] = lambda _: ""
    """Explains how to read the figure."""
    section: str = ""
    """The section of the page that shows the figure; empty on a page with one place for figures."""
    missing: Callable[[Data], str] = lambda _: ""
    """Returns the reason why the figure cannot be drawn yet; empty if it can."""
    worth_showing: Callable[[Data], bool] = lambda _: True
    """False if the figure would be uninformative: page and report omit it, its address still draws it."""
    fit: Callable[[int], int] = lambda width: width
    """Returns the plot width to draw for the requested width."""
    from_ratings: bool = True
    """False if the figure uses no rater's answers, so that it is never marked as simulated."""
    follows_choices: bool = True
    """False if the choices in the page's address (its query) do not change the figure."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as a page shows it."""

    key: str
    section: str
    title: str
    caption: str
    table: Table | None
    address: str
    """The address of its files without the extension."""
    query: str
    simulated: bool


FIGURES: dict[tuple[PageName, str], Figure[Any]] = {}
"""Every figure by page and key, in the order in which pages show them; filled by `register`."""


def register(*figures: Figure[Any]) -> None:
    """Add figures, each after the others of its page. Raises ValueError if the page has a figure with the same key."""
    for figure in figures:
        if (figure.page, figure.key) in FIGURES:
            raise ValueError(f"page {figure.page} has a figure {figure.key!r} already")
        FIGURES[figure.page, figure.key] = figure


def figures_of(page: PageName) -> list[Figure[Any]]:
    """Return a page's figures, in the order in which the page shows them."""
    return [figure for figure in FIGURES.values() if figure.page == page]


def find(key: str, *pages: PageName) -> Figure[Any]:
    """Return the figure with this key on one of these pages. Raises NotFound if there is none."""
    for page in pages:
        if (page, key) in FIGURES:
            return FIGURES[page, key]
    raise NotFound(f"There is no figure {key!r}.", "The page shows those that there are.")


def draw(figure: Figure[Data], data: Data, width: int = FILE_WIDTH) -> Chart:
    """Draw the figure; the chart says so if answers are simulated. Raises NotFound if it cannot be drawn yet."""
    reason = figure.missing(data)
    if reason:
        raise NotFound(f"The figure {figure.key!r} cannot be drawn yet.", f"{reason[:1].upper()}{reason[1:]}.")
    chart = figure.chart(data, figure.fit(width))
    return _with_simulated_mark(chart) if figure.from_ratings and data.simulated else chart


def is_shown(figure: Figure[Data], data: Data) -> bool:
    """Return True if page and report show the figure."""
    return not figure.missing(data) and figure.worth_showing(data)


def on_page(page: PageName, data: FigureData, folder: str, *, query: str = "", suffix: str = "") -> list[PageFigure]:
    """Return the figures that a page can show, with their tables.

    A figure's address is `folder`, its key and `suffix`.
    """
    found = []
    for figure in figures_of(page):
        try:
            if not is_shown(figure, data):
                continue
            table = figure.table(data) if figure.table else None
        except AppError:  # the page itself says which data are missing
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
    """Return the plot width of a square figure."""
    return min(width, SQUARE)


def full_width(width: int) -> int:
    """Return the plot width of a figure that takes the page's whole width; on a phone, the requested width."""
    return FULL_WIDTH if width >= FILE_WIDTH else width


def _with_simulated_mark(chart: Chart) -> Chart:
    """Write into the chart that raters are simulated, so that a saved file says so too."""
    subtitle = [chart.title.subtitle] if isinstance(chart.title.subtitle, str) else list(chart.title.subtitle)
    chart.title.subtitle = ["Simulated raters, no person's answers", *subtitle]
    return chart
