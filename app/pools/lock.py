"""One run at a time writes a pool: a lock beside it that a living run keeps fresh and a dead one leaves to the next."""

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

BEAT = 20.0
"""Seconds after which a run says that it lives."""
STALE = 180.0
"""Seconds of silence after which a run counts as dead. Clocks of machines that share a pool may differ by less."""
SETTLING = 0.3
"""Seconds until two runs that take over one dead run's lock at the same time have both written theirs."""


class PoolLock:
    """The right to write the pool at `output`. Raises AppError, when taken, if another run has it.

    The file `<output>.lock` names process, machine and last sign of life. It is dead, and taken over, if its process
    is gone from this machine, or if it gave no sign of life for three minutes.
    """

    def __init__(self, output: str) -> None:
        self.place = f"{output}.lock"
        self._output = output
        self._mine = uuid4().hex
        self._stop = threading.Event()

    def check(self) -> None:
        """Raise AppError if another run took over; this one was asleep, or cut off, for minutes."""
        holder = self._holder()
        if holder is None or holder.get("run") != self._mine:
            raise AppError(
                f"Another run took over {self._output}: this one gave no sign of life.",
                "What it scored is kept in parts. Wait for the other run, then run this again.",
            )

    @contextmanager
    def held(self) -> Iterator["PoolLock"]:
        """Hold the lock for a block."""
        self._take()
        beating = threading.Thread(target=self._beat, daemon=True)
        beating.start()
        try:
            yield self
        finally:
            self._stop.set()
            beating.join()
            holder = self._holder()
            if holder is not None and holder.get("run") == self._mine:
                remove([self.place])

    def _take(self) -> None:
        try:
            self._create()
            return
        except FileExistsError:
            self._refuse_living()
        self._write()
        time.sleep(SETTLING)
        self._refuse_living()

    def _create(self) -> None:
        """Make the lock if there is none: on this machine in one step, in a store as near to it as stores allow."""
        if is_remote(self.place):
            if self._holder() is not None:
                raise FileExistsError
            self._write()
            time.sleep(SETTLING)
            self._refuse_living()
            return
        Path(self.place).parent.mkdir(parents=True, exist_ok=True)
        with Path(self.place).open("x", encoding="utf-8") as file:
            file.write(self._text())

    def _refuse_living(self) -> None:
        holder = self._holder()
        if holder is not None and holder.get("run") != self._mine and _lives(holder):
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
        except ValueError:  # cut off in the first moment of its life
            return {}
        return holder if isinstance(holder, dict) else {}

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(Exception):  # a store that is away for a moment; check() has the last word
                self.check()
                self._write()

    def _write(self) -> None:
        with written(self.place) as path:
            path.write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        return json.dumps({"run": self._mine, "pid": os.getpid(), "host": socket.gethostname(), "beat": time.time()})


def _lives(holder: dict[str, object]) -> bool:
    pid, beat = holder.get("pid"), holder.get("beat")
    if not isinstance(pid, int) or not isinstance(beat, int | float) or time.time() - beat > STALE:
        return False
    # os.kill ends processes on Windows, whatever the signal: there the beat alone decides.
    if holder.get("host") != socket.gethostname() or sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
