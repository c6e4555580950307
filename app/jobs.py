"""Work that takes longer than a request: done in a thread of its own, watched by whoever started it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import AppError

log = logging.getLogger("clipjury")
ReportProgress = Callable[[int, int], None]


@dataclass
class Job:
    """One piece of work: how far it is, and what came of it. `result` is set when it ended well, `problem` else."""

    done: int = 0
    total: int = 0
    result: str | None = None
    problem: str | None = None

    @property
    def running(self) -> bool:
        """Neither ended nor failed."""
        return self.result is None and self.problem is None


class Jobs:
    """Jobs by name; a name has one job at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(self, name: str, work: Callable[[ReportProgress], str]) -> Job:
        """Begin, unless this name's job is at work already; `work` reports its steps and returns its result."""
        with self._lock:
            there = self._jobs.get(name)
            if there is not None and there.running:
                return there
            job = self._jobs[name] = Job()
        threading.Thread(target=_run, args=(job, work), name=f"job-{name}", daemon=True).start()
        return job

    def of(self, name: str) -> Job | None:
        """The job of this name, if there was one since the server began."""
        with self._lock:
            return self._jobs.get(name)


def _run(job: Job, work: Callable[[ReportProgress], str]) -> None:
    def step(done: int, total: int) -> None:
        job.done, job.total = done, total

    try:
        job.result = work(step)
    except AppError as error:
        job.problem = str(error)
    except Exception:
        log.exception("unforeseen error in the background")
        job.problem = "Something went wrong on our side; the server's log says what. Nothing was made."
