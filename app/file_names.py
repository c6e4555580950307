"""Names of clips and videos as names of files: whatever the text, one file in one folder, its own for each."""

import re
from collections.abc import Iterable
from itertools import count

LONGEST = 180
"""Bytes of UTF-8. File systems take 255; numbers, suffixes and the marks of half-written files come on top."""
UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""Separators, control characters, and what Windows refuses."""


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A name without suffix for each: all different, and different from those taken, even where capitals do not count.

    >>> file_names(["day/one", "Day_one", "../../etc", ".hidden", "“Ünïcode”", ""], taken=["hidden"])
    ['day_one', 'Day_one-2', '_.._etc', 'hidden-2', '“Ünïcode”', 'clip']
    """
    taken = {name.casefold() for name in taken}
    found = []
    for name in names:
        plain = UNFIT.sub("_", name).encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")
        plain = plain.strip(". ") or "clip"
        free = next(
            wanted
            for number in count(1)
            if (wanted := plain if number == 1 else f"{plain}-{number}").casefold() not in taken
        )
        taken.add(free.casefold())
        found.append(free)
    return found
