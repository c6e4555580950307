"""A fault of an installation, in words."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What is wrong, and what can be done about it. `stops` is True if nothing further can be checked."""

    what: str
    remedy: str
    stops: bool = False


def examples(found: Sequence[object], most: int = 3) -> str:
    """The first few of a list, and how many more there are.

    >>> examples([4, 7, 9, 12])
    '4, 7, 9 and 1 more'
    """
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return f"{', '.join(map(str, found[:most]))}{more}"
