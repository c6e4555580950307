"""Judged clips beside the pool that they were drawn from: what a prediction-powered share reads."""

from pathlib import Path

import polars as pl

from app import table_files
from app.errors import AppError


def joined(file: Path, pool: Path, label: str, score: str, stratum: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judged clips with label (0 to 1), score and stratum; all clips of the pool with score and stratum.

    Raises AppError naming the column, clip or number that does not fit.
    """
    judged, whole = table_files.read_table(file), table_files.read_table(pool)
    more = [stratum] if stratum else []
    table_files.need_columns(judged, ["clip", label, *more], file)
    table_files.need_columns(whole, ["clip", score, *more], pool)
    if judged["clip"].is_duplicated().any():
        name = judged.filter(judged["clip"].is_duplicated())["clip"][0]
        raise AppError(f"{file} names the clip {name!r} twice.", "One row per judged clip: its consensus.")
    columns = {"clip": whole["clip"].cast(pl.String), "score": table_files.numbers(whole, score, pool)}
    if stratum:
        columns["stratum"] = whole[stratum].cast(pl.String)
    of_pool = pl.DataFrame(columns, schema_overrides={"score": pl.Float64})
    missing = int(of_pool["score"].null_count())
    if missing:
        raise AppError(
            f"{missing} of {of_pool.height} clips of {pool} have no {score}: nothing can be said of the whole.",
            "Score them, or make a pool of the clips that have the score and speak of that.",
        )
    own = pl.DataFrame({"clip": judged["clip"].cast(pl.String), "label": _labels(judged, label, file)}).drop_nulls()
    joined = own.join(of_pool, on="clip", how="left")
    lost = joined.filter(pl.col("score").is_null())
    if lost.height:
        raise AppError(
            f"{lost.height} judged clips are not in {pool}, the first is {lost['clip'][0]!r}.",
            "Give the pool that they were drawn from.",
        )
    return joined, of_pool


def _labels(judged: pl.DataFrame, label: str, file: Path) -> list[float | None]:
    if judged[label].dtype.is_numeric():
        found = table_files.numbers(judged, label, file)
        if any(value is not None and not 0 <= value <= 1 for value in found):
            raise AppError(
                f"{file}: {label} goes beyond 0 and 1.", "Give the verdict, or the share of accepts, 0 to 1."
            )
        return found
    return [None if value is None else float(value) for value in table_files.truths(judged, label, file)]
