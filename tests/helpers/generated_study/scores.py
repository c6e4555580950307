"""The filters of a generated study: what their scores follow, and where their thresholds are."""

from dataclasses import dataclass

import numpy as np

from scoring.scorer import Direction

BETWEEN = 0.4
"""Correlation of a clip's picture quality with its stability."""
UNFAIR_BY = 1.5


@dataclass(frozen=True)
class Score:
    """A score and its filter. `quality` and `stability` say how much it follows each (0: not at all; noise is the
    rest). `low` and `high` are the thresholds in standard deviations from the pool's mean.
    """

    name: str
    title: str
    meaning: str
    mean: float
    spread: float
    quality: float = 0.0
    stability: float = 0.0
    low: float | None = None
    high: float | None = None
    units: str = ""
    missing: float = 0.0
    """Share of clips without this score."""
    lower_for: str = ""
    """Language whose clips score `UNFAIR_BY` standard deviations lower, whatever people think of them."""
    per_second: bool = False

    @property
    def noise(self) -> float:
        """Standard deviation of the rest, so that the score's own is 1."""
        explained = self.quality**2 + self.stability**2 + 2 * BETWEEN * self.quality * self.stability
        return float(np.sqrt(1 - explained))

    @property
    def minimum(self) -> float | None:
        """The least value accepted."""
        return None if self.low is None else round(self.mean + self.spread * self.low, 1)

    @property
    def maximum(self) -> float | None:
        """The greatest value accepted."""
        return None if self.high is None else round(self.mean + self.spread * self.high, 1)

    @property
    def direction(self) -> Direction:
        """What is better, as a scorer's column says it."""
        if self.low is not None and self.high is not None:
            return "band"
        return "higher" if self.low is not None else "lower"


SHARPNESS = Score("sharpness", "Sharpness", "detail on the face", 50, 15, quality=0.8, low=-0.5, per_second=True)
TOO_STRICT = Score("steadiness", "Steadiness", "how little the camera moves", 70, 10, stability=0.8, low=1.0)
TOO_LOOSE = Score(
    "brightness", "Brightness", "mean luma of the picture", 125, 30, quality=0.6, low=-2.2, high=3.2, units="luma"
)
USELESS = Score("bitrate", "Bit rate", "size of the file per second", 2400, 600, low=-0.3, units="kbit/s")
FEW_BELOW = Score("face_size", "Face size", "share of the picture's height", 45, 9, quality=0.5, low=-3.2, units="%")
NOISE = Score(
    "noise", "Noise", "grain of still areas", 6, 2, quality=-0.7, high=0.6, units="dB", missing=0.06, per_second=True
)
UNFAIR = Score("sync", "Lip sync", "how well sound and lips fit", 6, 1.5, stability=0.5, low=-0.8, lower_for="fr")
SEVEN = (SHARPNESS, TOO_STRICT, TOO_LOOSE, USELESS, FEW_BELOW, NOISE, UNFAIR)


def scores(count: int, seed: int) -> tuple[Score, ...]:
    """The first so many filters; those beyond seven follow quality and stability more or less."""
    chance = np.random.default_rng([seed, 7])
    more = []
    for number in range(len(SEVEN) + 1, count + 1):
        quality, stability, at = chance.uniform(-0.6, 0.6), chance.uniform(-0.4, 0.4), chance.uniform(-1.5, 0.5)
        low, high = (at, None) if number % 2 else (None, -at)
        name, title = f"score_{number:02}", f"Score {number}"
        more.append(
            Score(name, title, "a further score", 100, 20, quality=quality, stability=stability, low=low, high=high)
        )
    return (*SEVEN, *more)[:count]
