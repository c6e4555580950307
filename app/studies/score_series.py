"""The per-second scores of a clip as they are stored with a study, for the timeline of the rating room."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from scoring.registry import series_by_score
from scoring.runners.part_files import SERIES


def series_name(score: str, names: Sequence[str] | Mapping[str, Any]) -> str | None:
    """The per-second column that a score summarises; None if `names` has none.

    It is the series that the score's scorer declares; for a score of another program, the column named after it.

    >>> series_name("avg_movement", ["movement_per_second"]), series_name("mine", ["mine_per_second"])
    ('movement_per_second', 'mine_per_second')
    """
    name = series_by_score().get(score, score) + SERIES
    return name if name in names else None


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
