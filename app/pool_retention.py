"""What a filter file keeps of a pool in clips and hours, of the whole and of each subgroup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from app.errors import AppError
from app.filter_files import FilterFile, nearest
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


def usable(schema: pl.Schema, source: FilterFile) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    """The filters whose scores are columns of numbers, and words about the others.

    A preset speaks of scores that a pool may lack. Raises AppError if a file of one's own names such a score, if a
    column holds no numbers, or if no filter is left.
    """
    lacking = [rule for rule in source.filters if rule.score not in schema]
    if lacking and not source.preset:
        rule = lacking[0]
        raise AppError(
            f"{source.name}, filter {rule.name}: the pool has no score {rule.score!r}.", nearest(rule.score, schema)
        )
    there = tuple(rule for rule in source.filters if rule.score in schema)
    for rule in there:
        kind = schema[rule.score]
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            raise AppError(f"{source.name}, filter {rule.name}: the column {rule.score!r} holds no numbers but {kind}.")
    if not there:
        raise AppError(f"The pool has none of the scores of {source.name}.", "Name filters on its own scores.")
    return there, tuple(f"{rule.name} is left out: the pool has no score {rule.score}." for rule in lacking)


def retention(rows: pl.LazyFrame, source: FilterFile, *, by: str = "", unknown: Unknown = "fail") -> Retention:
    """Count the pool through the filters, and each value of the column `by`. Raises AppError as `usable` does, and for
    a column that is not there or holds lists.

    >>> rows = pl.LazyFrame({"clip": ["a", "b"], "duration": [1.8, 3.6], "x": [1.0, 9.0], "language": ["en", "fr"]})
    >>> mine = FilterFile("mine", "", (Filter("x", "x", minimum=5),))
    >>> [(group.value, group.cascade.kept.clips) for group in retention(rows, mine, by="language").groups]
    [('en', 0), ('fr', 1)]
    """
    schema = rows.collect_schema()
    filters, left_out = usable(schema, source)
    whole = cascade(rows, filters, unknown=unknown)
    if not whole.raw.clips:
        raise AppError("The pool has no clips.", "Make one: clipjury pool import SOURCE -o POOL.parquet")
    if not by:
        return Retention(filters, left_out, whole)
    label = label_of(schema, by)
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
        raise AppError(f"The pool has no column {by!r}.", nearest(by, schema), status=404)
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
