"""`clipjury stats ppi`: estimate the share of good clips in a pool from judged clips and the pool's scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.number_format import estimate_text
from app.commands import numeric_options
from app.commands.stats import tables
from app.errors import AppError

if TYPE_CHECKING:
    from analysis.prediction_powered import PoolShare


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
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    seed: Annotated[int, numeric_options.seed("Of the folds that the prediction is learnt in.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """The share of good clips in the pool, prediction-powered, beside the estimate from the judged clips alone."""
    from analysis.prediction_powered import cross_fitted_predictions, pool_share
    from app.stats.prediction_powered import joined

    judged, whole, left_out = joined(file, pool, label, score, stratum)
    labels, scores, every = (part.to_numpy() for part in (judged["label"], judged["score"], whole["score"]))
    try:
        if prediction and not ((every >= 0) & (every <= 1)).all():
            raise ValueError(f"{score} goes beyond 0 and 1 and is no prediction of P(good)")
        if prediction:
            predicted, of_pool = scores, every
        else:
            predicted, of_pool = cross_fitted_predictions(scores, labels, every, rising=not falling, seed=seed)
        own, others = (part["stratum"].to_list() if stratum else None for part in (judged, whole))
        found = pool_share(labels, predicted, of_pool, own, others, confidence=confidence)
    except ValueError as error:
        raise AppError(f"{file}: {error}.", "Mend the files, or judge more clips.") from error
    if as_json:
        content: dict[str, Any] = {
            "with_predictions": found.with_predictions.to_dict(),
            "judged_alone": found.judged_alone.to_dict(),
        }
        content |= {"gain": found.gain, "tuning": list(found.tuning), "pool_clips": whole.height, "left_out": left_out}
        tables.print_json(content)
        return
    _show(found, whole.height, left_out)


def _show(found: "PoolShare", pool_clips: int, left_out: int) -> None:
    out = tables.console()
    table = tables.grid("share of good clips in the pool", "estimate", "judged clips")
    for words, one in (
        ("with the predictions", found.with_predictions),
        ("from the judged clips alone", found.judged_alone),
    ):
        table.add_row(words, estimate_text(one), str(one.clips))
    out.print(table)
    if found.gain is not None:
        out.print(f"The predictions are worth {found.gain:.2f} times as many judged clips ({pool_clips} in the pool).")
    if left_out:
        out.print(f"{left_out} rows without a label were left out.")
