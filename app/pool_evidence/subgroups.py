"""A filter's false rejections and false acceptances by subgroup, and the mean of any column by subgroup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.consensus.mean_opinion import mean_opinion
from analysis.estimate import Estimate, signature
from analysis.figures import Line
from analysis.filters.fairness import FEW_CLIPS, ErrorKind, GroupError, group_errors
from analysis.number_format import digits_of, estimate_text
from app.errors import AppError
from app.filters.retention import OTHERS, label_of
from app.filters.threshold_text import passes
from app.results.consensus import Consensus
from app.results.filter_results import FilterResult
from app.results.interval_figures import IntervalPlot
from app.results.judged_sample import JudgedSample
from scoring.filters import Filter, chain

KINDS: dict[ErrorKind, str] = {
    "false_rejection": "good clips that the filter rejects",
    "false_acceptance": "bad clips that the filter accepts",
}
MOST_GROUPS = 24
"""The largest number of groups in a table; the smallest groups beyond it are merged into `others`."""
CONFIDENCE = 0.95
SIGNIFICANT = 0.05
"""Adjusted p-values below it support a finding."""


@dataclass(frozen=True)
class FilterErrors:
    """One filter's errors by subgroup; `clips` is the number of judged clips."""

    by: str
    consensus: Consensus
    clips: int
    rows: dict[ErrorKind, tuple[GroupError, ...]]
    merged: int
    """The number of small groups that are merged into `others`."""


@dataclass(frozen=True)
class SubgroupMeans:
    """The mean of a column by subgroup, of all clips of the pool or of those that the filters keep (`kept`)."""

    by: str
    column: str
    kept: bool
    groups: tuple[tuple[str, Estimate, float], ...]
    """Name, mean, and standard deviation over the clips, per group."""
    without: int
    """The number of clips without a value in the column."""


def groups_of(rows: pl.LazyFrame, names: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """The subgroup of each named clip: the value of a column, or the values of two columns as `a × b`."""
    schema = rows.collect_schema()
    labels = [label_of(schema, column) for column in columns]
    of = pl.concat_str(labels, separator=" × ").alias("of")
    table = rows.filter(pl.col("clip").is_in(list(names))).select("clip", of)
    return dict(table.collect(engine="streaming").iter_rows())


def errors(
    result: FilterResult, consensus: Consensus, group_of: Mapping[str, str], names: Mapping[int, str], by: str
) -> FilterErrors:
    """False rejections and acceptances of each group and of all other groups, weighted if the sample is weighted.

    `names` are the clips' names by their numbers, and `group_of` the groups by those names. Raises AppError if no clip
    is judged, or if a judged clip is not in the pool.
    """
    sample = consensus.sample
    if sample is None:
        raise AppError(f"{result.rule.title}: {result.missing.get('current', 'no clip is judged')}.", "Invite raters.")
    lost = [names[one.clip] for one in sample.clips if names[one.clip] not in group_of]
    if lost:
        raise AppError(
            f"The pool has no clip {lost[0]!r} ({len(lost)} such clips).", "Bring back the pool of the study."
        )
    groups, merged = _merge_small_groups([group_of[names[one.clip]] for one in sample.clips])
    accepted = _accepted(result, sample)
    good = sample.good.tolist()
    found = {kind: tuple(group_errors(groups, accepted, good, sample.weights, kind=kind)) for kind in KINDS}
    return FilterErrors(by, consensus, len(groups), found, merged)


def _accepted(result: FilterResult, sample: JudgedSample) -> list[bool]:
    rule = result.rule
    return [passes(one.score, rule.minimum, rule.maximum) for one in sample.clips]


def _merge_small_groups(groups: list[str]) -> tuple[list[str], int]:
    """The group of each clip with small groups merged into `others`, and the number of groups merged."""
    sizes = {group: groups.count(group) for group in set(groups)}
    ranked = sorted(sizes, key=lambda group: (-sizes[group], group))
    small = set(ranked[MOST_GROUPS:])
    return [OTHERS if group in small else group for group in groups], len(small)


def errors_plot(result: FilterResult, found: FilterErrors, kind: ErrorKind) -> IntervalPlot:
    """One kind of error by subgroup, each group next to all the others."""
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
    return IntervalPlot(
        lines,
        finding=_finding(result, rows, kind),
        caption=f"n = {sum(one.clips for one in rows)} judged {kinds} clips; bars are 95 % intervals",
        axis=f"{kinds} clips wrongly {wrong}, share{weighted}",
        share=True,
    )


def _finding(result: FilterResult, rows: Sequence[GroupError], kind: ErrorKind) -> str:
    """A sentence on the group with the largest significant difference, if there is one."""
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


def means(
    rows: pl.LazyFrame, by: Sequence[str], column: str, filters: Sequence[Filter], *, kept: bool
) -> SubgroupMeans:
    """The mean of a column by subgroup, with Student's interval and the standard deviation.

    The interval treats the pool as a sample of future clips. With `kept`, only clips that every filter accepts are
    included. Raises AppError if the column is missing, is not numeric or has no value, and if no clip is left.
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
    groups = _merge_small_groups_of_pool(whole["of"])
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
    return SubgroupMeans(" × ".join(by), column, kept, tuple(found), table.height - whole.height)


def _merge_small_groups_of_pool(values: pl.Series) -> pl.Series:
    """The same as `_merge_small_groups`, for the millions of clips of a pool."""
    counts = values.value_counts(sort=True)
    if counts.height <= MOST_GROUPS:
        return values
    largest = counts[values.name].head(MOST_GROUPS).to_list()
    return values.replace_strict({one: one for one in largest}, default=OTHERS)


def means_plot(found: SubgroupMeans) -> IntervalPlot:
    """The mean of a column by subgroup."""
    widths = [one.high - one.low for _, one, _ in found.groups if one.low is not None and one.high is not None]
    digits = digits_of(min(widths, default=0.0) / 2)
    ranked = sorted(found.groups, key=lambda one: one[1].value or 0.0)
    low, high = ranked[0], ranked[-1]
    finding = f"{found.column} is the same for every group"
    if len(ranked) > 1:
        most, least = (estimate_text(one, digits) for _, one, _ in (high, low))
        finding = f"{found.column}: {most} for {high[0]}, {least} for {low[0]}"
    clips = sum(one.clips for _, one, _ in found.groups)
    which = "clips that pass every filter" if found.kept else "clips of the pool"
    return IntervalPlot(
        [Line(name, "mean", one, "too few" if one.clips < FEW_CLIPS else "") for name, one, _ in found.groups],
        finding=finding,
        caption=f"n = {clips} {which}; bars are 95 % intervals of the mean",
        axis=f"{found.column}, mean",
        digits=digits,
    )
