"""Choosing the threshold of one filter: the best one for an objective, its stability, its rates on held-out clips."""

from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats, signature
from analysis.filters.rates import Confusion, tabulate
from analysis.filters.roc import Direction, canonical_order, shortest_threshold
from analysis.thresholds.cross_fitting import HeldOutResult, cross_fitted
from analysis.thresholds.objectives import F1, Objective
from analysis.thresholds.sweeps import Sweep, resampled_thresholds

_OPTIMISTIC = "The threshold was found on these same clips, so its figures are optimistic; "


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold found by search, with its rates and how far to trust them.

    All thresholds in the gap accept the same rated clips: (gap_low, gap_high] for "ge", [gap_low, gap_high) for "le".
    `stable_low` to `stable_high` is the percentile range of the best threshold over resamples, and `same_share` the
    share of resamples that chose this gap; both show stability and are no interval with coverage (with more than 512
    different scores they are accurate to one of 512 quantiles). `value` is the objective on the rated clips,
    `held_out` the objective and the rates on held-out clips (None if a half has no good clip or only one score).
    `implied_cost` is the number of good clips given up to avoid one bad clip. `note` says in words how far to trust
    the figures.
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
    held_out: HeldOutResult | None
    implied_cost: float | None
    note: str
    signature: str

    @property
    def cross_fitted_f1(self) -> float | None:
        """F1 on held-out clips; None if F1 was not the objective."""
        return None if self.held_out is None or self.objective != F1 else self.held_out.value

    def shown(self, digits: int = 4) -> str:
        """The threshold rounded for display: to `digits` significant digits, or more until it accepts the same clips.

        >>> scores, good = np.array([0.1, 0.91994, 0.91996, 0.93]), np.array([0.0, 0, 1, 1])
        >>> best_threshold(scores, good, Design.build(4), resamples=50).shown()
        '0.91996'
        """
        return shortest_threshold(self.threshold, self._in_gap, digits)

    def _in_gap(self, threshold: float) -> bool:
        if self.direction == "ge":
            return self.gap_low < threshold <= self.gap_high
        return self.gap_low <= threshold < self.gap_high


def best_threshold(
    scores: Floats,
    good: Floats,
    design: Design,
    objective: Objective = F1,
    *,
    direction: Direction = "ge",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> ChosenThreshold:
    """The best threshold for an objective among those that split the rated clips; of equally good ones, the loosest.

    `scores` and `good` (0 to 1) have shape (clips,). The threshold is the last score accepted. For stability the
    search is repeated on `resamples` samples drawn within strata. For held-out rates the threshold found on a random
    half of each stratum is judged on the other half, both ways, over 20 seeded splits. The result does not depend on
    the order of the clips. Raises ValueError if no clip is good, none is bad, or all scores are equal.

    >>> from analysis.thresholds.objectives import parse
    >>> few = best_threshold(np.array([1.0, 2, 3, 4]), np.array([0.0, 1, 0, 1]), Design.build(4), parse("cost:1,5"))
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
    picks, same = resampled_thresholds(sweep, design, objective, chosen, resamples, seed)
    tail = (1 - confidence) / 2
    ends = sorted(sign * np.quantile(picks, [tail, 1 - tail], method="inverted_cdf"))
    threshold, next_looser = sign * sweep.thresholds[chosen], sign * sweep.thresholds[chosen + 1]
    table = tabulate(values >= sweep.thresholds[chosen], good, design, confidence)
    held_out = _held_out(values, good, design, objective, seed, confidence)
    return ChosenThreshold(
        objective=objective,
        value=objective.of(table.weighted),
        threshold=float(threshold),
        gap_low=float(min(threshold, next_looser)),
        gap_high=float(max(threshold, next_looser)),
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
    """Raise ValueError if no clip is good, none is bad, or all scores are equal: then no threshold can be searched."""
    if not good.any():
        raise ValueError("no rated clip is good: there is no F1 to maximise")
    if (good == 1).all():
        raise ValueError("no rated clip is bad: nothing speaks for a stricter threshold")
    if len(scores) < 2 or np.ptp(scores) == 0:
        raise ValueError("all rated clips have one score: no threshold splits them")


def _held_out(
    values: Floats, good: Floats, design: Design, objective: Objective, seed: int, confidence: float
) -> HeldOutResult | None:
    def choose(fit: Bools) -> Bools | None:
        if not good[fit].any() or np.ptp(values[fit]) == 0:
            return None
        sweep = Sweep.over(values[fit], good[fit])
        return np.asarray(values >= sweep.thresholds[sweep.best(design.clip_weight[fit][None], objective)[0]])

    return cross_fitted(good, design, choose, objective.of, seed=seed, confidence=confidence)


def _note(objective: Objective, held_out: HeldOutResult | None) -> str:
    if held_out is None:
        return _OPTIMISTIC + f"there are too few clips for a cross-fitted {objective.title}, which would not be."
    return _OPTIMISTIC + f"the cross-fitted {objective.title} is not."


def _signature(
    objective: Objective, design: Design, direction: Direction, resamples: int, seed: int, confidence: float
) -> str:
    return signature(  # `best_cut` is an older word, kept because exports hold signatures
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
