"""Lock a pool file so that only one run writes it; a lock that is not refreshed for 3 minutes may be taken over."""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from app.errors import AppError
from scoring.locations import is_remote, read, remove, written

REFRESH = 20.0
"""Seconds between two refreshes of the lock."""
STALE = 180.0
"""Seconds without a refresh after which a lock is stale. Clocks of machines that share a pool must differ by less."""
SETTLING = 0.3
"""Seconds to wait after a takeover, so that a second run that takes over at the same time has written its lock too."""


class PoolLock:
    """The lock of the pool at `output`: a file `<output>.lock` with process, machine and time of the last refresh.

    A lock is stale, and may be taken over, if its process no longer runs on this machine or if it was not refreshed
    for 3 minutes.
    """

    def __init__(self, output: str) -> None:
        self.place = f"{output}.lock"
        self._output = output
        self._run = uuid4().hex
        self._stop = threading.Event()

    def check(self) -> None:
        """Raise AppError if another run took over the lock, because this one did not refresh it for minutes."""
        holder = self._holder()
        if holder is None or holder.get("run") != self._run:
            raise AppError(
                f"Another run took over {self._output}: this one gave no sign of life.",
                "What it scored is kept in parts. Wait for the other run, then run this again.",
            )

    @contextmanager
    def held(self) -> Iterator["PoolLock"]:
        """Hold the lock during a block. Raises AppError if another run holds it."""
        self._take()
        refreshing = threading.Thread(target=self._refresh, daemon=True)
        refreshing.start()
        try:
            yield self
        finally:
            self._stop.set()
            refreshing.join()
            holder = self._holder()
            if holder is not None and holder.get("run") == self._run:
                remove([self.place])

    def _take(self) -> None:
        try:
            self._create()
            return
        except FileExistsError:
            self._refuse_if_held()
        self._write()
        time.sleep(SETTLING)
        self._refuse_if_held()

    def _create(self) -> None:
        """Create the lock if there is none, atomically on this machine; remote stores have no atomic step for it."""
        if is_remote(self.place):
            if self._holder() is not None:
                raise FileExistsError
            self._write()
            time.sleep(SETTLING)
            self._refuse_if_held()
            return
        Path(self.place).parent.mkdir(parents=True, exist_ok=True)
        with Path(self.place).open("x", encoding="utf-8") as file:
            file.write(self._text())

    def _refuse_if_held(self) -> None:
        holder = self._holder()
        if holder is not None and holder.get("run") != self._run and _is_alive(holder):
            raise AppError(
                f"Another run is writing {self._output}: process {holder.get('pid')} on {holder.get('host')}.",
                f"Wait for it or end it. If it is dead, run this again in {STALE / 60:.0f} minutes.",
            )

    def _holder(self) -> dict[str, object] | None:
        data = read(self.place)
        if data is None:
            return None
        try:
            holder = json.loads(data)
        except ValueError:  # its writer was killed before it had written the file
            return {}
        return holder if isinstance(holder, dict) else {}

    def _refresh(self) -> None:
        while not self._stop.wait(REFRESH):
            with suppress(Exception):  # the store may be out of reach for a moment; check() decides later
                self.check()
                self._write()

    def _write(self) -> None:
        with written(self.place) as path:
            path.write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        return json.dumps({"run": self._run, "pid": os.getpid(), "host": socket.gethostname(), "beat": time.time()})


def _is_alive(holder: dict[str, object]) -> bool:
    pid, beat = holder.get("pid"), holder.get("beat")
    if not isinstance(pid, int) or not isinstance(beat, int | float) or time.time() - beat > STALE:
        return False
    # On Windows os.kill ends the process whatever the signal, so there only the time of the last refresh counts.
    if holder.get("host") != socket.gethostname() or sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
