"""A source of a pool import before it is mapped: a lazy table, its fields by dotted path, the faults of its rows."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from app.pools.importing.batches import (
    DEEPEST,
    FAULT,
    MOST_FIELDS,
    PLACE,
    TEXT,
    RecordCollector,
    distinct_names,
    too_many_fields,
)


@dataclass(frozen=True)
class RawSource:
    """A source as it was read: the table has the columns `place`, `fault`, `text` (see batches) and one for each field.

    `fields` maps the path of each field to its column. `counted` says what `place` counts: line or record. In an
    `untyped` source every value is text. `record` is the record of a source that is itself a pool.
    """

    name: str
    kind: str
    table: pl.LazyFrame
    fields: dict[str, str]
    schema: pl.Schema
    counted: str = "record"
    untyped: bool = False
    record: dict[str, Any] = field(default_factory=dict)

    def type_of(self, path: str) -> pl.DataType:
        """The type of the values of a field."""
        return self.schema[self.fields[path]]


def collected_source(
    name: str, kind: str, collected: RecordCollector, counted: str, *, untyped: bool = False
) -> RawSource:
    """The collected records as a source."""
    table = collected.table()
    schema = table.collect_schema()
    fields = {path: f"f{number}" for number, path in enumerate(collected.fields)}
    # An object that is sometimes null gives a column of nulls beside those of its keys: that is not a field.
    above = {path[:place] for path in fields for place, sign in enumerate(path) if sign == "."}
    fields = {path: column for path, column in fields.items() if schema[column] != pl.Null or path not in above}
    return RawSource(name, kind, table, fields, schema, counted, untyped)


def flattened(table: pl.LazyFrame, source: str = "The table") -> tuple[pl.LazyFrame, dict[str, str]]:
    """Flatten nested records and number the columns; also returns the paths of the fields.

    Raises AppError that names the source for more than MOST_FIELDS of them.

    >>> table, fields = flattened(pl.LazyFrame({"id": ["a"], "info": [{"Language": "en"}]}))
    >>> list(fields), table.drop("place", "fault", "text").collect().row(0)
    (['id', 'info.Language'], ('a', 'en'))
    """
    schema = table.collect_schema()
    # Columns are numbered because Polars would read some names as patterns.
    names = {name: f"c{number}" for number, name in enumerate(schema)}
    leaves: list[tuple[str, pl.Expr]] = []
    for name, kind in schema.items():
        leaves += _leaves(name, pl.col(names[name]), kind, 1)
    if len(leaves) > MOST_FIELDS:
        raise too_many_fields(source, len(leaves))
    paths = distinct_names([path for path, _ in leaves])
    columns = [leaf.alias(f"f{number}") for number, (_, leaf) in enumerate(leaves)]
    raw = [pl.lit(None, pl.String).alias(FAULT), pl.lit(None, pl.String).alias(TEXT)]
    numbered = table.rename(names).with_row_index(PLACE, offset=1)
    flat = numbered.select(pl.col(PLACE).cast(pl.Int64), *raw, *columns)
    return flat, {path: f"f{number}" for number, path in enumerate(paths)}


def _leaves(path: str, value: pl.Expr, kind: pl.DataType, depth: int) -> list[tuple[str, pl.Expr]]:
    if not isinstance(kind, pl.Struct) or depth >= DEEPEST:
        return [(path, value.struct.json_encode() if isinstance(kind, pl.Struct) else value)]
    inside = value.struct.rename_fields([f"s{number}" for number in range(len(kind.fields))])
    found = []
    for number, one in enumerate(kind.fields):
        below = f"{path}.{one.name}"
        kind_inside = one.dtype if isinstance(one.dtype, pl.DataType) else one.dtype()
        found += _leaves(below, inside.struct.field(f"s{number}"), kind_inside, depth + 1)
    return found
