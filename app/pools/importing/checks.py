"""Checks of a whole import: the output may be written, at least one record is usable, no clip is there twice."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from app.errors import AppError
from app.pools.importing.mapping import GRAMMAR
from app.pools.importing.plan import ImportPlan
from app.pools.scanning import metadata, pool_errors
from app.pools.table import read_record
from scoring.locations import is_folder, is_remote, plain

NAMED = 5
"""How many clips or records an error message names."""


def refuse_output(place: str, sources: Sequence[str], *, force: bool) -> None:
    """Raise AppError if the output is a folder, a source, or a pool that was not made by an import (unless `force`)."""
    if not sources:
        raise AppError("There is nothing to import.", "Name a file of records or a folder of videos.")
    if is_folder(place) and not place.endswith(".parquet"):
        raise AppError(f"{place} is a folder.", "Name a file to write, such as pool.parquet.")
    for source in sources:
        same = plain(source) == place or (not is_remote(place) and Path(place).resolve() == Path(source).resolve())
        if same:
            raise AppError(f"{place} is the source itself.", "Name another file with -o.")
    if force or is_remote(place) or not Path(place).exists():
        return
    if not Path(place).is_file():
        raise AppError(f"{place} is a folder.", "Name a file to write, such as pool.parquet.")
    with pool_errors(place):
        made = read_record(metadata(place))
    if "import" not in made or "joined" in made:
        raise AppError(f"{place} is there, and an import alone did not make it.", "Name another file, or add --force.")


def refuse_records(good: int, bad: int, plans: Sequence[ImportPlan], *, strict: bool) -> None:
    """Raise AppError if no record is usable, or with `strict` if any is bad."""
    if not good + bad:
        raise AppError("There are no records to import.", "Name a file with a record for each clip.")
    if not bad or (good and not strict):
        return
    what = "No record can be used" if not good else "With --strict no record may be bad"
    raise _bad(f"{what}: {bad} of {good + bad} are bad. The first:", plans)


def refuse_bad(plan: ImportPlan) -> None:
    """Raise AppError, naming the first bad records, if a source has any."""
    bad = plan.raw.table.select(plan.fault.is_not_null().sum()).collect(engine="streaming").item()
    if bad:
        raise _bad(f"{plan.raw.name} has bad records: {bad}. The first:", [plan])


def _bad(head: str, plans: Sequence[ImportPlan]) -> AppError:
    """An error that names the first bad records."""
    shown = pl.concat([plan.rejects().head(NAMED) for plan in plans], how="diagonal").head(NAMED).collect()
    lines = []
    for row in shown.iter_rows(named=True):
        counted = next(plan.raw.counted for plan in plans if row.get(plan.raw.counted) is not None)
        lines.append(f"  {row['file']}, {counted} {row[counted]}: {row['reason']}")
    return AppError("\n".join([head, *lines]), f"Mend them, or name other fields: {GRAMMAR}.")


def refuse_twice(plans: Sequence[ImportPlan]) -> None:
    """Raise AppError, naming it, if a clip is there twice. Hashes are compared first, to save memory."""
    named = pl.concat([plan.named() for plan in plans])
    hashes = named.select(pl.col("clip").hash()).collect(engine="streaming").to_series()
    if hashes.n_unique() == len(hashes):
        return
    suspects = hashes.filter(hashes.is_duplicated()).unique(maintain_order=True)
    few = suspects.head(4 * NAMED).implode()
    rows = named.filter(pl.col("clip").hash().is_in(few)).collect(engine="streaming")
    alike = rows.filter(pl.col("clip").is_duplicated())
    places: dict[str, list[str]] = {}
    counted = {plan.raw.name: plan.raw.counted for plan in plans}
    for clip, place, file in alike.iter_rows():
        places.setdefault(clip, []).append(f"{file} {counted[file]} {place}")
    if not places:
        return
    lines = [f"  {clip!r}: {', '.join(where[:NAMED])}" for clip, where in list(places.items())[:NAMED]]
    more = len(suspects) - len(lines)
    if more > 0:
        lines.append(f"  and {more} more")
    raise AppError(
        "\n".join(["Clips are there more than once:", *lines]),
        "Give each clip an id of its own, or name another field: --map clip=FIELD.",
    )
