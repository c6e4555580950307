"""Figure of a ROC curve, with the thresholds that matter marked on it."""

from collections.abc import Mapping

import altair as alt

from analysis.figures.rendering import Chart, Table
from analysis.filters.roc import RocCurve, shortest_threshold
from analysis.number_format import estimate_text

_SHAPES = ("circle", "diamond", "square", "triangle-up")
_MAX_POINTS = 400  # enough for a drawn curve; the table has all points


def roc_curve(roc: RocCurve, *, thresholds: Mapping[str, float] | None = None, width: int = 440) -> Chart:
    """The curve, the diagonal of an uninformative score, and named thresholds such as {"now": 0.85, "best F1": 0.91}.

    A threshold is labelled with the shortest number that accepts the same clips. The plot is a square of `width`
    pixels. Raises ValueError if the curve is undefined (`roc.auc` gives the reason).
    """
    if roc.auc.value is None:
        raise ValueError(f"no curve to draw: {roc.auc.undefined}")
    stride = max(1, len(roc.fpr) // _MAX_POINTS)
    kept = [*range(0, len(roc.fpr) - 1, stride), len(roc.fpr) - 1]
    curve = [{"fpr": float(roc.fpr[k]), "tpr": float(roc.tpr[k]), "order": k} for k in kept]
    share = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="~g", tickCount=5)
    x = alt.X("fpr:Q", title="bad clips accepted", scale=share, axis=axis)
    y = alt.Y("tpr:Q", title="good clips accepted", scale=share, axis=axis)
    chance = alt.Chart(alt.InlineData(values=[{"fpr": 0, "tpr": 0}, {"fpr": 1, "tpr": 1}]))
    layers: list[alt.Chart] = [
        chance.mark_line(style="quiet").encode(x=x, y=y),
        alt.Chart(alt.InlineData(values=curve)).mark_line(style="curve").encode(x=x, y=y, order="order:Q"),
    ]
    if thresholds:
        places = [(f"{name}: {_shown(roc, threshold)}", *roc.at(threshold)) for name, threshold in thresholds.items()]
        marks = [{"threshold": words, "fpr": fpr, "tpr": tpr} for words, fpr, tpr in places]
        points = alt.Chart(alt.InlineData(values=marks)).mark_point(style="mark", size=110, filled=True, opacity=1)
        shape = alt.Shape("threshold:N", title=None, sort=None, scale=alt.Scale(range=list(_SHAPES)))
        layers.append(points.encode(x=x, y=y, shape=shape, tooltip=["threshold:N", "fpr:Q", "tpr:Q"]))
    title = alt.Title(_finding(roc), subtitle=_caption(roc))
    return alt.layer(*layers).properties(width=width, height=width, title=title)


def roc_curve_table(roc: RocCurve, *, thresholds: Mapping[str, float] | None = None) -> Table:
    """One row per threshold (None: nothing accepted) with the shares accepted and the names of `thresholds` there."""
    at: dict[tuple[float, float], str] = {}
    for name, named in (thresholds or {}).items():
        point = roc.at(named)
        at[point] = f"{at[point]}, {name}" if point in at else name
    headings = ("threshold", "good clips accepted", "bad clips accepted", "named")
    points = zip(roc.thresholds.tolist(), roc.tpr.tolist(), roc.fpr.tolist(), strict=True)
    rows = tuple(
        (None if number == 0 else threshold, tpr, fpr, at.get((fpr, tpr)))
        for number, (threshold, tpr, fpr) in enumerate(points)
    )
    return Table(headings, rows)


def _shown(roc: RocCurve, threshold: float) -> str:
    return shortest_threshold(threshold, lambda number: roc.at(number) == roc.at(threshold))


def _finding(roc: RocCurve) -> str:
    if len(roc.thresholds) == 2:  # nothing accepted, everything accepted
        return "All scores are equal: they cannot tell good clips from bad ones"
    better = "outscores" if roc.direction == "ge" else "scores below"
    return f"A good clip {better} a bad one: AUC {estimate_text(roc.auc)}"


def _caption(roc: RocCurve) -> list[str]:
    counts = f"n = {roc.good + roc.bad} clips ({roc.good} good, {roc.bad} bad)"
    if roc.auc.low is None:
        return [f"AUC {estimate_text(roc.auc)}; {counts}"]
    kind = "one-sided bound" if roc.auc.method.startswith("one-sided") else "interval"
    return [f"{counts}; brackets: {100 * roc.auc.confidence:g} % {kind}"]
