"""How every `clipjury stats` command prints its results: JSON, estimates and tables."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.number_format import number_text

WIDTH = 140


def print_json(content: Mapping[str, Any]) -> None:
    """Print exactly one JSON object. Undefined numbers are null. Raises ValueError for NaN and infinity."""
    sys.stdout.write(json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n")


def shown(estimate: Mapping[str, Any]) -> str:
    """The JSON object of an estimate for the terminal: `0.87 [0.79, 0.93]`, or why it is undefined."""
    return number_text(*(estimate[part] for part in ("value", "low", "high", "undefined")))


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
