"""`Estimate`: a statistic with its interval, counts, method and signature, or the reason why it is undefined."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """One statistic with its interval.

    `value` is None if and only if `undefined` gives the reason. `low` and `high` are None if the value has no
    interval; `method` then says why. `clips` counts the clips that entered the statistic, `raters` and `ratings` the
    people and votes behind them where known. `resamples_undefined` counts bootstrap replicates in which the statistic
    is undefined; the interval leaves them out.

    Raises ValueError if value and reason contradict each other, a number is not finite, the lower end is above the
    upper one, or the confidence is not in (0, 1).

    >>> Estimate("precision", 0.9, 0.81, 0.95, 0.95, 60, None, None, "Wilson", signature("precision")).value
    0.9
    """

    statistic: str
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    clips: int
    raters: int | None
    ratings: int | None
    method: str
    signature: str
    undefined: str | None = None
    resamples_undefined: int = 0

    def __post_init__(self) -> None:
        if (self.value is None) != (self.undefined is not None):
            raise ValueError(f"{self.statistic}: give either a value or the reason why there is none")
        numbers = [number for number in (self.value, self.low, self.high) if number is not None]
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"{self.statistic}: {numbers} holds a number that is not finite")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.statistic}: the interval [{self.low}, {self.high}] is upside down")
        if not 0 < self.confidence < 1:
            raise ValueError(f"{self.statistic}: confidence {self.confidence} must lie between 0 and 1")

    def to_dict(self) -> dict[str, Any]:
        """The fields by name with plain Python numbers, ready for JSON; never NaN."""
        return {name: entry.item() if isinstance(entry, np.generic) else entry for name, entry in asdict(self).items()}


def absent(
    statistic: str, reason: str, *, signature: str, confidence: float, clips: int, raters: int | None = None
) -> Estimate:
    """An undefined estimate, with the reason in words.

    >>> absent("alpha", "no clip has two ratings", signature="", confidence=0.95, clips=0).undefined
    'no clip has two ratings'
    """
    return Estimate(statistic, None, None, None, confidence, clips, raters, None, "none", signature, reason)


def signature(statistic: str, libraries: Sequence[str] = (), **settings: object) -> str:
    """Settings and versions as one string, after sacreBLEU (Post 2018); settings that are None are left out.

    `libraries` names the packages besides numpy that the number was computed with.

    >>> signature("alpha", metric="nominal", seed=0).split("|")[:3]
    ['alpha', 'metric:nominal', 'seed:0']
    """
    parts = [f"{name}:{entry}" for name, entry in settings.items() if entry is not None]
    versions = [f"clipjury:{_own_version()}", *(f"{name}:{_version(name)}" for name in ("numpy", *libraries))]
    return "|".join([statistic, *parts, *versions])


@cache
def _version(name: str) -> str:
    """The version of a package, looked up once because that takes longer than most estimates."""
    return version(name)


def _own_version() -> str:
    try:
        return _version("clipjury")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "checkout"
