"""`clipjury stats ppi`: the share of good clips in a whole pool, from judged clips and the pool's scores."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from app.commands.stats import tables
from app.errors import AppError


def ppi(
    file: Annotated[Path, typer.Argument(help="The judged clips: clip, the label, and stratum if there is one.")],
    pool: Annotated[Path, typer.Option(help="The pool they were drawn from (Parquet, CSV, TSV), a row per clip.")],
    score: Annotated[str, typer.Option(help="Column of the pool that tells good clips from bad ones.")],
    label: Annotated[
        str, typer.Option(help="Column of the judged clips: good or bad, or a share from 0 to 1.")
    ] = "good",
    stratum: Annotated[str | None, typer.Option(help="Column of the stratum, in both files.")] = None,
    falling: Annotated[bool, typer.Option("--falling", help="High scores mean bad clips.")] = False,
    prediction: Annotated[
        bool, typer.Option("--prediction", help="The score is P(good) already, learnt from other clips.")
    ] = False,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds that the prediction is learnt in.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """The share of good clips in the pool, prediction-powered, beside the estimate from the judged clips alone."""
    from analysis.ppi import cross_fitted, pool_share

    judged, whole = _joined(file, pool, label, score, stratum)
    labels, scores, every = (part.to_numpy() for part in (judged["label"], judged["score"], whole["score"]))
    try:
        if prediction:
            predicted, of_pool = scores, every
        else:
            predicted, of_pool = cross_fitted(scores, labels, every, rising=not falling, seed=seed)
        own, others = (part["stratum"].to_list() if stratum else None for part in (judged, whole))
        found = pool_share(labels, predicted, of_pool, own, others, confidence=confidence)
    except ValueError as error:
        raise AppError(f"{file}: {error}.", "Mend the files, or judge more clips.") from error
    if as_json:
        content = {"with_predictions": found.with_predictions.to_dict(), "judged_alone": found.judged_alone.to_dict()}
        tables.print_json(content | {"gain": found.gain, "tuning": list(found.tuning), "pool_clips": whole.height})
        return
    out = tables.console()
    table = tables.grid("share of good clips in the pool", "estimate", "judged clips")
    for words, one in (
        ("with the predictions", found.with_predictions),
        ("from the judged clips alone", found.judged_alone),
    ):
        table.add_row(words, tables.shown(one), str(one.clips))
    out.print(table)
    if found.gain is not None:
        out.print(
            f"The predictions are worth {found.gain:.2f} times as many judged clips ({whole.height} in the pool)."
        )


def _joined(file: Path, pool: Path, label: str, score: str, stratum: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judged clips with label, score and stratum; the pool's clips with score and stratum."""
    judged, whole = tables.read_table(file), tables.read_table(pool)
    more = [stratum] if stratum else []
    tables.need_columns(judged, ["clip", label, *more], file)
    tables.need_columns(whole, ["clip", score, *more], pool)
    if judged["clip"].is_duplicated().any():
        name = judged.filter(judged["clip"].is_duplicated())["clip"][0]
        raise AppError(f"{file} names the clip {name!r} twice.", "One row per judged clip: its consensus.")
    columns = {"clip": whole["clip"].cast(pl.String), "score": tables.numbers(whole, score, pool)}
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
        found = tables.numbers(judged, label, file)
        if any(value is not None and not 0 <= value <= 1 for value in found):
            raise AppError(
                f"{file}: {label} goes beyond 0 and 1.", "Give the verdict, or the share of accepts, 0 to 1."
            )
        return found
    return [None if value is None else float(value) for value in tables.truths(judged, label, file)]
