"""Retention cascade: a Sankey diagram of what a chain of filters keeps of a pool and what each stage drops."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from analysis.figures.rendering import Chart, Table

_COLUMN = 104.0  # smallest distance in pixels from one stage to the next
_LETTER = 7.6  # pixels of a letter of a stage's name
_LONGEST = 168.0  # pixels; a longer name is truncated, and the tooltip has all of it
_FLOW = 200.0  # height of the whole pool in pixels
_FALL = 26.0  # pixels by which a dropped band falls
_HEAD = 62.0  # pixels for the text above the bars
_LINE = 17.0  # pixels from one line of text to the next
_STEPS = 32  # points along the edge of a band
_Row = dict[str, Any]  # one point, bar or word of the drawing
_TIPS = ["stage:N", "kept:N", "dropped:N", "of these unknown:N"]


@dataclass(frozen=True)
class Level:
    """What one stage of the cascade keeps; `hours` is None if durations are not known.

    The first level is the pool before any filter. `unknown` counts the clips that the stage drops because they have no
    score.
    """

    name: str
    clips: int
    hours: float | None = None
    unknown: int = 0


def retention_cascade(levels: Sequence[Level], *, width: int = 720) -> Chart:
    """The pool and what each stage keeps of it, as bands whose height is in hours (in clips if hours are not known).

    `levels` begins with the whole pool; each further level is what its stage keeps. `width` is that of the plot in
    pixels; it becomes wider if the text needs more. Raises ValueError for fewer than two levels, an empty pool, and a
    level above the one before it.
    """
    plot = _Plot.of(levels, width)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, plot.width]))
    scale = alt.Scale(domain=[plot.height, 0])
    kind = plot.unit.name if plot.unit is _CLIPS else f"{plot.unit.name} of video"
    y = alt.Y("y:Q", title=kind, scale=scale, axis=alt.Axis(labels=False, ticks=False, domain=False, grid=False))

    def marks(rows: Iterable[_Row]) -> alt.Chart:
        return alt.Chart(alt.InlineData(values=list(rows))).encode(x=x, y=y)

    def words(lines: Iterable[_Word], bold: bool) -> alt.Chart:
        rows = [{"x": word.x, "y": word.y, "text": word.text} for word in lines if word.bold == bold]
        return marks(rows).encode(text="text:N")

    bands = {"y2": "y2:Q", "detail": "band:N", "tooltip": _TIPS}
    bars = {"x2": "x2:Q", "y2": "y2:Q", "tooltip": _TIPS}
    kept, dropped = list(plot.kept_bands()), list(plot.dropped_bands())
    layers = [
        marks(point for band in kept for point in band.points())
        .mark_area(style="curve", opacity=0.3, strokeWidth=0)
        .encode(**bands),
        marks(point for band in dropped for point in band.points())
        .mark_area(style="pool", opacity=0.8, strokeWidth=0)
        .encode(**bands),
        marks(plot.kept_bars()).mark_rect(style="curve", strokeWidth=0).encode(**bars),
        marks(plot.dropped_bars()).mark_rect(style="quiet", strokeWidth=0).encode(**bars),
        words(plot.heads(), True).mark_text(style="text", align="left", fontWeight=600, limit=plot.column - 8),
        words(plot.heads(), False).mark_text(style="text", align="left", limit=plot.column - 8),
        words(plot.feet(), False).mark_text(style="quiet-text", align="right", fontSize=12, limit=plot.column - 8),
    ]
    title = alt.Title(_finding(plot), subtitle=_caption(plot))
    chart: Chart = alt.layer(*layers)
    return chart.properties(width=plot.width, height=plot.height, title=title)


def retention_cascade_table(levels: Sequence[Level]) -> Table:
    """One row per level: name, clips, hours, clips and hours dropped, clips dropped without a score, shares kept.

    >>> retention_cascade_table([Level("raw", 4, 2.0), Level("quality", 3, 1.5)]).rows[1]
    ('quality', 3, 1.5, 1, 0.5, 0, 0.75, 0.75)
    """
    headings = ("stage", "clips", "hours", "dropped clips", "dropped hours", "dropped unknown")
    first, rows = levels[0], []
    for level, before in zip(levels, [first, *levels], strict=False):
        timed = level.hours is not None and before.hours is not None
        lost = (before.hours or 0) - (level.hours or 0) if timed else None
        of_clips = level.clips / first.clips if first.clips else None
        of_hours = level.hours / first.hours if level.hours is not None and first.hours else None
        cells = (level.name, level.clips, level.hours, before.clips - level.clips, lost, level.unknown)
        rows.append((*cells, of_clips, of_hours))
    return Table((*headings, "share of clips", "share of hours"), tuple(rows))


@dataclass(frozen=True)
class _Unit:
    """The unit of the bands' heights: hours, minutes or clips; `per_hour` of them make an hour."""

    name: str
    short: str
    per_hour: float
    digits: int

    def words(self, amount: float) -> str:
        """The amount with its unit, as in `5 785.68 h`; an amount that would round to 0 is written as `< 0.01 h`."""
        least = 10.0**-self.digits
        said = f"< {least:g}" if 0 < amount < least / 2 else _thin(amount, self.digits)
        return f"{said} {self.short or self.name}"


