"""Run jobs that take longer than a request in background threads, and report how far they are."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import AppError

log = logging.getLogger("clipjury")
ReportProgress = Callable[[int, int], None]


@dataclass
class Job:
    """The state of a job: `done` of `total` steps. `result` is set when it succeeded, `problem` when it failed."""

    done: int = 0
    total: int = 0
    result: str | None = None
    problem: str | None = None

    @property
    def running(self) -> bool:
        """True until the job has succeeded or failed."""
        return self.result is None and self.problem is None


class Jobs:
    """Background jobs by name. Each name has at most one running job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def start(self, name: str, work: Callable[[ReportProgress], str]) -> Job:
        """Start a job and return it; return the running job of this name if there is one.

        `work` calls its argument with (steps done, steps in total) and returns the result.
        """
        with self._lock:
            there = self._jobs.get(name)
            if there is not None and there.running:
                return there
            job = self._jobs[name] = Job()
        threading.Thread(target=_run, args=(job, work), name=f"job-{name}", daemon=True).start()
        return job

    def of(self, name: str) -> Job | None:
        """The latest job of this name since the server started, or None."""
        with self._lock:
            return self._jobs.get(name)


def _run(job: Job, work: Callable[[ReportProgress], str]) -> None:
    def step(done: int, total: int) -> None:
        job.done, job.total = done, total

    try:
        job.result = work(step)
    except AppError as error:
        if error.internals:
            log.error("%s", error.internals)
        job.problem = str(error)
    except Exception:
        log.exception("unforeseen error in the background")
        job.problem = "Something went wrong on our side; the server's log says what. Nothing was made."
