"""Running the scorers over files, here or in several processes. One bad file never stops the rest."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from scoring import SCORERS
from scoring.scorer import Scorer
from scoring.video import Clip, Facts, Unreadable, read_clip
from scoring.weights import load

VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
AHEAD = 4
"""Files handed out per worker, so that none waits and no long list is held."""


@dataclass(frozen=True)
class ClipScores:
    """What is known of one file after scoring.

    `scores` has every column of every scorer, None where nothing could be computed; `reasons` says why for each None.
    `series` has one entry per second. If the file could not be read, `error` says why, `facts` is None and so is
    every score.
    """

    path: Path
    facts: Facts | None
    scores: dict[str, float | None]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    error: str | None = None


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """The files to score: each folder gives the videos in it and below it, sorted; a file is taken whatever its name.

    Hidden files are left out of folders. A file that is met twice is taken once.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(
                file for file in path.rglob("*") if file.suffix.lower() in VIDEOS and not file.name.startswith(".")
            )
        for file in inside:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def score_files(
    paths: Iterable[Path], *, jobs: int = 1, scorers: Sequence[Scorer[Any]] = SCORERS
) -> Iterator[ClipScores]:
    """Score files, in `jobs` processes, and give the results one by one in the order of `paths`.

    Results do not depend on `jobs`. A file that cannot be read, or that makes a scorer or a whole worker process
    fail, becomes a result that says so. Raises WeightsError at the first result if a model file is missing or wrong.

    >>> [result.error for result in score_files([Path("nowhere.mp4")])]
    ['There is no such file.']
    """
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs}")
    for scorer in scorers:
        for weight in scorer.weights:
            load(weight)
    if jobs == 1:
        yield from _here(paths, scorers)
    else:
        yield from _pooled(deque(paths), jobs, scorers)


def _here(paths: Iterable[Path], scorers: Sequence[Scorer[Any]]) -> Iterator[ClipScores]:
    ready = _set_up(scorers)
    for path in paths:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # optical flow depends on the number of threads, and results must not
        result = _score(path, ready)
        cv2.setNumThreads(threads)
        yield result


def _pooled(waiting: deque[Path], jobs: int, scorers: Sequence[Scorer[Any]]) -> Iterator[ClipScores]:
    """Results in order. When a worker dies, the first file without a result is tried alone, then all go on."""
    while waiting:
        running: deque[Future[ClipScores]] = deque()
        with _processes(jobs, scorers) as pool:
            try:
                while waiting:
                    while len(running) < min(len(waiting), AHEAD * jobs):
                        running.append(pool.submit(_score_in_worker, waiting[len(running)]))
                    result = running.popleft().result()
                    waiting.popleft()
                    yield result
                return
            except BrokenProcessPool:
                pass
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        yield _alone(waiting.popleft(), scorers)


def _alone(path: Path, scorers: Sequence[Scorer[Any]]) -> ClipScores:
    with _processes(1, scorers) as pool:
        try:
            return pool.submit(_score_in_worker, path).result()
        except BrokenProcessPool:
            return _failed(path, "The decoder or a scorer crashed on this file.", scorers)


def _processes(jobs: int, scorers: Sequence[Scorer[Any]]) -> ProcessPoolExecutor:
    # spawn, not fork: a forked copy of a process with threads (a server, OpenCV) may hang.
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(scorers,))


_worker: list[tuple[Scorer[Any], Any]] = []
"""In a worker process: its scorers and what they set up."""


def _start_worker(scorers: Sequence[Scorer[Any]]) -> None:
    cv2.setNumThreads(1)
    _worker.extend(_set_up(scorers))


def _score_in_worker(path: Path) -> ClipScores:
    return _score(path, _worker)


def _set_up(scorers: Sequence[Scorer[Any]]) -> list[tuple[Scorer[Any], Any]]:
    return [(scorer, scorer.setup()) for scorer in scorers]


def _score(path: Path, ready: Sequence[tuple[Scorer[Any], Any]]) -> ClipScores:
    try:
        clip = read_clip(path)
    except Unreadable as error:
        return _failed(path, str(error), [scorer for scorer, _ in ready])
    result = ClipScores(path, clip.facts, {})
    for scorer, state in ready:
        _add(result, scorer, state, clip)
    return result


def _add(result: ClipScores, scorer: Scorer[Any], state: Any, clip: Clip) -> None:
    try:
        measured = scorer.score(state, clip)
    # Whatever goes wrong in one scorer on one clip costs these scores only, and is said.
    except Exception as error:
        why = f"The scorer {scorer.name} failed: {type(error).__name__}: {error}"
        result.scores.update({column.name: None for column in scorer.columns})
        result.reasons.update({column.name: why for column in scorer.columns})
        return
    result.scores.update(measured.scores)
    result.series.update(measured.series)
    result.reasons.update(measured.reasons)


def _failed(path: Path, why: str, scorers: Sequence[Scorer[Any]]) -> ClipScores:
    columns = [column.name for scorer in scorers for column in scorer.columns]
    return ClipScores(path, None, dict.fromkeys(columns), {}, dict.fromkeys(columns, why), why)
