"""Scoring on a Dask cluster: the same table as on this machine, even if a worker is killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app.errors import AppError
from app.pools.pool_files import read_pool
from app.pools.scoring import score_to_pool
from scoring import locations
from scoring.pipeline import ClipScores
from scoring.runners.dask_cluster import DaskCluster
from tests.helpers import object_stores, quick_scorers
from tests.helpers.real_videos import moving, write_video
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a thing of POSIX systems")


@dataclass
class Cluster:
    """A scheduler and its workers, each a process."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dask's own commands, ended with the block."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with (folder / f"{len(list(folder.iterdir()))}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        yield process
    finally:
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            child.kill()
        process.kill()
        process.wait(timeout=PATIENCE)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers of one thread on the loopback; no nanny: a worker that is killed stays dead."""
    folder = tmp_path_factory.mktemp("dask")
    contact = folder / "scheduler.json"
    place = ["--host", "127.0.0.1", "--scheduler-file", str(contact), "--no-dashboard"]
    worker = [*place, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    with started(folder, "distributed.cli.dask_scheduler", *place, "--port", "0"):
        wait_until(contact.exists, "the scheduler")
        with (
            started(folder, "distributed.cli.dask_worker", *worker) as one,
            started(folder, "distributed.cli.dask_worker", *worker) as other,
        ):
            yield Cluster(json.loads(contact.read_text())["address"], [one, other])


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Tiny clips, one of which is broken."""
    folder = tmp_path / "clips"
    folder.mkdir()
    first = write_video(folder / "c00.mp4", moving([(n % 5, 0) for n in range(25)], 64, 64))
    for number in range(1, 16):
        (folder / f"c{number:02}.mp4").write_bytes(first.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def test_a_cluster_gives_the_same_table_though_a_worker_is_killed(cluster: Cluster, clips: Path) -> None:
    """Every column of every clip is as on this machine; the clips of the dead worker are scored by the other."""
    here, far = clips / "here.parquet", clips / "far.parquet"
    score_to_pool([clips], here)

    def kill(done: int, _total: int, _result: ClipScores) -> None:
        if done == 4:
            cluster.workers[0].kill()

    summary = score_to_pool([clips], far, runner=DaskCluster(cluster.address), on_clip=kill)
    assert cluster.workers[0].wait(timeout=PATIENCE) != 0
    assert (summary.clips, summary.scored, [clip for clip, _ in summary.failed]) == (17, 17, ["broken"])
    assert read_pool(far).frame.equals(read_pool(here).frame)
    assert score_to_pool([clips], far, runner=DaskCluster(cluster.address)).scored == 0
    assert not Path(f"{far}.parts").exists()


def test_a_clip_scored_while_its_worker_dies_is_scored_again(cluster: Cluster, clips: Path) -> None:
    """A scorer kills the worker that has the clip `b`; the other worker scores it at the second try."""
    (clips / "c03.mp4").rename(clips / "b.mp4")
    pool = clips / "pool.parquet"
    runner = DaskCluster(cluster.address)
    summary = score_to_pool([clips], pool, runner=runner, scorers=quick_scorers.dies_once)
    assert [clip for clip, _ in summary.failed] == ["broken"]
    assert (clips / "b.log").read_text().count("\n") == 2
    assert [worker.poll() is None for worker in cluster.workers].count(True) == 1
    assert read_pool(pool).column("frames").to_list() == [25, None] + [25] * 15


def test_workers_write_what_they_finish(cluster: Cluster, clips: Path) -> None:
    """After the command is interrupted, finished clips have part files and are not scored again."""
    pool, scorers = clips / "pool.parquet", quick_scorers.counting

    def interrupt(done: int, _total: int, _result: ClipScores) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_to_pool([clips], pool, runner=DaskCluster(cluster.address), scorers=scorers, on_clip=interrupt)
    assert not pool.exists()
    finished = len(list(Path(f"{pool}.parts").glob("*.parquet")))
    assert finished >= 4
    assert score_to_pool([clips], pool, scorers=scorers).scored <= 17 - finished
    assert read_pool(pool).frame.height == 17


def test_workers_of_a_cluster_write_their_parts_into_a_store(cluster_here: DaskCluster, clips: Path) -> None:
    """Machines share only the store: clips are read from it and the pool is written to it."""
    with object_stores.bucket() as bucket:
        for path in sorted(clips.glob("c0[0-2].mp4")):
            with locations.written(f"{bucket}/clips/{path.name}") as target:
                target.write_bytes(path.read_bytes())
        scorers = quick_scorers.counting
        summary = score_to_pool([f"{bucket}/clips"], f"{bucket}/pool.parquet", runner=cluster_here, scorers=scorers)
        assert (summary.scored, summary.failed) == (3, ())
        with locations.fetched(f"{bucket}/pool.parquet") as copy:
            assert read_pool(copy).column("clip").to_list() == ["c00", "c01", "c02"]


@pytest.fixture
def cluster_here() -> DaskCluster:
    """What --runner dask starts without a scheduler's address: workers on this machine."""
    return DaskCluster(jobs=2)


def test_a_missing_scheduler_is_an_error_with_the_reason(clips: Path) -> None:
    """An address without a scheduler and an invalid address are errors that name the address."""
    for address in ("tcp://127.0.0.1:9", "here"):
        with pytest.raises(AppError, match=f"No Dask scheduler answers at {address}"):
            score_to_pool([clips], clips / "pool.parquet", runner=DaskCluster(address, patience=1))
    assert not (clips / "pool.parquet").exists()
