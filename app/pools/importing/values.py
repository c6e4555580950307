"""Polars expressions that turn the values of a source into values of a pool, and messages for invalid ones."""

from collections.abc import Sequence

import polars as pl

from app.pools.importing.fields import RawSource
from app.pools.importing.mapping import MappedColumn

MISSING = ("", "na", "n/a", "null", "none", "nan", "-")
"""Words (in lower case) for a missing number."""
LONGEST_ID = 500
_SECONDS = r"^([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?) ?(?:s|sec|secs|second|seconds)?$"
_MILLISECONDS = r"^([0-9]*\.?[0-9]+) ?(?:ms|milliseconds)$"
_CLOCK = r"^(?:([0-9]+):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]+)?)$"
_VIDEO_PART = r"^(.+?)[-_]scene[-_]?[0-9]+.*$"


def raw_value(raw: RawSource, mapped: MappedColumn) -> pl.Expr:
    """The value of the field, or the text made from fields (null if one of them is null)."""
    if not mapped.is_text:
        return pl.col(raw.fields[mapped.path])
    pieces = [
        pl.lit(piece) if number % 2 == 0 else text(raw, MappedColumn(mapped.column, piece))
        for number, piece in enumerate(mapped.parts)
    ]
    return pl.concat_str(pieces)


def kind_of(raw: RawSource, mapped: MappedColumn) -> pl.DataType:
    """The type of the raw value."""
    return pl.String() if mapped.is_text else raw.type_of(mapped.path)


def text(raw: RawSource, mapped: MappedColumn) -> pl.Expr:
    """The value as text; null if it is empty."""
    value = raw_value(raw, mapped)
    kind = kind_of(raw, mapped)
    if kind.is_nested():
        return pl.lit(None, pl.String)
    words = value if kind == pl.String else value.cast(pl.String)
    return pl.when(words.str.strip_chars() != "").then(words)


def number(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """The value as a number, which may be NaN or infinite; null if it is missing or not a number.

    >>> frame = pl.DataFrame({"x": [" 8.5", "nan", "much", "N/A"]})
    >>> frame.select(number(pl.col("x"), pl.String())).to_series().to_list()
    [8.5, nan, None, None]
    """
    if kind.is_nested():
        return pl.lit(None, pl.Float64)
    return (value.str.strip_chars() if kind == pl.String else value).cast(pl.Float64, strict=False)


def finite(value: pl.Expr) -> pl.Expr:
    """The number; null if it is NaN or infinite."""
    return pl.when(value.is_finite()).then(value)


def is_given(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Whether there is a value that is not a word for a missing one."""
    if kind != pl.String:
        return value.is_not_null()
    return value.is_not_null() & ~value.str.strip_chars().str.to_lowercase().is_in(MISSING)


def seconds(value: pl.Expr, kind: pl.DataType, *, milliseconds: bool = False, simple: bool = False) -> pl.Expr:
    """A duration in seconds, from a number or from "5.042s", "5042 ms", "1:02.5"; null for anything else.

    `simple` says that `plain_seconds` can read every text.

    >>> frame = pl.DataFrame({"x": ["5.042s", "5042ms", "0:01:02.5", "7", "long", "-1"]})
    >>> frame.select(seconds(pl.col("x"), pl.String())).to_series().to_list()
    [5.042, 5.042, 62.5, 7.0, None, None]
    """
    if kind != pl.String:
        length = number(value, kind)
        whole = length / 1000 if milliseconds else length
        return pl.when((whole >= 0) | ~whole.is_finite()).then(whole)
    if simple:
        length = plain_seconds(value)
        return pl.when((length >= 0) | ~length.is_finite()).then(length / 1000 if milliseconds else length)
    words = value.str.strip_chars().str.to_lowercase()
    clock = words.str.extract_groups(_CLOCK)
    hours, minutes, rest = (clock.struct.field(str(place)).cast(pl.Float64, strict=False) for place in (1, 2, 3))
    plain = words.str.extract(_SECONDS).cast(pl.Float64, strict=False)
    return pl.coalesce(
        plain / 1000 if milliseconds else plain,
        words.str.extract(_MILLISECONDS).cast(pl.Float64, strict=False) / 1000,
        hours.fill_null(0) * 3600 + minutes * 60 + rest,
    )


def plain_seconds(value: pl.Expr) -> pl.Expr:
    """A duration such as "5.042s" or "5.042"; null for anything else. Several times as fast as `seconds`."""
    return value.str.strip_suffix("s").cast(pl.Float64, strict=False)


def video_part(clip: pl.Expr) -> pl.Expr:
    """The part of a TalkVid id before its scene, which names the video; null for other ids.

    >>> pl.select(video_part(pl.lit("videovideoTr6MMsoWAog-scene1-scene2"))).item()
    'videovideoTr6MMsoWAog'
    """
    return clip.str.extract(_VIDEO_PART)


def not_a_number(column: str, value: pl.Expr, kind: pl.DataType, found: pl.Expr, what: str = "number") -> pl.Expr:
    """The message for a value that should be a number and is not; null if it is valid or missing."""
    shown = pl.lit("a list or object") if kind.is_nested() else value.cast(pl.String).str.slice(0, 40)
    said = pl.concat_str(pl.lit(f"{column} is no {what}: "), shown, pl.lit("."))
    return pl.when(is_given(value, kind) & found.is_null()).then(said)


def id_fault(clip: pl.Expr) -> pl.Expr:
    """The message for a clip without a name, or with an invalid one; null if it is valid."""
    return (
        pl.when(clip.is_null())
        .then(pl.lit("It has no id."))
        .when(clip.str.len_chars() > LONGEST_ID)
        .then(pl.lit(f"Its id is longer than {LONGEST_ID} characters."))
        .when(clip.str.contains(r"[\x00-\x1f\x7f]"))
        .then(pl.lit("Its id has control characters."))
    )


def first(faults: Sequence[pl.Expr]) -> pl.Expr:
    """The first fault of a record."""
    return pl.coalesce(faults)
