"""The sampling frame: the clips of a pool that a sample is drawn from, and the columns that a design reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.random_numbers import Codes, Keys, codes, digests, repeated_id
from app.errors import AppError, did_you_mean
from app.sampling.designs import Borderline, Simple, Stratified, TwoPhase
from scoring.filters import Filter, chain

_MOST_COMPARED = 100_000
"""In a larger pool no similar clip names are suggested: the search would take minutes."""


@dataclass(frozen=True, eq=False)
class SamplingFrame:
    """A sampling frame. Arrays have one entry per clip, shape (clips,).

    `table` holds the columns that the design reads, `digest` the digests of the clip ids. `inside` is true for clips
    that may be drawn at random: those neither excluded nor in `included` (positions of clips that are always taken).
    `passed` is true for clips that every filter accepts (a missing score counts as rejected); None without filters.
    """

    name: str
    table: pl.DataFrame
    filters: tuple[Filter, ...]
    digest: Keys
    inside: Bools
    included: Ints
    excluded: int
    passed: Bools | None

    @classmethod
    def build(
        cls,
        name: str,
        table: pl.DataFrame,
        plan: Simple | Stratified | Borderline | TwoPhase,
        filters: Sequence[Filter],
    ) -> "SamplingFrame":
        """Build a frame. Raises AppError for a duplicate clip, or a clip that the design names and the pool lacks."""
        if table.is_empty():
            raise AppError(f"The pool {name} has no clips.", "Make one: clipjury score FOLDER -o POOL.parquet")
        ids = table["clip"]
        digest = digests(ids)
        if (again := repeated_id(digest, ids)) is not None:
            raise AppError(f"{name} has the clip {again!r} more than once.", "Give each clip a name of its own.")
        included, excluded = _positions(name, ids, plan.include), _positions(name, ids, plan.exclude)
        inside = np.ones(len(ids), dtype=np.bool_)
        inside[included] = inside[excluded] = False
        passed = None
        if filters:
            passed = table.select(chain(filters, unknown="fail")).to_series().to_numpy()
        return cls(name, table, tuple(filters), digest, inside, included, len(excluded), passed)

    @property
    def rejected(self) -> Bools:
        """Clips that may be drawn and that a filter rejects, shape (clips,); none without filters."""
        return self.inside & ~self.passed if self.passed is not None else np.zeros(len(self.inside), dtype=np.bool_)

    def scores(self, column: str) -> Floats:
        """A score, shape (clips,), NaN where missing. Raises AppError if it is not numeric or no clip has a value."""
        kind = self.column(column).dtype
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            raise AppError(f"The column {column!r} of {self.name} holds {kind} and no numbers.", "Name a score column.")
        values = self.table[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        finite = np.isfinite(values)
        if not finite.any():
            raise AppError(
                f"No clip of the pool has the score {column}, by which the sample is drawn.",
                "The pool's column `reason` says why; or draw by another score.",
            )
        return values if finite.all() else np.where(finite, values, np.nan)

    def sources(self) -> Codes:
        """The source of each clip as a number; a clip without a source, and every included clip, is its own source."""
        column = self.column("source").cast(pl.String)
        of = codes(pl.select(pl.coalesce(column, self.table["clip"])).to_series())
        of[self.included] = int(of.max()) + 1 + np.arange(len(self.included))
        return of

    def column(self, name: str) -> pl.Series:
        """A column of the pool. Raises AppError, with similar names, if there is none of that name."""
        if name not in self.table.columns:
            raise no_column(self.name, name, self.table.columns)
        return self.table[name]


def no_column(pool: str, name: str, columns: Iterable[str]) -> AppError:
    """The error for a column that a pool does not have, with similar names."""
    return AppError(f"The pool {pool} has no column {name!r}.", did_you_mean(name, columns), status=404)


def columns_for(plan: Simple | Stratified | Borderline | TwoPhase, filters: Iterable[Filter]) -> list[str]:
    """The columns that a design reads besides `clip`, each once."""
    wanted = [rule.score for rule in filters]
    if plan.per_source is not None:
        wanted.append("source")
    if isinstance(plan, Stratified):
        wanted += [name for one in plan.strata for name in (one.score, one.column) if name]
    return list(dict.fromkeys(wanted))


def _positions(pool: str, ids: pl.Series, wanted: Sequence[str]) -> Ints:
    """The positions of the wanted clip ids. Raises AppError if one is missing."""
    if not wanted:
        return np.empty(0, dtype=np.int64)
    places = ids.is_in(pl.Series(wanted, dtype=pl.String).implode()).arg_true()
    there = set(ids.gather(places))
    for name in wanted:
        if name not in there:
            near = did_you_mean(name, ids.to_list()) if len(ids) <= _MOST_COMPARED else ""
            raise AppError(f"The design names the clip {name!r}, which the pool {pool} does not have.", near)
    return places.to_numpy().astype(np.int64)
