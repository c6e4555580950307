"""`clipjury bench-set`: choose a benchmark from a pool by quotas, with one clip per person; and check such a file."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from analysis.sampling.quotas import Balance, Quota, balance, choose
from app import __version__
from app.errors import AppError, did_you_mean
from app.pools import parquet_check
from app.pools.parquet_check import NotParquet
from app.pools.pool_files import KEY, fingerprint
from scoring.locations import written

RECORD = "bench_set"
"""The key of the record that says how the set was made."""
ADDED = ("bench_dimension", "bench_group")
"""Columns that the set has in addition to those of the pool: the quota that the clip fills."""
NAMES = {
    "person": ("personid", "person", "speakerid", "speaker"),
    "age": ("agegroup", "age"),
    "gender": ("gender", "sex"),
    "ethnicity": ("ethnicity", "ethnicgroup"),
    "language": ("language", "lang"),
}
"""Names of columns, in lower case and without spaces and punctuation; TalkVid's names come first."""
MOST_PLACES = 50_000
"""The largest number of places in a dimension: with so many the exact solution takes about ten seconds."""
_ROW = " row"


@dataclass(frozen=True)
class BenchSetRequest:
    """The wanted set: places in each dimension, and the columns and groups if they differ from those in the pool."""

    quotas: Mapping[str, int]
    columns: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    person: str | None = None
    prefer: str | None = None
    seed: int = 0
    fill: bool = False


@dataclass(frozen=True)
class BenchSet:
    """A set that was made or checked: balance, record (JSON), notes, and the clips of persons who occur twice."""

    rows: list[Balance]
    record: dict[str, Any]
    notes: list[str]
    twice: dict[str, list[str]] = field(default_factory=dict)


def make(pool: Path, request: BenchSetRequest, output: Path) -> BenchSet:
    """Choose clips from a pool and write them with all its columns and `bench_dimension`, `bench_group`.

    Unreadable files and clips without a person are left out and counted. Of a person's clips that fit, the one with
    the highest `prefer` is taken, or any. The same pool, request and seed give the same set. Raises AppError if the
    file is not a pool, a column is missing, the request has no such group or dimension, or no place can be filled.
    """
    if output.is_dir() or output.resolve() == pool.resolve():
        raise AppError(f"{output} cannot be written: it is the pool itself or a folder.", "Name another file with -o.")
    parquet_check.check_small(pool)
    found = fingerprint(pool)
    try:
        scan = pl.scan_parquet(pool, glob=False)
        schema = scan.collect_schema()
        metadata = {key: text for key, text in pl.read_parquet_metadata(pool).items() if key != "ARROW:schema"}
        columns = _columns(pool.name, schema, request)
        table, notes = _candidates(scan, schema, columns, request)
        quotas = _quotas(table, request, columns, notes)
        fits = _fits(table, quotas)
        chosen = _choose(table, fits, quotas, request)
        if chosen.is_empty():
            raise AppError(f"No place can be filled from {pool.name}.", "\n".join(notes) or "Look at its columns.")
        groups = [(quota.dimension, group) for quota in quotas for group in quota.groups]
        counts = [
            np.bincount(pairs["group"].to_numpy(), minlength=len(groups)).astype(np.int64) for pairs in (chosen, fits)
        ]
        rows = balance(quotas, *counts)
        record = _record(pool, found, request, columns, quotas, rows, notes)
        made = json.loads(metadata.get(KEY, "{}")) | {RECORD: record}
        frame = _frame(scan, chosen, groups)
    except (PolarsError, json.JSONDecodeError, RecursionError) as error:
        raise AppError(f"{pool} is not a pool ({error}).", "Make one: clipjury score FOLDER -o POOL.parquet") from error
    with written(str(output)) as path:
        frame.write_parquet(path, metadata=metadata | {KEY: json.dumps(made)})
    return BenchSet(rows, record, notes)


