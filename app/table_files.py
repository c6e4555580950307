"""Tables that researchers bring along (CSV, TSV, Parquet): read, and checked column by column."""

import difflib
from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import polars as pl

from app.errors import AppError

FORMATS = "CSV (.csv), TSV (.tsv) or Parquet (.parquet)"


def read_table(path: Path) -> pl.DataFrame:
    """A table by its file's ending. Empty cells are null; columns keep the type they look like.

    Raises AppError naming the file and the remedy: it is missing, has another ending, or is damaged.
    """
    readers = {
        ".csv": lambda: pl.read_csv(path, infer_schema_length=None),
        ".tsv": lambda: pl.read_csv(path, separator="\t", infer_schema_length=None),
        ".parquet": lambda: pl.read_parquet(path),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise AppError(f"{path} is not {FORMATS}.", "Save the table as one of these and name that file.")
    try:
        return reader()
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or ["it cannot be read"])[0]
        raise AppError(f"The table {path} cannot be read: {reason}", f"Tables are {FORMATS}, with a header.") from error


def need_columns(table: pl.DataFrame, names: Iterable[str], path: Path) -> None:
    """Refuse a table that lacks a column, naming the nearest one it has."""
    for name in names:
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise AppError(
                f"{path} has no column {name!r}.{meant}", f"Its columns are: {', '.join(table.columns) or 'none'}."
            )


YES = frozenset({"1", "1.0", "true", "yes", "accept", "pass", "good"})
NO = frozenset({"0", "0.0", "false", "no", "reject", "fail", "bad"})


def truths(table: pl.DataFrame, column: str, path: Path) -> list[bool | None]:
    """A column of verdicts: 1/0, true/false, yes/no, accept/reject, pass/fail, good/bad; empty and `unsure` are None.

    Raises AppError naming the column, the line and the value that is none of these.
    """
    found: list[bool | None] = []
    for line, value in enumerate(table[column].to_list(), start=2):
        word = "" if value is None else str(value).strip().lower()
        if word in YES or word in NO:
            found.append(word in YES)
        elif word in ("", "unsure", "none", "nan"):
            found.append(None)
        else:
            raise AppError(
                f"{path}, line {line}: {column} is {str(value)[:40]!r}.",
                "Write 1 or 0 (or accept/reject, pass/fail, good/bad, true/false); leave it empty for no verdict.",
            )
    return found


def numbers(table: pl.DataFrame, column: str, path: Path) -> list[float | None]:
    """A column of numbers; empty cells, NaN and infinity are None. Raises AppError when it holds anything else."""
    if table[column].dtype == pl.Null:
        return [None] * table.height
    if not (table[column].dtype.is_numeric() or table[column].dtype == pl.Boolean):
        raise AppError(
            f"{path}: the column {column} holds {table[column].dtype} and no numbers.",
            "Give it numbers only; leave a cell empty where there is none.",
        )
    values = table[column].cast(pl.Float64)
    return [None if value is None or not isfinite(value) else value for value in values.to_list()]


def weights(table: pl.DataFrame, column: str | None, path: Path) -> list[float] | None:
    """A column of weights, all present and above 0; None without a column. Raises AppError naming the line."""
    if column is None:
        return None
    need_columns(table, [column], path)
    found = numbers(table, column, path)
    for line, value in enumerate(found, start=2):
        if value is None or value <= 0:
            shown = table[column][line - 2]
            raise AppError(f"{path}, line {line}: the weight is {shown!r}.", "Weights are numbers above 0.")
    return [value for value in found if value is not None]
