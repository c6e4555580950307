"""The curve on the timeline of the rating room: a filter's score for each second of the clip."""

from collections.abc import Mapping
from typing import Any

from app.models import Filter
from app.rating.room_view import Curve
from app.studies.score_series import series_name

WIDTH, HEIGHT, MARGIN = 1000, 100, 8


def curve(rule: Filter, scores: Mapping[str, Any]) -> Curve | None:
    """A filter's curve over a clip with its thresholds, one step per second; None if the score has no series.

    The worst second is the one furthest outside the threshold or, if all seconds pass, the one nearest to it.
    """
    name = series_name(rule.score, scores)
    series = scores[name] if name else []
    known = {second: value for second, value in enumerate(series) if value is not None}
    if not known:
        return None
    thresholds = [end for end in (rule.minimum, rule.maximum) if end is not None]
    low, high = min([*known.values(), *thresholds]), max([*known.values(), *thresholds])

    def height(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)

    return Curve(
        line=_line({second: height(value) for second, value in known.items()}, len(series)),
        thresholds=tuple(height(threshold) for threshold in thresholds),
        seconds=len(series),
        worst=max(known, key=lambda second: (_badness(rule, known[second]), -second)),
    )


def _line(heights: dict[int, float], seconds: int) -> str:
    """The steps as an SVG path, with a gap where a second has no value."""
    step = WIDTH / seconds
    parts = []
    for second, height in sorted(heights.items()):
        start = "L" if second - 1 in heights else "M"
        parts.append(f"{start}{second * step:.1f} {height}H{(second + 1) * step:.1f}")
    return "".join(parts)


def _badness(rule: Filter, value: float) -> float:
    """The distance of a value from the threshold: positive outside, negative inside."""
    below = -float("inf") if rule.minimum is None else rule.minimum - value
    above = -float("inf") if rule.maximum is None else value - rule.maximum
    return max(below, above)
