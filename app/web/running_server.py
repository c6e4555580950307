"""Where the server of a data folder runs now, so that `clipjury links` prints links that open."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.settings import Settings

SECONDS = 1.0
"""How long a server may take to accept a connection before it counts as stopped."""


class RunningServer(BaseModel):
    """The settings of a running server that its links depend on."""

    host: str
    port: int
    uds: str
    public_url: str


@contextmanager
def announced(settings: Settings) -> Iterator[None]:
    """Write the server's address into the data folder while it serves."""
    path = _file(settings)
    path.write_text(RunningServer(**settings.model_dump(include=set(RunningServer.model_fields))).model_dump_json())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def settings_of_running(settings: Settings) -> Settings:
    """The settings with the address of the server that runs now; unchanged if none runs."""
    try:
        found = RunningServer.model_validate_json(_file(settings).read_text())
    except (OSError, ValidationError):
        return settings
    return settings.model_copy(update=found.model_dump()) if _answers(found) else settings


def _answers(server: RunningServer) -> bool:
    """True if something accepts connections there: a server that was killed leaves its file behind."""
    with suppress(OSError):
        if server.uds:
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(SECONDS)
                door.connect(server.uds)
            return True
        with socket.create_connection((server.host, server.port), timeout=SECONDS):
            return True
    return False


def _file(settings: Settings) -> Path:
    return settings.home / "server.json"
