"""Blocks of a test that may take only so much time, and only so much memory of this process."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.limited_process import warm_up

MEGABYTE = 1 << 20
GROWTH = 200 * MEGABYTE


def resident(key: str) -> int:
    """Bytes of this process's memory: `VmRSS` now, `VmHWM` at its peak."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer, or if the peak memory of this process grows by more than GROWTH."""
    warm_up()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident("VmRSS")
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds
    if sys.platform == "linux":
        assert resident("VmHWM") - before < GROWTH
