"""What study, filter and design files share: how they are read, how names are written, and where a key is."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.errors import AppError

_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED = rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*"
_HEADER = re.compile(rf"\s*(\[\[?){_DOTTED}\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"{_DOTTED}=")
_LONG_QUOTES = re.compile(r'"""|' + "'''")


def _checked_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("use small letters, digits and _, with a letter first")
    return text


Name = Annotated[str, Field(max_length=40), AfterValidator(_checked_name)]
"""A name that people choose in a TOML file: lower-case letters, digits and underscores."""


def parsed(text: str, name: str, remedy: str) -> dict[str, Any]:
    """Parse a TOML text without checking its keys; `name` is the name of the file, for messages.

    Raises AppError that names the wrong line. The remedy for a file that is nested too deeply is `remedy`.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise AppError(f"{name} is nested too deeply.", remedy) from error
    except tomllib.TOMLDecodeError as error:
        raise AppError(f"{name} is not TOML: {error}.", "Correct that line and try again.") from error


def place_of(text: str, name: str, path: Sequence[int | str]) -> str:
    """The place of a key, for the beginning of a message: file, line and key.

    >>> place_of('seed = 1\\n[[filters]]\\nmin = 3\\n', "study.toml", ["filters", 0, "min"])
    'study.toml, line 3, [[filters]] no. 1, min'
    """
    return f"{name}, line {line_of(text, path)}, {key_in_words(text, path)}"


def line_of(text: str, path: Sequence[int | str]) -> int:
    """The line (counted from 1) of a key in a TOML text, or of its table if the key is missing.

    >>> line_of('name = "x"\\n[[filters]]\\nname = "a"\\n[[filters]]\\nmin = 3\\n', ["filters", 1, "min"])
    5
    """
    wanted, found, depth = tuple(path), 1, 0
    for line, here in _keys(text):
        if len(here) > depth and here == wanted[: len(here)]:
            found, depth = line, len(here)
    return found


def key_in_words(text: str, path: Sequence[int | str]) -> str:
    """A key as a reader of the file would call it; tables and values of lists are counted from 1.

    >>> key_in_words("[[filters]]\\nmin = 3\\n", ["filters", 0, "min"]), key_in_words("", ["shares", 1])
    ('[[filters]] no. 1, min', 'shares, value 2')
    """
    tables = {here for _, here in _keys(text)}
    words: list[str] = []
    names: list[str] = []
    for depth, part in enumerate(path, start=1):
        if isinstance(part, str):
            names.append(part)
        elif tuple(path[:depth]) in tables:
            words.append(f"[[{'.'.join(names)}]] no. {part + 1}")
            names = []
        else:
            words += [".".join(names), f"value {part + 1}"]
            names = []
    return ", ".join([*words, ".".join(names)] if names else words) or "the file"


def _keys(text: str) -> Iterator[tuple[int, tuple[int | str, ...]]]:
    """Every table and key of a TOML text: its line, and its path, which numbers the tables of a list from 0."""
    lists: Counter[tuple[int | str, ...]] = Counter()
    table: tuple[int | str, ...] = ()
    in_long_text = False
    for line, content in enumerate(text.splitlines(), start=1):
        if not in_long_text:
            if header := _HEADER.match(content):
                table = _table(_parts(header[2]), lists, is_list=header[1] == "[[")
                yield line, table
            elif key := _KEY.match(content):
                yield line, (*table, *_parts(key[1]))
        if len(_LONG_QUOTES.findall(content)) % 2:
            in_long_text = not in_long_text


def _table(names: list[str], lists: Counter[tuple[int | str, ...]], *, is_list: bool) -> tuple[int | str, ...]:
    """The path of a table from its header; `lists` counts the tables of each list so far."""
    path: tuple[int | str, ...] = ()
    for depth, name in enumerate(names, start=1):
        path = (*path, name)
        if is_list and depth == len(names):
            lists[path] += 1
        if lists[path]:
            path = (*path, lists[path] - 1)
    return path


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, dotted)]
