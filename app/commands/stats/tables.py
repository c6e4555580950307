"""How every `clipjury stats` command prints its results: JSON, estimates and tables."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from analysis.estimate import Estimate

WIDTH = 140


def print_json(content: Mapping[str, Any]) -> None:
    """Print exactly one JSON object. Undefined numbers are null. Raises ValueError for NaN and infinity."""
    sys.stdout.write(json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n")


def shown(estimate: "Estimate", *, percent: bool = False, digits: int | None = None) -> str:
    """An estimate for the terminal: `0.871 [0.785, 0.927]`; a dash and the reason if it is undefined."""
    if estimate.value is None:
        return f"– ({estimate.undefined})"
    size, places = (100, 1) if percent else (1, 3)
    places = places if digits is None else digits
    value = f"{size * estimate.value:.{places}f}"
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} [{size * estimate.low:.{places}f}, {size * estimate.high:.{places}f}]"


def left_out(*, empty: int = 0, abstained: int = 0, repeats: int = 0) -> list[str]:
    """A sentence for each reason why rows were left out: no value, "unsure", repeats of a first answer."""
    sentences = (
        (empty, "rows without a value were left out."),
        (abstained, "answers “unsure” count as no ratings."),
        (repeats, "repeated answers were left out: the first counts."),
    )
    return [f"{count} {sentence}" for count, sentence in sentences if count]


def console() -> Console:
    """The console for tables, as wide as the terminal, or 140 columns in a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def grid(*heads: str, title: str | None = None) -> Table:
    """An empty table without lines: the first column is aligned left, the others right."""
    made = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for number, head in enumerate(heads):
        made.add_column(head, justify="left" if number == 0 else "right")
    return made
