"""`clipjury stats calibrate`: a score against the raters, at a given threshold and at thresholds worth choosing."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands.stats import tables
from app.errors import AppError

if TYPE_CHECKING:
    from analysis.objectives import Objective
    from app.calibrations import Calibration

RATES = ("precision", "recall", "specificity", "f1", "mcc", "accuracy", "prevalence")


def calibrate(
    file: Annotated[Path, typer.Argument(help="One row per clip: CSV, TSV or Parquet.")],
    score: Annotated[str, typer.Option(help="Column of the score.")],
    label: Annotated[str, typer.Option(help="Column of the label: good or bad (1/0, accept/reject), or a share 0..1.")],
    weight: Annotated[str | None, typer.Option(help="Column: pool clips that a clip stands for.")] = None,
    stratum: Annotated[str | None, typer.Option(help="Column of the stratum a clip was drawn from.")] = None,
    population: Annotated[str | None, typer.Option(help="Column: pool clips in the row's stratum.")] = None,
    source: Annotated[str | None, typer.Option(help="Column of the source: clips of one are not independent.")] = None,
    direction: Annotated[Literal["ge", "le"], typer.Option(help="Accepted: score >= or <= threshold.")] = "ge",
    at: Annotated[float | None, typer.Option(help="A threshold given beforehand.")] = None,
    objective: Annotated[
        list[str] | None, typer.Option(help="f1, fbeta:B, youden or cost:FP,FN; may be given again. Default f1.")
    ] = None,
    target_precision: Annotated[float | None, typer.Option(help="Promise precision >= this.")] = None,
    target_recall: Annotated[float | None, typer.Option(help="Keep recall >= this.")] = None,
    confidence: Annotated[float, typer.Option(help="Of the promise and of the intervals.")] = 0.95,
    start: Annotated[float | None, typer.Option(help="Where the promise's tests start, chosen without labels.")] = None,
    bin_wise: Annotated[bool, typer.Option("--bin-wise", help="Exact promise by strata: cautious.")] = False,
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap samples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples and splits.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """How a score agrees with the raters: AUC, the table at a threshold, and thresholds with what they promise."""
    from analysis import objectives
    from app import calibrations, score_files

    if not 0 < confidence < 1:
        raise AppError(f"--confidence {confidence:g} is not possible.", "Give a share between 0 and 1.")
    for option, given in (("--at", at), ("--start", start)):
        if given is not None and not isfinite(given):
            raise AppError(f"{option} {given:g} is no threshold.", "Give a number on the scale of the score.")
    columns = score_files.Columns(weight, stratum, population, source)
    sample = score_files.read(file, [score], label, columns)
    made = calibrations.Calibration(sample.scores[:, 0], sample.good, sample.design, direction, confidence, seed)
    curve = made.curve(resamples)
    try:
        aims = objective or ([] if target_precision is not None or target_recall is not None else ["f1"])
        choices = [_or_reason(made, objectives.parse(text), resamples) for text in aims]
        if target_precision is not None:
            choices.append(made.promised(target_precision, confidence, start, bin_wise=bin_wise))
        if target_recall is not None:
            choices += _recalls(made, target_recall, confidence, at)
    except ValueError as error:
        raise AppError(f"{file}: {error}.", "See clipjury stats calibrate --help.") from error
    content: dict[str, Any] = {
        "score": score,
        "label": label,
        "direction": direction,
        "weighted": made.weighted,
        "counts": sample.counts(),
        "notes": list(sample.notes),
        "auc": made.auc(curve),
        "at": None if at is None else made.at(at),
        "choices": choices,
        "curve": made.points(curve),
    }
    if as_json:
        tables.print_json(content)
        return
    _show(content)


def _recalls(made: "Calibration", target: float, confidence: float, at: float | None) -> list[dict[str, Any]]:
    """The threshold that keeps the recall on average, and the one that keeps it with confidence."""
    from app.calibrations import NO_REJECTS

    refused = NO_REJECTS if at is not None and not made.rejects_rated(at) else None
    return [made.recalled(target, sure, refused) for sure in (None, confidence)]


def _or_reason(made: "Calibration", aim: "Objective", resamples: int) -> dict[str, Any]:
    """A choice, or the reason why these clips allow none, instead of a refusal of all the rest."""
    empty = dict.fromkeys(("threshold", "interval", "stability", "guarantee", "held_out"))
    try:
        content: dict[str, Any] = made.chosen(aim, resamples)
    except ValueError as error:
        return {"objective": str(aim), **empty, "undefined": str(error)}
    return content


def _show(content: dict[str, Any]) -> None:
    from rich.markup import escape

    out = tables.console()
    counts = content["counts"]
    out.print(f"{counts['used']} of {counts['rows']} clips have a label and a score.", soft_wrap=True)
    for note in content["notes"]:
        out.print(escape(note), soft_wrap=True)
    out.print(f"AUC {_number(content['auc'])}; {escape(content['auc']['method'])}", soft_wrap=True)
    columns = [] if content["at"] is None else [(f"at {content['at']['threshold']:g}", content["at"])]
    columns += [(f"held out, {one['objective']}", one["held_out"]) for one in content["choices"] if one["held_out"]]
    if columns:
        grid = tables.grid("", *(title for title, _ in columns))
        for name in RATES:
            grid.add_row(name, *(_number(rates[name]) for _, rates in columns))
        out.print(grid)
    for one in content["choices"]:
        out.print(escape(_words(one)), soft_wrap=True)


def _number(rate: dict[str, Any]) -> str:
    if rate["value"] is None:
        return f"– ({rate['undefined']})"
    if rate["low"] is None:
        return f"{rate['value']:.3f} (no interval)"
    return f"{rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]"


def _words(choice: dict[str, Any]) -> str:
    name = choice["objective"]
    if choice["threshold"] is None:
        return f"{name}: no threshold. {choice['undefined']}"
    low, high = ("–" if end is None else f"{end:.6g}" for end in choice["interval"])
    sentence = f"{name}: threshold {choice['threshold']:.6g} (the same rated clips between {low} and {high})"
    promise = choice["guarantee"]
    if promise is None:
        stable = choice["stability"]
        return f"{sentence}; over resamples {stable['low']:.6g} to {stable['high']:.6g}. {choice['note']}"
    kind = "approximate" if promise["approximate"] else "exact"
    sure = "on average" if promise["confidence"] is None else f"with confidence {promise['confidence']:g}"
    return f"{sentence}; promised {sure}, {promise['method']} ({kind})."
