"""Read files of ratings for `clipjury stats`: long tables (a row per answer) and wide tables (a row per clip)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import AppError
from app.stats import tables as table_files

LONG = ("clip", "rater", "criterion", "value")
NUMERIC = {"occasion": pl.Int64, "weight": pl.Float64, "position": pl.Float64, "seconds": pl.Float64}
"""Numeric columns; other columns are not converted."""
ONLY_CRITERION = "value"
"""The criterion of a file without a column of criteria."""


@dataclass(frozen=True)
class RatingTable:
    """The answers in a file.

    `frame` has the columns clip, rater, criterion and value (text, as written), and if the file has them occasion
    (integers from 0), source, stratum, weight (above 0) and any others. Rows without a value (empty, `NA`, `NaN`) are
    left out and counted in `empty`.
    """

    path: Path
    frame: pl.DataFrame
    empty: int

    @property
    def criteria(self) -> list[str]:
        """The criteria, in alphabetical order."""
        return sorted(self.frame["criterion"].unique().to_list())

    def of(self, criterion: str | None) -> pl.DataFrame:
        """The rows of one criterion; None stands for the only one in the file.

        Raises AppError if there is no such criterion, or if there are several and none is named.
        """
        if criterion is None and len(self.criteria) == 1:
            return self.frame
        if criterion not in self.criteria:
            named = "several criteria" if criterion is None else f"no criterion {criterion!r}"
            raise AppError(
                f"{self.path} has {named}: {', '.join(self.criteria)}.", "Choose one of them: --criterion NAME"
            )
        return self.frame.filter(pl.col("criterion") == criterion)


def read_ratings(path: Path, *, wide: bool = False, criterion: str | None = None) -> RatingTable:
    """Read a file of ratings (CSV, TSV or Parquet).

    Long: columns clip, rater, value and usually criterion; optional occasion (0, 1, ... for repeats), source, stratum,
    weight. Wide: the first column names the clip, every other column is a rater. With `criterion`, rows of other
    criteria are left out. Raises AppError naming a missing column, a value that must be a number and is not, or the
    lines of two answers of one rater to one clip (repeats need an occasion).
    """
    table = table_files.read_table(path, first_names=wide)
    frame = _from_wide(table, path) if wide else _from_long(table, path)
    frame = frame.with_columns(pl.col("value").str.strip_chars())
    filled = frame.filter(
        pl.col("value").is_not_null() & ~pl.col("value").str.to_lowercase().is_in(table_files.NOTHING)
    )
    if not filled.height:
        raise AppError(f"{path} holds no rating.", "One row per answer: clip, rater, criterion, value.")
    found = RatingTable(path, filled, frame.height - filled.height)
    if criterion is not None:
        found = RatingTable(path, found.of(criterion), found.empty)
    _refuse_two_answers(found)
    return RatingTable(path, found.frame.drop("line"), found.empty)


def _from_long(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    table_files.need_columns(table, [name for name in LONG if name != "criterion"], path)
    if "criterion" not in table.columns:
        table = table.with_columns(criterion=pl.lit(ONLY_CRITERION))
    columns: list[pl.Expr | pl.Series] = [pl.col(name).cast(pl.String) for name in ("clip", "rater", "criterion")]
    columns.append(as_written(table["value"], path))
    for name, kind in NUMERIC.items():
        if name in table.columns:
            read = table_files.weights if name == "weight" else table_files.numbers
            given = read(table, name, path)
            if name == "occasion":
                _refuse_parts(given or [], path)
            columns.append(pl.Series(name, given, dtype=pl.Float64).cast(kind))
    frame = table.with_columns(columns).with_row_index("line", offset=2)
    for name in ("clip", "rater", "criterion"):
        missing = frame.filter(pl.col(name).is_null())
        if missing.height:
            raise AppError(f"{path}, line {missing['line'][0]}: the {name} is missing.", f"Every row names its {name}.")
    if "occasion" in frame.columns:
        frame = frame.with_columns(pl.col("occasion").fill_null(0))
    return frame


def _refuse_parts(occasions: Sequence[float | None], path: Path) -> None:
    for line, occasion in enumerate(occasions, start=2):
        if occasion is not None and (occasion < 0 or occasion % 1):
            raise AppError(f"{path}, line {line}: the occasion is {occasion:g}.", "Occasions are 0, 1, 2 and so on.")


def _from_wide(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    if table.width < 3:
        raise AppError(
            f"{path} has {table.width} columns.", "A wide table has the clip first and a column for each of two raters."
        )
    clip, *raters = table.columns
    if "clip" in raters:
        raise AppError(
            f"{path}: the column 'clip' stands behind {clip!r}.", "Put the clip's name into the first column."
        )
    # Spreadsheets may end lines with commas: such columns have no head and are read as "" and "_duplicated_0".
    raters = [name for name in raters if name.partition("_duplicated_")[0] or not table[name].is_null().all()]
    written = table.select(
        pl.col(clip).cast(pl.String).alias("clip"), *(as_written(table[name], path) for name in raters)
    )
    if written["clip"].is_null().any() or written["clip"].is_duplicated().any():
        raise AppError(f"{path}: the first column, {clip!r}, must name every clip once.", "Put the clip's name first.")
    long = written.with_row_index("line", offset=2).unpivot(
        raters, index=["line", "clip"], variable_name="rater", value_name="value"
    )
    return long.with_columns(criterion=pl.lit(ONLY_CRITERION)).sort("line", "rater")


def as_written(values: pl.Series, path: Path) -> pl.Series:
    """Answers as text in one form: 3 instead of 3.0, 1 and 0 for true and false; NaN is a missing answer."""
    table_files.plain(values, path)
    if values.dtype == pl.String:
        words = values.str.strip_chars().str.to_lowercase()
        if words.is_in([*table_files.NOTHING, "true", "false"]).all():  # this check ignores nulls
            values = words.replace_strict({"true": 1, "false": 0}, default=None, return_dtype=pl.Int64)
        elif table_files.holds_numbers(values):
            values = words.cast(pl.Float64, strict=False)
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int64)
    if values.dtype.is_float():
        return pl.Series(
            values.name, [None if one is None or one != one else f"{one:.12g}" for one in values.to_list()]
        )
    return values.cast(pl.String)


def _refuse_two_answers(ratings: RatingTable) -> None:
    keys = [name for name in ("clip", "rater", "criterion", "occasion") if name in ratings.frame.columns]
    again = ratings.frame.filter(ratings.frame.select(keys).is_duplicated()).sort([*keys, "line"])
    if not again.height:
        return
    first = again.row(0, named=True)
    lines = again.filter(pl.all_horizontal(pl.col(name) == first[name] for name in keys))["line"].to_list()
    raise AppError(
        f"{ratings.path}, lines {', '.join(map(str, lines))}: {first['rater']} answered {first['clip']} "
        f"({first['criterion']}) {len(lines)} times.",
        "Keep one row; for repeats give a column occasion with 0, 1, ...",
    )
