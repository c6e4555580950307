"""`clipjury stats anchoring`: whether raters who see the filter's score follow it."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.stats import tables
from app.errors import AppError

ARMS = {"shown": True, "hidden": False, "after": False}
"""In the arm `after` the score came only after the answer: it was given blind."""


def anchoring(
    file: Annotated[Path, typer.Argument(help="One row per answer: clip, rater, value, arm (shown or hidden).")],
    says: Annotated[
        str, typer.Option("--filter", help="Column of the filter: its verdict (pass/fail) or its score.")
    ] = "pass",
    criterion: Annotated[str | None, typer.Option(help="Take this criterion's rows only.")] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """The effect of showing scores: how much more answers follow the filter when raters see what it says."""
    from analysis.anchoring import anchoring as difference
    from app import table_files

    table = table_files.read_table(file)
    table_files.need_columns(
        table, ["clip", "rater", "value", "arm", says, *(["criterion"] if criterion else [])], file
    )
    if criterion:
        table = table.filter(table["criterion"].cast(str) == criterion)
    elif "criterion" in table.columns and table["criterion"].n_unique() > 1:
        names = ", ".join(sorted(str(name) for name in table["criterion"].unique().to_list()))
        raise AppError(f"{file} has several criteria: {names}.", "Choose one: --criterion NAME")
    answers, verdicts = (
        table_files.numbers(table, name, file)
        if table[name].dtype.is_numeric()
        else [None if value is None else float(value) for value in table_files.truths(table, name, file)]
        for name in ("value", says)
    )
    arms = [str(arm).strip().lower() for arm in table["arm"].to_list()]
    for line, arm in enumerate(arms, start=2):
        if arm not in ARMS:
            raise AppError(f"{file}, line {line}: the arm is {arm!r}.", "Arms are shown, hidden and after.")
    whole = [row for row in range(table.height) if answers[row] is not None and verdicts[row] is not None]
    found = difference(
        [answers[row] or 0.0 for row in whole],
        [verdicts[row] or 0.0 for row in whole],
        [ARMS[arms[row]] for row in whole],
        [str(table["rater"][row]) for row in whole],
        [str(table["clip"][row]) for row in whole],
        confidence=confidence,
    )
    if as_json:
        parts = {name: getattr(found, name).to_dict() for name in ("shown", "hidden", "effect")}
        tables.print_json(parts | {"p": found.p, "left_out": table.height - len(whole)})
        return
    out = tables.console()
    grid = tables.grid("answers follow the filter", "estimate")
    for words, one in (
        ("score shown", found.shown),
        ("score hidden", found.hidden),
        ("effect of showing", found.effect),
    ):
        grid.add_row(words, tables.shown(one))
    out.print(grid)
    p = "" if found.p is None else f" p = {found.p:.3g} that it is 0."
    out.print(
        f"{found.effect.ratings or 0} answers of {found.effect.raters} raters on {found.effect.clips} clips.{p} "
        "For verdicts: P(accept | filter accepts) - P(accept | filter rejects); for ratings: the slope on the score.",
        soft_wrap=True,
    )
