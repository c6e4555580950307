"""The figures of the workbench and the tables behind them: each holds the line or point that the slider moves."""

from analysis import figures
from analysis.figures import Chart, Table, thresholds
from app.errors import NotFound
from app.models import Filter, Study
from app.thresholds.workbench import Bench, pool_scores
from app.web.figure_responses import marked

SQUARE = 300
"""A square plot is at most this wide."""
TITLES = {
    "rates": "Precision, recall and F1 at every threshold",
    "histogram": "Judged clips by score and verdict, before the pool",
    "precision-recall": "Precision against recall",
    "roc": "ROC curve",
    "kept": "What every threshold keeps of the pool",
}


def names(bench: Bench) -> list[str]:
    """The figures that exist."""
    return [name for name in TITLES if name != "kept" or bench.kept]


def table(bench: Bench) -> Table:
    """The numbers behind all of them: a row per threshold."""
    return thresholds.threshold_table(bench.curves, {bench.kept.unit: bench.kept.values} if bench.kept else None)


def chart(study: Study, bench: Bench, name: str, at: int, width: int, *, simulated: bool) -> Chart:
    """A figure with its mark at threshold number `at`. Raises NotFound for one that cannot be drawn."""
    if name not in names(bench):
        raise NotFound(f"The figure {name!r} cannot be drawn.", bench.no_pool or "The page shows those there are.")
    rule, curves = bench.result.rule, bench.curves
    if name == "rates":
        made = thresholds.rate_curves(curves, name=axis(rule), at=at, width=width)
    elif name == "precision-recall":
        made = thresholds.precision_recall(curves, at=at, width=min(width, SQUARE))
    elif name == "roc":
        made = thresholds.roc_with_mark(curves, bench.auc, at=at, width=min(width, SQUARE))
    elif name == "kept":
        assert bench.kept is not None, "it is among the names"
        kept = {bench.kept.unit: bench.kept.values}
        clips = bench.kept.clips
        made = thresholds.kept_curve(curves, kept, clips=clips, name=axis(rule), at=at, width=width)
    else:
        drawn = figures.score_histogram(
            [one.score for one in bench.result.clips],
            [one.verdict for one in bench.result.clips],  # type: ignore[misc]  # accept, reject or None
            name=axis(rule),
            low=rule.minimum,
            high=rule.maximum,
            pool=pool_scores(study, rule),
            width=width,
        )
        made = thresholds.histogram_with_mark(drawn, curves, at=at)
    return marked(made, simulated=simulated)


def axis(rule: Filter) -> str:
    """The score's name with its unit."""
    return f"{rule.score} ({rule.units})" if rule.units else rule.score
