"""The clips that a filter is judged by: those with the filter's score and a verdict, with their weights and sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats
from app.models import Study

MANY, ENOUGH = 2000, 500
"""Above `MANY` clips, `ENOUGH` resamples suffice: the Monte Carlo error of an end of a 95 % interval is then an
eighth of a standard error (sqrt(p (1 - p) / B) / density at p = .025)."""
MIN_SOURCES = 10
"""The smallest number of source videos over which a bootstrap is meaningful."""


class SampledClip(Protocol):
    """A clip of the study's sample, as far as estimates read it: a database row, or a copy of the columns needed."""

    @property
    def clip(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def criterion(self) -> str: ...
    @property
    def drawn_for(self) -> list[str]: ...
    @property
    def stratum(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def scores(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class JudgedClip:
    """A sampled clip with a filter's score and the raters' verdict (None for a tie)."""

    clip: int
    score: float
    verdict: str | None


@dataclass(frozen=True, eq=False)
class JudgedSample:
    """The clips that a filter is judged by, as the estimates read them: all with a score and a verdict.

    Every array and list has one entry per clip. `weights` and `strata` are None if the sample is not weighted to the
    pool.
    """

    clips: tuple[JudgedClip, ...]
    scores: Floats
    good: Bools
    weights: Floats | None
    strata: list[str] | None
    sources: list[str] | None
    """The source videos, if the intervals resample them instead of clips."""

    @cached_property
    def design(self) -> Design:
        """The sampling design of these clips, which every estimate needs."""
        return Design.build(len(self.good), self.weights, self.strata, sources=self.sources)


def is_weighted(study: Study) -> bool:
    """Return True if the sample represents the pool, each clip by its weight."""
    return bool(study.design["kind"] != "borderline")


def resamples_for(clips: int, most: int) -> int:
    """Return the number of resamples for an interval over so many clips, at most `most`.

    >>> resamples_for(200, 2000), resamples_for(11_000, 2000)
    (2000, 500)
    """
    return most if clips <= MANY else min(most, ENOUGH)


def judged_sample(
    judged: tuple[JudgedClip, ...], study: Study, clips: Mapping[int, SampledClip]
) -> tuple[JudgedSample, list[str]]:
    """Return the judged clips (none tied) as the estimates read them, and notes for the reader."""
    sources, notes = _sources(judged, clips)
    weights, strata = None, None
    if is_weighted(study):
        strata = [clips[one.clip].stratum for one in judged]
        weights, more_notes = _weights(study, strata, [clips[one.clip].weight for one in judged])
        notes += more_notes
    scores = np.array([one.score for one in judged])
    good = np.array([one.verdict == "accept" for one in judged])
    return JudgedSample(judged, scores, good, weights, strata, sources), notes


def _weights(study: Study, strata: list[str], drawn: list[float]) -> tuple[Floats, list[str]]:
    """Return how many clips of the pool each judged clip represents, shape (clips,), and notes.

    Sampled clips without a verdict (no answer, a tie, unsure) are assumed to resemble the judged clips of their
    stratum: the sampling weights of the judged clips (`drawn`) are scaled so that they sum to the number of pool clips
    in the stratum, the weighting-class adjustment (Oh & Scheuren 1983). If all weights in a stratum are equal, each
    judged clip represents (pool clips / judged clips). A note names the share of the pool in strata without any judged
    clip, because no estimate covers it.
    """
    population = {row["label"]: row["population"] for row in study.design.get("strata", [])}
    places_of: dict[str, list[int]] = {}
    for place, label in enumerate(strata):
        places_of.setdefault(label, []).append(place)
    weights = np.array(drawn, dtype=np.float64)
    for label, places in places_of.items():
        relative = weights[places] / weights[places[0]]  # exactly 1 where all are equal
        weights[places] = relative * (population.get(label, weights[places].sum()) / relative.sum())
    uncovered = sum(size for label, size in population.items() if label not in places_of)
    if not uncovered:
        return weights, []
    return weights, [
        f"{uncovered / sum(population.values()):.0%} of the pool lies in strata where no clip has both this score and "
        "a verdict: the figures leave them out and do not speak of the whole pool."
    ]


def _sources(judged: tuple[JudgedClip, ...], clips: Mapping[int, SampledClip]) -> tuple[list[str] | None, list[str]]:
    """Return the clips' source videos if intervals resample them (otherwise None), and notes."""
    sources = [clips[one.clip].source for one in judged]
    videos = len(set(sources))
    if videos == len(judged):
        return None, []
    begin = f"The {len(judged)} clips come from {videos} source videos"
    if videos < MIN_SOURCES:
        few = "that is too few to count videos, so the intervals take each clip for itself and may be too narrow."
        return None, [f"{begin}. Clips of one video are alike; {few}"]
    return sources, [f"{begin}; clips of one video are alike, so the intervals count videos, not clips."]
