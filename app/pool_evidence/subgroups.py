"""A filter's false rejections and false acceptances by subgroup, and the mean of any column by subgroup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.consensus.mean_opinion import mean_opinion
from analysis.estimate import Estimate, signature
from analysis.figures import Line
from analysis.filters.fairness import FEW_CLIPS, ErrorKind, GroupError, group_errors
from analysis.number_format import estimate_text
from app.errors import AppError
from app.filters.retention import OTHERS, label_of
from app.filters.threshold_text import passes
from app.results.consensus import Consensus
from app.results.filter_results import FilterResult, Sample
from scoring.filters import Filter, chain

KINDS: dict[ErrorKind, str] = {
    "false_rejection": "good clips that the filter rejects",
    "false_acceptance": "bad clips that the filter accepts",
}
MOST_GROUPS = 24
"""Groups of a table; the smallest of more stand together as `others`."""
CONFIDENCE = 0.95
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Errors:
    """One filter's errors by subgroup."""

    by: str
    consensus: Consensus
    clips: int
    rows: dict[ErrorKind, tuple[GroupError, ...]]
    folded: int
    """Small groups that stand together as `others`."""


@dataclass(frozen=True)
class Means:
    """A number of the pool by subgroup, of all clips or of those that the filters keep."""

    by: str
    column: str
    kept: bool
    groups: tuple[tuple[str, Estimate, float], ...]
    """Each group with its mean and the standard deviation of its clips."""
    without: int
    """Clips of the pool that lack the number."""


