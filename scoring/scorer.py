"""What a scorer is: a frozen description, a `setup` run once per process, and a pure function from clip to numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from scoring.video import Clip
from scoring.weights import Weight

Direction = Literal["higher", "lower", "band", "none"]
"""What is better: more, less, neither too much nor too little; or `none` for a place in time, neither good nor bad."""

State = TypeVar("State")


@dataclass(frozen=True)
class Column:
    """One number per clip, or per second of it: what it means and how to read it.

    `low` and `high` bound the possible values (None: no bound); `approximate` marks a stand-in for a better method.
    """

    name: str
    meaning: str
    direction: Direction
    units: str = ""
    low: float | None = None
    high: float | None = None
    approximate: bool = False


@dataclass(frozen=True)
class Measured:
    """What one scorer found in one clip. A score that cannot be computed is None and its reason stands beside it.

    `series` holds one value per second of the clip: entry k belongs to the frame at second k, and is None where
    nothing could be computed there.
    """

    scores: dict[str, float | None]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorer(Generic[State]):
    """A scorer: names, columns and model files for the record, `setup` for the model, `score` for the numbers.

    `setup()` is called once per process; `score(state, clip)` must depend on nothing but its arguments. Both are
    functions of a module, so that a scorer can be sent to a worker process. Raise `version` when numbers change.
    """

    name: str
    version: str
    backend: str
    columns: tuple[Column, ...]
    setup: Callable[[], State]
    score: Callable[[State, Clip], Measured]
    series: tuple[Column, ...] = ()
    weights: tuple[Weight, ...] = ()
