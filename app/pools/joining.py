"""`clipjury pool join`: columns of another file added to a pool by clip id."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from app.errors import AppError
from app.limited_process import run_limited
from app.limited_tables import limits
from app.pools.importing import videos
from app.pools.importing.checks import refuse_bad, refuse_twice
from app.pools.importing.mapping import FACTS, mapping_of, parsed
from app.pools.importing.plan import ImportPlan, plan_of
from app.pools.importing.sources import read
from app.pools.scanning import metadata, pool_errors, scan_pool
from app.pools.table import KEY, read_record
from scoring.locations import name_of, plain, written


@dataclass(frozen=True)
class JoinSummary:
    """Result of a join: columns added, clips of the pool with and without a match, clips of the file without one."""

    output: str
    columns: tuple[str, ...]
    matched: int
    unmatched: int
    strangers: int


def join(pool: str, other: str, output: str, *, maps: tuple[str, ...] = (), replace: bool = False) -> JoinSummary:
    """Write the pool with every column of another file, except facts of a clip (media, duration, source ...).

    The rows of the pool and their order stay; clips that the file does not have get null. With `replace`, the file's
    columns replace columns of the same name. Both are read in a child process with limits. Raises AppError for a bad
    record in the file, a clip that is in it twice, a column that exists already, or if the file and the pool have no
    clip in common.
    """
    if plain(output) in (plain(pool), plain(other)):
        raise AppError(f"{output} is the pool or the file itself.", "Name another file with -o.")
    probed = videos.probe(other) if videos.is_folder_of_videos(other) else None
    with (
        TemporaryDirectory(prefix="clipjury-", ignore_cleanup_errors=True) as folder,
        written(plain(output)) as path,
    ):
        how = (parsed(maps), probed, replace)
        columns, counts = run_limited(limits(), name_of(other), _join, pool, other, Path(folder), path, *how)
    return JoinSummary(output, columns, *counts)


def _join(
    pool: str,
    other: str,
    folder: Path,
    target: Path,
    maps: dict[str, str],
    probed: videos.Probed | None,
    replace: bool,
) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """Write the joined pool to `target`. Returns the names of the new columns and the numbers of `_matches`."""
    rows = scan_pool(pool)
    there = rows.collect_schema()
    with pool_errors(f"{pool} or {other}"):
        raw = read(other, folder, probed)
        plan = plan_of(raw, mapping_of(raw, maps))
        refuse_bad(plan)
        refuse_twice([plan])
        kinds = {one.name: one.kind for one in plan.columns if one.name not in FACTS}
        if not kinds:
            raise AppError(f"{other} has no column to add.", "Name one: --map COLUMN=FIELD.")
        in_the_way = [name for name in kinds if name in there]
        if in_the_way and not replace:
            names = ", ".join(repr(name) for name in in_the_way[:5])
            raise AppError(
                f"The pool has {names} already.", "Add --replace, or another name: --map new_name=FIELD --map old="
            )
        new = plan.rows({"clip": pl.String(), **kinds})
        counts = _matches(rows, new, pool, other)
        whole = rows.drop(in_the_way).join(new, on="clip", how="left", maintain_order="left")
        kept = metadata(pool)
        record = _record(read_record(kept), plan, counts[0])
        whole.sink_parquet(target, metadata=kept | {KEY: json.dumps(record, ensure_ascii=False)})
    return tuple(kinds), counts


def _matches(rows: pl.LazyFrame, new: pl.LazyFrame, pool: str, other: str) -> tuple[int, int, int]:
    """Number of clips in both, only in the pool, and only in the file."""
    own, theirs = pl.collect_all([rows.select("clip"), new.select("clip")])
    matched = own.join(theirs, on="clip", how="semi").height
    if not matched:
        one, another = (frame["clip"][0] if frame.height else "none" for frame in (own, theirs))
        raise AppError(
            f"No clip of {name_of(other)} is in {name_of(pool)} (there {another!r}, in the pool {one!r}).",
            "Name the field with the pool's ids: --map clip=FIELD.",
        )
    return matched, own.height - matched, theirs.height - matched


def _record(made: dict[str, Any], plan: ImportPlan, matched: int) -> dict[str, Any]:
    new = [one for one in plan.columns if one.name not in FACTS]
    names = {one.name for one in new}
    scores = [one.name for one in new if one.role == "score"]
    scorers = [
        scorer | {"columns": [column for column in scorer["columns"] if column["name"] not in names]}
        for scorer in made.get("scorers", ())
    ]
    columns = [{"name": name, "meaning": "joined", "direction": "none", "units": ""} for name in scores]
    # Without a list of scorers every number counts as a score; a list of the joined ones alone would hide the others.
    listed = [*scorers, {"scorer": "joined", "version": "", "backend": plan.raw.name, "models": [], "columns": columns}]
    joined = {
        "source": plan.raw.name,
        "kind": plan.raw.kind,
        "matched": matched,
        "mapping": {one.name: one.path for one in new},
    }
    info = [name for name in made.get("info", ()) if name not in names]
    return made | {
        **({"scorers": listed} if scorers else {}),
        "info": [*info, *(one.name for one in new if one.role == "metadata")],
        "joined": [*made.get("joined", ()), joined],
    }
