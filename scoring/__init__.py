"""Scoring: a clip's file in, numbers out. A pure library that knows nothing of studies, raters or the web."""

from typing import Any

from scoring.head import HEAD
from scoring.motion import MOTION
from scoring.pixels import PIXELS
from scoring.scorer import Scorer

# The state that each scorer sets up is its own affair.
SCORERS: tuple[Scorer[Any], ...] = (HEAD, PIXELS, MOTION)
"""Every scorer, in the order of the pool's columns. To add one: a module here, and its name in this line."""
