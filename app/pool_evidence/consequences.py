"""The filters' consequences for the whole pool: clips and hours kept, composition by group, share of good clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from sqlmodel import Session

from analysis.estimate import Estimate, signature
from analysis.figures import Level, Line
from analysis.number_format import estimate_text
from analysis.prediction_powered import PoolShare, cross_fitted_predictions, pool_share
from app.errors import AppError
from app.filters.filter_files import FilterFile
from app.filters.retention import Retention, retention
from app.filters.threshold_text import threshold_text
from app.models import Study
from app.pool_evidence import top_ups
from app.results.consensus import Consensus
from app.results.filter_results import FilterResult, is_weighted, share_of_good
from app.results.study_results import Results
from app.sampling.joint import JointDraw
from scoring.filters import Amount, Cascade, Filter


@dataclass(frozen=True)
class Cut:
    """A filter's accepted range now and as proposed, and where the proposal comes from."""

    name: str
    title: str
    score: str
    units: str
    now: tuple[float | None, float | None]
    then: tuple[float | None, float | None]
    why: str
    """asked for, adopted, found on these data, as now."""

    @property
    def end(self) -> str:
        """The end that a proposal moves: min or max."""
        return "min" if self.now[0] is not None else "max"

    @property
    def value(self) -> float | None:
        """Where that end would lie."""
        return self.then[0] if self.now[0] is not None else self.then[1]

    @property
    def words(self) -> tuple[str, str]:
        """Both ranges as they are written."""
        return threshold_text(*self.now), threshold_text(*self.then)


@dataclass(frozen=True)
class Consequences:
    """The pool through the filters at the cuts now and at the proposed ones; `by` divides it, "" for no division."""

    cuts: tuple[Cut, ...]
    now: Retention
    then: Retention

    @property
    def same(self) -> bool:
        """No cut would move."""
        return all(cut.now == cut.then for cut in self.cuts)


Ends = tuple[float | None, float | None]


def proposals(results: Results, asked: Mapping[str, float], adopted: Mapping[str, Ends]) -> tuple[Cut, ...]:
    """For every filter the cut asked for, else the adopted one, else that of best F1, else its own."""
    found = []
    for one in results.filters:
        rule = one.rule
        now, then, why = (rule.minimum, rule.maximum), (rule.minimum, rule.maximum), "as now"
        value = asked.get(rule.name)
        if value is not None:
            why = "asked for"
        elif rule.name in adopted:
            then, why = adopted[rule.name], "adopted"
        elif one.best is not None:
            value, why = float(one.best.shown()), "found on these data"
        if value is not None:
            then = _moved(now, value)
        if then == now and why != "adopted":
            why = "as now"
        found.append(Cut(rule.name, rule.title, rule.score, rule.units, now, then, why))
    return tuple(found)


def _moved(now: tuple[float | None, float | None], value: float) -> tuple[float | None, float | None]:
    low, high = now
    if low is None:
        return None, value
    return value, None if high is None else max(high, value)


def consequences(rows: pl.LazyFrame, cuts: tuple[Cut, ...], by: str) -> Consequences:
    """The pool through all filters, one stage each, twice. Raises AppError for a score or column that it lacks."""
    both = []
    for which in ("now", "then"):
        filters = tuple(Filter(cut.name, cut.score, *getattr(cut, which)) for cut in cuts)
        both.append(retention(rows, FilterFile("the study's filters", "", filters), by=by))
    return Consequences(cuts, both[0], both[1])


def levels(found: Retention, titles: Mapping[str, str]) -> list[Level]:
    """A cascade as the Sankey figure reads it."""
    whole = found.whole
    made = [Level("pool", whole.raw.clips, whole.raw.hours)]
    for stage in whole.stages:
        unknown = stage.unknown.clips if whole.unknown == "fail" else 0
        made.append(Level(titles.get(stage.name, stage.name), stage.kept.clips, stage.kept.hours, unknown))
    return made


MOST_STAGES = 7
"""Stages that a cascade can show on a page at once."""


def drawn_levels(found: Retention, titles: Mapping[str, str]) -> list[Level]:
    """The levels to draw: of many, those that drop nothing stay out (the table has them)."""
    every = levels(found, titles)
    if len(every) <= MOST_STAGES + 1:
        return every
    telling = [level for before, level in pairwise(every) if level.clips < before.clips]
    return [every[0], *(telling or every[-1:])]


@dataclass(frozen=True)
class Part:
    """A subgroup's share of the pool and of what is kept, in clips and hours; None where hours are not known."""

    value: str
    whole: Amount
    now: Amount
    then: Amount
    shares: tuple[float | None, float | None, float | None]
    """Of the pool, of what is kept now, of what would be kept: hours where they are known, clips else."""


def composition(found: Consequences) -> list[Part]:
    """The subgroups before and after, the largest first."""
    timed = found.now.whole.raw.hours is not None and bool(found.now.whole.raw.hours)
    totals = (found.now.whole.raw, found.now.whole.kept, found.then.whole.kept)
    after = {group.value: group.cascade for group in found.then.groups}

    def share(part: Amount, whole: Amount) -> float | None:
        return part.share_of_hours(whole) if timed else part.share_of_clips(whole)

    made = []
    for group in found.now.groups:
        other: Cascade = after[group.value]
        parts = (group.cascade.raw, group.cascade.kept, other.kept)
        shares = tuple(share(part, whole) for part, whole in zip(parts, totals, strict=True))
        made.append(Part(group.value, *parts, (shares[0], shares[1], shares[2])))
    return made


