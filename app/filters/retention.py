"""Retention: the clips and hours of a pool that a filter file keeps, in all and in each subgroup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from app.errors import AppError, did_you_mean
from app.filters.applicable import applicable
from app.filters.filter_files import FilterFile
from scoring.filters import Amount, Cascade, Filter, Unknown, cascade

MOST_GROUPS = 40
"""The largest number of subgroups that are counted separately; the smallest ones beyond are counted as `others`."""
UNKNOWN = "unknown"
"""The subgroup of clips without a value."""
OTHERS = "others"


@dataclass(frozen=True)
class GroupRetention:
    """A subgroup and its clips and hours after each stage of the filters."""

    value: str
    cascade: Cascade


@dataclass(frozen=True)
class Retention:
    """Retention of the whole pool and of its subgroups, largest first; `left_out` names the filters not applied."""

    filters: tuple[Filter, ...]
    left_out: tuple[str, ...]
    whole: Cascade
    by: str = ""
    groups: tuple[GroupRetention, ...] = ()


def retention(rows: pl.LazyFrame, source: FilterFile, *, by: str = "", unknown: Unknown = "fail") -> Retention:
    """Count what the filters keep of the pool, and of each value of the column `by`.

    Raises AppError as `applicable` does, and if the column is missing or holds lists.

    >>> rows = pl.LazyFrame({"clip": ["a", "b"], "duration": [1.8, 3.6], "x": [1.0, 9.0], "language": ["en", "fr"]})
    >>> mine = FilterFile("mine", "", (Filter("x", "x", minimum=5),))
    >>> [(group.value, group.cascade.kept.clips) for group in retention(rows, mine, by="language").groups]
    [('en', 0), ('fr', 1)]
    """
    filters, others = applicable(rows, source)
    left_out = tuple(str(one) for one in others)
    whole = cascade(rows, filters, unknown=unknown)
    if not by:
        return Retention(filters, left_out, whole)
    label = label_of(rows.collect_schema(), by)
    sizes = rows.select(label.alias("value")).group_by("value").len().collect(engine="streaming")
    names = sizes.sort(["len", "value"], descending=[True, False])["value"].to_list()
    largest = names[:MOST_GROUPS]
    groups = [GroupRetention(name, cascade(rows.filter(label == name), filters, unknown=unknown)) for name in largest]
    if names[MOST_GROUPS:]:
        rest = rows.filter(~label.is_in(largest))
        groups.append(GroupRetention(OTHERS, cascade(rest, filters, unknown=unknown)))
    return Retention(filters, left_out, whole, by, tuple(groups))


def label_of(schema: pl.Schema, by: str) -> pl.Expr:
    """The values of a column as names of subgroups. Raises AppError if the column is missing or holds lists."""
    if by not in schema:
        raise AppError(f"The pool has no column {by!r}.", did_you_mean(by, schema), status=404)
    if schema[by].is_nested():
        raise AppError(f"The column {by!r} holds lists, which are no subgroups.", "Name a column of plain values.")
    words = pl.col(by).cast(pl.String)
    return pl.when(words.str.strip_chars() != "").then(words).otherwise(pl.lit(UNKNOWN))


def stage_names(found: Retention) -> Sequence[str]:
    """The names of the stages, in their order."""
    return [stage.name for stage in found.whole.stages]


def to_dict(found: Retention) -> dict[str, Any]:
    """The JSON form of a retention. Hours are null if no duration is known."""
    return {
        "left_out": list(found.left_out),
        **_counts(found.whole),
        "by": found.by or None,
        "groups": [{"value": group.value, **_counts(group.cascade)} for group in found.groups],
    }


def _counts(counted: Cascade) -> dict[str, Any]:
    def amount(part: Amount) -> dict[str, Any]:
        return {"clips": part.clips, "hours": part.hours}

    return {
        "raw": amount(counted.raw),
        "kept": amount(counted.kept),
        "stages": [{"stage": stage.name, **amount(stage.kept)} for stage in counted.stages],
    }
