"""What pages computed is kept until what it was made from changes; one visitor computes, the others wait or see it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Made = TypeVar("Made")
MOST = 96
"""Entries at most; those that nobody has asked for the longest are let go."""
LONG = 0.5
"""Seconds of computing from which on a page does not follow every single answer of a study at work."""
PATIENCE = 5
"""Such a page shows an earlier state for up to so many times as long as it took to compute."""


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: object = None
    value: Any = None
    there: bool = False
    took: float = 0.0
    made: float = 0.0

    @property
    def fresh_enough(self) -> bool:
        """Made a moment ago, at a price."""
        return self.took > LONG and time.monotonic() - self.made < PATIENCE * self.took


class Kept:
    """Values by key, each with the mark of what it was made from (a fingerprint of the data).

    >>> kept = Kept()
    >>> kept.get("sum", 1, lambda: 3), kept.get("sum", 1, lambda: 4), kept.get("sum", 2, lambda: 4)
    (3, 3, 4)
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(
        self, key: Hashable, mark: object, make: Callable[[], Made], *, older: bool = False, patient: bool = False
    ) -> Made:
        """The value of this mark, made now if need be.

        With `older` a value of an earlier mark will do: a figure then shows what the page around it has just
        shown, and a study with busy raters is not computed anew for every picture of a page. With `patient` the
        value may be some seconds old where it takes long to make: raters at work come before it.
        """
        entry = self._entry(key)
        if entry.there and (older or (patient and entry.fresh_enough)):
            kept: Made = entry.value
            return kept
        with entry.lock:
            if not entry.there or entry.mark != mark:
                began = time.monotonic()
                entry.value, entry.mark, entry.there = make(), mark, True
                entry.made = time.monotonic()
                entry.took = entry.made - began
            value: Made = entry.value
            return value

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry
