"""`clipjury stats calibrate`: compare a score with the raters, at a given threshold and at recommended ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.commands import numeric_options
from app.commands.numeric_options import MAX_SCORE, real, whole
from app.errors import AppError

if TYPE_CHECKING:
    from analysis.thresholds.calibration import ChosenThreshold
    from analysis.thresholds.objectives import Objective
    from app.commands.stats.calibrate_output import NoChoice
    from app.stats.calibration import Calibration, PrecisionGuarantee, RecallGuarantee


def calibrate(
    file: Annotated[Path, typer.Argument(help="One row per clip: CSV, TSV or Parquet.")],
    score: Annotated[str, typer.Option(help="Column of the score.")],
    label: Annotated[str, typer.Option(help="Column of the label: good or bad (1/0, accept/reject), or a share 0..1.")],
    weight: Annotated[str | None, typer.Option(help="Column: pool clips that a clip stands for.")] = None,
    stratum: Annotated[str | None, typer.Option(help="Column of the stratum a clip was drawn from.")] = None,
    population: Annotated[str | None, typer.Option(help="Column: pool clips in the row's stratum.")] = None,
    source: Annotated[str | None, typer.Option(help="Column of the source: clips of one are not independent.")] = None,
    direction: Annotated[Literal["ge", "le"], typer.Option(help="Accepted: score >= or <= threshold.")] = "ge",
    at: Annotated[float | None, real("--at", -MAX_SCORE, MAX_SCORE, "A threshold given beforehand.")] = None,
    objective: Annotated[
        list[str] | None, typer.Option(help="f1, fbeta:B, youden or cost:FP,FN; may be given again. Default f1.")
    ] = None,
    target_precision: Annotated[
        float | None, real("--target-precision", 0, 1, "Promise precision >= this.", is_open=True)
    ] = None,
    target_recall: Annotated[float | None, real("--target-recall", 0, 1, "Keep recall >= this.", is_open=True)] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    start: Annotated[
        float | None,
        real("--start", -MAX_SCORE, MAX_SCORE, "Where the promise's tests start, chosen without labels."),
    ] = None,
    bin_wise: Annotated[bool, typer.Option("--bin-wise", help="Exact promise by strata: cautious.")] = False,
    resamples: Annotated[int, whole("--resamples", 2, 100_000, "Bootstrap samples.")] = 1000,
    seed: Annotated[int, numeric_options.seed("Of resamples and splits.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """How a score agrees with the raters: AUC, the table at a threshold, and thresholds with what they promise."""
    from analysis.thresholds import objectives
    from app.commands.stats import calibrate_output, tables
    from app.stats import calibration
    from app.stats import scores as score_files

    columns = score_files.DesignColumns(weight, stratum, population, source)
    rated = score_files.read(file, [score], label, columns)
    sample = calibration.Calibration(rated.scores[:, 0], rated.good, rated.design, direction, confidence, seed)
    curve = sample.curve(resamples)
    try:
        aims = objective or ([] if target_precision is not None or target_recall is not None else ["f1"])
        choices: list[ChosenThreshold | NoChoice | PrecisionGuarantee | RecallGuarantee] = [
            _best(sample, objectives.parse(text), resamples) for text in aims
        ]
        if target_precision is not None:
            choices.append(sample.precision_guarantee(target_precision, confidence, start, bin_wise=bin_wise))
        if target_recall is not None:
            choices += _recalls(sample, target_recall, confidence, at)
    except ValueError as error:
        raise AppError(f"{file}: {error}.", "See clipjury stats calibrate --help.") from error
    answer = calibrate_output.Answer(score, label, rated, sample, curve, at, choices)
    if as_json:
        tables.print_json(calibrate_output.to_json(answer))
    else:
        calibrate_output.show(answer)


def _recalls(sample: "Calibration", target: float, confidence: float, at: float | None) -> "list[RecallGuarantee]":
    """The threshold that keeps the recall on average, and the one that keeps it with confidence."""
    from app.stats.calibration import NO_REJECTS

    refused = NO_REJECTS if at is not None and not sample.rejects_rated(at) else None
    return [sample.recall_guarantee(target, sure, refused) for sure in (None, confidence)]


def _best(sample: "Calibration", objective: "Objective", resamples: int) -> "ChosenThreshold | NoChoice":
    """The best threshold; where these clips allow none, the reason instead of an error that would hide the rest."""
    from app.commands.stats.calibrate_output import NoChoice

    try:
        return sample.best(objective, resamples)
    except ValueError as error:
        return NoChoice(str(objective), str(error))
