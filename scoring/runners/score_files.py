"""What a runner is, the runners of this machine, and `score_files` for scripts. A bad file never stops the others."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from scoring.pipeline import ClipScores
from scoring.registry import scorers
from scoring.runners.local import InProcess, Processes
from scoring.runners.work import ClipFile, ScorerSelection, Work
from scoring.settings import Settings


class Runner(Protocol):
    """A way to run the scorers over many clips. Everything that scores many clips goes through this interface."""

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Score every clip once and yield the results as they are ready, in any order.

        A clip that cannot be read, or on which a scorer or a whole worker fails, has a result that says so. Raises
        WeightsError if a worker lacks a model file.
        """


def local_runner(jobs: int) -> Runner:
    """A runner on this machine: this process for one job, else `jobs` processes. Raises ValueError for `jobs` < 1."""
    return InProcess() if jobs == 1 else Processes(jobs)


def score_files(
    paths: Iterable[Path],
    *,
    jobs: int = 1,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    scorers: ScorerSelection = scorers,
) -> Iterator[ClipScores]:
    """Score files in `jobs` processes and yield the results in the order of `paths`.

    The results do not depend on `jobs`. A file that cannot be read, or on which a scorer or a whole worker process
    fails, has a result that says so. Raises WeightsError at the first result if a model file is missing or wrong.

    >>> [result.error for result in score_files([Path("nowhere.mp4")])]
    ['There is no such file.']
    """
    # The position in the list serves as the identity: the same file may be given twice.
    clips = [ClipFile(str(path), identity=str(number)) for number, path in enumerate(paths)]
    waiting, early = deque(clips), {}
    for done, result in local_runner(jobs).map(clips, Work(settings, scorers=scorers)):
        early[done.identity] = result
        while waiting and waiting[0].identity in early:
            yield early.pop(waiting.popleft().identity)
