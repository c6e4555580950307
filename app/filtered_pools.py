"""Filters on a whole pool: which of them it has the scores for, the cascade, and the pool with their verdicts."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from app.errors import AppError
from app.filter_files import FilterFile, nearest
from app.pools import KEY
from scoring.filters import ALL, Cascade, Filter, Unknown, cascade, with_verdicts
from scoring.locations import written

RECORD = "filters"
"""In the pool's record: which filter file made its `pass_` columns."""


@dataclass(frozen=True)
class LeftOut:
    """A filter that could not be applied, and why."""

    filter: Filter
    why: str

    def __str__(self) -> str:
        return f"{self.filter.name} is left out: {self.why}."


@dataclass(frozen=True)
class Filtered:
    """What filtering did: the cascade, the filters left out, what to know, and where the verdicts are."""

    cascade: Cascade
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    output: Path


@dataclass(frozen=True)
class _Scan:
    """A pool's file, not yet read: its rows, their columns, and its metadata."""

    path: Path
    rows: pl.LazyFrame
    schema: pl.Schema
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """How the pool was made; {} if unknown."""
        made = json.loads(self.metadata.get(KEY, "{}"))
        return made if isinstance(made, dict) else {}


def apply(
    pool: Path, source: FilterFile, output: Path, *, unknown: Unknown = "fail", strict: bool | None = None
) -> Filtered:
    """Filter the pool at `pool` and write it, with the columns `pass_<name>` and `pass_all`, to `output`.

    The rows are never all in memory, and the file appears complete or not at all. A filter whose score has no value
    in the pool is left out and named. So is one of a preset whose score the pool does not have; in a file of one's
    own that is an error, being most likely a slip. `strict` true makes all of these errors, false none. Verdicts
    that an earlier run wrote are replaced. Raises AppError for what is not a pool, a score that is missing or no
    number, a column in the way, or when no filter is left.
    """
    if output.resolve() == pool.resolve() or output.is_dir():
        raise AppError(f"{output} cannot be written: it is the pool itself or a folder.", "Name another file with -o.")
    try:
        scan = _without_verdicts(_scan(pool))
        filters, left_out = _applicable(scan, source, strict)
        notes = [*source.notes]
        counted = cascade(scan.rows, filters, unknown=unknown)
        if counted.raw.microseconds is None:
            notes.append("The pool has no durations: hours are not stated.")
        elif counted.untimed:
            notes.append(f"{counted.untimed} clips have no duration: the hours leave them out.")
        _write(scan, source, filters, output, unknown)
    except (PolarsError, json.JSONDecodeError) as error:
        raise AppError(f"{pool} is not a pool ({error}).", "Make one: clipjury score FOLDER -o POOL.parquet") from error
    return Filtered(counted, tuple(left_out), tuple(notes), output)


def _scan(path: Path) -> _Scan:
    if not path.is_file():
        raise AppError(f"There is no pool at {path}.", "Make one: clipjury score FOLDER -o POOL.parquet", status=404)
    rows = pl.scan_parquet(path, glob=False)
    schema = rows.collect_schema()
    for name in ("clip", "media"):
        if schema.get(name) != pl.String:
            raise AppError(f"{path} is not a pool: it has no text column {name!r}.", nearest(name, schema))
    # ARROW:schema describes the columns as they were; the file that is written gets one of its own.
    kept = {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
    return _Scan(path, rows, schema, kept)


def _without_verdicts(scan: _Scan) -> _Scan:
    """The pool without the columns that its record says an earlier run added."""
    made = scan.record.get(RECORD)
    earlier = [name for name in made.get("columns", ()) if name in scan.schema] if isinstance(made, dict) else []
    rows = scan.rows.drop(earlier)
    return _Scan(scan.path, rows, rows.collect_schema(), scan.metadata)


def _applicable(scan: _Scan, source: FilterFile, strict: bool | None) -> tuple[list[Filter], list[LeftOut]]:
    """The filters that the pool has scores for, and the others where that is no error."""
    lenient = source.preset if strict is None else not strict
    problems = [words for rule in source.filters if (words := _problem(scan, rule, missing_is_fine=lenient))]
    if problems:
        raise AppError(
            "\n".join(f"{source.name}, filter {words}" for words in problems),
            "Mend the filter file or the pool; --lenient leaves filters without a score out.",
        )
    scores = list(dict.fromkeys(rule.score for rule in source.filters if rule.score in scan.schema))
    known = scan.rows.select(pl.len().alias(" clips"), pl.col(scores).cast(pl.Float64).is_finite().any()).collect()
    if not known[" clips"][0]:
        raise AppError(f"The pool {scan.path.name} has no clips.", "Make one: clipjury score FOLDER -o POOL.parquet")
    valued = {score for score in scores if known[score][0]}
    left_out = [
        LeftOut(
            rule,
            f"{rule.score} has no value in the pool{_reason(scan, rule.score)}"
            if rule.score in scores
            else f"the pool has no score {rule.score}",
        )
        for rule in source.filters
        if rule.score not in valued
    ]
    if strict and left_out:
        raise AppError("\n".join(map(str, left_out)), "Score the pool for them, or leave --strict away.")
    if len(left_out) == len(source.filters):
        raise AppError("\n".join(["No filter can be applied.", *map(str, left_out)]), "Name filters on its own scores.")
    return [rule for rule in source.filters if rule.score in valued], left_out


def _problem(scan: _Scan, rule: Filter, *, missing_is_fine: bool) -> str:
    """What keeps a filter from this pool, in words; "" if nothing does."""
    kind = scan.schema.get(rule.score)
    if kind is None and not missing_is_fine:
        return f"{rule.name}: the pool has no score {rule.score!r}. {nearest(rule.score, scan.schema)}".rstrip()
    if kind is not None and not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        return f"{rule.name}: the column {rule.score!r} holds no numbers but {kind}."
    taken = [column for column in (rule.column, ALL) if column in scan.schema]
    return f"{rule.name}: the pool has a column {taken[0]!r} of its own." if taken else ""


def _reason(scan: _Scan, score: str) -> str:
    """Why the first clip lacks the score, in brackets, as its scorer said it; "" if it said nothing."""
    if scan.schema.get("reason") != pl.String:
        return ""
    said = scan.rows.filter(pl.col("reason").str.contains(score, literal=True)).select("reason").head(1).collect()
    # A reason names its scores, then says why: "dover_scores, dover_technical: No weights were given."
    found = re.search(rf"(?<!\w){re.escape(score)}(?:, \w+)*: ([^.]+)", said.item()) if said.height else None
    return f" ({found[1].strip()})" if found else ""


def _write(scan: _Scan, source: FilterFile, filters: Sequence[Filter], output: Path, unknown: Unknown) -> None:
    record = scan.record | {
        RECORD: {
            "file": source.name,
            "sha256": source.sha256,
            "unknown": unknown,
            "filters": [
                {"name": rule.name, "score": rule.score, "min": rule.minimum, "max": rule.maximum} for rule in filters
            ],
            "columns": [*(rule.column for rule in filters), ALL],
        }
    }
    rows = with_verdicts(scan.rows, filters, unknown=unknown)
    with written(str(output)) as partial:
        rows.sink_parquet(partial, metadata=scan.metadata | {KEY: json.dumps(record)})
