"""What pages computed is kept until what it was made from changes; one visitor computes, the others wait or see it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Made = TypeVar("Made")
MOST = 96
"""Entries at most; those that nobody has asked for the longest are let go."""


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: object = None
    value: Any = None
    there: bool = False


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

    def get(self, key: Hashable, mark: object, make: Callable[[], Made], *, older: bool = False) -> Made:
        """The value of this mark, made now if need be.

        With `older` a value of an earlier mark will do: a figure then shows what the page around it has just
        shown, and a study with busy raters is not computed anew for every picture of a page.
        """
        entry = self._entry(key)
        if older and entry.there:
            kept: Made = entry.value
            return kept
        with entry.lock:
            if not entry.there or entry.mark != mark:
                entry.value, entry.mark, entry.there = make(), mark, True
            value: Made = entry.value
            return value

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry
