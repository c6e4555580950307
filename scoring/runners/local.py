"""Scoring on this machine, in this process or in others beside it."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process

from scoring.crew import ClipScores
from scoring.runners.work import Clip, Work, crashed, new_crew, prepare, score_clip, score_with

AHEAD = 2
"""Clips handed to a process at once: the next one lies ready when it ends the first."""
TRIES = 2
"""A clip on which so many processes died is given up."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Here:
    """One clip after the other in this process, in order. A decoder that crashes takes it along."""

    def map(self, clips: Sequence[Clip], work: Work) -> Iterator[tuple[Clip, ClipScores]]:
        """See Runner."""
        crew = new_crew(work)
        for clip in clips:
            yield clip, score_with(crew, clip, work)


class Processes:
    """`jobs` processes of one thread each, which load the models once; the death of one costs its clip a second try."""

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be 1 or more, not {jobs}")
        self.jobs = jobs

    def map(self, clips: Sequence[Clip], work: Work) -> Iterator[tuple[Clip, ClipScores]]:
        """See Runner."""
        waiting = deque(clips)
        workers = [_Worker(work) for _ in range(min(self.jobs, len(clips)))]
        try:
            while True:
                for worker in workers:
                    worker.take(waiting)
                heads = [worker.head for worker in workers if worker.busy]
                if not heads:
                    return
                wait(heads, return_when=FIRST_COMPLETED)
                for worker in workers:
                    yield from worker.finished()
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A process, the clips handed to it, the first of which it is at, and how often it died of that one."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._queue: deque[tuple[Clip, Future[ClipScores]]] = deque()
        self._deaths = 0
        self._start()

    @property
    def busy(self) -> bool:
        """It has a clip."""
        return bool(self._queue)

    @property
    def head(self) -> Future[ClipScores]:
        """The result it will give next."""
        return self._queue[0][1]

    def take(self, waiting: deque[Clip]) -> None:
        """Hand it clips."""
        while waiting and len(self._queue) < AHEAD:
            self._hand(waiting.popleft())

    def finished(self) -> Iterator[tuple[Clip, ClipScores]]:
        """The results it has ready. If the process died, a new one goes on with the same clips."""
        while self._queue and self.head.done():
            clip = self._queue[0][0]
            try:
                self._ready.result()
                result = self.head.result()
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
        """End the process, when it has ended the clip it is at."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hand(self, clip: Clip) -> None:
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
    """A process whose parent was killed would wait for clips for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started meanwhile compute with one thread: libraries read these variables when they are loaded."""
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
