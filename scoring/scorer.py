"""What a scorer is: its columns and models, a `setup` that runs once per process, and a watch for each clip.

For writers of scorers: the other modules of scoring only fill in what is described here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame, Sound
from scoring.weights import Weight

Direction = Literal["higher", "lower", "band", "none"]
"""What is better: more, less, or a middle range; `none` for a place in time, which is neither good nor bad."""


@dataclass(frozen=True)
class Column:
    """One number per clip, or per second of it: what it means and how to read it.

    `low` and `high` bound the possible values (None: no bound). `approximate` marks a substitute for a better method.
    `ranked` scores mean little by themselves, so the pool has their percentile too.
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
class Series:
    """One value per second of a clip, and the clip's scores that summarise these values.

    `overall` names the score of the clip as a whole, for example the mean; `worst` names the score of its worst
    second; "" if there is no such score.

    >>> Series(Column("movement", "", "higher"), overall="avg_movement", worst="min_movement").summaries
    ('avg_movement', 'min_movement')
    """

    column: Column
    overall: str = ""
    worst: str = ""

    @property
    def name(self) -> str:
        """The name of the series: that of its column."""
        return self.column.name

    @property
    def summaries(self) -> tuple[str, ...]:
        """The names of the clip's scores that summarise the series."""
        return tuple(name for name in (self.overall, self.worst) if name)


@dataclass(frozen=True)
class Measurement:
    """What one scorer found in one clip. A score that cannot be computed is None and has its reason in `reasons`.

    `series` holds one value per second of the clip: entry k belongs to second k and is None where nothing could be
    computed. `times` are lists of moments in seconds, such as scene cuts.
    """

    scores: dict[str, float | None]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)


class Watch:
    """One scorer's view of one clip. It keeps what it needs of a frame, never the frame itself."""

    def see(self, frame: Frame) -> None:
        """Called with every frame, in order. `frame.second` says whether the frame stands for a second of the clip."""

    def hear(self, sound: Sound) -> None:
        """Called with every piece of sound, in order, if the scorer declares that it hears."""

    def result(self, facts: Facts) -> Measurement:
        """Called at the end of the clip; returns the scores."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scorer:
    """A scorer under certain settings: what it computes, which model files it needs, and how it is run.

    `setup()` is called once per process. `watch(state, header)` begins a clip, with the result of `setup`; it must
    depend on nothing but its arguments. Both must be functions of a module, or `functools.partial` of one, so that
    they can be sent to worker processes. `version` must be raised when numbers change.

    `weights` are the model files that the scorer loads under these settings. `models` are the names, among
    `scoring.weights.OWN_FILES`, under which users may give model files of their own. `frame_scores` names the series
    that a contact sheet prints below each frame, in that order: the entries of this scorer's series belong to the
    frames that the sheet shows. `hears` is True if the scorer needs the sound.
    """

    name: str
    version: str
    backend: str
    columns: tuple[Column, ...]
    setup: Callable[[], Any]
    watch: Callable[[Any, ClipHeader], Watch]
    series: tuple[Series, ...] = ()
    times: tuple[Column, ...] = ()
    weights: tuple[Weight, ...] = ()
    models: tuple[str, ...] = ()
    frame_scores: tuple[str, ...] = ()
    hears: bool = False


ScorerMaker = Callable[[Settings], Scorer]
"""Gives a scorer under some settings: what the registry lists."""


def nothing_to_load() -> None:
    """The `setup` of a scorer without a model."""
