"""Strata of a sampling frame: bands of a score, values of a column, or patterns of the filters' verdicts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from analysis.sampling.strata import Division, bands, by_edges, by_values, crossed
from app.errors import AppError
from app.sampling.designs import Strata
from app.sampling.frame import SamplingFrame
from scoring.filters import Filter

MANY = 1000
"""The largest number of different values of a stratification column; a column with more is hardly categorical."""


def division_of(frame: SamplingFrame, parts: Sequence[Strata]) -> Division:
    """Divide the frame in each of these ways, and cross the divisions. Raises AppError if that is impossible."""
    made = [_division(frame, one, alone=len(parts) == 1) for one in parts]
    return crossed(made)


def _division(frame: SamplingFrame, one: Strata, *, alone: bool) -> Division:
    if one.column:
        return _values(frame, one.column, one.most)
    if one.pattern:
        return _patterns(frame, one.most)
    rule = rule_of(frame, one.filter) if one.filter else None
    column = rule.score if rule else one.score
    values = frame.scores(column)
    edges: Sequence[float] = one.edges
    wanted = 0
    if not edges and one.quantiles:
        edges, wanted = bands(values, one.quantiles), one.quantiles
    elif not edges and rule:
        wanted = 4 if one.bands is None else one.bands
        edges = edges_of(frame, rule, wanted)
    division = by_edges(values, edges)
    notes = list(division.notes)
    if len(edges) + 1 < wanted:
        notes.append(f"Equal values of {column} leave {len(edges) + 1} bands of the {wanted} asked for.")
    labels = division.labels if alone else tuple(f"{column} {label}" for label in division.labels)
    return replace(division, labels=labels, notes=tuple(notes))


def edges_of(frame: SamplingFrame, rule: Filter, count: int) -> tuple[float, ...]:
    """The inner edges of `count` bands of a score; the thresholds of the filter are among them."""
    if count == 1:
        return ()
    scores = frame.scores(rule.score)
    if rule.minimum is None:
        return bands(scores, count, rule.maximum, direction="le")
    return bands(scores, count, rule.minimum, upper=rule.maximum)


def rule_of(frame: SamplingFrame, name: str) -> Filter:
    """The filter of this name. Raises AppError if the pool lacks its score."""
    for rule in frame.filters:
        if rule.name == name:
            return rule
    possible = ", ".join(rule.name for rule in frame.filters)
    raise AppError(
        f"The sample is stratified by the filter {name!r}, but the pool lacks its score.",
        f"Choose another in by = ...; possible: {possible}."
        if possible
        else "No filter of the design has a score here: score the clips again, or draw by a column or at random.",
    )


def _values(frame: SamplingFrame, column: str, most: int | None) -> Division:
    """A division by the values of a metadata column. Raises AppError for lists, or for too many different values."""
    given = frame.column(column)
    if given.dtype.is_nested():
        raise AppError(f"The column {column!r} of {frame.name} holds lists.", "Name a column of plain values.")
    words = given.cast(pl.String).fill_null("unknown")
    names = words.unique().sort().to_list()
    if len(names) > MANY:
        raise AppError(
            f"The column {column!r} has {len(names)} different values, which are no strata.",
            "Divide a score by edges or quantiles: score = ..., quantiles = 4.",
        )
    labels = [f"{column} {one}" for one in names]
    return by_values(words.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32), labels, most=most)


def _patterns(frame: SamplingFrame, most: int | None) -> Division:
    """A division by verdict pattern: which filters accept a clip, which reject it, which lack its score."""
    code = pl.lit(0, pl.Int64)
    for place, rule in enumerate(frame.filters):
        code = code + rule.passes().cast(pl.Int64).fill_null(2) * 3**place
    found = frame.table.select(code).to_series()
    kinds = found.unique().sort().to_numpy()
    of = np.searchsorted(kinds, found.to_numpy()).astype(np.int32)
    return by_values(of, [_pattern(frame.filters, kind) for kind in kinds.tolist()], most=most, rest="other patterns")


def _pattern(filters: Sequence[Filter], kind: int) -> str:
    verdicts = {rule.name: kind // 3**place % 3 for place, rule in enumerate(filters)}
    fails = ", ".join(name for name, verdict in verdicts.items() if verdict == 0)
    unknown = ", ".join(name for name, verdict in verdicts.items() if verdict == 2)
    words = [f"fails {fails}" if fails else "", f"{unknown} unknown" if unknown else ""]
    return "; ".join(word for word in words if word) or "passes all"
