"""Heat map of the agreement between each two raters."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from analysis.estimate import Estimate
from analysis.figures.rendering import Chart, Table
from analysis.number_format import decimal, estimate_text

_RANGE = ("#dfe4f7", "#8fa3ec", "#2f49b0")  # from light to dark, so that numbers inside are readable
_MAX_NUMBERS = 16  # raters; with more the cells are too small for numbers
_MIN_CELL = 11  # pixels


@dataclass(frozen=True)
class PairAgreement:
    """Two raters, their kappa, and the share (0 to 1) of clips to which both gave the same answer."""

    first: str
    second: str
    kappa: Estimate
    same: float | None


def pair_heat_map(pairs: Sequence[PairAgreement], *, name: str, width: int = 440) -> Chart:
    """Each two raters as a cell with their kappa, or a cross where it is undefined.

    `name` is that of the coefficient. Raters are in the order in which they first appear. Raises ValueError without a
    pair.
    """
    if not pairs:
        raise ValueError("no two raters to compare")
    raters = list(dict.fromkeys(rater for pair in pairs for rater in (pair.first, pair.second)))
    known = [_cell(pair) for pair in pairs if pair.kappa.value is not None]
    absent = [_cell(pair) for pair in pairs if pair.kappa.value is None]
    size = max(_MIN_CELL, min(56, width // max(1, len(raters) - 1)))
    x = alt.X("first:N", sort=raters, title="rater", scale=alt.Scale(domain=raters[:-1]), axis=alt.Axis(labelAngle=0))
    y = alt.Y("second:N", sort=raters, title="rater", scale=alt.Scale(domain=raters[1:]))
    colour = alt.Color(
        "kappa:Q",
        title=name,
        scale=alt.Scale(domain=[0, 0.5, 1], range=list(_RANGE), clamp=True),
        legend=alt.Legend(format=".1f", gradientLength=160, orient="bottom"),
    )
    tips = ["first:N", "second:N", "estimate:N", "clips:Q", alt.Tooltip("same answer:Q", format=".2f")]
    cells = alt.Chart(alt.InlineData(values=known)).mark_rect().encode(x=x, y=y, color=colour, tooltip=tips)
    layers: list[alt.Chart] = [cells]
    if absent:
        crosses = alt.Chart(alt.InlineData(values=absent)).mark_text(style="quiet-text", text="×")
        layers.append(crosses.encode(x=x, y=y, tooltip=["first:N", "second:N", "clips:Q", "reason:N"]))
    if len(raters) <= _MAX_NUMBERS:
        words = alt.Chart(alt.InlineData(values=known)).mark_text(fontSize=12)
        ink = alt.condition(alt.datum.kappa > 0.6, alt.value("#ffffff"), alt.value("#1b1c1e"))
        layers.append(words.encode(x=x, y=y, text=alt.Text("kappa:Q", format=".2f"), color=ink))
    title = alt.Title(_finding(pairs), subtitle=_caption(pairs))
    side = size * (len(raters) - 1)
    return alt.layer(*layers).properties(width=side, height=side, title=title)


def pair_heat_map_table(pairs: Sequence[PairAgreement], *, name: str) -> Table:
    """One row per pair: raters, kappa as pages write it, clips, share of equal answers."""
    headings = ("rater", "other rater", name, "clips of both", "same answer")
    rows = [
        (pair.first, pair.second, estimate_text(pair.kappa), pair.kappa.clips, decimal(pair.same)) for pair in pairs
    ]
    return Table(headings, tuple(rows))


def _cell(pair: PairAgreement) -> dict[str, str | float | int | None]:
    return {
        "first": pair.first,
        "second": pair.second,
        "kappa": pair.kappa.value,
        "estimate": estimate_text(pair.kappa),
        "clips": pair.kappa.clips,
        "same answer": pair.same,
        "reason": pair.kappa.undefined,
    }


def _finding(pairs: Sequence[PairAgreement]) -> str:
    known = [(pair.kappa.value, pair) for pair in pairs if pair.kappa.value is not None]
    if not known:
        return "No two raters can be compared beyond chance yet"
    worst, best = (pick(known, key=lambda one: one[0])[1] for pick in (min, max))
    if len(known) == 1:
        return f"{worst.first} and {worst.second} agree beyond chance: {estimate_text(worst.kappa)}"
    return (
        f"{worst.first} and {worst.second} agree least: {estimate_text(worst.kappa)}; "
        f"{best.first} and {best.second} most: {estimate_text(best.kappa)}"
    )


def _caption(pairs: Sequence[PairAgreement]) -> str:
    clips = sorted(pair.kappa.clips for pair in pairs)
    shared = f"{clips[0]}" if clips[0] == clips[-1] else f"{clips[0]} to {clips[-1]}"
    gone = sum(pair.kappa.value is None for pair in pairs)
    words = f"n = {shared} clips rated by both; {len(pairs)} pairs"
    return words + (f", {gone} without a value (×)" if gone else "")
