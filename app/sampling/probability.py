"""Probability sampling: simple, stratified and two-phase designs become plans with a number of clips per stratum."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling import rejects, two_phase
from analysis.sampling.allocation import allocate, claims, smoothed
from analysis.sampling.random_numbers import Codes
from analysis.sampling.selection import DesignName, Draw, DrawPlan, drawn_clips, top_up_draw
from analysis.sampling.source_limits import SourceLimit
from analysis.sampling.strata import OUTSIDE, Division, by_edges, everything
from app.errors import AppError
from app.sampling.designs import Simple, Stratified, TwoPhase
from app.sampling.frame import SamplingFrame
from app.sampling.strata import division_of, edges_of, rule_of

INCLUDED = "must include"
"""The stratum of clips that are always taken."""


@dataclass(frozen=True, eq=False)
class PreparedDraw:
    """A plan to draw from, and the proportions by which a top-up is allocated to strata (`claim`, shape (strata,))."""

    plan: DrawPlan
    claim: Floats

    @property
    def supply(self) -> Ints:
        """The number of clips that each stratum can give, shape (strata,)."""
        limit = self.plan.limit
        return self.plan.sizes if limit is None else _whole(limit.supply)


def prepare(
    frame: SamplingFrame, plan: Simple | Stratified | TwoPhase, pilot: pl.DataFrame | None = None
) -> PreparedDraw:
    """Plan a one-phase draw, or the first of two phases. `pilot` (clip, good) is for Neyman allocation.

    Raises AppError if the design cannot be drawn from this frame.
    """
    try:
        if isinstance(plan, TwoPhase):
            return _first_phase(frame, plan)
        return _one_phase(frame, plan, pilot)
    except ValueError as error:
        remedy = "Ask for more clips, or divide more coarsely: fewer bands, most = 8 for columns and patterns."
        raise AppError(f"The sample cannot be drawn: {error}.", remedy) from error


def top_up(prepared: PreparedDraw, earlier: Ints, new: int, seed: int) -> Draw:
    """Draw the earlier clips and `new` more; `earlier` is the number drawn so far in each stratum, shape (strata,)."""
    return _topped_up(replace(prepared.plan, shares=earlier), grown(prepared, earlier, new), seed)


def grown(prepared: PreparedDraw, earlier: Ints, new: int) -> DrawPlan:
    """The plan of a topped-up draw: the `earlier` clips of each stratum, and `new` more allocated by `claim`.

    Raises AppError if the frame has too few clips.
    """
    try:
        shares, notes = allocate(
            prepared.supply,
            int(earlier.sum()) + new,
            prepared.claim,
            prepared.plan.division.labels,
            least=earlier,
        )
    except ValueError as error:
        raise AppError(f"The sample cannot be topped up: {error}.", "Draw a new sample.") from error
    return replace(prepared.plan, shares=shares, notes=(*prepared.plan.notes, *notes))


def _topped_up(before: DrawPlan, after: DrawPlan, seed: int) -> Draw:
    try:
        return top_up_draw(before, after, seed)
    except ValueError as error:
        raise AppError(f"The sample cannot be topped up: {error}.", "Draw a new sample.") from error


def second_phase(frame: SamplingFrame, plan: TwoPhase, prepared: PreparedDraw, pilot: pl.DataFrame, seed: int) -> Draw:
    """Draw both phases of a two-phase design, given the judgments of the first phase (clip, good).

    Raises AppError if the judged clips are not those of the first phase, or if no curve can be fitted to them.
    """
    rule = rule_of(frame, plan.by)
    first = drawn_clips(prepared.plan, seed)
    known = frame.table["clip"].gather(first)
    strangers = pilot.filter(~pl.col("clip").is_in(known.implode()))["clip"]
    if len(strangers):
        raise AppError(
            f"The pilot judges {strangers[0]!r}, which this design, seed and pool did not draw in the first phase.",
            "Give the judgments of that phase's clips; if pool or design has changed, draw the pilot anew.",
        )
    judged = pl.DataFrame({"clip": known, "place": first}).join(pilot, on="clip")
    scores = frame.scores(rule.score)[judged["place"].to_numpy()]
    have = np.isfinite(scores)
    try:
        found = two_phase.quality_curve(
            scores[have], judged["good"].to_numpy()[have], target=plan.target, rising=rule.minimum is not None
        )
        focus = _focus(prepared.plan.division, found)
        shares, notes = two_phase.second_phase(
            prepared.plan.division, prepared.plan.shares, focus, plan.clips, share=plan.focus, floor=plan.floor
        )
    except ValueError as error:
        raise AppError(
            f"The second phase cannot be drawn: {error}.", "Judge more pilot clips, or raise clips."
        ) from error
    if not np.isfinite([found.low, found.high]).all():
        side = "above" if found.good.min() >= plan.target else "below"
        notes = (f"The curve lies {side} the target {plan.target} everywhere: the last bands are looked at.", *notes)
    unjudged = len(first) - judged["clip"].n_unique()
    if unjudged:
        notes = (*notes, f"{unjudged} clips of the first phase have no judgment yet.")
    both = top_up_draw(prepared.plan, replace(prepared.plan, shares=shares), seed)
    return replace(both, notes=(*both.notes, *notes))


def _one_phase(frame: SamplingFrame, plan: Simple | Stratified, pilot: pl.DataFrame | None) -> PreparedDraw:
    whole = everything(len(frame.digest)) if isinstance(plan, Simple) else division_of(frame, plan.divisions())
    drawable = frame.inside & frame.passed if plan.only == "passed" and frame.passed is not None else frame.inside
    division = _outside(whole, ~drawable)
    source = None if plan.per_source is None else frame.sources()
    before = None if source is None else _limit(plan, division, source)
    supply = division.sizes if before is None else _whole(before.supply)
    claim = _claim(frame, plan, division, pilot)
    if isinstance(plan, Stratified) and plan.shares:
        shares, notes = _given(plan.shares, supply, division.labels)
    else:
        shares, notes = allocate(supply, plan.clips, claim, division.labels)
    sliced, said = _with_rejects(frame, plan, division, shares, slice_only=plan.only == "passed")
    whole = division
    division, shares, claim = _with_included(frame, sliced, claim, whole=whole)
    limit = before if division is whole or source is None else _limit(plan, division, source)
    if limit is not None:
        shares = np.minimum(shares, _whole(limit.supply))
        said = (*said, _limit_words(plan, limit))
    kind: DesignName = "simple" if isinstance(plan, Simple) else "stratified"
    notes = (*notes, *said, *_outside_words(frame))
    return PreparedDraw(DrawPlan(frame.digest, division, shares, limit, notes, kind), claim)


def _first_phase(frame: SamplingFrame, plan: TwoPhase) -> PreparedDraw:
    rule = rule_of(frame, plan.by)
    if rule.minimum is not None and rule.maximum is not None:
        raise ValueError(f"the filter {rule.name!r} has two thresholds and P(good | score) no single crossing")
    whole = by_edges(frame.scores(rule.score), edges_of(frame, rule, plan.bands), include_missing=False)
    division = _outside(whole, ~frame.inside)
    shares = np.minimum(division.sizes, plan.pilot)
    few = [
        f"Stratum {label} has only {size} clips for the first phase: all are taken."
        for label, size in zip(division.labels, division.sizes.tolist(), strict=True)
        if size < plan.pilot
    ]
    sliced, said = _with_rejects(frame, plan, division, shares, slice_only=False)
    claim = np.ones(len(division.labels))
    division, shares, claim = _with_included(frame, sliced, claim, whole=division)
    notes = (*few, *said, *_outside_words(frame))
    return PreparedDraw(DrawPlan(frame.digest, division, shares, None, notes, "two_phase"), claim)


def _claim(frame: SamplingFrame, plan: Simple | Stratified, division: Division, pilot: pl.DataFrame | None) -> Floats:
    """The proportions by which clips are allocated to strata, shape (strata,)."""
    sizes = division.sizes
    if isinstance(plan, Simple):
        return claims(sizes, "equal")
    if plan.shares:
        if len(plan.shares) != len(division.labels):
            raise ValueError(f"{len(plan.shares)} shares for {_counted(division)}")
        return np.asarray(plan.shares, dtype=np.float64)
    p: Floats | None = None
    if plan.allocation == "neyman" and pilot is not None:
        places = pl.DataFrame({"clip": frame.table["clip"], "of": division.of}).join(pilot, on="clip")
        of = places.filter(pl.col("of") != OUTSIDE)
        number = of["of"].to_numpy()
        judged = np.bincount(number, minlength=len(sizes))
        p = smoothed(np.bincount(number, of["good"].to_numpy(), len(sizes)), judged)
    elif plan.allocation == "neyman":
        if not plan.guess:
            raise ValueError("Neyman allocation needs guess = [...] or a pilot, a share for each stratum")
        if len(plan.guess) != len(division.labels):
            raise ValueError(f"{len(plan.guess)} guesses for {_counted(division)}")
        p = np.asarray(plan.guess)
    return claims(sizes, plan.allocation, p=p, power=plan.power)


def _counted(division: Division) -> str:
    return f"{len(division.labels)} strata ({'; '.join(division.labels[:12])})"


def _given(shares: Sequence[int], supply: Ints, labels: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """The numbers of clips that the design states, limited to the clips there are."""
    got = np.minimum(np.asarray(shares, dtype=np.int64), supply)
    if not got.any():
        raise ValueError("no stratum with clips has a share")
    few = [
        f"Stratum {label} has {have} clips where {wish} were asked for: all are taken."
        for label, have, wish in zip(labels, got.tolist(), shares, strict=True)
        if have < wish
    ]
    silent = [
        f"Stratum {label} has {size} clips and no share: no figure speaks of it."
        for label, size, have in zip(labels, supply.tolist(), got.tolist(), strict=True)
        if size and not have
    ]
    return got, (*few, *silent)


def _with_rejects(
    frame: SamplingFrame, plan: Simple | Stratified | TwoPhase, division: Division, shares: Ints, *, slice_only: bool
) -> tuple[rejects.DivisionWithRejects, tuple[str, ...]]:
    """The division with a random sample of rejects, and notes; a note says if there is none, and why."""
    same = rejects.DivisionWithRejects(division, shares, np.arange(len(shares)), ())
    if frame.passed is None:
        return same, ("No filters are named: which clips are rejects is not known, and no slice of them is drawn.",)
    if plan.waive_rejects:
        return same, (f"No slice of rejects is drawn: {plan.waive_rejects}",)
    if slice_only:
        sliced = rejects.with_reject_stratum(division, shares, frame.rejected, plan.rejects or rejects.DEFAULT_REJECTS)
    else:
        wanted = plan.rejects or rejects.default_rejects(int(shares.sum()))
        sliced = rejects.with_enough_rejects(division, shares, frame.rejected, wanted)
    return sliced, sliced.notes


def _with_included(
    frame: SamplingFrame, sliced: rejects.DivisionWithRejects, claim: Floats, *, whole: Division
) -> tuple[Division, Ints, Floats]:
    """Add the stratum of included clips to division, shares and claims; a part of a stratum inherits its claim."""
    division, shares = sliced.division, sliced.shares
    before, parent = whole.sizes, sliced.parent
    part = np.where(parent == OUTSIDE, 0.0, division.sizes / np.maximum(1, before[parent]))
    heirs = np.where(parent == OUTSIDE, 0.0, claim[parent] * part)
    if not len(frame.included):
        return division, shares, heirs
    of = division.of.copy()
    of[frame.included] = len(division.labels)
    more = Division(of, (*division.labels, INCLUDED), (*division.ends, (None, None)), division.notes)
    return more, np.append(shares, len(frame.included)), np.append(heirs, 0.0)


def _limit(plan: Simple | Stratified, division: Division, source: Codes) -> SourceLimit:
    return SourceLimit.build(
        division.of, len(division.labels), source, plan.per_source or 1, within_strata=plan.per_source_in == "stratum"
    )


def _limit_words(plan: Simple | Stratified, limit: SourceLimit) -> str:
    where = "a source and stratum" if plan.per_source_in == "stratum" else "a source"
    words = f"At most {plan.per_source} clips of {where}; clips to be included do not count."
    if limit.certain.all():
        return words
    return (
        f"{words} Sources lie in several strata: inclusion probabilities have no closed form there, are estimated by "
        'simulation and marked so (per_source_in = "stratum" has exact ones).'
    )


def _outside_words(frame: SamplingFrame) -> tuple[str, ...]:
    words = []
    if frame.excluded:
        words.append(f"{frame.excluded} clips were excluded by id: the strata's populations leave them out.")
    if len(frame.included):
        words.append(f"{len(frame.included)} clips were included by id, in addition to the clips drawn at random.")
    return tuple(words)


def _outside(division: Division, out: Bools) -> Division:
    if not out.any():
        return division
    return replace(division, of=np.where(out, np.int32(OUTSIDE), division.of))


def _focus(division: Division, found: two_phase.QualityCurve) -> Bools:
    """The strata (bands, or their accepted and rejected parts) around the crossing, shape (strata,)."""
    lows = np.array([-np.inf if low is None else low for low, _ in division.ends])
    bands_of = [low for label, (low, _) in zip(division.labels, division.ends, strict=True) if label != INCLUDED]
    edges = sorted({low for low in bands_of if low is not None})
    near = two_phase.crossing_bands(found, edges)
    named = np.array([label != INCLUDED for label in division.labels])
    focus: Bools = near[np.searchsorted(np.array(edges), lows, side="right")] & named
    return focus


def _whole(supply: Floats) -> Ints:
    return np.floor(supply + 1e-9).astype(np.int64)
