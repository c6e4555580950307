"""Write and read sample files: Parquet with a row per drawn clip, and the design and the pool in its metadata."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from app import __version__
from app.errors import AppError
from app.pools import parquet_check
from app.pools.parquet_check import NotParquet
from app.pools.pool_files import fingerprint, require_same_pool
from app.sampling import draws
from app.sampling.design_files import PLANS, DesignFile
from app.sampling.draws import DrawnSample
from app.sampling.frame import columns_for, no_column
from scoring.filters import Filter

KEY = "clipjury"
"""The key of the Parquet file's metadata that holds the record, as JSON with the one key `sample`."""


@dataclass(frozen=True, eq=False)
class SampleFile:
    """The content of a sample file: a row of `clips` per drawn clip, and the record of how it was drawn (JSON)."""

    clips: pl.DataFrame
    record: dict[str, Any]

    @property
    def design(self) -> DesignFile:
        """The design of the sample."""
        filters = tuple(Filter(*rule) for rule in self.record["filters"])
        plan = PLANS.validate_python(self.record["plan"])
        return DesignFile(self.record["design_file"], self.record["design_text"], plan, self.record["seed"], filters)


def make(
    pool: Path,
    design: DesignFile,
    output: Path,
    *,
    pilot: pl.DataFrame | None = None,
    earlier: SampleFile | None = None,
    add: int | None = None,
) -> SampleFile:
    """Draw a sample from a pool and write it; only the columns that the design needs are read.

    `pilot` holds judgments (clip, good); `earlier` is a sample to top up by `add` clips, or by the second phase. The
    file appears complete or not at all. Raises AppError if the design cannot be drawn, or if the pool has changed since
    the earlier sample was drawn.
    """
    if output.is_dir() or output.resolve() == pool.resolve():
        raise AppError(f"{output} cannot be written: it is the pool itself or a folder.", "Name another file with -o.")
    parquet_check.check_small(pool)
    with ThreadPoolExecutor(1) as other:  # hashing takes as long as reading, so both run at once
        hashing = other.submit(fingerprint, pool)
        table, design, notes = _read(pool, design)
        found = hashing.result()
    if earlier is not None:
        require_same_pool(pool.name, found, earlier.record["pool_fingerprint"], "the earlier sample was drawn")
    before = None if earlier is None else {row["label"]: row["drawn"] for row in earlier.record["strata"]}
    drawn = draws.sample(pool.name, table, design, pilot=pilot, earlier=before, add=add)
    sample = SampleFile(
        _rows(pool, drawn, design, found, earlier),
        {
            "made_by": f"clipjury {__version__}",
            "design_id": design.identity(found),
            "design_file": Path(design.name).name,
            "design_text": design.text,
            "plan": design.plan.model_dump(mode="json", exclude_unset=True),
            "filters": [[rule.name, rule.score, rule.minimum, rule.maximum] for rule in design.filters],
            "seed": design.seed,
            "strata": drawn.strata,
            "notes": [*notes, *drawn.notes],
            "pool": pool.name,
            "pool_fingerprint": found,
            "pool_clips": table.height,
        },
    )
    _write(sample, output)
    return sample


def read(path: Path) -> SampleFile:
    """Read a sample file. Raises AppError if the file is not a sample file."""
    try:
        parquet_check.refuse_too_large(path)
        clips = pl.read_parquet(path, glob=False)
        record = json.loads(pl.read_parquet_metadata(path).get(KEY, "{}")).get("sample")
    except (NotParquet, OSError, PolarsError, ValueError, RecursionError, AttributeError) as error:
        raise AppError(
            f"{path} is not a sample ({error}).", "Make one: clipjury sample POOL --design FILE -o FILE"
        ) from error
    if not isinstance(record, dict):
        raise AppError(f"{path} is not a sample.", "Make one: clipjury sample POOL --design FILE -o FILE")
    return SampleFile(clips, record)


def _read(pool: Path, design: DesignFile) -> tuple[pl.DataFrame, DesignFile, list[str]]:
    """The clips with the columns that the design needs, the design without filters that lack scores, and notes."""
    try:
        rows = pl.scan_parquet(pool, glob=False)
        schema = rows.collect_schema()
        if schema.get("clip") != pl.String:
            raise no_column(pool.name, "clip", schema)
        if "source" not in schema:
            rows = rows.with_columns(source=pl.col("clip"))
        missing = [rule for rule in design.filters if rule.score not in schema]
        if missing and not design.lenient:
            raise no_column(pool.name, missing[0].score, schema)
        usable = tuple(rule for rule in design.filters if rule not in missing)
        wanted = columns_for(design.plan, usable)
        for name in wanted:
            if name not in schema and name != "source":
                raise no_column(pool.name, name, schema)
        broken = 0
        if {"duration", "reason"} <= set(schema):
            unwatchable = pl.col("duration").is_null() & pl.col("reason").is_not_null()
            broken = rows.select(unwatchable.sum()).collect().item()
            rows = rows.filter(~unwatchable) if broken else rows
        table = rows.select(list(dict.fromkeys(["clip", *wanted]))).collect()
    except FileNotFoundError as error:
        remedy = "Make one: clipjury score FOLDER -o POOL.parquet"
        raise AppError(f"There is no pool at {pool}.", remedy, status=404) from error
    except PolarsError as error:
        raise AppError(f"{pool} is not a pool ({error}).", "Make one: clipjury score FOLDER -o POOL.parquet") from error
    valued = tuple(rule for rule in usable if _has_values(table[rule.score]))
    notes = [f"Filter {rule.name} is left out: the pool has no score {rule.score}." for rule in missing]
    notes += [f"Filter {rule.name} is left out: {rule.score} has no value." for rule in usable if rule not in valued]
    if broken:
        notes.append(f"{broken} files of the pool cannot be read and are not part of it.")
    return table, replace(design, filters=valued), notes


def _has_values(scores: pl.Series) -> bool:
    kind = scores.dtype
    return not (kind == pl.Null or (kind.is_numeric() and not scores.cast(pl.Float64).is_finite().any()))


def _rows(pool: Path, drawn: DrawnSample, design: DesignFile, found: str, earlier: SampleFile | None) -> pl.DataFrame:
    """The drawn clips with media, source, design id and seed; phases continue those of an earlier sample."""
    scan = pl.scan_parquet(pool, glob=False)
    there = scan.collect_schema()
    facts = ["clip", *(name for name in ("media", "source") if name in there)]
    clips = drawn.clips.join(
        scan.filter(pl.col("clip").is_in(drawn.clips["clip"].implode())).select(facts).collect(),
        on="clip",
        how="left",
        maintain_order="left",
    )
    lacking = [pl.lit(None, pl.String).alias(name) for name in ("media", "source") if name not in there]
    clips = clips.with_columns(lacking).with_columns(source=pl.coalesce(pl.col("source").cast(pl.String), "clip"))
    if earlier is not None:
        before = earlier.clips.select("clip", pl.col("phase").alias("before"))
        last = int(str(before["before"].max()))
        clips = clips.join(before, on="clip", how="left", maintain_order="left")
        clips = clips.with_columns(phase=pl.coalesce("before", pl.lit(last + 1))).drop("before")
    named = (pl.lit(design.identity(found)).alias("design_id"), pl.lit(design.seed).alias("seed"))
    return clips.with_columns(named).select(
        "clip",
        "media",
        "source",
        "stratum",
        "inclusion_probability",
        "weight",
        "probability_estimated",
        "design_id",
        "seed",
        "phase",
        "drawn_for",
    )


def _write(sample: SampleFile, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        sample.clips.write_parquet(partial, metadata={KEY: json.dumps({"sample": sample.record})})
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
