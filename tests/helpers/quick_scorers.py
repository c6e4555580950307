"""Scorers that cost nothing, fail or crash, for tests of what runs scorers; and a runner that makes results up."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from app.pools.scoring import ScoreSummary, score_to_pool
from scoring.pipeline import ClipScores, failed
from scoring.runners.work import ClipFile, Work, kept
from scoring.scorer import Column, Measurement, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts

Scorers = tuple[Scorer, ...]


class _Note(Watch):
    """Writes down beside the clip that a process scores it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        """One line for each time the clip was scored: which process did it."""
        return self.path.with_suffix(".log")

    def note(self) -> int:
        """Write a line; how many there are now."""
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return len(self.log.read_text().splitlines())

    def result(self, facts: Facts) -> Measurement:
        """The number of frames."""
        self.note()
        return Measurement({"frames": facts.frames})


class _Slow(_Note):
    def result(self, facts: Facts) -> Measurement:
        time.sleep(0.3)
        return super().result(facts)


class _Dies(_Note):
    """Kills its process on the clip `b`, the first `times` times."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__(path)
        self.times = times

    def result(self, facts: Facts) -> Measurement:
        if self.note() <= self.times and self.path.stem == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return Measurement({"frames": facts.frames})


class _Fails(Watch):
    def __init__(self, path: Path) -> None:
        self.path = path

    def result(self, facts: Facts) -> Measurement:
        if self.path.stem == "b":
            raise ZeroDivisionError("no frames left")
        return Measurement({"fail": float(facts.frames > 0)})


def _note(_: Any, header: ClipHeader) -> Watch:
    return _Note(header.path)


def _slow(_: Any, header: ClipHeader) -> Watch:
    return _Slow(header.path)


def _fails(_: Any, header: ClipHeader) -> Watch:
    return _Fails(header.path)


def _dies(times: int, _: Any, header: ClipHeader) -> Watch:
    return _Dies(header.path, times)


def _nothing() -> None:
    pass


FRAMES = Column("frames", "how many", "higher", low=0, ranked=True)


def counting(_: Settings) -> Scorers:
    """Counts frames."""
    return (Scorer("counting", "1", "", (FRAMES,), _nothing, _note),)


def counting_anew(_: Settings) -> Scorers:
    """The same in another version."""
    return (Scorer("counting", "2", "", (FRAMES,), _nothing, _note),)


def slow(_: Settings) -> Scorers:
    """Counts frames, and takes its time."""
    return (Scorer("counting", "1", "", (FRAMES,), _nothing, _slow),)


def dies_once(_: Settings) -> Scorers:
    """Its process dies at the first try on the clip `b`."""
    return (Scorer("counting", "1", "", (FRAMES,), _nothing, partial(_dies, 1)),)


def dies(_: Settings) -> Scorers:
    """Its process dies at every try on the clip `b`."""
    return (Scorer("counting", "1", "", (FRAMES,), _nothing, partial(_dies, 99)),)


def fails(_: Settings) -> Scorers:
    """It fails on the clip `b`."""
    return (Scorer("fail", "1", "", (Column("fail", "", "higher"),), _nothing, _fails),)


class MadeUp:
    """A runner without videos: the clip's number is its score. It stops, as if interrupted, after `stop` clips."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Results in reverse order: none may count on another."""
        for done, clip in enumerate(reversed(clips)):
            if done == self.stop:
                raise KeyboardInterrupt
            path = Path(clip.place)
            if path.stem.startswith("broken"):
                yield clip, kept(clip, work, failed(path, "It is broken.", work.scorers(work.settings)))
                continue
            facts = Facts(2.0, 64, 64, 25.0, "h264", 50)
            yield clip, kept(clip, work, ClipScores(path, facts, {"frames": float(path.stem[1:])}))


def names(folder: Path, count: int, *others: str) -> None:
    """Files that are clips by their name alone, for made-up results."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(f"c{number:04}" for number in range(count)), *others):
        (folder / f"{name}.mp4").write_bytes(b"x")


def made_up(
    folder: Path, output: Path, stop: int | None = None, *, retry_failed: bool = False, prune: bool = False
) -> ScoreSummary:
    """Score with made-up results."""
    runner = MadeUp(stop)
    return score_to_pool([folder], output, runner=runner, scorers=counting, retry_failed=retry_failed, prune=prune)


def parts(output: Path) -> list[Path]:
    """The finished parts beside a pool."""
    return list(Path(f"{output}.parts").glob("*.parquet"))
