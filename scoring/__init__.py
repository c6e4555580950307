"""Scoring: a clip's file in, numbers out. A pure library that knows nothing of studies, raters or the web."""

from scoring.audio import audio
from scoring.cotracker import cotracker
from scoring.dover import dover
from scoring.head import head
from scoring.motion import motion
from scoring.quality import quality
from scoring.scorer import MakeScorer, Scorer
from scoring.settings import Settings
from scoring.text import text

SCORERS: tuple[MakeScorer, ...] = (head, quality, motion, audio, text, dover, cotracker)
"""Every scorer, in the order of the pool's columns. To add one: a module here, and its name in this line."""


def scorers(settings: Settings = Settings()) -> tuple[Scorer, ...]:  # noqa: B008 - frozen
    """All scorers as they are under some settings; those without a column are left out."""
    return tuple(scorer for make in SCORERS if (scorer := make(settings)).columns)
