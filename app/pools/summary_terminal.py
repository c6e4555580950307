"""The summary of a pool on the terminal: histograms of block characters with thresholds, and tables that fit."""

from collections.abc import Sequence

import polars as pl
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.filters.threshold_text import short_number, threshold_text
from app.pools.summary import GroupSummary, Histogram, PoolSummary

BLOCKS = " ▁▂▃▄▅▆▇█"
TALL = 4
"""Rows of a histogram."""
WIDE = 104
"""Two histograms are printed side by side if the terminal has at least this many columns."""
ACCEPT, REJECT, PLAIN = "green", "red", "cyan"
LONGEST = 28
"""The largest number of characters of a value in a table."""


def show(out: Console, summary: PoolSummary, *, columns: bool = True) -> None:
    """Print the whole summary: size, scores, subgroups, columns with their missing values."""
    out.print(f"[bold]{words(summary.name)}[/]  {headline(summary)}")
    for note in summary.notes:
        out.print(f"  {words(note)}")
    if summary.untimed:
        out.print(f"  {count(summary.untimed)} clips have no duration: the hours leave them out.")
    if summary.histograms:
        through = f"  (thresholds: {words(summary.filters)})" if summary.filters else ""
        out.print(f"\n[bold]Scores[/]{through}")
        side = 2 if out.width >= WIDE else 1
        width = (out.width - 3 * (side - 1)) // side
        drawn = [panel(one, min(width, 76)) for one in summary.histograms]
        sheet = Table.grid(padding=(1, 3), pad_edge=False)
        for start in range(0, len(drawn), side):
            sheet.add_row(*drawn[start : start + side])
        out.print(sheet)
    for name, groups in summary.groups.items():
        out.print(f"\n[bold]{words(name)}[/]")
        out.print(group_table(groups, summary.clips, out.width))
    if columns:
        out.print("\n[bold]Columns[/]")
        out.print(column_table(summary, out.width))


def headline(summary: PoolSummary) -> str:
    """The size of the pool in one line."""
    parts = [f"{count(summary.clips)} clips"]
    if summary.hours is not None:
        parts.append(f"{count(summary.hours, 2)} h")
    parts.append(f"{count(summary.sources)} sources" if summary.sources > 1 else "1 source")
    parts.append(f"{len(summary.columns)} columns")
    if summary.bytes is not None:
        parts.append(f"{count(summary.bytes / 1e6, 1)} MB")
    return " · ".join(parts)


