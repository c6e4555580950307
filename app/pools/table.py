"""The pool's table: rows of clips and what is known of them, scores with their percentiles, and how all was made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from app import __version__
from app.pools.manifest import Record
from scoring.runners.part_files import FACTS, SERIES, TIMES, schema_of
from scoring.scorer import Column, Scorer

KEY = "clipjury"
"""The key of the Parquet file's own metadata under which the record lies, as JSON."""
PERCENTILE = "_percentile"
"""A percentile column is named after its score, with this behind it."""
LAST = ("reason", "signature", "identity")
"""The last columns: what is missing and why; how the row was scored; file and signature in one."""
ROWS_PER_GROUP = 20_000
"""Rows of a Parquet row group: some tens of megabytes with all series, so that few columns are read quickly."""
_ORDER = " order"


@dataclass(frozen=True)
class Making:
    """How a run scores: its scorers and their signature."""

    scorers: tuple[Scorer, ...]
    signature: str

    @property
    def ranked(self) -> list[Column]:
        """The scores that get a percentile."""
        return [column for scorer in self.scorers for column in scorer.columns if column.ranked]


@dataclass(frozen=True, eq=False)
class Earlier:
    """The pool as the file has it: its rows, and its record. Both are empty if there is no file yet."""

    frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    made: dict[str, Any] = field(default_factory=dict)


def listed(
    names: Sequence[str], media: Sequence[str], identities: Sequence[str], records: Sequence[Record], making: Making
) -> pl.DataFrame:
    """The clips of a run in their order: everything the pool says of them but what scoring finds."""
    sources = [record.source or name for record, name in zip(records, names, strict=True)]
    columns = {
        "clip": pl.Series(names, dtype=pl.String),
        "media": pl.Series(media, dtype=pl.String),
        "source": pl.Series(sources, dtype=pl.String),
        "identity": pl.Series(identities, dtype=pl.String),
    }
    return pl.DataFrame(columns | _metadata(records, making.scorers))


def compose(clips: pl.DataFrame, rows: pl.DataFrame, earlier: Earlier, making: Making, *, prune: bool) -> pl.DataFrame:
    """The pool's table, from the clips of this run (`listed`), the `rows` of those that are scored, and the pool.

    A clip whose row is not there yet keeps its earlier one, if it has one. Rows of clips that are not in this run
    come last, in their old order, unless `prune` drops them.
    """
    clips = clips.with_row_index(_ORDER)
    now = clips.join(rows.drop("media"), on="identity", how="inner", maintain_order="left")
    now = now.with_columns(signature=pl.lit(making.signature))
    parts = [now]
    if earlier.frame.height:
        rest = earlier.frame.filter(~pl.col("media").is_in(now["media"].implode()))
        rest = rest.join(clips.select("media", _ORDER), on="media", how="inner" if prune else "left")
        parts.append(rest)
    frame = pl.concat(parts, how="diagonal_relaxed")
    frame = frame.sort(pl.col(_ORDER), nulls_last=True, maintain_order=True).drop(_ORDER)
    frame = frame.with_columns(percentile(column.name) for column in making.ranked)
    return frame.select(_in_order(frame, clips.drop(_ORDER), making))


def percentile(name: str) -> pl.Expr:
    """The place of each score among all in its column, 0 to 100: the share below it and half of those equal to it.

    The mid-rank definition: Parzen, Statistical Science 19(4), 2004. Null stays null.

    >>> pl.DataFrame({"x": [5.0, 1.0, None, 1.0, 9.0]}).select(percentile("x"))["x_percentile"].to_list()
    [62.5, 25.0, None, 25.0, 87.5]
    """
    column = pl.when(pl.col(name).is_finite()).then(pl.col(name))
    return ((column.rank("average") - 0.5) / column.count() * 100).alias(name + PERCENTILE)


def record_of(frame: pl.DataFrame, clips: pl.DataFrame, earlier: Earlier, making: Making) -> dict[str, Any]:
    """How the pool was made: scorers of this run, and under `earlier` those of rows that it did not score anew."""
    before = dict(earlier.made.get("earlier", {}))
    if {"signature", "made_by", "scorers"} <= earlier.made.keys():
        before[earlier.made["signature"]] = {key: earlier.made[key] for key in ("made_by", "scorers")}
    used = set(frame["signature"].unique()) - {making.signature}
    return {
        "made_by": f"clipjury {__version__}",
        "signature": making.signature,
        "scorers": [_scorer(scorer) for scorer in making.scorers],
        "info": sorted({*_info(clips), *earlier.made.get("info", ())} & set(frame.columns)),
        "earlier": {signature: made for signature, made in before.items() if signature in used},
    }


