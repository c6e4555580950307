"""Figures of the workbench; each has the line or point that the slider moves."""

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
from app.thresholds.pool_retention import RetentionCurve, pool_scores
from app.thresholds.workbench import Workbench


@dataclass(frozen=True, eq=False)
class WorkbenchFigures:
    """The data of the figures: the workbench, and the position `at` of the threshold to mark."""

    study: Study
    bench: Workbench
    at: int

    @property
    def simulated(self) -> bool:
        """Whether the answers are those of the simulated panel."""
        return self.study.show_simulated

    @property
    def axis(self) -> str:
        """The name of the score with its unit."""
        return score_with_unit(self.bench.result.rule)

    @property
    def retention(self) -> RetentionCurve:
        """What each threshold keeps of the pool, for the figure that needs it."""
        assert self.bench.retention is not None, "without it the figure is missing and not drawn"
        return self.bench.retention


def score_with_unit(rule: Filter) -> str:
    """The name of a filter's score with its unit."""
    return f"{rule.score} ({rule.units})" if rule.units else rule.score


def table(bench: Workbench) -> Table:
    """The numbers of all figures except the histogram, one row per threshold."""
    kept = bench.retention
    return threshold_table(bench.curves, {kept.unit: kept.values} if kept else None)


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
    kept = data.retention
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
        chart=lambda data, width: roc_with_mark(
            data.bench.curves, data.bench.auc, label=data.bench.auc_label, at=data.at, width=width
        ),
        fit=square,
    ),
    Figure[WorkbenchFigures](
        page="workbench",
        section="more",
        key="kept",
        title=lambda _: "What every threshold keeps of the pool",
        chart=_kept,
        missing=lambda data: "" if data.bench.retention else data.bench.no_pool or "the pool is not known",
    ),
)
