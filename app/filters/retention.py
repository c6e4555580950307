"""What a filter file keeps of a pool in clips and hours, of the whole and of each subgroup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from app.errors import AppError, did_you_mean
from app.filters.applicable import applicable
from app.filters.filter_files import FilterFile
from scoring.filters import Amount, Cascade, Filter, Unknown, cascade

MOST_GROUPS = 40
"""Subgroups that are counted one by one; the rest, the smallest, stand together as `others`."""
UNKNOWN = "unknown"
"""The subgroup of clips without a value."""
OTHERS = "others"


@dataclass(frozen=True)
class Group:
    """A subgroup and what the filters make of it."""

    value: str
    cascade: Cascade


@dataclass(frozen=True)
class Retention:
    """The whole pool and its subgroups, largest first, through the filters; `left_out` says which were not applied."""

    filters: tuple[Filter, ...]
    left_out: tuple[str, ...]
    whole: Cascade
    by: str = ""
    groups: tuple[Group, ...] = ()


def retention(rows: pl.LazyFrame, source: FilterFile, *, by: str = "", unknown: Unknown = "fail") -> Retention:
    """Count the pool through the filters, and each value of the column `by`. Raises AppError as `applicable` does, and
    for a column that is not there or holds lists.

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
    groups = [
        Group(name, cascade(rows.filter(label == name), filters, unknown=unknown)) for name in names[:MOST_GROUPS]
    ]
    if names[MOST_GROUPS:]:
        rest = rows.filter(~label.is_in(names[:MOST_GROUPS]))
        groups.append(Group(OTHERS, cascade(rest, filters, unknown=unknown)))
    return Retention(filters, left_out, whole, by, tuple(groups))


def label_of(schema: pl.Schema, by: str) -> pl.Expr:
    """A column's values as the names of subgroups. Raises AppError where it cannot name any."""
    if by not in schema:
        raise AppError(f"The pool has no column {by!r}.", did_you_mean(by, schema), status=404)
    if schema[by].is_nested():
        raise AppError(f"The column {by!r} holds lists, which are no subgroups.", "Name a column of plain values.")
    words = pl.col(by).cast(pl.String)
    return pl.when(words.str.strip_chars() != "").then(words).otherwise(pl.lit(UNKNOWN))


def stages_of(found: Retention) -> Sequence[str]:
    """The names of the stages, in their order."""
    return [stage.name for stage in found.whole.stages]


def to_dict(found: Retention) -> dict[str, Any]:
    """For JSON. Hours are null where no duration is known."""
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
