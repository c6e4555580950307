"""The figures of a filter's workbench: each holds the line or point that the slider moves."""

from dataclasses import dataclass

from analysis import figures
from analysis.figures import Chart, Table
from analysis.figures.threshold_curves import (
    histogram_with_mark,
    kept_curve,
    precision_recall,
    rate_curves,
    roc_with_mark,
    threshold_table,
)
from app.models import Filter, Study
from app.results.figure_registry import Figure, register, square
from app.thresholds.workbench import Bench, Kept, pool_scores

SQUARE = 300
"""A square plot is at most this wide."""
TITLES = {
    "rates": "Precision, recall and F1 at every threshold",
    "histogram": "Judged clips by score and verdict, before the pool",
    "precision-recall": "Precision against recall",
    "roc": "ROC curve",
    "kept": "What every threshold keeps of the pool",
}


@dataclass(frozen=True, eq=False)
class WorkbenchFigures:
    """What the figures are drawn from: the bench, with the mark at threshold number `at`."""

    study: Study
    bench: Bench
    at: int

    @property
    def simulated(self) -> bool:
        """Whether the answers are the simulated panel's."""
        return self.study.show_simulated

    @property
    def axis(self) -> str:
        """The score's name with its unit."""
        return axis(self.bench.result.rule)

    @property
    def kept(self) -> Kept:
        """What is kept of the pool, for figures that are not missing."""
        assert self.bench.kept is not None, "such a figure is missing"
        return self.bench.kept


def axis(rule: Filter) -> str:
    """The score's name with its unit."""
    return f"{rule.score} ({rule.units})" if rule.units else rule.score


def table(bench: Bench) -> Table:
    """The numbers behind all figures but the histogram: a row per threshold."""
    return threshold_table(bench.curves, {bench.kept.unit: bench.kept.values} if bench.kept else None)


def _histogram(data: WorkbenchFigures, width: int) -> Chart:
    result = data.bench.result
    drawn = figures.score_histogram(
        [one.score for one in result.clips],
        [one.verdict for one in result.clips],  # type: ignore[misc]  # accept, reject or None
        name=data.axis,
        low=result.rule.minimum,
        high=result.rule.maximum,
        pool=pool_scores(data.study, result.rule),
        width=width,
    )
    return histogram_with_mark(drawn, data.bench.curves, at=data.at)


def _kept(data: WorkbenchFigures, width: int) -> Chart:
    kept = data.kept
    return kept_curve(
        data.bench.curves,
        {kept.unit: kept.values},
        clips=kept.clips,
        name=data.axis,
        at=data.at,
        width=width,
    )


register(
    Figure[WorkbenchFigures](
        page="workbench",
        section="first",
        key="rates",
        title=lambda _: "Precision, recall and F1 at every threshold",
        chart=lambda data, width: rate_curves(data.bench.curves, name=data.axis, at=data.at, width=width),
    ),
    Figure[WorkbenchFigures](
        page="workbench",
        section="first",
        key="histogram",
        title=lambda _: "Judged clips by score and verdict, before the pool",
        chart=_histogram,
        table=lambda data: data.bench.histogram,
    ),
    Figure[WorkbenchFigures](
        page="workbench",
        section="more",
        key="precision-recall",
        title=lambda _: "Precision against recall",
        chart=lambda data, width: precision_recall(data.bench.curves, at=data.at, width=width),
        fit=square,
    ),
    Figure[WorkbenchFigures](
        page="workbench",
        section="more",
        key="roc",
        title=lambda _: "ROC curve",
        chart=lambda data, width: roc_with_mark(data.bench.curves, data.bench.auc, at=data.at, width=width),
        fit=square,
    ),
    Figure[WorkbenchFigures](
        page="workbench",
        section="more",
        key="kept",
        title=lambda _: "What every threshold keeps of the pool",
        chart=_kept,
        missing=lambda data: "" if data.bench.kept else data.bench.no_pool or "the pool is not known",
    ),
)
