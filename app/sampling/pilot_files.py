"""Read pilot judgments: a CSV of clips and whether they are good, written by hand or by `clipjury export`."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app import limited_tables
from app.errors import AppError, did_you_mean

REMEDY = "Give a CSV with the columns clip and good (1 or 0), or what clipjury export --judgments wrote."
GOOD = {"1": 1.0, "true": 1.0, "accept": 1.0, "0": 0.0, "false": 0.0, "reject": 0.0}


def read(path: Path, criterion: str | None = None) -> pl.DataFrame:
    """The clips with the share of judgments that accept them (columns `clip` and `good`, 0 to 1), ordered by clip.

    In an export the current answers to one accept/reject criterion count, except "unsure" and empty ones. Raises
    AppError for a file without such columns or judgments, and for an export of several criteria if none is named.
    """
    try:
        table = limited_tables.read(path, limited_tables.texts)
    except (OSError, PolarsError) as error:
        raise AppError(f"The pilot {path} cannot be read ({error}).", REMEDY) from error
    answer = next((name for name in ("good", "value") if name in table.columns), None)
    if "clip" not in table.columns or answer is None:
        missing = "clip" if "clip" not in table.columns else "good"
        raise AppError(f"The pilot {path} has no column {missing!r}.", did_you_mean(missing, table.columns) or REMEDY)
    if "current" in table.columns:
        table = table.filter(pl.col("current") == "1")
    if answer == "value":
        table = table.filter(pl.col("value").is_in(["accept", "reject", "unsure"]))
    if "criterion" in table.columns:
        table = _of_one_criterion(path, table, criterion)
    given = pl.col(answer).str.strip_chars().str.to_lowercase()
    known = table.select(
        "clip", given.replace_strict(GOOD, default=None, return_dtype=pl.Float64).alias("good"), raw=answer
    )
    wrong = known.filter(pl.col("good").is_null() & ~pl.col("raw").is_in(["unsure", ""]))["raw"].drop_nulls()
    if len(wrong):
        raise AppError(
            f"The pilot {path} judges a clip {wrong[0]!r}.", "Write 1 or 0, true or false, accept or reject."
        )
    found = known.drop_nulls("good").group_by("clip").agg(pl.col("good").mean()).sort("clip")
    if found.is_empty():
        raise AppError(f"The pilot {path} has no judgments.", REMEDY)
    return found


def _of_one_criterion(path: Path, table: pl.DataFrame, criterion: str | None) -> pl.DataFrame:
    there = table["criterion"].drop_nulls().unique().sort().to_list()
    if criterion is None and len(there) > 1:
        raise AppError(f"{path} has judgments on {', '.join(there)}.", f"Name one: --criterion {there[0]}")
    if criterion is not None and criterion not in there:
        raise AppError(f"{path} has no judgments on {criterion!r}.", f"It has: {', '.join(there)}.")
    return table if criterion is None else table.filter(pl.col("criterion") == criterion)
