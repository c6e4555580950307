"""Running the scorers over files, here, in several processes or on a cluster. One bad file never stops the rest."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from scoring.crew import ClipScores
from scoring.locations import VIDEOS, find_videos
from scoring.registry import scorers
from scoring.runners.local import Here, Processes
from scoring.runners.work import Clip, Team, Work
from scoring.settings import Settings

__all__ = ["VIDEOS", "Clip", "Here", "Processes", "Runner", "Team", "Work", "find_videos", "local", "score_files"]


class Runner(Protocol):
    """The one seam between scorers and machines."""

    def map(self, clips: Sequence[Clip], work: Work) -> Iterator[tuple[Clip, ClipScores]]:
        """Score every clip once and give the results as they come, in any order.

        A clip that cannot be read, or that makes a scorer or a whole worker fail, gives a result that says so. Raises
        WeightsError if a worker lacks a model file.
        """


def local(jobs: int) -> Runner:
    """This machine: one process, which is this one, or several. Raises ValueError for fewer than one."""
    return Here() if jobs == 1 else Processes(jobs)


def score_files(
    paths: Iterable[Path],
    *,
    jobs: int = 1,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    team: Team = scorers,
) -> Iterator[ClipScores]:
    """Score files, in `jobs` processes, and give the results one by one in the order of `paths`.

    Results do not depend on `jobs`. A file that cannot be read, or that makes a scorer or a whole worker process
    fail, becomes a result that says so. Raises WeightsError at the first result if a model file is missing or wrong.

    >>> [result.error for result in score_files([Path("nowhere.mp4")])]
    ['There is no such file.']
    """
    # The place in the list stands for the identity: the same file may be asked for twice.
    clips = [Clip(str(path), identity=str(number)) for number, path in enumerate(paths)]
    waiting, early = deque(clips), {}
    for done, result in local(jobs).map(clips, Work(settings, team=team)):
        early[done.identity] = result
        while waiting and waiting[0].identity in early:
            yield early.pop(waiting.popleft().identity)