def composition_plot(found: Consequences) -> dict[str, Any]:
    """What the figure of the subgroups before and after is drawn from."""
    parts = composition(found)
    unit = "hours" if found.now.whole.raw.hours else "clips"
    names = ("whole pool", "kept now", "kept as proposed")[: 2 if found.same else 3]
    written = signature("share", (), unit=unit)
    nothing = "nothing is kept"
    lines = []
    for part in parts:
        clips = (part.whole.clips, part.now.clips, part.then.clips)
        for name, value, count in zip(names, part.shares, clips, strict=False):
            why = None if value is not None else nothing
            counted = "counted on the whole pool: no interval"
            one = Estimate("share", value, None, None, 0.95, count, None, None, counted, written, why)
            lines.append(Line(part.value, name, one))
    moved = [
        (part.shares[1] - part.shares[0], part.value) for part in parts if part.shares[1] is not None and part.shares[0]
    ]
    finding = "The filters keep nothing, so nobody is left"
    if moved:
        change, group = max(moved, key=lambda one: abs(one[0]))
        finding = (
            f"{group} goes from {_percent(parts, group, 0)} of the pool to {_percent(parts, group, 1)} of what is kept"
        )
        if abs(change) < 0.0005:
            finding = "Every group keeps its share"
    raw = found.now.whole.raw
    hours = "" if raw.hours is None else f", {raw.hours:.4g} hours" if raw.hours >= 1 else f", {60 * raw.hours:.3g} min"
    return {
        "lines": lines,
        "finding": finding,
        "caption": f"n = {raw.clips} clips{hours}; counted, so there are no intervals",
        "axis": f"share of the {unit}",
        "share": True,
        "counted": True,
    }


def _percent(parts: list[Part], group: str, which: int) -> str:
    share = next(part.shares[which] for part in parts if part.value == group)
    return "nothing" if share is None else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class GoodShare:
    """How many clips of the pool are good, by one filter's score; `missing` says why there is nothing."""

    name: str
    title: str
    share: PoolShare | None
    scored: int
    """Clips of the pool with this score: those that the share speaks of."""
    missing: str = ""


@dataclass(frozen=True, eq=False)
class Strata:
    """The pool's clips with the stratum of each ("" for clips that could not be drawn) and their numbers."""

    table: pl.DataFrame


def strata(db: Session, study: Study) -> Strata:
    """The stratum of every clip of the pool, from the draw made again. Raises AppError where that cannot be told."""
    if not is_weighted(study):
        raise AppError(
            "The clips were drawn next to the thresholds: they say nothing about the whole pool.",
            "Draw a sample by lot, simple or stratified.",
        )
    found = top_ups.so_far(db, study)
    if len(found.parts) > 1:
        raise AppError(
            "The study was topped up by another design: inside its strata clips had different chances.",
            "The rates of the results page, weighted clip by clip, speak of the pool.",
        )
    _, of = JointDraw(found.parts).strata()
    own = found.pool.readable
    wanted = [name for name, kind in own.schema.items() if kind.is_numeric()]
    return Strata(own.select("clip", *wanted).with_columns(stratum=pl.Series(of, dtype=pl.String)))


def good_share(found: Strata, result: FilterResult, consensus: Consensus, seed: int) -> GoodShare:
    """The share of good clips in the pool, prediction-powered by one filter's score, and from the judged alone."""
    rule, sample = result.rule, consensus.sample
    if rule.minimum is not None and rule.maximum is not None:
        return GoodShare(rule.name, rule.title, None, 0, "the filter has two ends: more of its score is not better")
    if rule.score not in found.table.columns:
        return GoodShare(rule.name, rule.title, None, 0, f"the pool has no score {rule.score}")
    if sample is None:
        return GoodShare(rule.name, rule.title, None, 0, result.missing.get("current", "no clip is judged"))
    number = pl.col(rule.score).cast(pl.Float64)
    pool = found.table.filter(number.is_finite(), pl.col("stratum") != "")
    scores = pool[rule.score].cast(pl.Float64).to_numpy()
    good = sample.good.astype(np.float64)
    try:
        predicted, of_pool = cross_fitted_predictions(
            sample.scores, good, scores, rising=rule.minimum is not None, seed=seed
        )
        share = pool_share(good, predicted, of_pool, sample.strata, pool["stratum"].to_list())
    except ValueError as error:
        return GoodShare(rule.name, rule.title, None, pool.height, str(error))
    return GoodShare(rule.name, rule.title, replace(share, judged_alone=share_of_good(result, sample)), pool.height)


def good_plot(found: Sequence[GoodShare]) -> dict[str, Any]:
    """What the figure of the shares is drawn from."""
    lines = []
    for one in found:
        if one.share is not None:
            lines.append(Line(one.title, "with the score's predictions", one.share.with_predictions))
            lines.append(Line(one.title, "from the judged clips alone", one.share.judged_alone))
    known = [one for one in found if one.share is not None and one.share.with_predictions.value is not None]
    finding = "The share of good clips in the pool is not known yet"
    if known:
        best = max(known, key=lambda one: (one.share.gain or 0.0) if one.share else 0.0)
        assert best.share is not None, "it is known"
        finding = f"Share of the pool that is good, by {best.title}: {estimate_text(best.share.with_predictions)}"
    judged = sorted({line.estimate.clips for line in lines})
    return {
        "lines": lines,
        "finding": finding,
        "caption": f"n = {'–'.join(str(count) for count in dict.fromkeys((judged[0], judged[-1])))} judged clips; "
        "bars are 95 % intervals",
        "axis": "good clips, share of the pool's clips with the score",
        "share": True,
    }