def groups_of(rows: pl.LazyFrame, names: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """The subgroup of each named clip: a column's value, or the values of two as `a × b`."""
    schema = rows.collect_schema()
    labels = [label_of(schema, column) for column in columns]
    of = pl.concat_str(labels, separator=" × ").alias("of")
    table = rows.filter(pl.col("clip").is_in(list(names))).select("clip", of)
    return dict(table.collect(engine="streaming").iter_rows())


def errors(
    result: FilterResult, consensus: Consensus, group_of: Mapping[str, str], names: Mapping[int, str], by: str
) -> Errors:
    """False rejections and acceptances of each group against all the others, weighted to the pool where clips are.

    Raises AppError where no clip is judged, and where a judged clip is not in the pool.
    """
    sample = consensus.sample
    if sample is None:
        raise AppError(f"{result.rule.title}: {result.missing.get('current', 'no clip is judged')}.", "Invite raters.")
    lost = [names[one.clip] for one in sample.clips if names[one.clip] not in group_of]
    if lost:
        raise AppError(
            f"The pool has no clip {lost[0]!r} ({len(lost)} such clips).", "Bring back the pool of the study."
        )
    groups, folded = _folded([group_of[names[one.clip]] for one in sample.clips])
    accepted = _accepted(result, sample)
    good = sample.good.tolist()
    found = {kind: tuple(group_errors(groups, accepted, good, sample.weights, kind=kind)) for kind in KINDS}
    return Errors(by, consensus, len(groups), found, folded)


def _accepted(result: FilterResult, sample: Sample) -> list[bool]:
    rule = result.rule
    return [passes(one.score, rule.minimum, rule.maximum) for one in sample.clips]


def _folded(groups: list[str]) -> tuple[list[str], int]:
    sizes = {group: groups.count(group) for group in set(groups)}
    ranked = sorted(sizes, key=lambda group: (-sizes[group], group))
    small = set(ranked[MOST_GROUPS:])
    return [OTHERS if group in small else group for group in groups], len(small)


def plot(result: FilterResult, found: Errors, kind: ErrorKind) -> dict[str, Any]:
    """What the figure of one kind of error is drawn from."""
    rows = found.rows[kind]
    lines = []
    for one in rows:
        mark = "too few" if one.too_few else ""
        lines += [Line(one.group, "this group", one.rate, mark), Line(one.group, "all the others", one.rest, mark)]
    weighted = (
        " of the pool" if found.consensus.sample is not None and found.consensus.sample.weights is not None else ""
    )
    wrong = "rejected" if kind == "false_rejection" else "accepted"
    kinds = "good" if kind == "false_rejection" else "bad"
    return {
        "lines": lines,
        "finding": _finding(result, rows, kind),
        "caption": f"n = {sum(one.clips for one in rows)} judged {kinds} clips; bars are 95 % intervals",
        "axis": f"{kinds} clips wrongly {wrong}, share{weighted}",
        "share": True,
    }


def _finding(result: FilterResult, rows: Sequence[GroupError], kind: ErrorKind) -> str:
    verb = "rejects good" if kind == "false_rejection" else "accepts bad"
    enough = [one for one in rows if not one.too_few]
    if not enough:
        kinds = "good" if kind == "false_rejection" else "bad"
        return f"Every group has fewer than {FEW_CLIPS} judged {kinds} clips: too few to compare"
    clear = [one for one in enough if one.p_holm is not None and one.p_holm < SIGNIFICANT and one.difference.value]
    if not clear:
        return f"No group differs clearly from the others in how often {result.rule.title} {verb} clips"
    worst = max(clear, key=lambda one: abs(one.difference.value or 0.0))
    more = "more" if (worst.difference.value or 0.0) > 0 else "less"
    often = f"{more} often than of the others: difference {estimate_text(worst.difference)}"
    return f"{result.rule.title} {verb} clips of {worst.group} {often}"


def means(rows: pl.LazyFrame, by: Sequence[str], column: str, filters: Sequence[Filter], *, kept: bool) -> Means:
    """A number of the pool by subgroup: mean with Student's interval, its spread, its clips.

    The interval takes the pool as a draw from the clips to come. With `kept` only the clips that every filter lets
    through count. Raises AppError for a column that is not there or holds no numbers.
    """
    schema = rows.collect_schema()
    if column not in schema or not schema[column].is_numeric():
        raise AppError(f"The pool has no column of numbers {column!r}.", "Choose one of those that the page lists.")
    if kept:
        rows = rows.filter(chain(filters))
    label = pl.concat_str([label_of(schema, name) for name in by], separator=" × ")
    number = pl.col(column).cast(pl.Float64)
    table = rows.select(label.alias("of"), pl.when(number.is_finite()).then(number).alias("number")).collect()
    whole = table.drop_nulls("number")
    groups, _ = _folded_series(whole["of"])
    names, of = np.unique(groups.to_numpy().astype(np.str_), return_inverse=True)
    if not len(names):
        raise AppError(f"No clip of the pool has {column}.", "Choose another column.")
    made = mean_opinion(of.astype(np.int64), whole["number"].to_numpy(), confidence=CONFIDENCE)
    written = signature(f"mean_{column}", ("scipy",), unit="clip", confidence=CONFIDENCE)
    found = []
    for place, name in enumerate(names.tolist()):
        value, half = float(made.mean[place]), float(made.t_half[place])
        known = bool(np.isfinite(half)) and made.ratings[place] > 1
        ends = (value - half, value + half) if known else (None, None)
        method = "Student's t" if known else "no interval: one clip"
        clips = int(made.ratings[place])
        one = Estimate("mean", value, ends[0], ends[1], CONFIDENCE, clips, None, None, method, written)
        found.append((name, one, float(made.spread[place])))
    return Means(" × ".join(by), column, kept, tuple(found), table.height - whole.height)


def _folded_series(values: pl.Series) -> tuple[pl.Series, int]:
    counts = values.value_counts(sort=True)
    keep = counts[values.name].head(MOST_GROUPS).to_list()
    folded = max(0, counts.height - MOST_GROUPS)
    return (values if not folded else values.replace_strict({one: one for one in keep}, default=OTHERS)), folded


def means_plot(found: Means) -> dict[str, Any]:
    """What the figure of a number by subgroup is drawn from."""
    ranked = sorted(found.groups, key=lambda one: one[1].value or 0.0)
    low, high = ranked[0], ranked[-1]
    finding = f"{found.column} is the same for every group"
    if len(ranked) > 1:
        finding = f"{found.column}: {high[1].value:.3g} for {high[0]}, {low[1].value:.3g} for {low[0]}"
    clips = sum(one.clips for _, one, _ in found.groups)
    which = "clips that pass every filter" if found.kept else "clips of the pool"
    return {
        "lines": [Line(name, "mean", one, "too few" if one.clips < FEW_CLIPS else "") for name, one, _ in found.groups],
        "finding": finding,
        "caption": f"n = {clips} {which}; bars are 95 % intervals of the mean",
        "axis": f"{found.column}, mean",
    }