def _thin(amount: float, digits: int = 0) -> str:
    """The number in digits, with thin spaces between thousands."""
    return f"{amount:,.{digits}f}".replace(",", "\N{THIN SPACE}")


_HOURS, _MINUTES, _CLIPS = _Unit("hours", "h", 1, 2), _Unit("minutes", "min", 60, 1), _Unit("clips", "", 1, 0)


@dataclass(frozen=True)
class _Word:
    """A line of text, its position, and whether it is bold."""

    x: float
    y: float
    text: str
    bold: bool = False


@dataclass(frozen=True)
class _Band:
    """A band from `left` to `right`; `start` and `end` are the heights of its upper and lower edge there."""

    name: str
    left: float
    right: float
    start: tuple[float, float]
    end: tuple[float, float]
    tip: _Row

    def points(self) -> Iterator[_Row]:
        for step in range(_STEPS + 1):
            part = step / _STEPS
            bend = part * part * (3 - 2 * part)
            upper, lower = ((1 - bend) * a + bend * b for a, b in zip(self.start, self.end, strict=True))
            x = self.left + part * (self.right - self.left)
            yield {"band": self.name, "x": x, "y": upper, "y2": lower} | self.tip


@dataclass(frozen=True)
class _Plot:
    """The layout in pixels from the top left; `amounts` are those of the levels in `unit`."""

    levels: tuple[Level, ...]
    amounts: tuple[float, ...]
    unit: _Unit
    column: float

    @classmethod
    def of(cls, levels: Sequence[Level], width: int) -> "_Plot":
        timed = all(level.hours is not None for level in levels) and bool(levels and levels[0].hours)
        unit = _CLIPS if not timed else _HOURS if (levels[0].hours or 0) >= 1 else _MINUTES
        amounts = tuple(float(level.hours or 0) * unit.per_hour if timed else float(level.clips) for level in levels)
        if len(levels) < 2 or not amounts[0]:
            raise ValueError("a cascade needs a pool that is not empty and at least one stage")
        for before, after in pairwise(levels):
            if after.clips > before.clips or (after.hours or 0) > (before.hours or 0):
                raise ValueError(f"{after.name!r} keeps more than {before.name!r}: levels must not rise")
        longest = max(len(level.name) for level in levels)
        column = max(_COLUMN, min(longest * _LETTER + 16, _LONGEST), (width - _COLUMN) / (len(levels) - 1))
        return cls(tuple(levels), amounts, unit, column)

    @property
    def width(self) -> float:
        return self.left(len(self.levels) - 1) + max(_COLUMN, min(len(self.levels[-1].name) * _LETTER, self.column))

    @property
    def height(self) -> float:
        return max([_HEAD + _FLOW, *(word.y for word in self.feet())]) + 8

    def left(self, place: int) -> float:
        return self.column * place

    def high(self, place: int) -> float:
        """The height of a level in pixels."""
        return _FLOW * self.amounts[place] / self.amounts[0]

    def kept_bands(self) -> Iterator[_Band]:
        for place in range(1, len(self.levels)):
            edges = (_HEAD, _HEAD + self.high(place))
            yield _Band(f"kept {place}", self.left(place - 1) + 10, self.left(place), edges, edges, self.tip(place))

    def dropped_bands(self) -> Iterator[_Band]:
        for place in self.droppers():
            start = (_HEAD + self.high(place), _HEAD + self.high(place - 1))
            end = (start[0] + _FALL, start[1] + _FALL)
            # It ends before the next bar, so that a dropped band is not mistaken for a kept one.
            right = self.left(place) - 14
            yield _Band(f"dropped {place}", self.left(place - 1) + 10, right, start, end, self.tip(place))

    def droppers(self) -> list[int]:
        """The stages that drop clips."""
        return [k for k in range(1, len(self.levels)) if self.levels[k].clips < self.levels[k - 1].clips]

    def kept_bars(self) -> Iterator[_Row]:
        for place in range(len(self.levels)):
            x, high = self.left(place), max(self.high(place), 1)
            yield {"x": x, "x2": x + 10, "y": _HEAD, "y2": _HEAD + high} | self.tip(place)

    def dropped_bars(self) -> Iterator[_Row]:
        for band in self.dropped_bands():
            lower = max(band.end[1], band.end[0] + 1)
            yield {"x": band.right, "x2": band.right + 3, "y": band.end[0], "y2": lower} | band.tip

    def heads(self) -> Iterator[_Word]:
        """The text above each bar: the stage, what it keeps, and its share of the pool."""
        for place, level in enumerate(self.levels):
            share = 100 * self.amounts[place] / self.amounts[0]
            lines = (level.name, self.unit.words(self.amounts[place]), f"{share:.1f} %")
            for row, text in enumerate(lines):
                yield _Word(self.left(place), 9 + _LINE * row, text, bold=row == 0)

    def feet(self) -> Iterator[_Word]:
        """The text below each dropped band: what is dropped, and how many clips had no score."""
        for place in self.droppers():
            level, lost = self.levels[place], self.amounts[place - 1] - self.amounts[place]
            lines = [f"−{self.unit.words(lost)}".replace("−<", "<")]
            if level.unknown:
                lines.append(f"{_thin(level.unknown)} unknown")
            for row, text in enumerate(lines, 1):
                yield _Word(self.left(place) - 11, _HEAD + self.high(place - 1) + _FALL + _LINE * row, text)

    def tip(self, place: int) -> _Row:
        level, before = self.levels[place], self.levels[max(place - 1, 0)]
        lost = self.amounts[max(place - 1, 0)] - self.amounts[place]
        return {
            "stage": level.name,
            "kept": self.both(self.amounts[place], level.clips),
            "dropped": self.both(lost, before.clips - level.clips),
            "of these unknown": _CLIPS.words(level.unknown),
        }

    def both(self, amount: float, clips: int) -> str:
        """The time and the number of clips, or the number of clips if times are not known."""
        return _CLIPS.words(clips) if self.unit is _CLIPS else f"{self.unit.words(amount)}, {_CLIPS.words(clips)}"


def _finding(plot: _Plot) -> str:
    """What is left at the end, and which stage drops most."""
    share = 100 * plot.amounts[-1] / plot.amounts[0]
    left = f"{share:.1f} % of the {plot.unit.name} pass every filter" if share else "Nothing passes every filter"
    if not plot.droppers():
        return left
    worst = max(plot.droppers(), key=lambda place: plot.amounts[place - 1] - plot.amounts[place])
    return f"{left}; {plot.levels[worst].name} drops most"


def _caption(plot: _Plot) -> str:
    first, last = plot.levels[0], plot.levels[-1]
    words = [f"n = {plot.both(plot.amounts[0], first.clips)}", f"{_CLIPS.words(last.clips)} are left"]
    if plot.unit is _CLIPS:
        words.append("hours are not known")
    if any(level.unknown for level in plot.levels):
        words.append("unknown: dropped without a score")
    return "; ".join(words)
