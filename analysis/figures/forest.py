"""Forest plot of agreement: one line per criterion and statistic, with its interval."""

from collections.abc import Mapping, Sequence

import altair as alt

from analysis.agreement.statistics import label_of
from analysis.estimate import Estimate
from analysis.figures.rendering import Chart, Table
from analysis.number_format import estimate_text

_SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
_FIRST, _OTHERS = "#5b78e6", "#8b8f97"  # colours readable on both backgrounds; shapes distinguish the greys
_NARROW = 300  # pixels; in a narrower plot the legend has one column
_ROW = 19  # pixels per statistic of a criterion


def agreement_forest(estimates: Mapping[str, Sequence[Estimate]], *, width: int = 440) -> Chart:
    """Estimates of agreement by criterion as points with interval bars; an undefined one has words in its place.

    `estimates` maps the name of a criterion to its estimates. `width` is that of the plot in pixels. Raises ValueError
    without an estimate.
    """
    rows = [(criterion, estimate) for criterion, group in estimates.items() for estimate in group]
    if not rows:
        raise ValueError("no estimate of agreement to draw")
    names = list(dict.fromkeys(label_of(estimate.statistic) for _, estimate in rows))
    known = [_known(criterion, estimate) for criterion, estimate in rows if estimate.value is not None]
    absent = [_absent(criterion, estimate) for criterion, estimate in rows if estimate.value is None]
    least = min([0.0, *(end for _, estimate in rows for end in (estimate.value, estimate.low) if end is not None)])
    x = alt.X(
        "value:Q",
        title="agreement, 1 = complete",
        scale=alt.Scale(domain=[least, 1], nice=least < 0),
        axis=alt.Axis(grid=True, tickCount=6, format=".1f"),
    )
    y = alt.Y("criterion:N", title=None, sort=list(estimates), axis=alt.Axis(grid=False, labelPadding=8))
    offset = alt.YOffset("statistic:N", sort=names, scale=alt.Scale(paddingOuter=0.8))
    legend = alt.Legend(columns=1 if width < _NARROW else 3)
    colours = alt.Scale(domain=names, range=[_FIRST, *[_OTHERS] * (len(names) - 1)])
    colour = alt.Color("statistic:N", title=None, sort=names, scale=colours, legend=legend)
    shapes = alt.Scale(domain=names, range=list(_SHAPES[: len(names)]))
    shape = alt.Shape("statistic:N", title=None, sort=names, scale=shapes)
    data = alt.Chart(alt.InlineData(values=known))
    tips = ["criterion:N", "statistic:N", "estimate:N", "clips:Q"]
    bars = data.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y, yOffset=offset, color=colour)
    points = data.mark_point(size=70, filled=True, opacity=1).encode(
        x=x, y=y, yOffset=offset, color=colour, shape=shape, tooltip=tips
    )
    words = alt.Chart(alt.InlineData(values=absent)).mark_text(style="quiet-text", align="left", dx=4)
    missing = words.encode(x=x, y=y, yOffset=offset, text=alt.value("not defined"), tooltip="reason:N")
    layers = [points, bars, missing] if absent else [points, bars]
    title = alt.Title(_finding(estimates), subtitle=_caption([estimate for _, estimate in rows]))
    return alt.layer(*layers).properties(width=width, height=_ROW * len(names) * len(estimates), title=title)


def agreement_forest_table(estimates: Mapping[str, Sequence[Estimate]]) -> Table:
    """One row per criterion and statistic: the estimate as pages write it, clips, raters, ratings, method."""
    headings = ("criterion", "statistic", "estimate", "clips", "raters", "ratings", "method")
    rows = tuple(
        (
            criterion,
            label_of(estimate.statistic),
            estimate_text(estimate),
            estimate.clips,
            estimate.raters,
            estimate.ratings,
            estimate.method,
        )
        for criterion, group in estimates.items()
        for estimate in group
    )
    return Table(headings, rows)


def _known(criterion: str, estimate: Estimate) -> dict[str, str | float | int | None]:
    value = estimate.value
    return {
        "criterion": criterion,
        "statistic": label_of(estimate.statistic),
        "value": value,
        "low": value if estimate.low is None else estimate.low,
        "high": value if estimate.high is None else estimate.high,
        "estimate": estimate_text(estimate),
        "clips": estimate.clips,
    }


def _absent(criterion: str, estimate: Estimate) -> dict[str, str | float | None]:
    name = label_of(estimate.statistic)
    return {"criterion": criterion, "statistic": name, "value": 0.0, "reason": estimate.undefined}


def _finding(estimates: Mapping[str, Sequence[Estimate]]) -> str:
    """The criteria with most and least agreement, by the first statistic of each."""
    lead = {criterion: group[0] for criterion, group in estimates.items() if group and group[0].value is not None}
    ranked = sorted(lead, key=lambda criterion: lead[criterion].value or 0.0)
    if not ranked:
        return "Agreement is not defined yet"
    name = label_of(lead[ranked[0]].statistic).split()[-1]
    if len(ranked) == 1:
        return f"Raters agree on {ranked[0]}: {name} {estimate_text(lead[ranked[0]])}"
    best, worst = ranked[-1], ranked[0]
    return f"Most agreement on {best}: {estimate_text(lead[best])}, least on {worst}: {estimate_text(lead[worst])}"


def _caption(estimates: Sequence[Estimate]) -> str:
    counts = sorted(estimate.clips for estimate in estimates)
    clips = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    levels = sorted({f"{100 * estimate.confidence:g} %" for estimate in estimates})
    return f"n = {clips} clips rated at least twice; bars are {' and '.join(levels)} intervals"
