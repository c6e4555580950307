"""Curves on a contact sheet: one per series, over the seconds of the clip, with its worst point and thresholds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from scoring.explain.drawing import (
    ACCENT,
    BODY,
    INK,
    LINE,
    META,
    MUTED,
    REJECT,
    SURFACE,
    Canvas,
    number,
    shortened,
    width_of,
)
from scoring.explain.explanation import Explanation
from scoring.scorer import Scorer, Series

CURVE, LEFT, BELOW, PAD = 90, 56, 30, 14
"""Pixels: the height of the curve, and its distance from the panel's left, lower and other edges."""
FAR = 4.0
"""A threshold further away than this many times the range of the values is named but not drawn: it would flatten
the curve."""


@dataclass(frozen=True)
class Scale:
    """A linear scale from values `low` to `high` to positions `start` to `end` in pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The position of a value in pixels.

        >>> Scale(0, 10, 100, 200).at(2.5)
        125.0
        """
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """At most `most` round values within a range, evenly spaced by 1, 2 or 5 times a power of ten.

    >>> ticks(91.3, 99.2)
    [92.0, 94.0, 96.0, 98.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(
        power * factor for factor in (1, 2, 5, 10, 20) if high // (power * factor) - low // (power * factor) <= most
    )
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def axis_range(values: list[float], thresholds: list[float]) -> tuple[float, float]:
    """The range of the vertical axis: that of the values and of the thresholds near them, with a margin.

    >>> axis_range([96.0, 98.0], [60.0])
    (95.7, 98.3)
    """
    low, high = min(values), max(values)
    span = max(high - low, 0.02 * max(abs(low), abs(high)), 1e-3)
    near = [threshold for threshold in thresholds if low - FAR * span <= threshold <= high + FAR * span]
    low, high = min(low, *near, high), max(low, *near, high)
    air = max(0.15 * (high - low), (span - (high - low)) / 2)
    return round(low - air, 9), round(high + air, 9)


def thresholds_of(explanation: Explanation, series: Series) -> list[tuple[float, str]]:
    """The thresholds of the scores that summarise a series, each with its label."""
    bound = "at most" if series.column.direction == "lower" else "at least"
    # A score with the name of its series needs no further word.
    names = {series.overall: "mean ", series.worst: "worst ", series.name: ""}
    found = [(explanation.thresholds[name], word) for name, word in names.items() if name in explanation.thresholds]
    return [(threshold, f"{word}{bound} {number(threshold)}") for threshold, word in found]


def height(thresholds: Mapping[str, float]) -> int:
    """Height of a panel in pixels; thresholds to name need one more line."""
    return 172 + 18 * bool(thresholds)


def panel(
    canvas: Canvas, explanation: Explanation, scorer: Scorer, series: Series, left: int, top: int, width: int
) -> None:
    """Draw one series with its upper left corner at (`left`, `top`). The series must have at least one value."""
    column, values = series.column, explanation.result.series[series.name]
    times = explanation.times(scorer, len(values))
    known = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    thresholds = thresholds_of(explanation, series)
    tall = height(explanation.thresholds)
    low, high = axis_range([value for _, value in known], [threshold for threshold, _ in thresholds])
    x = Scale(0, max(times[-1], explanation.facts.duration), left + LEFT, left + width - PAD)
    y = Scale(low, high, top + tall - BELOW, top + tall - CURVE - BELOW)
    canvas.box(left - 1, top - 1, width + 2, tall + 2, LINE, 5)
    canvas.box(left, top, width, tall, SURFACE, 4)
    _axes(canvas, x, y, [value for _, value in known])
    for threshold, _ in thresholds:
        if y.low <= threshold <= y.high:
            canvas.dashes((x.start, round(y.at(threshold))), (x.end, round(y.at(threshold))), REJECT)
    for present, run in groupby(zip(times, values, strict=True), lambda entry: entry[1] is not None):
        if present:
            points = [(x.at(time), y.at(value)) for time, value in run if value is not None]
            canvas.curve(points, INK)
            for point in points if len(values) <= 60 or len(points) == 1 else ():
                canvas.dot(point, 2.6, INK)
    said, colour = f"{number(known[0][1])} throughout", MUTED
    worst = explanation.worst(scorer, series)
    if worst and column.name in explanation.worst_places:
        canvas.dot((x.at(worst.time), y.at(worst.value)), 6, SURFACE)
        canvas.dot((x.at(worst.time), y.at(worst.value)), 4.5, ACCENT)
        extreme = "highest" if column.direction == "lower" else "lowest"
        said, colour = f"{extreme} {number(worst.value)} at {worst.time:.2f} s", ACCENT
    elif len({value for _, value in known}) > 1:
        said = f"{number(min(v for _, v in known))} to {number(max(v for _, v in known))}"
    canvas.text(said, (left + width - PAD, top + 28), META, colour, "right")
    unit = f" ({column.units})" if column.units else ""
    room = width - PAD * 3 - width_of(said, META)
    canvas.text(shortened(f"{column.name}{unit}", BODY, room), (left + PAD, top + 28), BODY, strong=True)
    beyond = [not y.low <= threshold <= y.high for threshold, _ in thresholds]
    notes = [" (beyond this range)" if out and not all(beyond) else "" for out in beyond]
    words = ", ".join(words + note for (_, words), note in zip(thresholds, notes, strict=True))
    words += " (beyond this range)" if beyond and all(beyond) else ""
    canvas.text(words, (left + PAD, top + 47), META, MUTED)


def _axes(canvas: Canvas, x: Scale, y: Scale, values: list[float]) -> None:
    for value in ticks(y.low, y.high) if len(set(values)) > 1 else values[:1]:
        place = round(y.at(value))
        canvas.line((x.start, place), (x.end, place), LINE)
        canvas.text(f"{value:g}", (x.start - 8, place + 4), META, MUTED, "right")
    seconds = ticks(x.low, x.high, 6)
    for time in seconds:
        unit = " s" if time == seconds[-1] else ""
        canvas.text(f"{time:g}{unit}", (x.at(time), y.start + 20), META, MUTED, "middle")
