"""`clipjury pool import`: make a pool from TalkVid records, tables, task lists or folders of videos."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from app.limited_process import run_limited
from app.limited_tables import limits
from app.pools.importing import sources as reading
from app.pools.importing import videos
from app.pools.importing.checks import refuse_output, refuse_records, refuse_twice
from app.pools.importing.mapping import mapping_of, parsed
from app.pools.importing.output import (
    ImportedField,
    ImportedSource,
    kinds_of,
    record_for,
    rejects_of,
    with_relative_media,
    write_rejects,
)
from app.pools.importing.plan import ImportPlan, plan_of
from app.pools.scanning import pool_errors
from app.pools.table import KEY
from scoring.locations import name_of, plain, remove, written

ROWS_PER_GROUP = 100_000
"""Rows of a Parquet row group: imported pools have no series and may be large."""


ALWAYS = ("clip", "media", "source")
"""Columns that every clip has."""


@dataclass(frozen=True)
class ImportSummary:
    """Result of an import. `rejects` is the file with the bad records; "" if there were none."""

    output: str
    sources: tuple[ImportedSource, ...]
    rejects: str

    @property
    def clips(self) -> int:
        """Number of clips in the pool."""
        return sum(source.records - source.rejected for source in self.sources)

    @property
    def rejected(self) -> int:
        """Number of records left out."""
        return sum(source.rejected for source in self.sources)


def import_pool(
    sources: Sequence[str],
    output: str,
    *,
    maps: Sequence[str] = (),
    strict: bool = False,
    force: bool = False,
) -> ImportSummary:
    """Write a pool from files, addresses or folders, in a child process with limits and without all rows in memory.

    `maps` are options `COLUMN=FIELD` that override the guessed mapping. Records that cannot be used (not an object, no
    id, an invalid duration or score) go to `<output>.rejects.jsonl` with their position and the reason; with `strict`
    any of them is an error. NaN and infinite numbers become null and are counted. The pool file appears complete or
    not at all. Raises AppError if a source cannot be read within the limits, a mapping does not fit, a clip is there
    twice, no record is usable, or `output` is a pool that was not imported (unless `force`).
    """
    refuse_output(plain(output), sources, force=force)
    facts = {source: videos.probe(source) for source in sources if videos.is_folder_of_videos(source)}
    names = ", ".join(name_of(source) for source in sources)
    with TemporaryDirectory(prefix="clipjury-", ignore_cleanup_errors=True) as folder:
        with written(plain(output)) as path:
            work = _Work(tuple(sources), plain(output), path, Path(folder), parsed(maps), strict, facts)
            made = run_limited(limits(), names, _import, work)
        remove([rejects_of(made.output)])
        if made.rejects:
            with written(made.rejects) as path:
                shutil.move(work.rejects, path)
    return made


@dataclass(frozen=True)
class _Work:
    """An import for the child process, which writes `pool` and files in `folder`; the pool will be at `output`."""

    sources: tuple[str, ...]
    output: str
    pool: Path
    folder: Path
    maps: dict[str, str]
    strict: bool
    facts: dict[str, videos.Probed]

    @property
    def rejects(self) -> Path:
        """The file of the bad records."""
        return self.folder / "rejects.jsonl"


def _import(work: _Work) -> ImportSummary:
    plans = _plans(work)
    with pool_errors(", ".join(work.sources)):
        done = tuple(_counted(plan) for plan in plans)
        plans = [replace(plan, clean=not one.rejected) for plan, one in zip(plans, done, strict=True)]
        rejects = rejects_of(work.output) if any(one.rejected for one in done) else ""
        made = ImportSummary(work.output, done, rejects)
        refuse_records(made.clips, made.rejected, plans, strict=work.strict)
        refuse_twice(plans)
        kinds = kinds_of(plans)
        rows = with_relative_media(pl.concat([plan.rows(kinds) for plan in plans]), plans, work.output)
        rows.sink_parquet(
            work.pool,
            metadata={KEY: json.dumps(record_for(plans, done), ensure_ascii=False)},
            row_group_size=ROWS_PER_GROUP,
            compression_level=1,
            maintain_order=True,
        )
        if made.rejects:
            write_rejects(plans, work.rejects)
    return made


def _plans(work: _Work) -> list[ImportPlan]:
    plans = []
    for number, source in enumerate(work.sources):
        spill = work.folder / str(number)
        spill.mkdir()
        with pool_errors(source):
            raw = reading.read(source, spill, work.facts.get(source))
            plans.append(plan_of(raw, mapping_of(raw, work.maps)))
    return plans


def _counted(plan: ImportPlan) -> ImportedSource:
    """Count records, bad records, and the values and lost numbers of each column, in one pass over the rows."""
    good = pl.col("good")
    counts = [pl.len().alias("records"), (~good).sum().alias("rejected")]
    for number, one in enumerate(plan.columns):
        there = good if one.name in ALWAYS else good & one.value.is_not_null()
        counts.append(there.sum().alias(f"{number} clips"))
        if one.lost is not None:
            counts.append((good & one.lost).sum().alias(f"{number} lost"))
    # The fault of a row is computed once, not again for each column.
    judged = plan.raw.table.with_columns(good=plan.fault.is_null())
    row = judged.select(counts).collect(engine="streaming").row(0, named=True)
    fields = [
        ImportedField(one.name, one.path, one.role, row[f"{number} clips"], row.get(f"{number} lost", 0))
        for number, one in enumerate(plan.columns)
        if one.path
    ]
    return ImportedSource(plan.raw.name, plan.raw.kind, row["records"], row["rejected"], tuple(fields))
