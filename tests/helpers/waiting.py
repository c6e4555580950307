"""Waiting for an event, however busy the machine is: only a test that waits in vain ends by the clock."""

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which what has not come is taken as never coming."""


def wait_until(has_come: Callable[[], bool], what: str = "what the test waits for") -> None:
    """Wait until `has_come` says so. Fails the test, naming `what`, after PATIENCE."""
    until = time.monotonic() + PATIENCE
    while not has_come():
        assert time.monotonic() < until, f"{what} does not come"
        time.sleep(0.02)
