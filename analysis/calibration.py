"""Choosing one threshold: what a filter does at a cut, and the cut with the best F1 and how firm that choice is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.design import Design, binary, scored
from analysis.estimate import Bools, Floats, Ints, signature
from analysis.rates import Confusion, tabulate
from analysis.resampling import within_strata
from analysis.roc import Direction, canonical_order, short_cut

_SPLITS = 20  # repetitions of the two-fold split: one split alone depends on its seed too much
_OPTIMISTIC = "The cut was found on these same clips, so its figures are optimistic; "
_CROSS_FITTED = _OPTIMISTIC + "the cross-fitted F1 is not."
_NOT_CROSS_FITTED = _OPTIMISTIC + "there are too few clips for a cross-fitted F1, which would not be."


@dataclass(frozen=True)
class Choice:
    """A threshold found by search, and how much to trust it.

    All cuts in the half-open gap accept the same rated clips: (gap_low, gap_high] for "ge", [gap_low, gap_high)
    for "le". `stable_low` to `stable_high` is the percentile range of the best cut over resampled
    clips and `same_share` the share of resamples that chose this very gap: signs of stability, not an interval
    with coverage. `cross_fitted_f1` is F1 on clips that had no say in the cut (None if a half had no good clip, or
    a single score); `note` says in words how far to trust the figures.
    """

    threshold: float
    gap_low: float
    gap_high: float
    direction: Direction
    confusion: Confusion
    stable_low: float
    stable_high: float
    same_share: float
    cross_fitted_f1: float | None
    note: str
    signature: str

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
    good: Sequence[bool] | Bools,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    threshold: float,
    direction: Direction = "ge",
    confidence: float = 0.95,
) -> Confusion:
    """What the filter with this threshold accepts, against the raters; otherwise as `rates.confusion`.

    >>> at_threshold([0.2, 0.6, 0.9], [False, True, True], threshold=0.6).recall.value
    1.0
    """
    is_good = binary(good, "good")
    values = scored(scores, len(is_good))
    accepted = values >= threshold if direction == "ge" else values <= threshold
    return tabulate(accepted, is_good, Design.build(len(is_good), weights, strata, stratum_sizes), confidence)


def best_f1(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Bools,
    weights: Sequence[float] | Floats | None = None,
    strata: Sequence[str] | None = None,
    stratum_sizes: Mapping[str, int] | None = None,
    *,
    direction: Direction = "ge",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Choice:
    """The cut with the largest weighted F1 among those that split the rated clips; of equal ones the loosest.

    The threshold is the last score accepted. Stability: the search is redone on `resamples` samples drawn within
    strata. Cross-fitting: the cut found on a random half of each stratum is judged on the other half, both ways,
    averaged over 20 seeded splits. The order of the clips changes nothing.
    Raises ValueError when no clip is good, none is bad, or all scores are equal.

    >>> choice = best_f1([0.1, 0.3, 0.6, 0.8, 0.9], [0, 0, 1, 1, 1], resamples=50)
    >>> choice.threshold, choice.gap_low, choice.confusion.f1.value
    (0.6, 0.3, 1.0)
    """
    is_good = binary(good, "good")
    given = scored(scores, len(is_good))
    design = Design.build(len(is_good), weights, strata, stratum_sizes)
    if not is_good.any():
        raise ValueError("no rated clip is good: there is no F1 to maximise")
    if is_good.all():
        raise ValueError("no rated clip is bad: nothing speaks for a stricter threshold")
    if len(given) < 2 or np.ptp(given) == 0:
        raise ValueError("all rated clips have one score: no cut splits them")
    order = canonical_order(design, given, is_good)
    given, is_good, design = given[order], is_good[order], design.reordered(order)
    sign = 1.0 if direction == "ge" else -1.0
    sweep = _Sweep.over(given * sign, is_good)
    weight = design.clip_weight
    chosen = int(sweep.best(weight[None])[0])
    picks = np.concatenate([sweep.best(block * weight) for block in within_strata(design.of, resamples, seed)])
    tail = (1 - confidence) / 2
    ends = sorted(sign * np.quantile(sweep.cuts[picks], [tail, 1 - tail], method="inverted_cdf"))
    threshold, beyond = sign * sweep.cuts[chosen], sign * sweep.cuts[chosen + 1]
    accepted = given * sign >= sweep.cuts[chosen]
    cross_fitted = _cross_fitted(given * sign, is_good, design, seed)
    return Choice(
        threshold=float(threshold),
        gap_low=float(min(threshold, beyond)),
        gap_high=float(max(threshold, beyond)),
        direction=direction,
        confusion=tabulate(accepted, is_good, design, confidence),
        stable_low=float(ends[0]),
        stable_high=float(ends[1]),
        same_share=float((picks == chosen).mean()),
        cross_fitted_f1=cross_fitted,
        note=_NOT_CROSS_FITTED if cross_fitted is None else _CROSS_FITTED,
        signature=signature(
            "best_f1",
            direction=direction,
            weights="equal" if design.equal_weights else "inverse-inclusion",
            strata=len(design.labels),
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Sweep:
    """Clips sorted from the highest score down; `ends` closes each group of ties and `cuts` is its score."""

    order: Ints
    good: Bools
    ends: Ints
    cuts: Floats

    @classmethod
    def over(cls, values: Floats, good: Bools) -> "_Sweep":
        order = np.argsort(-values, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(values[order]) < 0), len(values) - 1)
        return cls(order, good[order], ends, values[order][ends])

    def best(self, weights: Floats) -> Ints:
        """Position in `cuts` of the best cut for each row of weights; never the one that accepts every clip."""
        sorted_weights = weights[:, self.order]
        hits = np.cumsum(sorted_weights * self.good, axis=1)
        accepted = np.cumsum(sorted_weights, axis=1)[:, self.ends]
        f1 = 2 * hits[:, self.ends] / np.maximum(accepted + hits[:, -1:], np.finfo(float).tiny)
        candidates = f1[:, :-1]
        top = candidates >= candidates.max(axis=1, keepdims=True) - 1e-12
        return np.asarray(top.shape[1] - 1 - np.argmax(top[:, ::-1], axis=1))


def _cross_fitted(values: Floats, good: Bools, design: Design, seed: int) -> float | None:
    """Mean F1 on the halves that had no say, over seeded splits of every stratum."""
    generator = np.random.default_rng([seed, 1])
    weight, found = design.clip_weight, []
    for _ in range(_SPLITS):
        first = np.zeros(len(values), dtype=np.bool_)
        for stratum in range(len(design.labels)):
            members = generator.permutation(np.flatnonzero(design.of == stratum))
            first[members[: (len(members) + int(generator.integers(2))) // 2]] = True
        hits = accepted = 0.0
        for fit, judge in ((first, ~first), (~first, first)):
            if not good[fit].any() or np.ptp(values[fit]) == 0:
                return None
            sweep = _Sweep.over(values[fit], good[fit])
            passes = judge & (values >= sweep.cuts[sweep.best(weight[fit][None])[0]])
            hits += weight[passes & good].sum()
            accepted += weight[passes].sum()
        found.append(2 * hits / (accepted + weight[good].sum()))
    return float(np.mean(found))
