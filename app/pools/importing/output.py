"""What an import writes: the columns of all sources, the record, and the file of bad records."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from app import __version__
from app.errors import AppError
from app.pools.importing.mapping import Role
from app.pools.importing.plan import ImportPlan
from scoring.locations import is_remote, name_of


@dataclass(frozen=True)
class ImportedField:
    """A column as it was imported: its field and role, clips with a value, and lost values (NaN or infinite)."""

    column: str
    path: str
    role: Role
    clips: int
    lost: int


@dataclass(frozen=True)
class ImportedSource:
    """Result for one source: its type, records read, records left out, columns."""

    name: str
    kind: str
    records: int
    rejected: int
    fields: tuple[ImportedField, ...]


def kinds_of(plans: Sequence[ImportPlan]) -> dict[str, pl.DataType]:
    """The columns of the pool, each with a type that can hold the values of every source."""
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


def with_relative_media(rows: pl.LazyFrame, plans: Sequence[ImportPlan], place: str) -> pl.LazyFrame:
    """Make paths of videos below the pool's folder relative to it, so that the folder can be moved."""
    if is_remote(place) or not any(plan.raw.kind == "videos" for plan in plans):
        return rows
    home = str(Path(place).resolve().parent).rstrip("/") + "/"
    return rows.with_columns(pl.col("media").str.strip_prefix(home))


def rejects_of(place: str) -> str:
    return place.removesuffix(".parquet") + ".rejects.jsonl"


def write_rejects(plans: Sequence[ImportPlan], path: Path) -> None:
    """Write the bad records of each source in turn."""
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


def record_for(plans: Sequence[ImportPlan], done: Sequence[ImportedSource]) -> dict[str, Any]:
    """The record: the origin of each column, and the records of sources that are pools themselves."""
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
    """ImportSummary scores in the form in which the record describes scores; only their names are known."""
    return {
        "scorer": "imported",
        "version": "",
        "backend": "",
        "models": [],
        "columns": [{"name": name, "meaning": "imported", "direction": "none", "units": ""} for name in scores],
    }
