"""`clipjury stats raters`: opinion scores, and statistics of the raters."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.number_format import decimal, estimate_text
from app.commands import numeric_options
from app.commands.numeric_options import real
from app.commands.stats import tables

if TYPE_CHECKING:
    from app.stats.raters import RaterReport, RaterStatistics


def raters(
    file: Annotated[
        Path,
        typer.Argument(
            help="Ratings in points: clip, rater, criterion, value; read where there: position (in the rater's own "
            "order), seconds (time to answer), gold (the right answer), occasion."
        ),
    ],
    criterion: Annotated[str | None, typer.Option(help="The criterion, where the file has several.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="A row per clip, a column per rater.")] = False,
    tolerance: Annotated[float, real("--tolerance", 0, 1000, "Points by which a gold answer may be missed.")] = 1.0,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    seed: Annotated[int, numeric_options.seed("Of the shuffles that tell straight-lining from chance.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Bias, inconsistency, who is rejected under which rule and what that changes, monotony, haste, gold, drift."""
    from app.stats.raters import about_raters
    from app.stats.ratings import read_ratings

    table = read_ratings(file, wide=wide)
    found = about_raters(table, criterion=criterion, tolerance=tolerance, confidence=confidence, seed=seed)
    if as_json:
        tables.print_json(_to_json(found))
        return
    _show(found)


def _to_json(found: "RaterReport") -> dict[str, Any]:
    estimates = [{"gold": one.gold.to_dict(), "drift": one.drift.to_dict()} for one in found.raters]
    content = asdict(found)
    content["raters"] = [row | more for row, more in zip(content["raters"], estimates, strict=True)]
    return content


def _show(found: "RaterReport") -> None:
    from rich.markup import escape

    out = tables.console()
    grid = tables.grid(
        "rater", "ratings", "bias", "inconsistency", "r with rest", "rejected by", "signs", title=found.criterion
    )
    for one in sorted(found.raters, key=lambda one: -one.inconsistency):
        grid.add_row(
            escape(one.rater),
            str(one.ratings),
            decimal(one.bias),
            f"{decimal(one.inconsistency)}{'*' if one.floored else ''}",
            decimal(one.correlation_with_the_rest),
            ", ".join(one.rejected_by) or "–",
            ", ".join(_signs(one)) or "–",
        )
    out.print(grid)
    if any(one.floored for one in found.raters):
        out.print("* too few ratings, or too even ones: the inconsistency of all raters stands in.")
    out.print()
    rules = tables.grid("rule", "rejected", "mean score before", "after", "mean half-width before", "after")
    for rule in found.screening:
        before, after = rule.before, rule.after
        numbers = (before.mean, after.mean, before.half_width, after.half_width)
        rules.add_row(rule.rule, escape(", ".join(rule.rejected)) or "nobody", *(decimal(n) for n in numbers))
    out.print(rules)
    counted = tables.left_out(empty=found.empty, abstained=found.abstained, repeats=found.repeats)
    for note in [*counted, *found.notes]:
        out.print(note, soft_wrap=True)


def _signs(one: "RaterStatistics") -> list[str]:
    signs = []
    if one.straight_lining:
        signs.append("one answer in long runs" if one.commonest_share < 1 else "one answer throughout")
    if one.hasty:
        signs.append(f"hasty ({one.median_seconds:.1f} s)")
    gold, drift = one.gold, one.drift
    if gold.value is not None:
        signs.append(f"gold {estimate_text(gold)}")
    if (
        drift.value is not None
        and drift.low is not None
        and drift.high is not None
        and (drift.low > 0 or drift.high < 0)
    ):
        signs.append(f"drifts {estimate_text(drift)} per 100 clips")
    return signs
