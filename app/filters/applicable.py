"""Which filters of a file can be applied to a pool: those whose score is numeric and has a value for some clip."""

import re
from dataclasses import dataclass

import polars as pl

from app.errors import AppError, did_you_mean
from app.filters.filter_files import FilterFile
from scoring.filters import Filter


@dataclass(frozen=True)
class OmittedFilter:
    """A filter that was left out, and why."""

    filter: Filter
    why: str

    def __str__(self) -> str:
        return f"{self.filter.name} is left out: {self.why}."


def applicable(
    rows: pl.LazyFrame, source: FilterFile, *, strict: bool | None = None, may_be_none: bool = False
) -> tuple[tuple[Filter, ...], tuple[OmittedFilter, ...]]:
    """Split the filters into those that can be applied to the pool and those that are left out.

    A filter whose score has no value in the pool is left out. A filter of a preset whose score is missing is left out
    too; in a user's own file that is an error, because it is most likely a typing mistake. With `strict` true all of
    these are errors, with false none is. Raises AppError for such errors, for a column that is not numeric, for a pool
    without clips, and if no filter is left (unless `may_be_none`).

    >>> rows = pl.LazyFrame({"x": [1.0, None], "y": [None, float("nan")]})
    >>> mine = FilterFile("mine", "", (Filter("x", "x", minimum=5), Filter("y", "y", minimum=5)))
    >>> [str(one) for one in applicable(rows, mine)[1]]
    ['y is left out: y has no value in the pool.']
    """
    schema = rows.collect_schema()
    lenient = source.preset if strict is None else not strict
    problems = [words for rule in source.filters if (words := _problem(schema, rule, missing_is_fine=lenient))]
    if problems:
        raise AppError(
            "\n".join(f"{source.name}, filter {words}" for words in problems),
            "Mend the filter file or the pool; `clipjury filter --lenient` leaves filters without a score out.",
        )
    scores = list(dict.fromkeys(rule.score for rule in source.filters if rule.score in schema))
    asked = rows.select(pl.len().alias(" clips"), pl.col(scores).cast(pl.Float64).is_finite().any())
    known = asked.collect(engine="streaming").row(0, named=True)
    if not known[" clips"]:
        raise AppError("The pool has no clips.", "Make one: clipjury pool import SOURCE -o POOL.parquet")
    left_out = [
        OmittedFilter(rule, _why(rows, schema, rule.score))
        for rule in source.filters
        if not known.get(rule.score, False)
    ]
    if strict and left_out:
        raise AppError("\n".join(map(str, left_out)), "Score the pool for them, or leave --strict away.")
    if len(left_out) == len(source.filters) and not may_be_none:
        raise AppError("\n".join(["No filter can be applied.", *map(str, left_out)]), "Name filters on its own scores.")
    return tuple(rule for rule in source.filters if known.get(rule.score, False)), tuple(left_out)


def _problem(schema: pl.Schema, rule: Filter, *, missing_is_fine: bool) -> str:
    """Why a filter cannot be applied to this pool; "" if it can."""
    kind = schema.get(rule.score)
    if kind is None:
        near = did_you_mean(rule.score, schema)
        return "" if missing_is_fine else f"{rule.name}: the pool has no score {rule.score!r}. {near}".rstrip()
    if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        return f"{rule.name}: the column {rule.score!r} holds no numbers but {kind}."
    return ""


def _why(rows: pl.LazyFrame, schema: pl.Schema, score: str) -> str:
    """Why no clip has the score, with the reason of the first clip in brackets."""
    if score not in schema:
        return f"the pool has no score {score}"
    if schema.get("reason") != pl.String:
        return f"{score} has no value in the pool"
    said = rows.filter(pl.col("reason").str.contains(score, literal=True)).select("reason").head(1).collect()
    # A reason begins with the names of its scores: "dover_scores, dover_technical: No weights were given."
    found = re.search(rf"(?<!\w){re.escape(score)}(?:, \w+)*: ([^.]+)", said.item()) if said.height else None
    return f"{score} has no value in the pool" + (f" ({found[1].strip()})" if found else "")
