"""What a worker does with a clip, wherever it runs: fetch it, score it, write its part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from scoring.crew import ClipScores, Crew, failed
from scoring.locations import LocationError, fetched, is_remote
from scoring.parts import write_part
from scoring.registry import scorers
from scoring.scorer import Scorer
from scoring.settings import Settings

Team = Callable[[Settings], tuple[Scorer, ...]]
"""Gives the scorers of a run: `scoring.registry.scorers` or another function of a module, which workers can import."""


@dataclass(frozen=True)
class Clip:
    """A video to score: `place` is its path or address, `media` what its pool calls it, `identity` names its part."""

    place: str
    media: str = ""
    identity: str = ""


@dataclass(frozen=True)
class Work:
    """What every worker of a run must know: settings, scorers, the folder that takes the parts (None: none), and the
    signature of settings and scorers: it changes when a model file does.
    """

    settings: Settings
    parts: str | None = None
    team: Team = scorers
    signature: str = ""


_crews: dict[tuple[Settings, Team, str], Crew] = {}
"""In a worker process: its crew, set up once for a run. A cluster's worker outlives runs, and holds the last one's."""
_one_at_a_time = Lock()
"""Models and OpenCV's number of threads belong to a process: it scores one clip at a time, whatever its threads."""


def prepare(work: Work) -> Crew:
    """This worker process's crew. Raises WeightsError if a model file is missing or wrong."""
    key = (work.settings, work.team, work.signature)
    if key not in _crews:
        _crews.clear()
        _crews[key] = new_crew(work)
    return _crews[key]


def new_crew(work: Work) -> Crew:
    """A crew for one run. Raises WeightsError."""
    return Crew(work.settings, work.team(work.settings))


def score_clip(clip: Clip, work: Work) -> ClipScores:
    """In a worker process: score one clip and, if parts are wanted, write its part. Done twice it is the same part."""
    with _one_at_a_time:
        crew = prepare(work)
    return score_with(crew, clip, work)


def score_with(crew: Crew, clip: Clip, work: Work) -> ClipScores:
    """Score one clip and, if parts are wanted, write its part."""
    try:
        with fetched(clip.place) as path, _one_at_a_time:
            result = crew.score(path)
    except LocationError as error:
        result = failed(Path(clip.place), str(error), crew.scorers)
    if is_remote(clip.place):
        result = replace(result, path=Path(clip.place))
    return kept(clip, work, result)


def crashed(clip: Clip, work: Work) -> ClipScores:
    """The result of a clip on which worker processes die."""
    why = "The decoder or a scorer crashed on this file."
    return kept(clip, work, failed(Path(clip.place), why, work.team(work.settings)))


def kept(clip: Clip, work: Work, result: ClipScores) -> ClipScores:
    """The result, written as a part if parts are wanted."""
    if work.parts is not None:
        write_part(work.parts, clip.identity, clip.media, result, work.team(work.settings))
    return result
