"""Interval plots of pages and reports: one description gives the chart and the table behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.figures import Chart, Line, Table, interval_plot, interval_plot_table
from app.results.figure_registry import Data


@dataclass(frozen=True, eq=False)
class IntervalPlot:
    """The content of an interval plot: estimates with their intervals, and the words around them.

    `finding` is the title of the chart and `caption` the line below it. `axis`, `share`, `counted`, `at` and `digits`
    are those of `analysis.figures.interval_plot`.
    """

    lines: Sequence[Line]
    finding: str
    caption: str
    axis: str
    share: bool = False
    counted: bool = False
    at: float | None = None
    digits: int = 2

    def chart(self, width: int) -> Chart:
        """The plot; `width` in pixels."""
        return interval_plot(
            self.lines,
            finding=self.finding,
            caption=self.caption,
            axis=self.axis,
            share=self.share,
            counted=self.counted,
            at=self.at,
            digits=self.digits,
            width=width,
        )

    def table(self) -> Table:
        """The numbers of the plot, one row per estimate."""
        return interval_plot_table(self.lines, axis=self.axis, counted=self.counted, digits=self.digits)


def interval_chart(plot: Callable[[Data], IntervalPlot]) -> Callable[[Data, int], Chart]:
    """The function `chart` of a figure that is an interval plot."""
    return lambda data, width: plot(data).chart(width)


def interval_table(plot: Callable[[Data], IntervalPlot]) -> Callable[[Data], Table]:
    """The function `table` of a figure that is an interval plot."""
    return lambda data: plot(data).table()
