"""`clipjury stats cascade`: joint thresholds for filters that must all accept a clip, and the effect of each filter."""

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.number_format import DASH, decimal, number_text
from app.commands import numeric_options
from app.commands.numeric_options import real
from app.commands.stats import tables
from app.errors import AppError

if TYPE_CHECKING:
    from analysis.thresholds.cascade_guarantee import JointThresholds
    from app.stats.scores import ScoredSample


def cascade(
    file: Annotated[Path, typer.Argument(help="One row per clip: CSV, TSV or Parquet.")],
    filters: Annotated[str, typer.Option(help="Columns of scores, a,b,c; b:le where a low score is good.")],
    label: Annotated[str, typer.Option(help="Column of the label: good or bad (1/0, accept/reject), or a share 0..1.")],
    target_precision: Annotated[
        float, real("--target-precision", 0, 1, "Precision that the cascade must reach.", is_open=True)
    ],
    weight: Annotated[str | None, typer.Option(help="Column: pool clips that a clip stands for.")] = None,
    stratum: Annotated[str | None, typer.Option(help="Column of the stratum a clip was drawn from.")] = None,
    population: Annotated[str | None, typer.Option(help="Column: pool clips in the row's stratum.")] = None,
    source: Annotated[str | None, typer.Option(help="Column of the source: clips of one are not independent.")] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    seed: Annotated[int, numeric_options.seed("Of search and splits.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Joint thresholds that keep the most good clips at a wanted precision, tested on held-out clips."""
    from analysis.thresholds import cascade_guarantee
    from app.stats import scores as score_files

    names, signs = _filters(filters)
    sample = score_files.read(file, names, label, score_files.DesignColumns(weight, stratum, population, source))
    try:
        found = cascade_guarantee.joint_thresholds(
            names,
            sample.scores * signs,
            sample.good,
            sample.design,
            target=target_precision,
            confidence=confidence,
            seed=seed,
        )
    except ValueError as error:
        raise AppError(f"{file}: {error}.", "Give another target, more clips or other filters.") from error
    content = _content(found, sample, names, signs, target_precision)
    if as_json:
        tables.print_json(content)
        return
    _show(content)


def _filters(text: str) -> tuple[list[str], Any]:
    import numpy as np

    names, signs = [], []
    for part in text.split(","):
        name, _, direction = part.strip().rpartition(":")
        if direction not in ("ge", "le") or not name:
            name, direction = part.strip(), "ge"
        names.append(name)
        signs.append(1.0 if direction == "ge" else -1.0)
    if "" in names or len(set(names)) < len(names):
        raise AppError(f"--filters {text} is no list of columns.", "Write each once: --filters sharp,still,noise:le")
    return names, np.array(signs)


def _content(
    found: "JointThresholds", sample: "ScoredSample", names: list[str], signs: Any, target: float
) -> dict[str, Any]:
    from app.commands.stats.rate_json import held_out_json, rates_json

    weighted = not sample.design.equal_weights
    promise = found.guarantee
    honest = promise.table if promise.table is not None else found.held_out.table if found.held_out else None
    rates = None if honest is None else rates_json(honest, weighted=weighted)
    thresholds = [
        float(threshold * sign) if isfinite(threshold) else None
        for threshold, sign in zip(found.thresholds, signs, strict=True)
    ]
    rows = [asdict(one) for one in found.contributions]
    for row, threshold in zip(rows, thresholds, strict=True):
        row["threshold"] = threshold
    passed = [step for step in promise.steps if step.passed][-1:]
    guarantee = {"target": target, "confidence": promise.confidence, "method": promise.method}
    guarantee |= {"approximate": promise.method != "exact", "tested": len(promise.steps)}
    for step in passed:
        guarantee |= {"accepted": step.accepted, "false_accepts": step.false_accepts, "p": step.p}
    return {
        "target_precision": target,
        "weighted": weighted,
        "counts": sample.counts(),
        "notes": list(sample.notes),
        "thresholds": dict(zip(names, thresholds, strict=True)),
        "yield": None if rates is None else rates["recall"],
        "precision": None if rates is None else rates["precision"],
        "judged_on": "the half that had no say" if found.guaranteed else "held-out halves" if rates else None,
        "guarantee": guarantee if found.guaranteed else None,
        "no_guarantee": promise.undefined,
        "held_out": held_out_json(found.held_out, weighted=weighted),
        "fitted": {"yield": found.table.recall.value, "precision": found.table.precision.value},
        "filters": rows,
    }


def _share(row: dict[str, Any]) -> str:
    if row["unique_good"] is None:
        return DASH
    return number_text(row["unique_good"], row["unique_good_low"], row["unique_good_high"], None)


def _show(content: dict[str, Any]) -> None:
    from rich.markup import escape

    out = tables.console()
    heads = ("threshold", "rejects", "alone", "good among those", "yield without it", "precision without it")
    grid = tables.grid("filter", *heads)
    for row in content["filters"]:
        change = (row["yield_change"], row["precision_change"])
        grid.add_row(
            escape(row["name"]),
            "open" if row["threshold"] is None else f"{row['threshold']:.6g}",
            str(row["rejects"]),
            str(row["unique"]),
            _share(row),
            *(decimal(one) for one in change),
        )
    out.print(grid)
    for name in ("yield", "precision"):
        rate = content[name]
        if rate is not None and rate["value"] is not None and rate["low"] is not None:
            out.print(f"{name} {tables.shown(rate)} on {content['judged_on']}", soft_wrap=True, markup=False)
    promise = content["guarantee"]
    if promise is None:
        out.print(f"No promise: {escape(content['no_guarantee'])}", soft_wrap=True)
        return
    kind = "approximate" if promise["approximate"] else "exact"
    words = f"precision >= {promise['target']:g} with confidence {promise['confidence']:g}"
    out.print(f"Promised: {words}, {promise['method']} ({kind}), {promise['accepted']} clips.", soft_wrap=True)