def check(path: Path, *, person: str | None = None) -> BenchSet:
    """The balance of the rows that a set has now, and the persons who are in it twice.

    `person` names the column of persons if it differs from the one that the set was made with. Raises AppError for a
    file that was not made by `make`.
    """
    remedy = "Make one: clipjury bench-set POOL --quota age=105 -o BENCH.parquet"
    try:
        parquet_check.refuse_too_large(path)
        frame = pl.read_parquet(path, glob=False)
        record = json.loads(pl.read_parquet_metadata(path).get(KEY, "{}")).get(RECORD)
    except (NotParquet, OSError, PolarsError, ValueError, RecursionError, AttributeError) as error:
        raise AppError(f"{path} is not a benchmark set ({error}).", remedy) from error
    if not isinstance(record, dict) or not {*ADDED, "clip"} <= set(frame.columns):
        raise AppError(f"{path} is not a benchmark set: it does not say what its clips were taken for.", remedy)
    quotas = [Quota(row["dimension"], tuple(row["groups"]), row["places"]) for row in record["quotas"]]
    known = [(quota.dimension, group) for quota in quotas for group in quota.groups]
    there = list(zip(*(frame[name].to_list() for name in ADDED), strict=True))
    counts = np.array([there.count(group) for group in known])
    rows = balance(quotas, counts, np.array([row["available"] for row in record["balance"]]))
    strangers = len(there) - int(counts.sum())
    notes = [f"{strangers} clips were taken for groups that are not part of its quotas."] if strangers else []
    named = _person(path.name, frame.schema, person or record["person"])
    persons = frame.select("clip", person=_text(named))
    unknown = persons["person"].null_count()
    if unknown:
        notes.append(f"{unknown} clips have no person in {named!r}.")
    again = persons.drop_nulls().group_by("person").agg("clip").filter(pl.col("clip").list.len() > 1).sort("person")
    return BenchSet(rows, record, notes, {name: sorted(clips) for name, clips in again.iter_rows()})


def column_for(name: str, columns: Iterable[str]) -> str | None:
    """The column of a dimension or of persons, ignoring case, spaces and punctuation; None if there is none.

    A column of a manifest whose name was in use has the prefix `info_`; it is preferred.

    >>> column_for("age", ["clip", "Age Group"]), column_for("language", ["language", "info_language"])
    ('Age Group', 'info_language')
    """
    plain = {re.sub(r"[\W_]+", "", column.casefold()): column for column in reversed(list(columns))}
    for wanted in NAMES.get(name, (re.sub(r"[\W_]+", "", name.casefold()),)):
        for spelt in (f"info{wanted}", wanted):
            if spelt in plain:
                return plain[spelt]
    return None


def _columns(pool: str, schema: pl.Schema, request: BenchSetRequest) -> dict[str, str]:
    """The column of each dimension and of `person`."""
    if schema.get("clip") != pl.String:
        raise AppError(f"The pool {pool} has no text column 'clip'.", did_you_mean("clip", schema))
    taken = [name for name in ADDED if name in schema]
    if taken:
        raise AppError(f"The pool {pool} has a column {taken[0]!r} already.", "Build from the pool, not from a set.")
    for option, names in (("--column", request.columns), ("--groups", request.groups)):
        stray = [name for name in names if name not in request.quotas]
        if stray:
            raise AppError(f"{option} names {stray[0]!r}, which has no quota.", f"Add --quota {stray[0]}=NUMBER")
    found = {"person": _person(pool, schema, request.person)}
    for dimension in request.quotas:
        column = request.columns.get(dimension) or column_for(dimension, schema)
        if column is None or column not in schema:
            near = did_you_mean(column or dimension, schema)
            where = f"{column!r}" if column else f"for {dimension!r}"
            raise AppError(f"The pool {pool} has no column {where}.", f"{near} Name it: --column {dimension}=COLUMN")
        found[dimension] = column
    if request.prefer is not None and request.prefer not in schema:
        raise AppError(f"The pool {pool} has no score {request.prefer!r}.", did_you_mean(request.prefer, schema))
    if request.prefer is not None and not schema[request.prefer].is_numeric():
        raise AppError(f"The column {request.prefer!r} of {pool} holds no numbers.", "Name a score with --prefer.")
    return found


def _person(pool: str, schema: pl.Schema, wanted: str | None) -> str:
    column = wanted or column_for("person", schema)
    if column is None or column not in schema:
        said = f"no column {column!r}" if column else "no column that says who is in a clip"
        raise AppError(f"{pool} has {said}.", "Name it: --person COLUMN (source, if each video shows one person)")
    return column


