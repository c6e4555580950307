"""Find out whether the researchers' process works, for the server that replaces it if it does not.

The process answers a pulse request in its event loop, before anything else. A process that is busy answers late but
uses its processor; a process that is stopped or blocked does neither.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

PULSE_PATH = "/pulse"
SECONDS_FOR_PULSE = 1.0
"""Seconds for one answer of the process."""
SILENT_WITHOUT_WORK = 2
"""A process that has given so many pulses no answer and used no processor time meanwhile hangs."""
SECONDS_SILENT = 60.0
"""A process that gives no answer for so long is replaced even if it uses the processor: it may run in circles."""


class Pulse:
    """Wrapper of the application in the researchers' process: it answers pulse requests itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a pulse request, or pass the request on."""
        if scope["type"] == "http" and scope["path"] == PULSE_PATH:
            await Response(status_code=204)(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def has_pulse(socket_path: str) -> bool:
    """True if the process behind the socket answers within SECONDS_FOR_PULSE."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(SECONDS_FOR_PULSE):
            reader, writer = await asyncio.open_unix_connection(socket_path)
            try:
                writer.write(f"GET {PULSE_PATH} HTTP/1.1\r\nHost: researchers\r\nConnection: close\r\n\r\n".encode())
                return await reader.read(1) != b""
            finally:
                writer.close()
    return False


class SilenceWatch:
    """How long a process has been silent, and whether it works meanwhile."""

    def __init__(self, pid: int, *, now: float) -> None:
        self._pid = pid
        self._since = now
        self._idle_pulses = 0
        self._used = processor_seconds(pid)
        self.has_answered = False

    def hangs(self, *, answered: bool, now: float) -> bool:
        """Record one pulse; True if the process is to be replaced. `now` is in seconds."""
        used = processor_seconds(self._pid)
        worked = used is None or self._used is None or used > self._used
        self._used = used
        if answered:
            self._since, self._idle_pulses, self.has_answered = now, 0, True
            return False
        self._idle_pulses = 0 if worked else self._idle_pulses + 1
        return self._idle_pulses >= SILENT_WITHOUT_WORK or now - self._since > SECONDS_SILENT


def processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used; None where the system does not tell (only Linux does)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
