"""The ends of a filter's accepted range: which ends it has, their thresholds, and the clips that an end rejects."""

from typing import Literal

import numpy as np

from analysis.estimate import Bools, Floats
from analysis.filters.roc import Direction
from app.errors import AppError
from app.models import Filter

End = Literal["min", "max"]
AcceptedRange = tuple[float | None, float | None]
"""The minimum and the maximum that a filter accepts; None is no limit."""


def ends(rule: Filter) -> list[End]:
    """The ends of the accepted range that have a threshold: one, or both for a band."""
    found: list[End] = []
    if rule.minimum is not None:
        found.append("min")
    if rule.maximum is not None:
        found.append("max")
    return found


def end_to_move(rule: Filter, requested: End | None) -> End:
    """The requested end, by default the filter's first. Raises AppError if the filter has no such end."""
    found = ends(rule)
    if requested is not None and requested not in found:
        raise AppError(f"{rule.title} has no {requested}imum.", "Move the end that it has.", status=404)
    return requested or found[0]


def threshold_at(rule: Filter, end: End) -> float:
    """The preset threshold at an end that the filter has."""
    threshold = rule.minimum if end == "min" else rule.maximum
    assert threshold is not None, "the caller asks for an end that the filter has"
    return threshold


def direction_of(end: End) -> Direction:
    """Whether clips are accepted at or above the threshold of this end ("ge"), or at or below it ("le")."""
    return "ge" if end == "min" else "le"


def fails_other_end(rule: Filter, end: End, scores: Floats) -> Bools:
    """Whether the end of a band that does not move rejects each clip, shape (clips,)."""
    fails: Bools = np.zeros(len(scores), dtype=np.bool_)
    if end == "min" and rule.maximum is not None:
        fails = scores > rule.maximum
    if end == "max" and rule.minimum is not None:
        fails = scores < rule.minimum
    return fails
