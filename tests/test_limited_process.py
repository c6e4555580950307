"""Child processes with limits: a value comes back, and whatever exhausts or crashes the child is told in words."""

import ctypes
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import AppError
from app.failed_files import run_on_file
from app.limited_process import (
    LARGEST_RESULT,
    MOST_CALLS,
    MOST_IDLE,
    MOST_KEPT,
    Limits,
    run_limited,
    warm_up,
)

LIMITS = Limits(seconds=1, memory=200 << 20)
LINUX = sys.platform == "linux"


def added(one: int, two: int) -> int:
    return one + two


def refused() -> None:
    raise AppError("The clip is too long.", "Divide it.", status=422)


def sleeping() -> None:
    time.sleep(60)


def busy() -> None:
    while True:
        pass


def greedy(size: int = 1 << 30) -> int:
    return len(bytearray(size))


def crashing() -> None:
    ctypes.string_at(0)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def talkative() -> bytes:
    return bytes(LARGEST_RESULT + 1)


def writing(path: Path, size: int) -> int:
    return path.write_bytes(bytes(size))


_kept: list[bytearray] = []


def keeping() -> int:
    _kept.append(bytearray(MOST_KEPT))
    return os.getpid()


def noted(notes: Path) -> None:
    with notes.open("a") as file:
        file.write("read\n")
    raise AppError("The clip is damaged.", "Use another.")


def setting(name: str) -> tuple[str, str | None]:
    return str(Path.cwd()), os.environ.get(name)


def test_a_value_and_an_error_of_the_function_come_back_unchanged() -> None:
    """The value is returned; message, remedy and status of an AppError are those of the function."""
    assert run_limited(LIMITS, "a.mp4", added, 2, two=3) == 5
    with pytest.raises(AppError) as caught:
        run_limited(LIMITS, "a.mp4", refused)
    assert (caught.value.message, caught.value.remedy, caught.value.status) == (
        "The clip is too long.",
        "Divide it.",
        422,
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (sleeping, r"a\.mp4 takes more than 1 s to read\. It may be damaged"),
        (busy, r"a\.mp4 takes more than 1 s to read\. It may be damaged"),
        pytest.param(
            greedy,
            r"a\.mp4 needs more than 0\.2 GB of memory to read\..* use another file",
            marks=pytest.mark.skipif(not LINUX, reason="memory is limited on Linux only"),
        ),
        (crashing, r"a\.mp4 cannot be read: the program that reads it crashed\. .* use another file"),
        (killed, r"a\.mp4 needs more than 0\.2 GB of memory"),
        (talkative, r"a\.mp4 holds more than can be read here\. Divide it"),
    ],
)
def test_a_child_that_breaks_its_limits_is_told_in_words_within_its_time(
    function: Callable[[], object], words: str
) -> None:
    """Sleep, endless work, too much memory, a crash, a kill and a huge result: each names the file and the remedy."""
    warm_up()
    began = time.monotonic()
    with pytest.raises(AppError, match=words):
        run_limited(LIMITS, "a.mp4", function)
    assert time.monotonic() - began < LIMITS.seconds + 4


@pytest.mark.skipif(not LINUX, reason="work is counted on Linux only")
def test_a_child_that_stands_still_is_ended_long_before_its_time() -> None:
    """A library that waits for a thread that never starts does not hold the user for half an hour."""
    began = time.monotonic()
    with pytest.raises(AppError, match=r"a\.mp4 cannot be read: the program that reads it stands still\. .* another"):
        run_limited(Limits(seconds=50, memory=200 << 20, still=1), "a.mp4", sleeping)
    assert time.monotonic() - began < 20


def test_a_child_writes_no_more_than_it_may(tmp_path: Path) -> None:
    """A file within the limit is written; a longer one is an error, and no more than the limit is on disk."""
    limits = Limits(seconds=5, memory=200 << 20, written=1000)
    assert run_limited(limits, "a.mp4", writing, tmp_path / "short", 1000) == 1000
    with pytest.raises(OSError, match="too large"):
        run_limited(limits, "a.mp4", writing, tmp_path / "long", 1001)
    assert (tmp_path / "long").stat().st_size <= 1000


def test_children_run_side_by_side() -> None:
    """Calls from several threads do not wait for each other."""
    from concurrent.futures import ThreadPoolExecutor

    warm_up()
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(run_limited, LIMITS, "a.mp4", sleeping) for _ in range(4)]
        for one in waiting:
            with pytest.raises(AppError, match="takes more than"):
                one.result()
    assert time.monotonic() - began < 3 * LIMITS.seconds


def test_one_child_reads_many_files_and_is_replaced_after_a_failure() -> None:
    """Calls share a child until one fails, crashes it, keeps memory, or the child has answered MOST_CALLS."""
    began = time.monotonic()
    counts = Counter(run_limited(LIMITS, "a.mp4", os.getpid) for _ in range(2 * MOST_CALLS))
    assert max(counts.values()) <= MOST_CALLS
    assert len(counts) <= MOST_IDLE + 2  # earlier tests may have left some that wait
    assert time.monotonic() - began < 8  # a child for each of 400 calls takes longer
    for failing in (refused, crashing):
        used = run_limited(LIMITS, "a.mp4", os.getpid)
        assert run_limited(LIMITS, "a.mp4", os.getpid) == used
        with pytest.raises(AppError):
            run_limited(LIMITS, "a.mp4", failing)
        assert run_limited(LIMITS, "a.mp4", os.getpid) != used
    if LINUX:
        used = run_limited(Limits(seconds=30, memory=2 * MOST_KEPT), "a.mp4", keeping)
        assert run_limited(LIMITS, "a.mp4", os.getpid) != used


@pytest.mark.skipif(not LINUX, reason="memory is limited on Linux only")
def test_each_call_has_its_own_limits() -> None:
    """A call with much room and one with little room share a child: only the second is refused."""
    assert run_limited(Limits(seconds=30, memory=400 << 20), "a.mp4", greedy, 300 << 20) == 300 << 20
    with pytest.raises(AppError, match=r"a\.mp4 needs more than 0\.2 GB"):
        run_limited(Limits(seconds=30, memory=200 << 20), "a.mp4", greedy, 300 << 20)
    with pytest.raises(AppError, match=r"b\.mp4 takes more than 0\.2 s"):
        run_limited(Limits(seconds=0.2, memory=1 << 30), "b.mp4", sleeping)


def test_a_child_has_the_folder_and_the_environment_of_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means the same file, and an address of a store has the same account, in every call."""
    assert run_limited(LIMITS, "a.mp4", setting, "CLIPJURY_TRY") == (str(Path.cwd()), None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIPJURY_TRY", "yes")
    assert run_limited(LIMITS, "a.mp4", setting, "CLIPJURY_TRY") == (str(tmp_path), "yes")


def test_a_file_that_failed_is_not_read_again_until_it_changes(tmp_path: Path) -> None:
    """The same words come back without a child; a changed file is read once more."""
    clip, notes = tmp_path / "a.mp4", tmp_path / "notes"
    clip.write_bytes(b"bad")
    limits = Limits(seconds=5, memory=200 << 20, written=1000)
    for content, reads in ((b"bad", 1), (b"also bad", 2)):
        clip.write_bytes(content)
        for _ in range(5):
            with pytest.raises(AppError, match=r"The clip is damaged\. Use another\."):
                run_on_file(limits, clip, noted, notes)
        assert len(notes.read_text().splitlines()) == reads
