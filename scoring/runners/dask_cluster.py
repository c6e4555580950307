"""Scoring on a Dask cluster: the same scorers, on machines that can read the same files."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from scoring.pipeline import ClipScores
from scoring.runners.work import ClipFile, Work, crashed, score_clip

AHEAD = 5_000
"""Clips that the scheduler holds at once: enough for any cluster, and little memory for any list."""
PATIENCE = 20
"""Seconds to wait for a scheduler to answer."""
RETRIES = 2
"""Further tries of a clip whose part file could not be written."""
NO_DASK = "Scoring on a cluster needs Dask: pip install 'clipjury[dask]'"


class ClusterError(Exception):
    """There is no cluster to score on. The message gives the reason."""


class DaskCluster:
    """A Dask cluster, given by the address of its scheduler; without one, `jobs` worker processes on this machine.

    If a worker dies, its clips are tried again elsewhere. `patience` is in seconds. Raises ClusterError if Dask is not
    installed or no scheduler answers.
    """

    def __init__(self, scheduler: str | None = None, *, jobs: int = 1, patience: float = PATIENCE) -> None:
        self.scheduler = scheduler
        self.jobs = jobs
        self.patience = patience

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Score every clip; see `Runner.map`."""
        with self._client() as client:
            yield from _results(client, deque(clips), work)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        distributed = _distributed()
        if self.scheduler is None:
            here = {"host": "127.0.0.1", "dashboard_address": None, "threads_per_worker": 1, "processes": True}
            with (
                distributed.LocalCluster(n_workers=self.jobs, **here) as cluster,
                distributed.Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = distributed.Client(self.scheduler, timeout=self.patience)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"No Dask scheduler answers at {self.scheduler} ({error}).") from error
        with client:
            yield client


def _distributed() -> Any:
    """The library of Dask, which is an extra and mostly without types."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ClusterError(NO_DASK) from error


def _results(client: Any, waiting: deque[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
    distributed = _distributed()
    running: dict[str, ClipFile] = {}
    done = distributed.as_completed()

    def hand_out() -> None:
        while waiting and len(running) < AHEAD:
            clip = waiting.popleft()
            # Keys name the result: a run that is resumed finds the clips that the cluster is still scoring.
            key = f"clipjury-{clip.identity}-{work.parts}"
            future = client.submit(score_clip, clip, work, key=key, retries=RETRIES)
            running[future.key] = clip
            done.add(future)

    hand_out()
    for future in done:
        clip = running.pop(future.key)
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            yield clip, crashed(clip, work)
        elif error is not None:
            raise error
        else:
            yield clip, future.result()
        future.release()
        hand_out()
