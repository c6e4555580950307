"""Read tables of researchers (CSV, TSV, Parquet) and check their columns."""

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path

import polars as pl

from app import limited_tables
from app.errors import AppError, did_you_mean

FORMATS = "CSV (.csv), TSV (.tsv) or Parquet (.parquet)"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
NAMES = ("clip", "item", "rater", "criterion", "source", "stratum")
"""Columns of names, which are read as text: 007 stays 007 and does not become the number 7."""
NOTHING = ("", "na", "nan", "null")
"""Texts of an empty cell in lower case, including those of R and Python."""
LEAST_WEIGHT, MOST_WEIGHT = 1e-12, 1e12
"""A weight outside of this range is most likely a mistake, and sums of its squares would lose precision."""


def read_table(path: Path, *, first_names: bool = False) -> pl.DataFrame:
    """Read a table; the suffix of the file says its format. Empty cells are null, types are inferred, `NAMES` are text.

    With `first_names` the first column is also read as names.

    It is read in a child process with limits. Raises AppError, with a remedy, if the file is missing or damaged, needs
    too much memory or time, has another suffix or another separator, or has two columns of one name.
    """
    mark = SEPARATORS.get(path.suffix.lower())
    if mark is None and path.suffix.lower() != ".parquet":
        raise AppError(f"{path} is not {FORMATS}.", "Save the table as one of these and name that file.")
    try:
        if mark is None:
            table = limited_tables.read(path, _parquet)
        else:
            table = limited_tables.read(path, _separated, mark, first_names=first_names)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or ["it cannot be read"])[0][:200]
        remedy = f"Tables are {FORMATS}, in UTF-8, with a header."
        raise AppError(f"The table {path} cannot be read: {reason}", remedy) from error
    _refuse_header(table, path)
    return table


def _parquet(path: Path) -> pl.DataFrame:
    limited_tables.refuse_columns(path, list(pl.read_parquet_schema(path)))
    return pl.read_parquet(path, glob=False)


def _separated(path: Path, mark: str, *, first_names: bool) -> pl.DataFrame:
    heads = limited_tables.columns(path, mark)
    names = heads[:1] if first_names else NAMES
    text = dict.fromkeys(names, pl.String)
    table = pl.read_csv(path, separator=mark, infer_schema_length=None, schema_overrides=text)
    named = [pl.col(name).str.strip_chars().replace("", None) for name in names if name in table.columns]
    table = table.with_columns(named)
    filled = table.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return table.head(filled[-1] + 1 if len(filled) else 0)  # drops the empty lines that editors leave at the end


def _refuse_header(table: pl.DataFrame, path: Path) -> None:
    """Raise AppError if the header shows that the file has another format than its suffix says."""
    heads = table.columns
    if any("\r" in head or "\x00" in head or "\ufffd" in head for head in heads):
        raise AppError(f"{path} is no plain text with lines.", "Save it anew as CSV in UTF-8.")
    if path.suffix.lower() != ".parquet" and len(heads) == 1:
        for mark, word in ((";", "semicolons"), ("\t", "tabs"), (",", "commas"), ("|", "bars")):
            if mark in heads[0]:
                wanted = "tabs" if path.suffix.lower() == ".tsv" else "commas"
                raise AppError(
                    f"{path} is separated by {word}, and not by {wanted}.",
                    "Save it with commas as .csv (with decimal points), or with tabs as .tsv.",
                )
    for head in heads:
        twice = re.fullmatch(r"(.+)_duplicated_\d+", head)  # the name that a second column of the same name gets
        if twice and twice[1] in heads:
            raise AppError(f"{path} has two columns named {twice[1]!r}.", "Keep one, or rename the other.")


def need_columns(table: pl.DataFrame, names: Iterable[str], path: Path) -> None:
    """Raise AppError, with similar names, if a column is missing, or if it holds lists or records."""
    for name in names:
        if name not in table.columns:
            near = did_you_mean(name, table.columns)
            listed = f"Its columns are: {', '.join(table.columns) or 'none'}."
            raise AppError(f"{path} has no column {name!r}. {near}".rstrip(), listed)
        plain(table[name], path)


