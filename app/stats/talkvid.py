"""Read votes of two raters and verdicts of filters, in long or wide form, for `clipjury stats talkvid`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analysis.raters.talkvid_table import COLUMNS
from app.errors import AppError
from app.stats import tables as table_files

LONG = ("clip", "rater", "criterion", "value", "pass")
WIDE = ("filter", "item", "filter_pass", "rater1", "rater2")
RATERS = 2


@dataclass(frozen=True)
class FilterVotes:
    """The clips of one filter, one entry each: the filter's verdict and the votes of the two raters."""

    name: str
    accepted: tuple[bool, ...]
    first: tuple[bool, ...]
    second: tuple[bool, ...]
    left_out: int
    """Number of clips without exactly two votes and a verdict of the filter."""


def read_votes(path: Path) -> list[FilterVotes]:
    """Read the votes of every filter, in alphabetical order; a filter without any complete clip has empty votes.

    Long: a row per vote with clip, rater, criterion (the filter), value and pass. Wide: a row per clip with filter,
    item, filter_pass, rater1 and rater2. The order of the two raters does not matter.

    Raises AppError naming the missing columns, or a clip with two verdicts.
    """
    table = table_files.read_table(path)
    wide = set(WIDE) <= set(table.columns)
    if not wide:
        table_files.need_columns(table, LONG, path)
    groups = _wide(table, path) if wide else _long(table, path)
    found = [_votes(name, rows) for name, rows in sorted(groups.items())]
    if not any(one.accepted for one in found):
        raise AppError(f"{path}: no clip has two votes and a verdict of the filter.", "The table compares two raters.")
    return found


def _wide(table: pl.DataFrame, path: Path) -> dict[str, dict[str, tuple[bool | None, list[bool | None]]]]:
    says = table_files.verdicts(table, "filter_pass", path)
    votes = [table_files.verdicts(table, name, path) for name in ("rater1", "rater2")]
    groups: dict[str, dict[str, tuple[bool | None, list[bool | None]]]] = {}
    filters, items = (table_files.words(table, name, path) for name in ("filter", "item"))
    for row, (name, clip) in enumerate(zip(filters, items, strict=True)):
        clips = groups.setdefault(name, {})
        if clip in clips:
            raise AppError(f"{path}, line {row + 2}: {clip} is there twice for {name}.", "One row per clip and filter.")
        clips[clip] = (says[row], [of_rater[row] for of_rater in votes])
    return groups


def _long(table: pl.DataFrame, path: Path) -> dict[str, dict[str, tuple[bool | None, list[bool | None]]]]:
    says, values = table_files.verdicts(table, "pass", path), table_files.verdicts(table, "value", path)
    groups: dict[str, dict[str, tuple[bool | None, list[bool | None]]]] = {}
    seen: set[tuple[str, str, str]] = set()
    # Sorted by rater: kappa depends on who said what, and the order of the rows must not matter.
    named = [table_files.words(table, name, path) for name in ("clip", "rater", "criterion")]
    rows = sorted(enumerate(zip(*named, strict=True)), key=lambda one: one[1][1])
    for row, (clip, rater, name) in rows:
        key = (name, clip, rater)
        if key in seen:
            raise AppError(f"{path}, line {row + 2}: {rater} voted twice on {clip} ({name}).", "Keep the last vote.")
        seen.add(key)
        verdict, votes = groups.setdefault(key[0], {}).setdefault(key[1], (says[row], []))
        if verdict != says[row]:
            raise AppError(f"{path}, line {row + 2}: {clip} passes {name} here and fails elsewhere.", "Mend the file.")
        votes.append(values[row])
    return groups


def _votes(name: str, clips: dict[str, tuple[bool | None, list[bool | None]]]) -> FilterVotes:
    whole = [
        (verdict, *(bool(vote) for vote in votes))
        for verdict, votes in clips.values()
        if verdict is not None and len(votes) == RATERS and None not in votes
    ]
    columns: list[tuple[bool, ...]] = list(zip(*whole, strict=True)) if whole else [(), (), ()]
    return FilterVotes(name, columns[0], columns[1], columns[2], len(clips) - len(whole))


def read_published(path: Path, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read published figures by filter: column filter, and any of agreement, kappa, accuracy, precision, recall, f1.

    Percentages are as printed; a row named `mean` has the averages. Names such as `pub_accuracy_pct` are read too.
    Raises AppError if none of the filters is in the file.
    """
    table = table_files.read_table(path)
    table_files.need_columns(table, ["filter"], path)
    known = dict(_known(table.columns))
    if not known:
        raise AppError(f"{path} has no printed figure.", f"Columns are: filter, {', '.join(COLUMNS)}.")
    values = {column: table_files.numbers(table, name, path) for column, name in known.items()}
    printed: dict[str, dict[str, float]] = {}
    table_files.refuse_repeats(table, ["filter"], path, "One row per filter, as printed.")
    for row, name in enumerate(table_files.words(table, "filter", path)):
        given = ((column, values[column][row]) for column in known)
        printed[name] = {column: value for column, value in given if value is not None}
    if not set(printed) & set(names):
        raise AppError(f"{path} names none of the filters of the votes.", f"They are: {', '.join(names)}.")
    return printed


def _known(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for column in COLUMNS:
        for name in (column, f"pub_{column}_pct", f"pub_{column}"):
            if name in columns:
                yield column, name
                break
