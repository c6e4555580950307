"""The pipeline: all scorers, loaded once per process. It decodes a clip once and gives each frame to every scorer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from scoring.faces.detectors import face_finder
from scoring.scorer import Measurement, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame, Sound
from scoring.video.reading import GapTooWide, Unreadable, VideoReader


@dataclass(frozen=True)
class ClipScores:
    """The results of one file.

    `scores` has every column of every scorer, None if it could not be computed; `reasons` has the reason for each
    None. `series` have one entry per second, `times` are lists of moments in s. If the file could not be read, `error`
    is the reason, `facts` is None and so is every score.
    """

    path: Path
    facts: Facts | None
    scores: dict[str, float | None]
    series: dict[str, list[float | None]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    error: str | None = None


class Pipeline:
    """The scorers of one process, loaded. Raises WeightsError if a model file is missing or wrong."""

    def __init__(self, settings: Settings, scorers: Sequence[Scorer]) -> None:
        self.settings = settings
        self.scorers = tuple(scorers)
        self._find = face_finder(settings)
        self._states = [scorer.setup() for scorer in self.scorers]

    def score(self, path: Path) -> ClipScores:
        """Compute every score of one file. A faulty file or a scorer that fails is reported in the result."""
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # optical flow depends on the number of threads, results must not
        try:
            if self.settings.skip_nonreference:
                try:
                    return self._pass(path, skip=True)
                except GapTooWide:
                    pass
            return self._pass(path, skip=False)
        except Unreadable as error:
            return failed(path, str(error), self.scorers)
        finally:
            cv2.setNumThreads(threads)

    def _pass(self, path: Path, *, skip: bool) -> ClipScores:
        listeners: list[_GuardedWatch] = []

        def hear(sound: Sound) -> None:
            for listener in listeners:
                listener.hear(sound)

        hears = any(scorer.hears for scorer in self.scorers)
        with VideoReader(path, find=self._find, hear=hear if hears else None, skip=skip) as reading:
            watches = [
                _GuardedWatch(scorer, state, reading.header)
                for scorer, state in zip(self.scorers, self._states, strict=True)
            ]
            listeners += [watch for watch in watches if watch.scorer.hears]
            for frame in reading.frames():
                for watch in watches:
                    watch.see(frame)
            facts = reading.facts
        result = ClipScores(path, facts, {})
        for watch in watches:
            measured = watch.result(facts)
            result.scores.update(measured.scores)
            result.series.update(measured.series)
            result.reasons.update(measured.reasons)
            result.times.update(measured.times)
        return result


class _GuardedWatch:
    """A scorer's watch. If it raises an error, only this scorer's scores are lost."""

    def __init__(self, scorer: Scorer, state: object, header: ClipHeader) -> None:
        self.scorer = scorer
        self._watch: Watch | None = None
        self._why = ""
        try:
            self._watch = scorer.watch(state, header)
        except Exception as error:
            self._fail(error)

    def see(self, frame: Frame) -> None:
        if self._watch is not None:
            try:
                self._watch.see(frame)
            except Exception as error:
                self._fail(error)

    def hear(self, sound: Sound) -> None:
        if self._watch is not None:
            try:
                self._watch.hear(sound)
            except Exception as error:
                self._fail(error)

    def result(self, facts: Facts) -> Measurement:
        if self._watch is not None:
            try:
                return self._watch.result(facts)
            except Exception as error:
                self._fail(error)
        names = [column.name for column in self.scorer.columns]
        return Measurement(dict.fromkeys(names), reasons=dict.fromkeys(names, self._why))

    def _fail(self, error: Exception) -> None:
        self._watch = None
        self._why = f"The scorer {self.scorer.name} failed: {type(error).__name__}: {error}"


def failed(path: Path, why: str, scorers: Sequence[Scorer]) -> ClipScores:
    """The result of a file that cannot be scored, with the reason `why` for every score."""
    columns = [column.name for scorer in scorers for column in scorer.columns]
    return ClipScores(path, None, dict.fromkeys(columns), reasons=dict.fromkeys(columns, why), error=why)
