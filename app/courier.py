"""The thread of a server that tells webhooks what is due: it waits for no request, and none waits for it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app import webhooks
from app.db import Database
from app.settings import Settings

log = logging.getLogger("clipjury")
EVERY = 5.0
"""Seconds between two looks. A look without anything due is one query."""


@contextmanager
def working(database: Database, settings: Settings, *, every: float = EVERY) -> Iterator[None]:
    """A courier for the length of a block, who looks every so many seconds."""
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(database, settings, stop, every), name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=1.0)  # a call on its way is not waited for: the next server makes it again


def _work(database: Database, settings: Settings, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        try:
            webhooks.deliver(database, settings)
        except Exception:
            log.exception("webhooks could not be told; trying again")
