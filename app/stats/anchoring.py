"""Read answers that were given with a filter's score shown or hidden, for `clipjury stats anchoring`."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import AppError
from app.stats import tables as table_files

ARMS = {"shown": True, "hidden": False, "after": False}
"""Whether the rater saw the score; in the arm `after` it was shown only after the answer."""


@dataclass(frozen=True)
class ArmedAnswers:
    """The answers that have a value and a verdict of the filter, one entry each; `left_out` counts the others."""

    answers: tuple[float, ...]
    filter_says: tuple[float, ...]
    shown: tuple[bool, ...]
    raters: tuple[str, ...]
    clips: tuple[str, ...]
    left_out: int


def read_answers(path: Path, says: str, criterion: str | None) -> ArmedAnswers:
    """Read the answers to one criterion, with the filter's verdict or score from the column `says`.

    Raises AppError naming a missing column, or the line of an unknown arm, a missing name, an invalid answer, or a
    second answer (repeats need an occasion).
    """
    table = table_files.read_table(path)
    named = ["criterion"] if criterion else []
    table_files.need_columns(table, ["clip", "rater", "value", "arm", says, *named], path)
    mine = _of(table, criterion, path)
    # Rows of other criteria are blanked, not removed, so that messages name the right lines of the file.
    table = table.with_columns(pl.when(mine).then(pl.col("value", says)).otherwise(None))
    raters, clips = (table_files.words(table, name, path) for name in ("rater", "clip"))
    keys = [name for name in ("clip", "rater", "criterion", "occasion") if name in table.columns]
    table_files.refuse_repeats(table, keys, path, "Keep one row; for repeats give a column occasion with 0, 1, ...")
    arms = [str(arm or "").strip().lower() for arm in table["arm"].to_list()]
    for row, arm in enumerate(arms):
        if mine[row] and arm not in ARMS:
            raise AppError(f"{path}, line {row + 2}: the arm is {arm!r}.", "Arms are shown, hidden and after.")
    answers, verdicts = (_amounts(table, name, path) for name in ("value", says))
    whole = [row for row in range(table.height) if answers[row] is not None and verdicts[row] is not None]
    return ArmedAnswers(
        answers=tuple(answers[row] or 0.0 for row in whole),
        filter_says=tuple(verdicts[row] or 0.0 for row in whole),
        shown=tuple(ARMS[arms[row]] for row in whole),
        raters=tuple(raters[row] for row in whole),
        clips=tuple(clips[row] for row in whole),
        left_out=int(mine.sum()) - len(whole),
    )


def _of(table: pl.DataFrame, criterion: str | None, path: Path) -> pl.Series:
    """Which rows belong to the criterion; all if the file has only one."""
    everything = pl.Series([True] * table.height, dtype=pl.Boolean)
    if "criterion" not in table.columns:
        return everything
    of = table["criterion"].cast(pl.String).fill_null("(none)")
    names = sorted(of.unique().to_list())
    if criterion is None and len(names) > 1:
        raise AppError(f"{path} has several criteria: {', '.join(names)}.", "Choose one: --criterion NAME")
    if criterion is not None and criterion not in names:
        raise AppError(f"{path} has no criterion {criterion!r}.", f"It has: {', '.join(names) or 'none'}.")
    return everything if criterion is None else of == criterion


def _amounts(table: pl.DataFrame, column: str, path: Path) -> list[float | None]:
    if table_files.holds_numbers(table[column]):
        return table_files.numbers(table, column, path)
    return [None if value is None else float(value) for value in table_files.verdicts(table, column, path)]
