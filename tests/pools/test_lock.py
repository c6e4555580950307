"""The pool lock: one run at a time writes a pool, and a stale lock is taken over."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import AppError
from app.pools import lock as pool_lock
from app.pools.lock import PoolLock
from app.pools.scoring import score_to_pool
from scoring.pipeline import ClipScores
from tests.helpers.quick_scorers import MadeUp, counting, made_up, names, parts


def test_a_second_run_into_the_same_pool_is_refused(tmp_path: Path) -> None:
    """The message names process and machine of the first run; after it has ended, the second may run."""
    names(tmp_path, 1)
    output = tmp_path / "pool.parquet"
    with PoolLock(str(output)).held():
        with pytest.raises(AppError, match=rf"Another run is writing .*: process {os.getpid()} on "):
            made_up(tmp_path, output)
        assert not output.exists()
    assert made_up(tmp_path, output).scored == 1
    assert not Path(f"{output}.lock").exists()


@pytest.fixture
def lock_of_another(tmp_path: Path) -> Iterator[dict[str, object]]:
    """The content of another run's lock, for tests to change."""
    with PoolLock(str(tmp_path / "other.parquet")).held():
        said = json.loads((tmp_path / "other.parquet.lock").read_text())
        assert isinstance(said, dict)
        yield said


def test_a_stale_lock_is_taken_over(tmp_path: Path, lock_of_another: dict[str, object]) -> None:
    """Stale are the lock of an ended process, one elsewhere that was not refreshed for minutes, and an empty lock."""
    names(tmp_path, 1)
    output = tmp_path / "pool.parquet"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    alive = lock_of_another | {"host": "elsewhere"}
    Path(f"{output}.lock").write_text(json.dumps(alive))
    with pytest.raises(AppError, match=r"on elsewhere\."):
        made_up(tmp_path, output)
    for dead in (alive | {"beat": time.time() - pool_lock.STALE - 1}, lock_of_another | {"pid": ended.pid}, None):
        Path(f"{output}.lock").write_text("" if dead is None else json.dumps(dead))
        made_up(tmp_path, output)
        assert not Path(f"{output}.lock").exists()


def test_a_run_that_lost_its_lock_stops_writing(tmp_path: Path, lock_of_another: dict[str, object]) -> None:
    """A run that slept while another took the lock stops, and keeps its clips in parts."""
    names(tmp_path, 2)
    output = tmp_path / "pool.parquet"

    def take(_done: int, _total: int, _result: ClipScores) -> None:
        Path(f"{output}.lock").write_text(json.dumps(lock_of_another))

    with pytest.raises(AppError, match="Another run took over"):
        score_to_pool([tmp_path], output, runner=MadeUp(), scorers=counting, on_clip=take)
    assert not output.exists()
    assert len(parts(output)) == 2
    assert Path(f"{output}.lock").exists()
