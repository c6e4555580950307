"""Scoring on this machine: in this process, or in several worker processes."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process

from scoring.pipeline import ClipScores
from scoring.runners.work import ClipFile, Work, crashed, new_pipeline, prepare, score_clip, score_with

AHEAD = 2
"""Clips handed to a process at once: the next is ready when the first is finished."""
TRIES = 2
"""A clip on which this many processes died is given up."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables with the number of threads of numerical libraries."""


class InProcess:
    """Scores one clip after the other in this process, in order. A crash of the decoder ends the process."""

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Score every clip; see `Runner.map`."""
        pipeline = new_pipeline(work)
        for clip in clips:
            yield clip, score_with(pipeline, clip, work)


class Processes:
    """Scores clips in `jobs` processes of one thread each, which load the models once.

    If a process dies, its clip is tried once more in a new one. Raises ValueError for `jobs` < 1.
    """

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be 1 or more, not {jobs}")
        self.jobs = jobs

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Score every clip; see `Runner.map`."""
        waiting = deque(clips)
        workers = [_Worker(work) for _ in range(min(self.jobs, len(clips)))]
        try:
            while True:
                for worker in workers:
                    worker.take(waiting)
                pending = [worker.next_result for worker in workers if worker.busy]
                if not pending:
                    return
                wait(pending, return_when=FIRST_COMPLETED)
                for worker in workers:
                    yield from worker.finished()
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A worker process, the clips handed to it (it scores the first), and how often it died on the first."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._queue: deque[tuple[ClipFile, Future[ClipScores]]] = deque()
        self._deaths = 0
        self._start()

    @property
    def busy(self) -> bool:
        """True if it has a clip to score."""
        return bool(self._queue)

    @property
    def next_result(self) -> Future[ClipScores]:
        """The result that it will give next."""
        return self._queue[0][1]

    def take(self, waiting: deque[ClipFile]) -> None:
        """Hand it clips of `waiting`, up to AHEAD."""
        while waiting and len(self._queue) < AHEAD:
            self._hand(waiting.popleft())

    def finished(self) -> Iterator[tuple[ClipFile, ClipScores]]:
        """The results that are ready. If the process died, a new process continues with the same clips."""
        while self._queue and self.next_result.done():
            clip = self._queue[0][0]
            try:
                self._ready.result()
                result = self.next_result.result()
            except BrokenProcessPool:
                self._deaths += 1
                clips = [clip for clip, _ in self._queue]
                self.stop()
                self._start()
                if self._deaths < TRIES:
                    result = None
                else:
                    clips = clips[1:]
                    result = crashed(clip, self._work)
                self._queue.clear()
                for again in clips:
                    self._hand(again)
            else:
                self._queue.popleft()
            if result is not None:
                self._deaths = 0
                yield clip, result

    def stop(self) -> None:
        """End the process after the clip that it is scoring."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hand(self, clip: ClipFile) -> None:
        try:
            self._queue.append((clip, self._pool.submit(score_clip, clip, self._work)))
        except BrokenProcessPool as error:
            gone: Future[ClipScores] = Future()
            gone.set_exception(error)
            self._queue.append((clip, gone))

    def _start(self) -> None:
        # spawn, not fork: a forked copy of a process with threads (a server, OpenCV) may hang.
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with _one_thread():
            self._ready = self._pool.submit(_get_ready, self._work)


def _get_ready(work: Work) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(work)


def _end_with_parent() -> None:
    """End this process with its parent: if the parent is killed, it would wait for clips without end."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Give processes started in the block one thread: libraries read these variables when they are loaded."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
