"""How large a generated study is, and by which seed it is made."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.helpers.factories import NOON

SMALLEST_POOL = 5_000
POOL_PER_CLIP = 5
NEEDED_FOR_BOTH = 4
"""Raters from which a study has a careless rater and one who withdrew."""


@dataclass(frozen=True)
class Options:
    """A study's size. `answers` raters answer each clip, fewer where there are fewer raters; `open_places` more places
    stay open on every clip. `pool` is the number of clips in the pool (None: five times `clips`, at least 5,000).
    `at` is the moment of the newest answer.
    """

    clips: int = 200
    raters: int = 12
    filters: int = 7
    answers: int = 5
    open_places: int = 0
    optional_questions: bool = True
    pool: int | None = None
    seed: int = 1
    at: datetime = NOON
    slug: str = "generated-study"

    @property
    def pool_clips(self) -> int:
        """Clips in the pool."""
        return self.pool or max(SMALLEST_POOL, POOL_PER_CLIP * self.clips)

    @property
    def created(self) -> datetime:
        """When the study was made."""
        return self.at - timedelta(days=90)

    @property
    def answered(self) -> int:
        """Raters who answer each clip."""
        return min(self.answers, self.raters)

    @property
    def careless(self) -> int | None:
        """Place of the careless rater in the order in which the raters came; None without one."""
        return self.raters - 2 if self.raters >= NEEDED_FOR_BOTH else None

    @property
    def withdrew(self) -> int | None:
        """Place of the rater who withdrew; None without one."""
        return self.raters - 1 if self.raters >= NEEDED_FOR_BOTH else None
