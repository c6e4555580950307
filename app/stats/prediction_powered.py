"""Join judged clips with the pool they were drawn from, for prediction-powered inference (`clipjury stats ppi`)."""

from pathlib import Path

import polars as pl

from app.errors import AppError
from app.stats import tables as table_files


def joined(
    file: Path, pool: Path, label: str, score: str, stratum: str | None
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The judged clips with label (0 to 1), score and stratum; all clips of the pool with score and stratum; and the
    number of rows that were left out because they have no label.

    Raises AppError naming a faulty column, clip or number.
    """
    judged, whole = table_files.read_table(file), table_files.read_table(pool)
    more = [stratum] if stratum else []
    table_files.need_columns(judged, ["clip", label, *more], file)
    table_files.need_columns(whole, ["clip", score, *more], pool)
    table_files.refuse_repeats(judged, ["clip"], file, "One row per judged clip: its consensus.")
    table_files.refuse_repeats(whole, ["clip"], pool, "One row per clip of the pool.")
    if not whole.height:
        raise AppError(f"{pool} holds no clip.", "Give the pool that the judged clips were drawn from.")
    scores = pl.Series(table_files.numbers(whole, score, pool), dtype=pl.Float64)
    of_pool = _named(whole, stratum, "stratum", pool).with_columns(score=scores)
    missing = int(of_pool["score"].null_count())
    if missing:
        raise AppError(
            f"{missing} of {of_pool.height} clips of {pool} have no {score}: nothing can be said of the whole.",
            "Score them, or make a pool of the clips that have the score and speak of that.",
        )
    labels = pl.Series(table_files.shares(judged, label, file), dtype=pl.Float64)
    own = _named(judged, stratum, "judged_stratum", file)
    found = own.with_columns(label=labels).drop_nulls("label").join(of_pool, on="clip", how="left")
    lost = found.filter(pl.col("score").is_null())
    if lost.height:
        raise AppError(
            f"{lost.height} judged clips are not in {pool}, the first is {lost['clip'][0]!r}.",
            "Give the pool that they were drawn from.",
        )
    moved = found.filter(pl.col("judged_stratum") != pl.col("stratum")) if stratum else found.clear()
    if moved.height:
        clip, own_stratum, its = moved.select("clip", "judged_stratum", "stratum").row(0)
        raise AppError(
            f"{clip} is of the stratum {own_stratum!r} in {file} and of {its!r} in {pool}.",
            "Give the strata as they were when the clips were drawn.",
        )
    return found, of_pool, judged.height - found.height


def _named(table: pl.DataFrame, stratum: str | None, name: str, path: Path) -> pl.DataFrame:
    """The clips with their strata in the column `name`, if there are strata."""
    columns = {"clip": pl.Series(table_files.words(table, "clip", path), dtype=pl.String)}
    if stratum:
        columns[name] = table[stratum].cast(pl.String).fill_null("(none)")
    return pl.DataFrame(columns)
