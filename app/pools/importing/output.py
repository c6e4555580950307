"""An imported pool's file: its columns from several sources, its record, and the file of bad records."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from app import __version__
from app.errors import AppError
from app.pools.importing.mapping import Role
from app.pools.importing.plan import Plan
from scoring.locations import is_remote, name_of


@dataclass(frozen=True)
class Field:
    """A column as it was imported: its role and field, clips with a value, and values that were NaN or endless."""

    column: str
    path: str
    role: Role
    clips: int
    lost: int


@dataclass(frozen=True)
class ImportedSource:
    """What one source gave: its kind, records read, records left out, columns."""

    name: str
    kind: str
    records: int
    rejected: int
    fields: tuple[Field, ...]


def kinds_of(plans: Sequence[Plan]) -> dict[str, pl.DataType]:
    """The pool's columns and their kinds: of several sources one that holds the values of all."""
    kinds: dict[str, pl.DataType] = {}
    for column in (column for plan in plans for column in plan.columns):
        known = kinds.get(column.name)
        if known is None or known == column.kind:
            kinds[column.name] = column.kind
        elif known.is_numeric() and column.kind.is_numeric():
            kinds[column.name] = pl.Float64()
        elif known.is_nested() or column.kind.is_nested():
            raise AppError(
                f"The column {column.name!r} is a list in one source and none in another.",
                f"Leave it out: --map {column.name}=",
            )
        else:
            kinds[column.name] = pl.String()
    return kinds


def near(rows: pl.LazyFrame, plans: Sequence[Plan], place: str) -> pl.LazyFrame:
    """Videos that lie below the pool are named from there, so that the folder can be moved as a whole."""
    if is_remote(place) or not any(plan.raw.kind == "videos" for plan in plans):
        return rows
    home = str(Path(place).resolve().parent).rstrip("/") + "/"
    return rows.with_columns(pl.col("media").str.strip_prefix(home))


def rejects_of(place: str) -> str:
    return place.removesuffix(".parquet") + ".rejects.jsonl"


def write_rejects(plans: Sequence[Plan], path: Path) -> None:
    """The bad records of each source in turn."""
    part = path.with_name(path.name + ".part")
    try:
        with path.open("wb") as whole:
            for plan in plans:
                plan.rejects().sink_ndjson(part, maintain_order=True)
                with part.open("rb") as one:
                    while block := one.read(1 << 20):
                        whole.write(block)
    finally:
        part.unlink(missing_ok=True)


def record_for(plans: Sequence[Plan], done: Sequence[ImportedSource]) -> dict[str, Any]:
    """How the pool was made: where each column came from, and of pools that were imported again how they were made."""
    before: dict[str, Any] = reduce(lambda one, other: one | other, (plan.raw.record for plan in plans), {})
    known = [made for plan in plans for made in plan.raw.record.get("scorers", ())]
    listed = {column["name"] for made in known for column in made.get("columns", ())}
    columns = {column.name: column for plan in plans for column in plan.columns}.values()
    scores = [one.name for one in columns if one.role == "score" and one.name not in listed]
    scorers = [*known, *([_scorer(scores)] if scores else [])]
    return before | {
        "made_by": f"clipjury {__version__}",
        "scorers": scorers,
        "info": [one.name for one in columns if one.role == "metadata"],
        "import": [
            {
                "source": name_of(source.name),
                "kind": source.kind,
                "records": source.records,
                "rejected": source.rejected,
                "mapping": {field.column: field.path for field in source.fields},
                "lost": {field.column: field.lost for field in source.fields if field.lost},
            }
            for source in done
        ],
    }


def _scorer(scores: Sequence[str]) -> dict[str, Any]:
    """Imported scores as the record describes scores: nothing is known of them but their names."""
    return {
        "scorer": "imported",
        "version": "",
        "backend": "",
        "models": [],
        "columns": [{"name": name, "meaning": "imported", "direction": "none", "units": ""} for name in scores],
    }
