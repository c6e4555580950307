"""The filters' consequences for the whole pool at current and proposed thresholds: clips, hours, and subgroups kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from analysis.estimate import Estimate, signature
from analysis.figures import Level, Line
from app.filters.filter_files import FilterFile
from app.filters.retention import Retention, retention
from app.filters.threshold_text import threshold_text
from app.results.interval_figures import IntervalPlot
from app.results.study_results import Results
from app.thresholds.filter_ends import AcceptedRange
from scoring.filters import Amount, Cascade, Filter

MOST_STAGES = 7
"""The largest number of stages that the figure of a cascade has room for."""


@dataclass(frozen=True)
class ThresholdProposal:
    """A filter's accepted range as it is and as proposed, and where the proposal comes from."""

    name: str
    title: str
    score: str
    units: str
    current: AcceptedRange
    proposed: AcceptedRange
    why: str
    """asked for, adopted, found on these data, or as now."""

    @property
    def end(self) -> str:
        """The end that a proposal moves: min or max."""
        return "min" if self.current[0] is not None else "max"

    @property
    def value(self) -> float | None:
        """The proposed threshold of that end."""
        return self.proposed[0] if self.current[0] is not None else self.proposed[1]

    @property
    def words(self) -> tuple[str, str]:
        """The current and the proposed range as text."""
        return threshold_text(*self.current), threshold_text(*self.proposed)


@dataclass(frozen=True)
class Consequences:
    """What the filters keep of the pool at the current and at the proposed thresholds, in all and by subgroup."""

    proposals: tuple[ThresholdProposal, ...]
    current: Retention
    proposed: Retention

    @property
    def same(self) -> bool:
        """Whether every proposed threshold is the current one."""
        return all(one.current == one.proposed for one in self.proposals)


@dataclass(frozen=True)
class GroupConsequences:
    """A subgroup in the whole pool, in what is kept now, and in what would be kept, in clips and hours."""

    value: str
    whole: Amount
    current: Amount
    proposed: Amount
    shares: tuple[float | None, float | None, float | None]
    """The group's share of each of the three, by hours if they are known, else by clips; None if nothing is kept."""


def proposals(
    results: Results, requested: Mapping[str, float], adopted: Mapping[str, AcceptedRange]
) -> tuple[ThresholdProposal, ...]:
    """One proposal per filter: the requested threshold, else the adopted one, else that of the best F1, else its own.

    `requested` and `adopted` have the names of filters as keys.
    """
    found = []
    for one in results.filters:
        rule = one.rule
        current: AcceptedRange = (rule.minimum, rule.maximum)
        proposed, why = current, "as now"
        if rule.name in requested:
            proposed, why = _moved(current, requested[rule.name]), "asked for"
        elif rule.name in adopted:
            proposed, why = adopted[rule.name], "adopted"
        elif one.best is not None:
            proposed, why = _moved(current, float(one.best.shown())), "found on these data"
        if proposed == current and why != "adopted":
            why = "as now"
        found.append(ThresholdProposal(rule.name, rule.title, rule.score, rule.units, current, proposed, why))
    return tuple(found)


def _moved(current: AcceptedRange, threshold: float) -> AcceptedRange:
    low, high = current
    if low is None:
        return None, threshold
    return threshold, None if high is None else max(high, threshold)


def consequences(rows: pl.LazyFrame, proposed: tuple[ThresholdProposal, ...], by: str) -> Consequences:
    """Apply all filters to the pool, one stage each, at the current and at the proposed thresholds.

    `by` names the column of subgroups; "" gives none. Raises AppError if the pool lacks a score or the column.
    """

    def kept(ranges: Mapping[str, AcceptedRange]) -> Retention:
        filters = tuple(Filter(one.name, one.score, *ranges[one.name]) for one in proposed)
        return retention(rows, FilterFile("the study's filters", "", filters), by=by)

    current = kept({one.name: one.current for one in proposed})
    return Consequences(proposed, current, kept({one.name: one.proposed for one in proposed}))


def levels(found: Retention, titles: Mapping[str, str]) -> list[Level]:
    """The pool and what is left after each filter, as the figure of a cascade reads it; `titles` by filter name."""
    whole = found.whole
    rows = [Level("pool", whole.raw.clips, whole.raw.hours)]
    for stage in whole.stages:
        unknown = stage.unknown.clips if whole.unknown == "fail" else 0
        rows.append(Level(titles.get(stage.name, stage.name), stage.kept.clips, stage.kept.hours, unknown))
    return rows


def drawn_levels(found: Retention, titles: Mapping[str, str]) -> list[Level]:
    """The levels to draw; with many filters, those that reject no clip are left to the table."""
    every = levels(found, titles)
    if len(every) <= MOST_STAGES + 1:
        return every
    rejecting = [level for before, level in pairwise(every) if level.clips < before.clips]
    return [every[0], *(rejecting or every[-1:])]


def composition(found: Consequences) -> list[GroupConsequences]:
    """Every subgroup before and after filtering, the largest first."""
    timed = found.current.whole.raw.hours is not None and bool(found.current.whole.raw.hours)
    totals = (found.current.whole.raw, found.current.whole.kept, found.proposed.whole.kept)
    proposed = {group.value: group.cascade for group in found.proposed.groups}

    def share(part: Amount, whole: Amount) -> float | None:
        return part.share_of_hours(whole) if timed else part.share_of_clips(whole)

    groups = []
    for group in found.current.groups:
        other: Cascade = proposed[group.value]
        parts = (group.cascade.raw, group.cascade.kept, other.kept)
        shares = tuple(share(part, whole) for part, whole in zip(parts, totals, strict=True))
        groups.append(GroupConsequences(group.value, *parts, (shares[0], shares[1], shares[2])))
    return groups


def composition_plot(found: Consequences) -> IntervalPlot:
    """Every subgroup's share of the pool, of what is kept now, and of what would be kept."""
    groups, raw = composition(found), found.current.whole.raw
    unit = "hours" if raw.hours else "clips"
    names = ("whole pool", "kept now", "kept as proposed")[: 2 if found.same else 3]
    counted = "counted on the whole pool: no interval"
    written = signature("share", (), unit=unit)
    lines = []
    for group in groups:
        clips = (group.whole.clips, group.current.clips, group.proposed.clips)
        for name, value, count in zip(names, group.shares, clips, strict=False):
            why = None if value is not None else "nothing is kept"
            one = Estimate("share", value, None, None, 0.95, count, None, None, counted, written, why)
            lines.append(Line(group.value, name, one))
    hours = "" if raw.hours is None else f", {raw.hours:.4g} hours" if raw.hours >= 1 else f", {60 * raw.hours:.3g} min"
    return IntervalPlot(
        lines,
        finding=_largest_change(groups),
        caption=f"n = {raw.clips} clips{hours}; counted, so there are no intervals",
        axis=f"share of the {unit}",
        share=True,
        counted=True,
    )


def _largest_change(groups: list[GroupConsequences]) -> str:
    """A sentence on the subgroup whose share changes most from the pool to what is kept now."""
    changes = [
        (group.shares[1] - group.shares[0], group)
        for group in groups
        if group.shares[1] is not None and group.shares[0]
    ]
    if not changes:
        return "The filters keep nothing, so nobody is left"
    change, group = max(changes, key=lambda one: abs(one[0]))
    if abs(change) < 0.0005:
        return "Every group keeps its share"
    before, after = (f"{100 * (share or 0.0):.1f} %" for share in group.shares[:2])
    return f"{group.value} goes from {before} of the pool to {after} of what is kept"
