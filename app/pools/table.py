"""The table that scoring writes: a row per clip with facts, scores and percentiles, and the record of the scoring."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from app import __version__
from app.pools.manifest import ManifestRecord
from scoring.runners.part_files import FACTS, SERIES, TIMES, schema_of
from scoring.scorer import Column, Scorer

KEY = "clipjury"
"""The key of the Parquet file's metadata that holds the record, as JSON."""
PERCENTILE = "_percentile"
"""The suffix of a percentile column, after the name of its score."""
LAST = ("reason", "signature", "identity")
"""The last columns: why scores are missing, how the row was scored, and a hash of the video file and that."""
ROWS_PER_GROUP = 20_000
"""Rows of a Parquet row group: tens of megabytes with all series, so that a few columns are read quickly."""
_ORDER = " order"


@dataclass(frozen=True)
class ScoringRun:
    """The scorers of a run, and the signature of their names, versions and settings."""

    scorers: tuple[Scorer, ...]
    signature: str

    @property
    def ranked(self) -> list[Column]:
        """The scores that get a percentile column."""
        return [column for scorer in self.scorers for column in scorer.columns if column.ranked]


@dataclass(frozen=True, eq=False)
class ExistingPool:
    """The pool before this run: its rows and its record, both empty if there is no file yet."""

    frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    made: dict[str, Any] = field(default_factory=dict)


def clip_table(
    names: Sequence[str],
    media: Sequence[str],
    identities: Sequence[str],
    records: Sequence[ManifestRecord],
    run: ScoringRun,
) -> pl.DataFrame:
    """The clips of a run in their order, with every column that does not come from scoring."""
    sources = [record.source or name for record, name in zip(records, names, strict=True)]
    columns = {
        "clip": pl.Series(names, dtype=pl.String),
        "media": pl.Series(media, dtype=pl.String),
        "source": pl.Series(sources, dtype=pl.String),
        "identity": pl.Series(identities, dtype=pl.String),
    }
    return pl.DataFrame(columns | _metadata(records, run.scorers))


def merged_table(
    clips: pl.DataFrame, rows: pl.DataFrame, earlier: ExistingPool, run: ScoringRun, *, prune: bool
) -> pl.DataFrame:
    """Join the clips of this run (`clip_table`), the `rows` scored so far, and the pool before this run.

    A clip that is not scored yet keeps its earlier row, if it has one. Rows of clips that are not in this run come
    last, in their old order, unless `prune` drops them.
    """
    clips = clips.with_row_index(_ORDER)
    now = clips.join(rows.drop("media"), on="identity", how="inner", maintain_order="left")
    now = now.with_columns(signature=pl.lit(run.signature))
    parts = [now]
    if earlier.frame.height:
        rest = earlier.frame.filter(~pl.col("media").is_in(now["media"].implode()))
        rest = rest.join(clips.select("media", _ORDER), on="media", how="inner" if prune else "left")
        parts.append(rest)
    frame = pl.concat(parts, how="diagonal_relaxed")
    frame = frame.sort(pl.col(_ORDER), nulls_last=True, maintain_order=True).drop(_ORDER)
    frame = frame.with_columns(percentile(column.name) for column in run.ranked)
    return frame.select(_in_order(frame, clips.drop(_ORDER), run))


def percentile(name: str) -> pl.Expr:
    """The percentile of each score within its column, 0 to 100: the share below it plus half of the ties.

    Mid-rank definition: Parzen, Statistical Science 19(4), 2004. Null stays null.

    >>> pl.DataFrame({"x": [5.0, 1.0, None, 1.0, 9.0]}).select(percentile("x"))["x_percentile"].to_list()
    [62.5, 25.0, None, 25.0, 87.5]
    """
    column = pl.when(pl.col(name).is_finite()).then(pl.col(name))
    return ((column.rank("average") - 0.5) / column.count() * 100).alias(name + PERCENTILE)


def record_of(frame: pl.DataFrame, clips: pl.DataFrame, earlier: ExistingPool, run: ScoringRun) -> dict[str, Any]:
    """How the pool was made: the scorers of this run, and under `earlier` those of rows that this run did not score."""
    before = dict(earlier.made.get("earlier", {}))
    if {"signature", "made_by", "scorers"} <= earlier.made.keys():
        before[earlier.made["signature"]] = {key: earlier.made[key] for key in ("made_by", "scorers")}
    used = set(frame["signature"].unique()) - {run.signature}
    return {
        "made_by": f"clipjury {__version__}",
        "signature": run.signature,
        "scorers": [_scorer(scorer) for scorer in run.scorers],
        "info": sorted({*_info(clips), *earlier.made.get("info", ())} & set(frame.columns)),
        "earlier": {signature: made for signature, made in before.items() if signature in used},
    }


def read_record(kept: Mapping[str, str]) -> dict[str, Any]:
    """How the pool was made, from the metadata of its file; {} if that is not known.

    Other programs write pools too: a key whose value does not have the form of `record_of` is ignored.

    >>> read_record({KEY: '{"scorers": 5, "signature": "ab"}'})
    {'signature': 'ab'}
    """
    try:
        made = json.loads(kept.get(KEY, "{}"))
    except (ValueError, RecursionError):
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
    """Whether the value is a list of scorers, each with a list of named columns."""
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


def foreign_columns(earlier: ExistingPool) -> list[str]:
    """Columns that the record does not list: another program wrote them, so they must not be overwritten."""
    made = [earlier.made, *earlier.made.get("earlier", {}).values()]
    known = {"clip", "media", "source", *FACTS, *LAST, *earlier.made.get("info", ())}
    for scorer in (scorer for one in made for scorer in one.get("scorers", ())):
        known |= {column["name"] for kind in ("columns", "series", "times") for column in scorer.get(kind, ())}
    return [name for name in earlier.frame.columns if name not in known]


def _in_order(frame: pl.DataFrame, clips: pl.DataFrame, run: ScoringRun) -> list[str]:
    """The columns in reading order. Scores of earlier scorers stay as long as a row has one."""
    ranked = {column.name for column in run.ranked}
    schema = [name for name in schema_of(run.scorers) if name not in ("identity", "media", *FACTS, *LAST)]
    scores = [one for name in schema for one in ((name, name + PERCENTILE) if name in ranked else (name,))]
    first = ["clip", "media", *FACTS, "source", *_info(clips), *scores]
    old = [name for name in frame.columns if name not in (*first, *LAST) and frame[name].count()]
    return [*first, *old, *LAST]


def _info(clips: pl.DataFrame) -> list[str]:
    """The columns that come from manifests."""
    return [name for name in clips.columns if name not in ("clip", "media", "source", "identity")]


def _metadata(records: Sequence[ManifestRecord], scorers: Sequence[Scorer]) -> dict[str, pl.Series]:
    """The columns of manifests: numbers if every value is one, else text. A name in use gets the prefix `info_`."""
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
    """A scorer as the record describes it; the percentile of each ranked score follows the score."""
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
