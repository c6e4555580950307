"""`clipjury stats anchoring`: whether raters who see the score of a filter follow it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.number_format import estimate_text
from app.commands import numeric_options
from app.commands.stats import tables

if TYPE_CHECKING:
    from analysis.raters.anchoring import Anchoring


def anchoring(
    file: Annotated[Path, typer.Argument(help="One row per answer: clip, rater, value, arm (shown or hidden).")],
    says: Annotated[
        str, typer.Option("--filter", help="Column of the filter: its verdict (pass/fail) or its score.")
    ] = "pass",
    criterion: Annotated[str | None, typer.Option(help="Take this criterion's rows only.")] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """The effect of showing scores: how much more answers follow the filter when raters see what it says."""
    from analysis.raters.anchoring import anchoring as difference
    from app.stats.anchoring import read_answers

    read = read_answers(file, says, criterion)
    given = read.answers, read.filter_says, read.shown, read.raters, read.clips
    found = difference(*given, confidence=confidence)
    if as_json:
        parts = {name: getattr(found, name).to_dict() for name in ("shown", "hidden", "effect")}
        tables.print_json(parts | {"p": found.p, "left_out": read.left_out})
        return
    _show(found, read.left_out)


def _show(found: "Anchoring", left_out: int) -> None:
    out = tables.console()
    grid = tables.grid("answers follow the filter", "estimate")
    for words, one in (
        ("score shown", found.shown),
        ("score hidden", found.hidden),
        ("effect of showing", found.effect),
    ):
        grid.add_row(words, estimate_text(one))
    out.print(grid)
    p = "" if found.p is None else f" p = {found.p:.3g} that it is 0."
    out.print(
        f"{found.effect.ratings or 0} answers of {found.effect.raters} raters on {found.effect.clips} clips.{p} "
        "For verdicts: P(accept | filter accepts) - P(accept | filter rejects); for ratings: the slope on the score.",
        soft_wrap=True,
    )
    if left_out:
        out.print(f"{left_out} rows without an answer or a verdict of the filter were left out.")
