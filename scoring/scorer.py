"""What a scorer is: a description, a `setup` run once per process, and a watch that sees a clip's frames go by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from scoring.settings import Settings
from scoring.video.frames import Facts, Frame, Opening, Sound
from scoring.weights import Weight

Direction = Literal["higher", "lower", "band", "none"]
"""What is better: more, less, neither too much nor too little; or `none` for a place in time, neither good nor bad."""


@dataclass(frozen=True)
class Column:
    """One number per clip, or per second of it: what it means and how to read it.

    `low` and `high` bound the possible values (None: no bound); `approximate` marks a stand-in for a better method;
    `ranked` scores mean little by themselves and get their percentile within the pool beside them.
    """

    name: str
    meaning: str
    direction: Direction
    units: str = ""
    low: float | None = None
    high: float | None = None
    approximate: bool = False
    ranked: bool = False


@dataclass(frozen=True)
class Measured:
    """What one scorer found in one clip. A score that cannot be computed is None and its reason stands beside it.

    `series` holds one value per second of the clip: entry k belongs to second k, and is None where nothing could be
    computed there. `times` are lists of moments in seconds, such as the cuts.
    """

    scores: dict[str, float | None]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)


class Watch:
    """One clip as one scorer follows it. It keeps what it needs of a frame, never the frames themselves."""

    def see(self, frame: Frame) -> None:
        """Every frame, in order. `frame.second` says whether it stands for a second of the clip."""

    def hear(self, sound: Sound) -> None:
        """Every piece of sound, in order; only for scorers that say they hear."""

    def result(self, facts: Facts) -> Measured:
        """The numbers, when the clip is over."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scorer:
    """A scorer for one choice of settings: names, columns and model files for the record, and how to run it.

    `setup()` is called once per process; `watch(state, opening)` begins a clip and must depend on nothing but its
    arguments. Both can be sent to a worker process: functions of a module, or `functools.partial` of one. Raise
    `version` when numbers change.
    """

    name: str
    version: str
    backend: str
    columns: tuple[Column, ...]
    setup: Callable[[], Any]
    watch: Callable[[Any, Opening], Watch]
    series: tuple[Column, ...] = ()
    times: tuple[Column, ...] = ()
    weights: tuple[Weight, ...] = ()
    hears: bool = False


MakeScorer = Callable[[Settings], Scorer]
"""What stands in SCORERS: the scorer as it is under some settings."""


def nothing_to_load() -> None:
    """The `setup` of scorers without a model."""