def plain(column: pl.Series, path: Path) -> None:
    """Raise AppError if a column holds lists, records or bytes, as Parquet columns may."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise AppError(f"{path}: the column {column.name} holds {column.dtype}.", "Give it one plain value a row.")


def words(table: pl.DataFrame, column: str, path: Path) -> list[str]:
    """A column with a name in every row. Raises AppError naming the line without one."""
    missing = table[column].is_null().arg_true()
    if len(missing):
        raise AppError(f"{path}, line {missing[0] + 2}: the {column} is missing.", f"Every row names its {column}.")
    return table[column].cast(pl.String).to_list()


def one_row_per_clip(table: pl.DataFrame, path: Path) -> None:
    """Raise AppError if the column `clip` (if there is one) names a clip twice, which would count twice."""
    if "clip" in table.columns and not table["clip"].is_null().any():
        refuse_repeats(table, ["clip"], path, "One row per clip: its consensus. Keep one criterion's rows.")


def refuse_repeats(table: pl.DataFrame, columns: Sequence[str], path: Path, remedy: str) -> None:
    """Raise AppError, naming their lines, if two rows have the same names in these columns."""
    again = table.select(columns).with_row_index("line", offset=2).filter(table.select(columns).is_duplicated())
    if not again.height:
        return
    first = again.row(0, named=True)
    same = again.filter(pl.all_horizontal(pl.col(name).eq_missing(first[name]) for name in columns))["line"].to_list()
    named = ", ".join(f"{name} {first[name]}" for name in columns)
    raise AppError(f"{path}, lines {', '.join(map(str, same[:5]))}: {named} is there {len(same)} times.", remedy)


YES = frozenset({"1", "1.0", "true", "yes", "accept", "pass", "good"})
NO = frozenset({"0", "0.0", "false", "no", "reject", "fail", "bad"})


def verdicts(table: pl.DataFrame, column: str, path: Path) -> list[bool | None]:
    """A column of verdicts: 1/0, true/false, yes/no, accept/reject, pass/fail, good/bad; empty and `unsure` are None.

    Raises AppError naming column, line and value of anything else.
    """
    found: list[bool | None] = []
    given = table[column].cast(pl.Float64) if table[column].dtype.is_numeric() else table[column]
    for line, value in enumerate(given.to_list(), start=2):
        word = "" if value is None else str(value).strip().lower()
        if word in YES or word in NO:
            found.append(word in YES)
        elif word in ("unsure", "none", *NOTHING):
            found.append(None)
        else:
            raise AppError(
                f"{path}, line {line}: {column} is {str(table[column][line - 2])[:40]!r}.",
                "Write 1 or 0 (or accept/reject, pass/fail, good/bad, true/false); leave it empty for no verdict.",
            )
    return found


def holds_numbers(column: pl.Series) -> bool:
    """Whether at least one cell is a number and all others are numbers or empty (such as `NA`)."""
    if column.dtype.is_numeric():
        return True
    if column.dtype != pl.String:
        return False
    filled = column.str.strip_chars().drop_nulls()
    filled = filled.filter(~filled.str.to_lowercase().is_in(NOTHING))
    return bool(len(filled)) and not filled.cast(pl.Float64, strict=False).is_null().any()


def numbers(table: pl.DataFrame, column: str, path: Path) -> list[float | None]:
    """A column of numbers; empty cells, NA, NaN and infinity are None.

    Raises AppError naming the line of the first other value.
    """
    given = table[column]
    if given.dtype == pl.Null:
        return [None] * table.height
    if given.dtype == pl.String:
        written = given.str.strip_chars()
        values = written.cast(pl.Float64, strict=False)
        wrong = values.is_null() & written.is_not_null() & ~written.str.to_lowercase().is_in(NOTHING)
        for row in wrong.fill_null(value=False).arg_true().to_list()[:1]:
            raise AppError(
                f"{path}, line {row + 2}: {column} is {written[row][:40]!r}, which is no number.",
                "Give numbers with a decimal point; leave a cell empty where there is none.",
            )
    elif given.dtype.is_numeric() or given.dtype == pl.Boolean:
        values = given.cast(pl.Float64)
    else:
        raise AppError(
            f"{path}: the column {column} holds {given.dtype} and no numbers.",
            "Give it numbers only; leave a cell empty where there is none.",
        )
    return [None if value is None or not isfinite(value) else value for value in values.to_list()]


def shares(table: pl.DataFrame, column: str, path: Path) -> list[float | None]:
    """A column of labels: verdicts (see `verdicts`) or shares from 0 to 1. Raises AppError naming a faulty line."""
    if not holds_numbers(table[column]):
        return [None if verdict is None else float(verdict) for verdict in verdicts(table, column, path)]
    found = numbers(table, column, path)
    for line, share in enumerate(found, start=2):
        if share is not None and not 0 <= share <= 1:
            raise AppError(f"{path}, line {line}: {column} is {share:g}.", "Labels are 0, 1 or a share between them.")
    return found


def weights(table: pl.DataFrame, column: str | None, path: Path) -> list[float] | None:
    """A column of weights, all present and above 0; None without a column. Raises AppError naming the line."""
    if column is None:
        return None
    need_columns(table, [column], path)
    found = numbers(table, column, path)
    for line, value in enumerate(found, start=2):
        if value is None or not LEAST_WEIGHT <= value <= MOST_WEIGHT:
            shown = table[column][line - 2]
            said = "the weight is missing" if shown is None else f"the weight is {shown!r}"
            reach = "" if value is None or value <= 0 else f", from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
            raise AppError(f"{path}, line {line}: {said}.", f"Weights are numbers above 0{reach}.")
    return [value for value in found if value is not None]
