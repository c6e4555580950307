"""Read a rated sample from a table with a row per clip: scores, labels and the sampling design of the clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from analysis.design import Design
from analysis.estimate import Floats
from app.errors import AppError
from app.stats import tables as table_files


@dataclass(frozen=True)
class DesignColumns:
    """The columns of the sampling design; None for those that the table does not have."""

    weight: str | None = None
    stratum: str | None = None
    population: str | None = None
    source: str | None = None

    def named(self) -> list[str]:
        """The names of the columns that are given."""
        return [name for name in (self.weight, self.stratum, self.population, self.source) if name]


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """The clips with every score and a label: `scores` (clips, columns), `good` (clips,) 0 to 1, and the design."""

    scores: Floats
    good: Floats
    design: Design
    rows: int
    without_label: int
    without_score: int
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Number of rows in the file, used and left out, as JSON."""
        used = len(self.good)
        return {
            "rows": self.rows,
            "used": used,
            "without_label": self.without_label,
            "without_score": self.without_score,
        }


def read(path: Path, scores: Sequence[str], label: str, columns: DesignColumns) -> ScoredSample:
    """Read a table with one row per clip. Labels are verdicts (1/0, accept/reject ...) or shares from 0 to 1.

    With a stratum and no population, rows without a label count as pool clips that were not rated. Raises AppError
    naming the column, the line or the contradiction.
    """
    table = table_files.read_table(path)
    table_files.need_columns(table, [*scores, label, *columns.named()], path)
    table_files.one_row_per_clip(table, path)
    goods = table_files.shares(table, label, path)
    values = [table_files.numbers(table, name, path) for name in scores]
    whole = [all(column[row] is not None for column in values) for row in range(table.height)]
    used = [row for row in range(table.height) if whole[row] and goods[row] is not None]
    if not used:
        raise AppError(f"{path}: no row has a label and a score.", f"Fill in {label} and {', '.join(scores)}.")
    design, notes = sampling_design(table, used, whole, path, columns)
    return ScoredSample(
        scores=np.array([[column[row] for column in values] for row in used], dtype=np.float64),
        good=np.array([goods[row] for row in used], dtype=np.float64),
        design=design,
        rows=table.height,
        without_label=sum(one is None for one in goods),
        without_score=whole.count(False),
        notes=tuple(notes),
    )


def sampling_design(
    table: pl.DataFrame, used: list[int], whole: list[bool], path: Path, columns: DesignColumns
) -> tuple[Design, list[str]]:
    """The design of the `used` rows, and notes on what was assumed.

    `whole` says for every row whether it has all scores: such rows without a label are clips of the pool. Raises
    AppError naming the column, the line or the contradiction.
    """
    if columns.population and not columns.stratum:
        raise AppError("--population needs --stratum.", "Name the column that holds the stratum of each clip.")
    heavy = table_files.weights(table, columns.weight, path)
    weight = None if heavy is None else [heavy[row] for row in used]
    of = None if columns.stratum is None else table[columns.stratum].cast(pl.String).fill_null("(none)").to_list()
    strata = None if of is None else [of[row] for row in used]
    source = None
    if columns.source is not None:
        named = table[columns.source].cast(pl.String).to_list()
        source = [named[row] if named[row] is not None else f"row {row}" for row in used]
    sizes, notes = None, []
    if of is not None and columns.population is not None:
        sizes = _sizes(table, of, columns.population, path)
    elif of is not None and heavy is None:
        pool = [name for name, there in zip(of, whole, strict=True) if there]
        if len(pool) > len(used):
            sizes = {name: pool.count(name) for name in set(pool)}
            notes.append("Rows without a label count as clips of the pool that were not rated.")
        else:
            notes.append("Without --population or --weight every clip weighs the same.")
    try:
        return Design.build(len(used), weight, strata, sizes, source), notes
    except ValueError as error:
        raise AppError(f"{path}: {error}.", "Mend the columns of strata, sizes and weights.") from error


def _sizes(table: pl.DataFrame, of: list[str], column: str, path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for line, (name, size) in enumerate(zip(of, table_files.numbers(table, column, path), strict=True), start=2):
        if size is None or size < 1 or sizes.setdefault(name, round(size)) != round(size):
            raise AppError(
                f"{path}, line {line}: the size of stratum {name!r} is {table[column][line - 2]!r}.",
                "Give every row the number of pool clips in its stratum, the same for all its rows.",
            )
    return sizes