def read_record(kept: Mapping[str, str]) -> dict[str, Any]:
    """How the pool was made, from the text that its file keeps beside the rows; {} if that is not known.

    Others write files too: a part that is not of the shape that `record_of` gives counts as not there.

    >>> read_record({KEY: '{"scorers": 5, "signature": "ab"}'})
    {'signature': 'ab'}
    """
    try:
        made = json.loads(kept.get(KEY, "{}"))
    except ValueError:
        return {}
    if not isinstance(made, dict):
        return {}
    earlier = made.get("earlier", {})
    info = made.get("info", [])
    fits = {
        "scorers": _are_scorers(made.get("scorers", [])),
        "earlier": isinstance(earlier, dict)
        and all(
            isinstance(one, dict) and "made_by" in one and _are_scorers(one.get("scorers")) for one in earlier.values()
        ),
        "info": isinstance(info, list) and all(isinstance(name, str) for name in info),
        "signature": isinstance(made.get("signature"), str),
    }
    return {key: value for key, value in made.items() if fits.get(key, True)}


def _are_scorers(found: object) -> bool:
    """They are a list of scorers, each with a list of columns, each of which has a name."""
    return isinstance(found, list) and all(
        isinstance(one, dict)
        and all(
            isinstance(columns := one.get(kind, []), list)
            and all(isinstance(column, dict) and isinstance(column.get("name"), str) for column in columns)
            for kind in ("columns", "series", "times")
        )
        and "columns" in one
        for one in found
    )


def foreign(earlier: Earlier) -> list[str]:
    """Columns of the pool that its record does not know: somebody else's, which must not be written over."""
    made = [earlier.made, *earlier.made.get("earlier", {}).values()]
    known = {"clip", "media", "source", *FACTS, *LAST, *earlier.made.get("info", ())}
    for scorer in (scorer for one in made for scorer in one.get("scorers", ())):
        known |= {column["name"] for kind in ("columns", "series", "times") for column in scorer.get(kind, ())}
    return [name for name in earlier.frame.columns if name not in known]


def _in_order(frame: pl.DataFrame, clips: pl.DataFrame, making: Making) -> list[str]:
    """The columns in the order that a person reads them. Scores of earlier scorers stay while a row has one."""
    ranked = {column.name for column in making.ranked}
    schema = [name for name in schema_of(making.scorers) if name not in ("identity", "media", *FACTS, *LAST)]
    scores = [one for name in schema for one in ((name, name + PERCENTILE) if name in ranked else (name,))]
    first = ["clip", "media", *FACTS, "source", *_info(clips), *scores]
    old = [name for name in frame.columns if name not in (*first, *LAST) and frame[name].count()]
    return [*first, *old, *LAST]


def _info(clips: pl.DataFrame) -> list[str]:
    """The columns from manifests."""
    return [name for name in clips.columns if name not in ("clip", "media", "source", "identity")]


def _metadata(records: Sequence[Record], scorers: Sequence[Scorer]) -> dict[str, pl.Series]:
    """The manifests' own columns: numbers where every value is one, else text. A taken name gets `info_` before it."""
    described = [_scorer(scorer) for scorer in scorers]
    taken = {"clip", "media", "source", *FACTS, *LAST}
    taken |= {column["name"] for made in described for kind in ("columns", "series", "times") for column in made[kind]}
    columns: dict[str, pl.Series] = {}
    for name in dict.fromkeys(name for record in records for name in record.info):
        values = [record.info.get(name) for record in records]
        if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
            kind: type[pl.DataType] = pl.Float64 if any(value is not None for value in values) else pl.String
        else:
            kind = pl.String
            values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        columns[f"info_{name}" if name in taken else name] = pl.Series(values, dtype=kind)
    return columns


def _scorer(scorer: Scorer) -> dict[str, Any]:
    """A scorer as the pool's record describes it, the percentile of each ranked score beside the score."""
    columns: list[dict[str, Any]] = []
    for column in scorer.columns:
        columns.append(asdict(column))
        if column.ranked:
            rank = {"name": column.name + PERCENTILE, "meaning": f"percentile of {column.name} within the pool"}
            columns.append(asdict(column) | rank | {"units": "%", "low": 0, "high": 100, "ranked": False})
    return {
        "scorer": scorer.name,
        "version": scorer.version,
        "backend": scorer.backend,
        "models": [{"file": weight.file, "sha256": weight.sha256} for weight in scorer.weights],
        "columns": columns,
        "series": [asdict(series.column) | {"name": series.name + SERIES} for series in scorer.series],
        "times": [asdict(column) | {"name": column.name + TIMES} for column in scorer.times],
    }
