"""What study, filter and design files share: how they are read, how names are written, and where a key is."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.errors import AppError

_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED = rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*"
_HEADER = re.compile(rf"\s*(\[\[?){_DOTTED}\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"{_DOTTED}=")
MOST_BYTES = 1_000_000
"""Size of a file that is read; the largest preset has a hundredth of it."""
MOST_PARTS = 32
"""Parts of a dotted key, and levels of nesting. The parser's work grows with the square of the parts."""
_TOKEN = re.compile(r"""([\w-]++|"(?:[^"\\]|\\.)*+"?|'[^']*+'?)|(\.)|[ \t]++|.""")
"""A part of a key, a dot, or anything else; every letter of a line is read once."""
_LARGEST_WHOLE = 2**63
"""TOML has whole numbers of 64 bits."""
_LONG_QUOTES = re.compile(r'"""|' + "'''")


def _checked_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("use small letters, digits and _, with a letter first")
    return text


Name = Annotated[str, Field(max_length=40), AfterValidator(_checked_name)]
"""A name that people choose in a TOML file: lower-case letters, digits and underscores."""


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file that somebody wrote, UTF-8 of at most `most` bytes.

    Raises OSError if it is missing, too large or no regular file, and UnicodeDecodeError if it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is a folder, a device or a pipe")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"it has more than {most:,} bytes")
    return data.decode("utf-8").replace("\r\n", "\n")


def parsed(text: str, name: str, remedy: str) -> dict[str, Any]:
    """Parse a TOML text without checking its keys; `name` is the name of the file, for messages.

    Raises AppError that names the wrong line. The remedy for a file that is too large or nested too deeply is `remedy`.
    """
    if len(text) > MOST_BYTES:
        raise AppError(f"{name} has more than {MOST_BYTES:,} characters.", remedy)
    for line, content in enumerate(text.split("\n"), start=1):
        if content.count(".") >= MOST_PARTS and _most_parts(content) > MOST_PARTS:
            raise AppError(f"{name}, line {line}: a key has more than {MOST_PARTS} parts.", remedy)
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise AppError(f"{name} is nested too deeply.", remedy) from error
    except ValueError as error:  # wrong TOML, or a number of thousands of digits
        raise AppError(f"{name} is not TOML: {error}.", "Correct that line and try again.") from error
    _refuse_extremes(found, name, remedy)
    return found


def _most_parts(line: str) -> int:
    """The largest number of parts in a row that are joined by dots.

    >>> _most_parts('a . "b.c" .d = 1.5'), _most_parts("a b"), _most_parts("...")
    (3, 1, 0)
    """
    most = parts = 0
    joined = False
    for token in _TOKEN.finditer(line):
        if token[1]:
            parts = parts + 1 if joined else 1
            most, joined = max(most, parts), False
        elif token[2]:
            joined = parts > 0
        elif not token[0].isspace():
            parts, joined = 0, False
    return most


def _refuse_extremes(content: dict[str, Any], name: str, remedy: str) -> None:
    """Raise AppError for nesting and for whole numbers that TOML allows to refuse, and that others could not write."""
    level: list[object] = [content]
    for _ in range(MOST_PARTS):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, int) and not -_LARGEST_WHOLE <= value < _LARGEST_WHOLE:
                raise AppError(f"{name} has a whole number of more than 64 bits.", "Correct that line and try again.")
        level = inner
    if level:
        raise AppError(f"{name} is nested too deeply.", remedy)


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


@lru_cache(maxsize=2)
def _keys(text: str) -> tuple[tuple[int, tuple[int | str, ...]], ...]:
    """Every table and key of a TOML text: its line, and its path, which numbers the tables of a list from 0.

    Kept, because every message about the text asks for them.
    """
    return tuple(_found_keys(text))


def _found_keys(text: str) -> Iterator[tuple[int, tuple[int | str, ...]]]:
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
