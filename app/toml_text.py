"""What study, filter and design files have in common: how a name is written, and on which line a key stands."""

import re
from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
"""A name that people choose in a TOML file: lower-case letters, digits and underscores."""


def line_of(text: str, path: list[int | str]) -> int:
    """The line (counted from 1) of a key in a TOML text, or of its table if the key is missing.

    >>> line_of('name = "x"\\n[[filters]]\\nname = "a"\\n[[filters]]\\nmin = 3\\n', ["filters", 1, "min"])
    5
    """
    if len(path) > 2 and isinstance(path[1], str) and isinstance(path[2], int):
        path = [f"{path[0]}.{path[1]}", *path[2:]]  # a table within a table: [[sampling.strata]]
    start, depth = 0, 0
    lines = text.splitlines()
    if path:
        number = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        heads = [at for at, line in enumerate(lines) if re.match(rf"\s*\[+\s*{re.escape(str(path[0]))}\s*\]+", line)]
        if number < len(heads):
            start, depth = heads[number], 1
        if depth and len(path) == 1:
            return start + 1
    if not path or (depth == 0 and len(path) > 1):
        return 1
    key = path[-1]
    for at in range(start + depth, len(lines)):
        if depth and lines[at].lstrip().startswith("["):
            break
        if re.match(rf"\s*{re.escape(str(key))}\s*=", lines[at]):
            return at + 1
    return start + 1