def _text(column: str) -> pl.Expr:
    """A column as text without surrounding spaces; null if empty."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _candidates(
    scan: pl.LazyFrame, schema: pl.Schema, columns: Mapping[str, str], request: BenchSetRequest
) -> tuple[pl.DataFrame, list[str]]:
    """Clips that may be chosen, by name: row in the pool, person, value in each dimension, preference; and notes."""
    rows = scan.with_row_index(_ROW)
    notes = []
    if {"duration", "reason"} <= set(schema):
        broken = pl.col("duration").is_null() & pl.col("reason").is_not_null()
        unreadable = int(scan.select(broken.sum()).collect().item())
        if unreadable:
            rows = rows.filter(~broken)
            notes.append(f"{unreadable} files cannot be read and are left out.")
    score = pl.col(request.prefer).cast(pl.Float64) if request.prefer else pl.lit(0.0)
    named = [_text(columns[dimension]).alias(f"is {dimension}") for dimension in request.quotas]
    prefer = pl.when(score.is_finite()).then(score).alias("prefer")
    table = rows.select(_ROW, "clip", _text(columns["person"]).alias("person"), *named, prefer).collect()
    without = table["person"].null_count()
    if without:
        notes.append(f"{without} clips have no person in {columns['person']!r} and are left out.")
    return table.drop_nulls("person").sort("clip"), notes


def _quotas(table: pl.DataFrame, request: BenchSetRequest, columns: Mapping[str, str], notes: list[str]) -> list[Quota]:
    quotas = []
    for dimension, places in request.quotas.items():
        values = table[f"is {dimension}"].drop_nulls().unique().sort().to_list()
        groups = request.groups.get(dimension) or tuple(values)
        absent = [group for group in groups if group not in values]
        if absent:
            near = did_you_mean(absent[0], values)
            notes.append(f"{dimension}: no clip has {', '.join(absent)} in {columns[dimension]!r}. {near}".rstrip())
        if len(groups) > places:
            notes.append(f"{dimension}: {places} places for {len(groups)} groups, so some groups get none.")
        if not groups:
            raise AppError(f"The column {columns[dimension]!r} is empty.", f"Name another: --column {dimension}=COLUMN")
        if places > MOST_PLACES:
            raise AppError(
                f"{dimension} has a quota of {places}: more than {MOST_PLACES} places are not shared out.",
                "Ask for fewer.",
            )
        try:
            quotas.append(Quota(dimension, groups, places))
        except ValueError as error:
            raise AppError(f"The quota cannot be met: {error}.", "Write it as --quota age=105.") from error
    return quotas


def _fits(table: pl.DataFrame, quotas: list[Quota]) -> pl.DataFrame:
    """The groups that each person's clips fit, each once and in order; `number` numbers the persons."""
    parts, start = [], 0
    for quota in quotas:
        numbers = {group: start + place for place, group in enumerate(quota.groups)}
        group = pl.col(f"is {quota.dimension}").replace_strict(numbers, default=None, return_dtype=pl.Int64)
        parts.append(table.select("person", group=group).drop_nulls().unique())
        start += len(quota.groups)
    number = (pl.col("person").rank("dense") - 1).cast(pl.Int64).alias("number")
    return pl.concat(parts).with_columns(number).sort("number", "group")


def _choose(table: pl.DataFrame, fits: pl.DataFrame, quotas: list[Quota], request: BenchSetRequest) -> pl.DataFrame:
    """For each filled place, the row of its clip in the pool, and its group."""
    person, group = (fits[name].to_numpy() for name in ("number", "group"))
    chosen = fits[choose(quotas, person, group, seed=request.seed, fill=request.fill)]
    luck = np.random.default_rng([request.seed, 1]).permutation(table.height)
    clips = table.with_columns(luck=pl.Series(luck)).sort("prefer", "luck", descending=True, nulls_last=True)
    found, start = [], 0
    for quota in quotas:
        names = dict(enumerate(quota.groups, start))
        here = chosen.filter(pl.col("group").is_in(list(names)))
        value = pl.col("group").replace_strict(names, return_dtype=pl.String).alias(f"is {quota.dimension}")
        fitting = here.with_columns(value).join(clips, on=["person", f"is {quota.dimension}"], maintain_order="right")
        found.append(fitting.unique("person", keep="first", maintain_order=True).select(_ROW, "group"))
        start += len(names)
    return pl.concat(found)


def _frame(scan: pl.LazyFrame, chosen: pl.DataFrame, groups: list[tuple[str, str]]) -> pl.DataFrame:
    """The chosen rows of the pool, by dimension, group and clip."""
    rows = scan.with_row_index(_ROW).filter(pl.col(_ROW).is_in(chosen[_ROW].implode())).collect()
    names = {
        name: pl.col("group").replace_strict(
            {number: group[part] for number, group in enumerate(groups)}, return_dtype=pl.String
        )
        for part, name in enumerate(ADDED)
    }
    added = chosen.with_columns(**names)
    return rows.join(added, on=_ROW).sort("group", "clip").drop(_ROW, "group")


def _record(
    pool: Path,
    found: str,
    request: BenchSetRequest,
    columns: Mapping[str, str],
    quotas: list[Quota],
    rows: list[Balance],
    notes: list[str],
) -> dict[str, Any]:
    return {
        "made_by": f"clipjury {__version__}",
        "pool": pool.name,
        "pool_fingerprint": found,
        "person": columns["person"],
        "quotas": [
            {
                "dimension": quota.dimension,
                "column": columns[quota.dimension],
                "places": quota.places,
                "groups": list(quota.groups),
            }
            for quota in quotas
        ],
        "prefer": request.prefer,
        "fill": request.fill,
        "seed": request.seed,
        "balance": [facts(row) for row in rows],
        "notes": notes,
    }


def facts(row: Balance) -> dict[str, Any]:
    """A row of the balance table as JSON."""
    return {
        "dimension": row.dimension,
        "group": row.group,
        "wanted": row.wanted,
        "filled": row.filled,
        "available": row.available,
        "short": row.short,
    }
