"""The per-second scores of a clip as they are stored with a study, for the timeline of the rating room."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from scoring.runners.part_files import SERIES

SUMMARIES = ("avg_", "min_", "max_", "mean_")
"""Prefixes of scores that summarise a per-second series."""


def series_name(score: str, names: Sequence[str] | Mapping[str, Any]) -> str | None:
    """The per-second column that a score summarises; None if `names` has none.

    >>> series_name("avg_movement", ["movement_per_second"])
    'movement_per_second'
    """
    stems = [score, *(score.removeprefix(prefix) for prefix in SUMMARIES if score.startswith(prefix))]
    return next((stem + SERIES for stem in stems if stem + SERIES in names), None)


def snapshot(row: Mapping[str, Any], scores: Sequence[str]) -> dict[str, list[float | None]]:
    """The per-second values of some scores of one clip by column name; values that are not finite are None."""
    found: dict[str, list[float | None]] = {}
    for score in scores:
        name = series_name(score, row)
        values = row[name] if name else None
        if name and isinstance(values, list) and values:
            found[name] = [_number(value) for value in values]
    return found


def _number(value: Any) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
