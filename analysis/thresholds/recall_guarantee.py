"""Thresholds with a guarantee of recall: on average (conformal risk control) or with a stated confidence."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.design import Design
from analysis.estimate import Floats
from analysis.thresholds.precision_guarantee import binomial_p

Guarantee = Literal["on average", "with confidence"]


@dataclass(frozen=True)
class RecallThreshold:
    """The strictest threshold that keeps the recall, or None with the reason in `undefined`.

    `guarantee` "on average": the expected recall over samples like this one is at least the target. "with
    confidence": it is at least the target in a share `confidence` of such samples. `good` is the number of good
    clips behind it (effective, (sum w)^2 / sum w^2, if `approximate`); `lost` counts the good clips below it.
    """

    target: float
    guarantee: Guarantee
    confidence: float | None
    threshold: float | None
    good: float
    lost: int
    approximate: bool
    undefined: str | None = None


def recall_threshold(
    values: Floats, good: Floats, design: Design, *, target: float, confidence: float | None = None
) -> RecallThreshold:
    """The strictest threshold at which recall >= `target` holds.

    `values` (rising with quality) and `good` (0 to 1) have shape (clips,). Without `confidence` this is conformal
    risk control: the k-th smallest score of the n good clips, k = floor((1 - target)(n + 1)) (Angelopoulos, Bates,
    Fisch, Lei & Schuster 2022, arXiv 2208.02814); under weights the largest t with W_below(t) + w_max <= (1 - target)
    (W + w_max), which gives the next clip the largest weight. With `confidence` it is the binomial order statistic:
    the largest k with P(Bin(n, 1 - target) <= k - 1) <= 1 - confidence; under weights n is the effective number of
    good clips (approximate), in which the clips of one source count as one.

    The sample must include clips that the filter rejects, because good clips below every rated score stay unseen.
    Raises ValueError for a target outside (0, 1).

    >>> scores = np.arange(1.0, 101.0)
    >>> recall_threshold(scores, np.ones(100), Design.build(100), target=0.9).threshold
    10.0
    >>> recall_threshold(scores, np.ones(100), Design.build(100), target=0.9, confidence=0.95).threshold
    5.0
    """
    if not 0 < target < 1:
        raise ValueError(f"a recall of {target:g} cannot be kept: it must lie between 0 and 1")
    mass = design.clip_weight * good
    kept = mass > 0
    mass, scores = mass[kept], values[kept]
    order = np.argsort(scores, kind="stable")
    scores, mass = scores[order], mass[order]
    starts = np.searchsorted(scores, scores)  # tied scores are accepted together: only clips below them are lost
    below = (np.cumsum(mass) - mass)[starts] if len(mass) else mass
    grouped = mass if design.source is None else np.bincount(design.source[kept], design.clip_weight[kept])
    effective = float(mass.sum() ** 2 / (grouped**2).sum()) if len(mass) else 0.0
    simple = design.equal_weights and design.source is None and bool(np.isin(good, (0.0, 1.0)).all())
    allowed = 1 - target
    if confidence is None:
        fine = below + mass.max(initial=0.0) <= allowed * (mass.sum() + mass.max(initial=0.0)) * (1 + 1e-12)
        need = int(np.ceil(1 / allowed - 1 - 1e-9))
    else:
        fine = binomial_p(below / mass.sum() * effective, effective, allowed) <= 1 - confidence if len(mass) else kept
        need = int(np.ceil(np.log(1 - confidence) / np.log(target) - 1e-9))
    chosen = np.flatnonzero(fine)
    count = float(len(mass)) if simple else effective
    why = None if len(chosen) else f"{_good_clips(count)} are too few for a recall of {target:g}: it takes {need}"
    return RecallThreshold(
        target=target,
        guarantee="on average" if confidence is None else "with confidence",
        confidence=confidence,
        threshold=float(scores[chosen[-1]]) if len(chosen) else None,
        good=count,
        lost=int(starts[chosen[-1]]) if len(chosen) else 0,
        approximate=not simple,
        undefined=why,
    )


def _good_clips(count: float) -> str:
    """The number of good clips in words; a number that is not whole is one by weights."""
    return f"{count:.0f} good clips" if float(count).is_integer() else f"good clips worth {count:.1f} by their weights"
