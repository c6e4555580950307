"""Cache for what the pages compute: a value is kept until the data it was computed from change."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")
MAX_ENTRIES = 96
"""The entry that was not read for the longest time is dropped when there are more."""
EXPENSIVE_SECONDS = 0.5
"""A value that takes longer to compute may be a few seconds old on a page, while raters are at work."""
RECENT_FACTOR = 5
"""An expensive value counts as recent for this many times as long as it took to compute."""


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    fingerprint: object = None
    value: Any = None
    has_value: bool = False
    seconds: float = 0.0
    computed_at: float = 0.0

    @property
    def is_recent(self) -> bool:
        """True if the value was computed recently and is expensive to recompute."""
        age = time.monotonic() - self.computed_at
        return self.seconds > EXPENSIVE_SECONDS and age < RECENT_FACTOR * self.seconds


class Cache:
    """Values by key, each with the fingerprint of the data it was computed from.

    Each entry has its own lock: requests for the same value wait for one computation, requests for other values do
    not wait.

    >>> cache = Cache()
    >>> cache.get("sum", 1, lambda: 3), cache.get("sum", 1, lambda: 4), cache.get("sum", 2, lambda: 4)
    (3, 3, 4)
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(
        self,
        key: Hashable,
        fingerprint: object,
        compute: Callable[[], Value],
        *,
        allow_stale: bool = False,
        allow_recent: bool = False,
    ) -> Value:
        """Return the value for this fingerprint; compute it if the stored one has another fingerprint.

        With `allow_stale` a stored value of any age is returned: the figures of a page then show the same data as
        the page. With `allow_recent` an expensive value may be a few seconds old. What `compute` raises is passed on,
        and nothing is stored then.
        """
        entry = self._entry(key)
        if entry.has_value and (allow_stale or (allow_recent and entry.is_recent)):
            stored: Value = entry.value
            return stored
        with entry.lock:
            if not entry.has_value or entry.fingerprint != fingerprint:
                began = time.monotonic()
                entry.value, entry.fingerprint, entry.has_value = compute(), fingerprint, True
                entry.computed_at = time.monotonic()
                entry.seconds = entry.computed_at - began
            value: Value = entry.value
            return value

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
            return entry
