"""Summary of a pool for people: size, columns, missing values, histograms of scores with thresholds, subgroups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from app.errors import AppError, did_you_mean
from app.filters.applicable import applicable
from app.filters.filter_files import FilterFile
from app.filters.retention import UNKNOWN, label_of
from app.filters.threshold_text import passes
from app.pools.scanning import metadata, pool_errors, scan_pool
from app.pools.table import LAST, PERCENTILE, read_record
from scoring.filters import Filter, chain
from scoring.locations import is_remote, name_of, plain
from scoring.runners.part_files import FACTS

BINS = 48
"""Bins of a histogram; a narrower drawing merges neighbouring bins."""
MOST_SCORES = 40
"""The largest number of histograms in a summary."""
MOST_VALUES = 20
"""A metadata column with more different values is not used for subgroups unless it is asked for."""
TAIL = 0.001
"""The share of extreme values at each end that does not widen a histogram; they are counted in the outermost bins."""
NO_SUBGROUP = ("clip", "media", "source", *LAST)


@dataclass(frozen=True)
class ColumnSummary:
    """A column: its type in words, the share of clips without a value (0 to 1), and its role in the pool."""

    name: str
    kind: str
    missing: float
    role: str


@dataclass(frozen=True)
class Histogram:
    """Distribution of a score: counts of equal bins from `low` to `high`; the outermost bins also hold values beyond.

    The first threshold lies between two bins. `beyond` counts the clips outside `low` and `high`. `filters` are the
    filters on this score; `passing` is the share (0 to 1) of clips with a value that they accept.
    """

    score: str
    low: float
    high: float
    counts: tuple[int, ...]
    beyond: int
    clips: int
    missing: float
    mean: float
    median: float
    filters: tuple[Filter, ...] = ()
    passing: float | None = None

    @property
    def thresholds(self) -> tuple[tuple[float, str], ...]:
        """The thresholds to draw as lines, each with the side that is accepted: `≥` or `≤`."""
        ends = [(rule.minimum, "≥") for rule in self.filters] + [(rule.maximum, "≤") for rule in self.filters]
        return tuple(sorted({(value, sign) for value, sign in ends if value is not None}))

    def accepts(self, value: float) -> bool:
        """Whether every filter on this score accepts the value."""
        return all(passes(value, rule.minimum, rule.maximum) for rule in self.filters)


@dataclass(frozen=True)
class GroupSummary:
    """A subgroup: its clips and hours, and how many of them every filter accepts (None without filters)."""

    value: str
    clips: int
    hours: float | None
    kept_clips: int | None = None
    kept_hours: float | None = None


@dataclass(frozen=True)
class PoolSummary:
    """Everything that is shown of a pool. `bytes` is None for a remote pool, `hours` if no duration is known."""

    name: str
    bytes: int | None
    clips: int
    hours: float | None
    untimed: int
    sources: int
    columns: tuple[ColumnSummary, ...]
    histograms: tuple[Histogram, ...]
    groups: dict[str, tuple[GroupSummary, ...]]
    filters: str = ""
    notes: tuple[str, ...] = ()


def summarize(
    path: str, filters: FilterFile | None = None, *, by: Sequence[str] = (), scores: Sequence[str] = ()
) -> PoolSummary:
    """Summarize a pool as `pool show` prints it, without ever having all rows in memory.

    `by` names the columns of subgroups (by default metadata with few values), `scores` the scores to draw (by default
    all but percentiles). Raises AppError if the file is not a pool, has no clips, or lacks a named column.
    """
    rows = scan_pool(path)
    schema = rows.collect_schema()
    for name in (*by, *scores):
        if name not in schema:
            raise AppError(f"The pool {name_of(path)} has no column {name!r}.", did_you_mean(name, schema), status=404)
    for name in scores:
        if not (schema[name].is_numeric() or schema[name] == pl.Null):
            raise AppError(f"The column {name!r} holds no numbers: it cannot be drawn.", "Name a score: --score NAME")
    with pool_errors(path):
        rules, others = applicable(rows, filters, may_be_none=True) if filters else ((), ())
        notes = [str(one) for one in others]
        record = read_record(metadata(path))
        all_scores = score_columns(record, schema)
        drawn = list(scores) or [name for name in all_scores if not name.endswith(PERCENTILE)]
        if len(drawn) > MOST_SCORES:
            notes.append(f"{len(drawn)} scores: the first {MOST_SCORES} are drawn; --score names others.")
        facts = _facts(rows, schema)
        if not facts["clips"]:
            raise AppError(f"The pool {name_of(path)} has no clips.", "Import or score some.")
        chosen = list(by) or few_valued(rows, schema, all_scores)
        return PoolSummary(
            name=name_of(path),
            bytes=_bytes(plain(path)),
            clips=facts["clips"],
            hours=facts["seconds"] / 3600 if facts["timed"] else None,
            untimed=facts["clips"] - facts["timed"],
            sources=facts["sources"],
            columns=tuple(_column(name, kind, facts, all_scores) for name, kind in schema.items()),
            histograms=tuple(histograms(rows, schema, drawn[:MOST_SCORES], rules)),
            groups={name: _groups(rows, schema, name, rules) for name in chosen},
            filters=filters.name if filters else "",
            notes=tuple(notes),
        )


def condition_of(schema: pl.Schema, text: str) -> pl.Expr:
    """Parse a condition on a row, written as in SQL; column names with blanks are in double quotes.

    Raises AppError if the text is not a condition or names a missing column.
    """
    remedy = """Write it as in SQL: avg_movement < 80 and "Age Group" = '60+'"""
    try:
        condition = pl.sql_expr(text)
        names = condition.meta.root_names()
    except PolarsError as error:
        raise AppError(f"{text!r} is no condition ({str(error).splitlines()[0]}).", remedy) from error
    for name in names:
        if name not in schema:
            raise AppError(f"The pool has no column {name!r}.", did_you_mean(name, schema) or remedy, status=404)
    try:
        kind = pl.LazyFrame(schema=schema).select(condition.alias("holds")).collect_schema()["holds"]
    except PolarsError as error:
        raise AppError(f"{text!r} is no condition ({str(error).splitlines()[0]}).", remedy) from error
    if kind != pl.Boolean:
        raise AppError(f"{text!r} is no condition: it gives {kind}.", remedy)
    return condition


def score_columns(record: dict[str, Any], schema: pl.Schema) -> list[str]:
    """The scores of a pool: those its record lists, or without a record every numeric column that is not a fact."""
    made = [*record.get("scorers", ()), *(one for old in record.get("earlier", {}).values() for one in old["scorers"])]
    listed = dict.fromkeys(column["name"] for one in made for column in one["columns"])
    numbers = [name for name, kind in schema.items() if kind.is_numeric() and name not in FACTS]
    return [name for name in listed if name in schema and schema[name].is_numeric()] or numbers


def _facts(rows: pl.LazyFrame, schema: pl.Schema) -> dict[str, Any]:
    """Number of clips, seconds, sources, and missing values (as `null <column>`), in one pass over the pool."""
    seconds = pl.col("duration").cast(pl.Float64) if "duration" in schema else pl.lit(None, pl.Float64)
    timed = pl.when(seconds.is_finite()).then(seconds)
    lacks = []
    for name, kind in schema.items():
        there = pl.col(name)
        lacks.append((there.is_null() | (~there.is_finite() if kind.is_float() else False)).sum().alias(f"null {name}"))
    counts = [
        pl.len().alias("clips"),
        timed.sum().alias("seconds"),
        timed.count().alias("timed"),
        pl.col("source").n_unique().alias("sources"),
    ]
    return rows.select(*counts, *lacks).collect(engine="streaming").row(0, named=True)


def _column(name: str, kind: pl.DataType, facts: dict[str, Any], scores: Iterable[str]) -> ColumnSummary:
    role = "fact" if name in (*FACTS, *NO_SUBGROUP) else "score" if name in scores else "metadata"
    words = "text" if kind == pl.String else "list" if isinstance(kind, pl.List) else "number"
    words = "yes/no" if kind == pl.Boolean else words if kind.is_numeric() or words != "number" else str(kind)
    return ColumnSummary(name, words, facts[f"null {name}"] / facts["clips"], role)


def histograms(
    rows: pl.LazyFrame, schema: pl.Schema, scores: Sequence[str], rules: Sequence[Filter]
) -> Iterable[Histogram]:
    """The distribution of each score, with the filters on it; scores without any value are left out."""
    values = {name: pl.col(name).cast(pl.Float64) for name in scores if schema[name].is_numeric()}
    values = {name: pl.when(value.is_finite()).then(value) for name, value in values.items()}
    if not values:
        return
    asked = [pl.len().alias("all")]
    for name, value in values.items():
        asked += [
            value.count().alias(f"count {name}"),
            value.mean().alias(f"mean {name}"),
            value.median().alias(f"median {name}"),
            value.quantile(TAIL).alias(f"low {name}"),
            value.quantile(1 - TAIL).alias(f"high {name}"),
        ]
    row = rows.select(asked).collect(engine="streaming").row(0, named=True)
    there = [name for name in values if row[f"count {name}"]]
    own = {name: tuple(rule for rule in rules if rule.score == name) for name in there}
    bins = {name: _bins(row[f"low {name}"], row[f"high {name}"], own[name]) for name in there}
    tables = pl.collect_all([_binned(rows, values[name], bins[name], own[name]) for name in there])
    for name, table in zip(there, tables, strict=True):
        counts = [0] * BINS
        for place, clips in zip(table["bin"], table["clips"], strict=True):
            counts[place] += clips
        clips = row[f"count {name}"]
        yield Histogram(
            score=name,
            low=bins[name].low,
            high=bins[name].high,
            counts=tuple(counts),
            beyond=int(table["beyond"].sum()),
            clips=clips,
            missing=1 - clips / row["all"],
            mean=row[f"mean {name}"],
            median=row[f"median {name}"],
            filters=own[name],
            passing=int(table["passed"].sum()) / clips if own[name] else None,
        )


@dataclass(frozen=True)
class _Bins:
    """Bins of equal width; bin number `first` begins at `edge`."""

    edge: float
    first: int
    width: float

    @property
    def low(self) -> float:
        return self.edge - self.first * self.width

    @property
    def high(self) -> float:
        return self.edge + (BINS - self.first) * self.width


def _bins(low: float, high: float, rules: Sequence[Filter]) -> _Bins:
    """Bins over most of the values and every threshold; the first threshold lies between two of them."""
    ends = [end for rule in rules for end in (rule.minimum, rule.maximum) if end is not None]
    low, high = min([low, *ends]), max([high, *ends])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if not ends:
        return _Bins(low, 0, (high - low) / BINS * (1 + 1e-9))
    # Two bins are spare: the others are shifted by less than one, and each side of the threshold needs one.
    width = (high - low) / (BINS - 2.5)
    return _Bins(ends[0], max(1, ceil((ends[0] - low) / width - 1e-9)), width)


def _binned(rows: pl.LazyFrame, value: pl.Expr, bins: _Bins, rules: Sequence[Filter]) -> pl.LazyFrame:
    place = ((value - bins.edge) / bins.width).floor() + bins.first
    passed = pl.all_horizontal([rule.passes() for rule in rules]) if rules else pl.lit(value=False)
    beyond = (place < 0) | (place >= BINS)
    marked = rows.select(
        place.clip(0, BINS - 1).cast(pl.Int32).alias("bin"), passed.alias("passed"), beyond.alias("beyond")
    )
    counted = marked.filter(pl.col("bin").is_not_null()).group_by("bin")
    return counted.agg(pl.len().alias("clips"), pl.col("passed").sum(), pl.col("beyond").sum())


def few_valued(rows: pl.LazyFrame, schema: pl.Schema, scores: Iterable[str]) -> list[str]:
    """Metadata columns with few different values, which can be subgroups."""
    plain_kinds = (pl.String, pl.Boolean, pl.Categorical)
    names = [
        name
        for name, kind in schema.items()
        if kind in plain_kinds and name not in (*NO_SUBGROUP, *scores) and not name.startswith("pass_")
    ]
    if not names:
        return []
    # An estimate is exact enough to tell free texts from categories.
    row = rows.select(pl.col(name).approx_n_unique() for name in names).collect(engine="streaming").row(0, named=True)
    return [name for name in names if 2 <= row[name] <= MOST_VALUES]


def _groups(rows: pl.LazyFrame, schema: pl.Schema, name: str, rules: Sequence[Filter]) -> tuple[GroupSummary, ...]:
    seconds = pl.col("duration").cast(pl.Float64) if "duration" in schema else pl.lit(None, pl.Float64)
    seconds = pl.when(seconds.is_finite()).then(seconds)
    passed = chain(rules) if rules else pl.lit(value=False)
    marked = rows.select(label_of(schema, name).alias("value"), seconds.alias("seconds"), passed.alias("kept"))
    kept = pl.col("kept")
    counted = marked.group_by("value").agg(
        pl.len().alias("clips"),
        pl.col("seconds").count().alias("timed"),
        pl.col("seconds").sum(),
        kept.sum().alias("kept_clips"),
        pl.col("seconds").filter(kept).sum().alias("kept_seconds"),
    )
    found = counted.collect(engine="streaming")
    found = found.sort(pl.col("value") == UNKNOWN, -pl.col("clips").cast(pl.Int64), "value")
    return tuple(
        GroupSummary(
            row["value"],
            row["clips"],
            row["seconds"] / 3600 if row["timed"] else None,
            row["kept_clips"] if rules else None,
            row["kept_seconds"] / 3600 if rules and row["timed"] else None,
        )
        for row in found.iter_rows(named=True)
    )


def _bytes(place: str) -> int | None:
    if is_remote(place):
        return None
    path = Path(place)
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.rglob("*.parquet"))
