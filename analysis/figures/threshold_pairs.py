"""Figure of two thresholds at once: a map of a rate for every pair, with the preset pair outlined."""

from collections.abc import Sequence
from typing import Literal

import altair as alt

from analysis.figures.rendering import Cell, Chart, Table
from analysis.number_format import decimal, estimate_text
from analysis.thresholds.threshold_pairs import ThresholdPair

Rate = Literal["precision", "recall", "f1"]
WORDS: dict[Rate, str] = {"precision": "precision", "recall": "recall", "f1": "F1"}


def threshold_pair_map(
    pairs: Sequence[ThresholdPair],
    rate: Rate,
    *,
    first: str,
    second: str,
    preset: tuple[float, float],
    width: int = 440,
) -> Chart:
    """The rate of every pair as colour and number, with its interval in the tooltip.

    `first` and `second` are the names of the scores with their units; `preset` is the pair in use, which is outlined.
    """
    firsts = _labels([pair.first for pair in pairs])
    seconds = _labels([pair.second for pair in pairs])
    rows = [_cell(pair, rate, preset) | {"first": firsts[pair.first], "second": seconds[pair.second]} for pair in pairs]
    table = pairs[0].table
    x = alt.X("first:O", title=f"{first} ≥", sort=list(firsts.values()), axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("second:O", title=f"{second} ≥", sort=list(seconds.values())[::-1])
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
    colour = alt.Color(
        "value:Q",
        title=WORDS[rate],
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(format="~g", orient="bottom"),
    )
    tips = [alt.Tooltip(f"{name}:N") for name in ("first", "second", "estimate", "clips kept")]
    known = base.transform_filter("isValid(datum.value)")
    cells = known.mark_rect().encode(color=colour, tooltip=tips)
    ink = alt.condition("datum.value > 0.45", alt.value("#1b1c1e"), alt.value("#ffffff"))
    words = known.mark_text(fontSize=11).encode(text="short:N", color=ink, tooltip=tips)
    none = (
        base.transform_filter("!isValid(datum.value)")
        .mark_text(style="quiet-text")
        .encode(text="short:N", tooltip=tips)
    )
    now = base.mark_rect(style="threshold", filled=False, strokeWidth=3).transform_filter("datum.preset")
    clips = table.tp + table.fp + table.fn + table.tn
    good = table.tp + table.fn
    subtitle = f"n = {clips} rated clips with both scores ({good} good); outlined: the preset pair"
    title = alt.Title(f"{WORDS[rate].capitalize()} of both cuts together", subtitle=subtitle)
    return alt.layer(cells, words, none, now).properties(width=width, height=max(160, 30 * len(seconds)), title=title)


def threshold_pair_table(pairs: Sequence[ThresholdPair], *, first: str, second: str) -> Table:
    """One row per pair: the counts of rated clips, and every rate as pages write it."""
    counts = ("good kept", "bad kept", "good rejected", "bad rejected")
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        table = pair.table
        rates = (estimate_text(getattr(table, rate)) for rate in WORDS)
        rows.append((pair.first, pair.second, table.tp, table.fp, table.fn, table.tn, *rates))
    return Table((f"{first} ≥", f"{second} ≥", *counts, *WORDS.values()), tuple(rows))


def _labels(thresholds: Sequence[float]) -> dict[float, str]:
    """The label of every threshold, from low to high, with the fewest digits (at least four) that distinguish all."""
    distinct = sorted(set(thresholds))
    for digits in range(4, 17):
        words = [f"{threshold:.{digits}g}" for threshold in distinct]
        if len(set(words)) == len(distinct):
            return dict(zip(distinct, words, strict=True))
    return {threshold: repr(threshold) for threshold in distinct}


def _cell(pair: ThresholdPair, rate: Rate, preset: tuple[float, float]) -> dict[str, object]:
    estimate = getattr(pair.table, rate)
    return {
        "value": estimate.value,
        "short": decimal(estimate.value),
        "estimate": estimate_text(estimate),
        "clips kept": pair.table.tp + pair.table.fp,
        "preset": (pair.first, pair.second) == preset,
    }
