"""Choosing one threshold: what a filter does at a cut, and the best cut for an aim and how firm that choice is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cross_fitting import HeldOut, cross_fitted
from analysis.design import Design, graded, scored
from analysis.estimate import Bools, Floats, signature
from analysis.objectives import F1, Objective
from analysis.rates import Confusion, tabulate
from analysis.roc import Direction, canonical_order, short_cut
from analysis.sweeps import Sweep, resampled_picks

_OPTIMISTIC = "The cut was found on these same clips, so its figures are optimistic; "


@dataclass(frozen=True)
class Choice:
    """A threshold found by search, and how much to trust it.

    All cuts in the half-open gap accept the same rated clips: (gap_low, gap_high] for "ge", [gap_low, gap_high)
    for "le". `stable_low` to `stable_high` is the percentile range of the best cut over resampled
    clips and `same_share` the share of resamples that chose this very gap: signs of stability, not an interval
    with coverage (above 512 different scores both are told to the nearest of 512 cuts). `value` is the aim reached,
    `held_out` the same and the table of rates on clips that had no say in the cut (None if a half had no good clip,
    or a single score); `implied_cost` says how many wrongly rejected good clips this aim takes for one wrongly
    accepted bad clip; `note` says in words how far to trust the figures.
    """

    objective: Objective
    value: float
    threshold: float
    gap_low: float
    gap_high: float
    direction: Direction
    confusion: Confusion
    stable_low: float
    stable_high: float
    same_share: float
    held_out: HeldOut | None
    implied_cost: float | None
    note: str
    signature: str

    @property
    def cross_fitted_f1(self) -> float | None:
        """F1 on clips that had no say in the cut, where F1 was the aim."""
        return None if self.held_out is None or self.objective != F1 else self.held_out.value

    def shown(self, digits: int = 4) -> str:
        """The threshold for reading: at least `digits` significant digits, and it accepts the same rated clips.

        >>> best_f1([0.1, 0.91994, 0.91996, 0.93], [0, 0, 1, 1], resamples=50).shown()
        '0.91996'
        """
        return short_cut(self.threshold, self._in_gap, digits)

    def _in_gap(self, threshold: float) -> bool:
        if self.direction == "ge":
            return self.gap_low < threshold <= self.gap_high
        return self.gap_low <= threshold < self.gap_high


def at_threshold(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Sequence[float] | Bools | Floats,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    threshold: float,
    direction: Direction = "ge",
    sources: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Confusion:
    """What the filter with this threshold accepts, against the raters; otherwise as `rates.confusion`.

    >>> at_threshold([0.2, 0.6, 0.9], [False, True, True], threshold=0.6).recall.value
    1.0
    """
    is_good = graded(good, "good")
    values = scored(scores, len(is_good))
    accepted = values >= threshold if direction == "ge" else values <= threshold
    return tabulate(accepted, is_good, Design.build(len(is_good), weights, strata, stratum_sizes, sources), confidence)


def best_f1(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Sequence[float] | Bools | Floats,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    direction: Direction = "ge",
    sources: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Choice:
    """The cut with the largest weighted F1: `best` for the aim F1 and a sample described by its columns.

    >>> choice = best_f1([0.1, 0.3, 0.6, 0.8, 0.9], [0, 0, 1, 1, 1], resamples=50)
    >>> choice.threshold, choice.gap_low, choice.confusion.f1.value
    (0.6, 0.3, 1.0)
    """
    is_good = graded(good, "good")
    design = Design.build(len(is_good), weights, strata, stratum_sizes, sources)
    given = scored(scores, len(is_good))
    return best(given, is_good, design, direction=direction, resamples=resamples, seed=seed, confidence=confidence)


def best(
    scores: Floats,
    good: Floats,
    design: Design,
    objective: Objective = F1,
    *,
    direction: Direction = "ge",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Choice:
    """The best cut for an aim among those that split the rated clips; of equal ones the loosest.

    `scores` and `good` (0 to 1) have shape (clips,). The threshold is the last score accepted. Stability: the
    search is redone on `resamples` samples drawn within strata. Cross-fitting: the cut found on a random half of
    each stratum is judged on the other half, both ways, over 20 seeded splits. The order of the clips changes
    nothing. Raises ValueError when no clip is good, none is bad, or all scores are equal.

    >>> from analysis.objectives import parse
    >>> few = best(np.array([1.0, 2, 3, 4]), np.array([0.0, 1, 0, 1]), Design.build(4), parse("cost:1,5"))
    >>> few.threshold, few.value
    (2.0, 0.25)
    """
    refuse_empty(scores, good)
    order = canonical_order(design, scores, good)
    scores, good, design = scores[order], good[order], design.reordered(order)
    sign = 1.0 if direction == "ge" else -1.0
    values = scores * sign
    sweep = Sweep.over(values, good)
    chosen = int(sweep.best(design.clip_weight[None], objective)[0])
    picks, same = resampled_picks(sweep, design, objective, chosen, resamples, seed)
    tail = (1 - confidence) / 2
    ends = sorted(sign * np.quantile(picks, [tail, 1 - tail], method="inverted_cdf"))
    threshold, beyond = sign * sweep.cuts[chosen], sign * sweep.cuts[chosen + 1]
    table = tabulate(values >= sweep.cuts[chosen], good, design, confidence)
    held_out = _held_out(values, good, design, objective, seed, confidence)
    return Choice(
        objective=objective,
        value=objective.of(table.weighted),
        threshold=float(threshold),
        gap_low=float(min(threshold, beyond)),
        gap_high=float(max(threshold, beyond)),
        direction=direction,
        confusion=table,
        stable_low=float(ends[0]),
        stable_high=float(ends[1]),
        same_share=same,
        held_out=held_out,
        implied_cost=objective.implied_cost(table.weighted),
        note=_note(objective, held_out),
        signature=_signature(objective, design, direction, resamples, seed, confidence),
    )


def refuse_empty(scores: Floats, good: Floats) -> None:
    """Raise ValueError, naming what is missing, where no search for a cut makes sense."""
    if not good.any():
        raise ValueError("no rated clip is good: there is no F1 to maximise")
    if (good == 1).all():
        raise ValueError("no rated clip is bad: nothing speaks for a stricter threshold")
    if len(scores) < 2 or np.ptp(scores) == 0:
        raise ValueError("all rated clips have one score: no cut splits them")


def _held_out(
    values: Floats, good: Floats, design: Design, objective: Objective, seed: int, confidence: float
) -> HeldOut | None:
    def choose(fit: Bools) -> Bools | None:
        if not good[fit].any() or np.ptp(values[fit]) == 0:
            return None
        sweep = Sweep.over(values[fit], good[fit])
        return np.asarray(values >= sweep.cuts[sweep.best(design.clip_weight[fit][None], objective)[0]])

    return cross_fitted(good, design, choose, objective.of, seed=seed, confidence=confidence)


def _note(objective: Objective, held_out: HeldOut | None) -> str:
    if held_out is None:
        return _OPTIMISTIC + f"there are too few clips for a cross-fitted {objective.title}, which would not be."
    return _OPTIMISTIC + f"the cross-fitted {objective.title} is not."


def _signature(
    objective: Objective, design: Design, direction: Direction, resamples: int, seed: int, confidence: float
) -> str:
    return signature(
        "best_f1" if objective == F1 else "best_cut",
        objective=None if objective == F1 else str(objective),
        direction=direction,
        weights="equal" if design.equal_weights else "inverse-inclusion",
        strata=len(design.labels),
        unit=None if design.source is None else "source",
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )
