"""What a worker does with one clip, on whatever machine it runs: fetch the file, score it, write its part file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from scoring import registry
from scoring.locations import LocationError, fetched, is_remote
from scoring.pipeline import ClipScores, Pipeline, failed
from scoring.runners.part_files import write_part
from scoring.scorer import Scorer
from scoring.settings import Settings

ScorerSelection = Callable[[Settings], tuple[Scorer, ...]]
"""Gives the scorers of a run. A function of a module, such as `scoring.registry.scorers`, so that workers can import
it."""


@dataclass(frozen=True)
class ClipFile:
    """A video: `place` is its path or address, `media` is what its pool calls it, `identity` names its part."""

    place: str
    media: str = ""
    identity: str = ""


@dataclass(frozen=True)
class Work:
    """What every worker of a run must know.

    `parts` is the folder for part files (None: write none). `signature` is that of settings and scorers: it changes
    when a model file does.
    """

    settings: Settings
    parts: str | None = None
    scorers: ScorerSelection = registry.scorers
    signature: str = ""


_pipelines: dict[tuple[Settings, ScorerSelection, str], Pipeline] = {}
"""In a worker process: the pipeline of the latest run. A worker of a cluster outlives runs."""
_one_at_a_time = Lock()
"""Models and OpenCV's number of threads belong to a process, so it scores one clip at a time."""


def prepare(work: Work) -> Pipeline:
    """The pipeline of this worker process, loaded once per run. Raises WeightsError if a model file is missing."""
    key = (work.settings, work.scorers, work.signature)
    if key not in _pipelines:
        _pipelines.clear()
        _pipelines[key] = new_pipeline(work)
    return _pipelines[key]


def new_pipeline(work: Work) -> Pipeline:
    """A pipeline for one run. Raises WeightsError if a model file is missing or wrong."""
    return Pipeline(work.settings, work.scorers(work.settings))


def score_clip(clip: ClipFile, work: Work) -> ClipScores:
    """In a worker process: score one clip and, if wanted, write its part file. Repeating it gives the same file."""
    with _one_at_a_time:
        pipeline = prepare(work)
    return score_with(pipeline, clip, work)


def score_with(pipeline: Pipeline, clip: ClipFile, work: Work) -> ClipScores:
    """Score one clip with a loaded pipeline and, if wanted, write its part file."""
    try:
        with fetched(clip.place) as path, _one_at_a_time:
            result = pipeline.score(path)
    except LocationError as error:
        result = failed(Path(clip.place), str(error), pipeline.scorers)
    if is_remote(clip.place):
        result = replace(result, path=Path(clip.place))
    return kept(clip, work, result)


def crashed(clip: ClipFile, work: Work) -> ClipScores:
    """The result of a clip on which worker processes die, written to its part file if wanted."""
    why = "The decoder or a scorer crashed on this file."
    return kept(clip, work, failed(Path(clip.place), why, work.scorers(work.settings)))


def kept(clip: ClipFile, work: Work, result: ClipScores) -> ClipScores:
    """Write a result to its part file if part files are wanted; return the result."""
    if work.parts is not None:
        write_part(work.parts, clip.identity, clip.media, result, work.scorers(work.settings))
    return result