def panel(one: Histogram, width: int) -> Text:
    """A histogram of `width` characters: its name and thresholds, the bars, and the axis."""
    said = ", ".join(threshold_text(rule.minimum, rule.maximum) for rule in one.filters)
    passing = f" · {100 * one.passing:.1f} % pass" if one.passing is not None else ""
    missing = f" · {100 * one.missing:.1f} % missing" if one.missing else ""
    title = Text(plain(one.score)[: width // 2], style="bold")
    title.append(f"  {said}{passing}{missing}", style="not bold")
    title.append(f" · median {short_number(one.median)}", style="not bold dim")
    title.truncate(width, overflow="ellipsis")
    lines = [title, *bars(one, width), axis(one, width)]
    return Text("\n").join(lines)


def bars(one: Histogram, width: int) -> list[Text]:
    """The rows of bars, top first: rejected values in another colour, each threshold a line between two bars.

    >>> from scoring.filters import Filter
    >>> rules = (Filter("x", "x", minimum=2),)
    >>> made = Histogram("x", 0, 4, (1, 2, 4, 0), 0, 7, 0.0, 1.5, 2.0, rules)
    >>> bars(made, 8)[-1].plain
    '██│█ '
    """
    columns, marks = layout(one, width)
    most = max(count for _, count, _ in columns) or 1
    rows = []
    for row in reversed(range(TALL)):
        text = Text()
        for place, (_, clips, accepted) in enumerate(columns):
            text.append("│" * len(marks.get(place, ())), style="bold")
            # A bar of a single clip must be visible, however high the others are.
            height = max(1, round(8 * TALL * clips / most)) if clips else 0
            block = BLOCKS[min(8, max(0, height - 8 * row))]
            text.append(block, style=PLAIN if not one.filters else ACCEPT if accepted else REJECT)
        text.append("│" * len(marks.get(len(columns), ())), style="bold")
        rows.append(text)
    return rows


def axis(one: Histogram, width: int) -> Text:
    """The line under the bars, with a tick at each threshold, and the numbers below it."""
    columns, marks = layout(one, width)
    line = ""
    ticks: list[tuple[int, str]] = []
    for place in range(len(columns) + 1):
        for value in marks.get(place, ()):
            ticks.append((len(line), f"{value:g}"))
            line += "┴"
        line += "─" if place < len(columns) else ""
    below = [" "] * max(width, len(line))
    right = short_number(one.high)
    # Thresholds come first: the number at an end is left out if there is no room for it.
    for place, text in [*ticks, (0, short_number(one.low)), (len(line) - 1, right)]:
        start = min(max(0, place - len(text) // 2), len(below) - len(text))
        if all(sign == " " for sign in below[max(0, start - 1) : start + len(text) + 1]):
            below[start : start + len(text)] = text
    return Text(line, style="dim") + Text("\n") + Text("".join(below).rstrip())


def layout(one: Histogram, width: int) -> tuple[list[tuple[float, int, bool]], dict[int, list[float]]]:
    """The columns of a histogram that is `width` characters wide, and the thresholds before each column.

    A column is its lower end, its clips, and whether the filters accept its middle. Neighbouring bins share a column
    if there are too many; the first threshold stays between two columns.
    """
    step = (one.high - one.low) / len(one.counts)
    together = max(1, -(-len(one.counts) // max(1, width - len(one.thresholds) - 1)))
    first = round((one.thresholds[0][0] - one.low) / step) if one.thresholds else 0
    starts = [0, *range(first % together or together, len(one.counts), together)]
    columns = []
    for start, end in zip(starts, [*starts[1:], len(one.counts)], strict=True):
        middle = one.low + step * (start + end) / 2
        columns.append((one.low + start * step, sum(one.counts[start:end]), one.accepts(middle)))
    marks: dict[int, list[float]] = {}
    for value, sign in one.thresholds:
        edge = (value - one.low) / step
        # The accepted range begins after a lower limit and ends before an upper limit.
        edge = round(edge) if abs(edge - round(edge)) < 1e-6 else int(edge) + (sign == "≤")
        marks.setdefault(sum(start < edge for start in starts), []).append(value)
    return columns, marks


def group_table(groups: Sequence[GroupSummary], clips: int, width: int) -> Table:
    """Clips and hours of each subgroup, its share of the pool, and how much of it the filters keep."""
    table = grid("value", "clips", "%", "hours", *(["kept clips", "kept %", "kept hours"] if _kept(groups) else []))
    for one in groups:
        cells = [count(one.clips), f"{100 * one.clips / clips:.1f}", hours(one.hours)]
        if one.kept_clips is not None:
            cells += [count(one.kept_clips), f"{100 * one.kept_clips / one.clips:.1f}", hours(one.kept_hours)]
        table.add_row(shortened(one.value, max(12, min(LONGEST, width - 60))), *cells)
    return table


def column_table(summary: PoolSummary, width: int) -> RenderableType:
    """The role, type and share of missing values of each column; in two halves side by side if there is room."""
    side = max(1, width // 68)
    each = -(-len(summary.columns) // side)
    tables = []
    for start in range(0, len(summary.columns), each):
        table = grid("column", "role", "kind", "missing %")
        for one in summary.columns[start : start + each]:
            share = f"{100 * one.missing:.1f}" if one.missing else ""
            table.add_row(shortened(one.name, LONGEST), one.role, one.kind, share)
        tables.append(table)
    return Columns(tables, padding=(0, 4)) if side > 1 else tables[0]


def row_table(frame: pl.DataFrame, width: int) -> tuple[Table, int]:
    """Rows of a pool as a table of the columns that fit, and the number of columns that do not."""
    texts = {name: [_cell(value) for value in frame[name]] for name in frame.columns}
    fitting: list[str] = []
    used = 0
    for name in frame.columns:
        wide = 2 + max(len(plain(name)[:LONGEST]), *(len(text) for text in texts[name]), 1)
        if used + wide > width and fitting:
            break
        used += wide
        fitting.append(name)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in fitting:
        numeric = frame.schema[name].is_numeric()
        table.add_column(shortened(name, LONGEST), justify="right" if numeric else "left", no_wrap=True)
    for place in range(frame.height):
        table.add_row(*(escape(texts[name][place]) for name in fitting))
    return table, len(frame.columns) - len(fitting)


def grid(*heads: str) -> Table:
    """An empty table without lines: the first column is aligned left, the others right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        left = head in ("value", "column", "role", "kind", "field", "group", "stage")
        table.add_column(head, justify="left" if left else "right", no_wrap=True)
    return table


def count(value: float, digits: int = 0) -> str:
    """A number with thin spaces between thousands."""
    return f"{value:,.{digits}f}".replace(",", "\N{THIN SPACE}")


def hours(value: float | None) -> str:
    """Hours with two decimals; "" if they are not known."""
    return "" if value is None else count(value, 2)


def plain(text: str) -> str:
    """A text from a file as one line without control characters, which could move the cursor or ring the bell.

    >>> plain("a\\x1b[2Jb\\nc")
    'a?[2Jb?c'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def words(text: str) -> str:
    """A text from a file, escaped for rich."""
    return escape(plain(text))


def shortened(text: str, width: int) -> str:
    """A text shortened to at most `width` characters, escaped for rich."""
    line = plain(text)
    return escape(line if len(line) <= width else line[: width - 1] + "…")


def _cell(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, float):
        return f"{value:.6g}"
    line = plain(str(value))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _kept(groups: Sequence[GroupSummary]) -> bool:
    return any(one.kept_clips is not None for one in groups)
