"""Every scorer there is. To add one: write a module in a family's package and name its function in SCORERS."""

from collections.abc import Mapping
from functools import cache

from scoring.head.head import head
from scoring.models.cotracker import cotracker
from scoring.models.dover import dover
from scoring.motion.motion import motion
from scoring.picture.quality import quality
from scoring.picture.text import text
from scoring.scorer import Scorer, ScorerMaker
from scoring.settings import Settings
from scoring.sound.audio import audio

SCORERS: tuple[ScorerMaker, ...] = (head, quality, motion, audio, text, dover, cotracker)
"""The scorers, in the order of the pool's columns."""


def scorers(settings: Settings = Settings()) -> tuple[Scorer, ...]:  # noqa: B008 - frozen
    """All scorers under these settings, without those that compute no column under them.

    Raises WeightsError where a scorer's model file or its package is missing.
    """
    return tuple(scorer for make in SCORERS if (scorer := make(settings)).columns)


@cache
def series_by_score() -> Mapping[str, str]:
    """The name of the series that each score summarises, as the scorers declare it; without scores that have none.

    >>> series_by_score()["min_movement"], series_by_score()["luma"], "duration" in series_by_score()
    ('movement', 'luma', False)
    """
    declared = [series for scorer in scorers(Settings()) for series in scorer.series]
    return {score: series.name for series in declared for score in series.summaries}


@cache
def worst_by_overall() -> Mapping[str, str]:
    """The score of a clip's worst second by the score of the whole clip, for each series that has both.

    >>> worst_by_overall()["avg_movement"]
    'min_movement'
    """
    declared = [series for scorer in scorers(Settings()) for series in scorer.series]
    return {series.overall: series.worst for series in declared if series.overall and series.worst}
