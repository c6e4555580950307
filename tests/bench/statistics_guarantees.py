"""How often a guaranteed precision is missed, and how often that of thresholds chosen by their point estimate."""

from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Floats
from analysis.thresholds.cascade import CascadeGrid, search
from analysis.thresholds.cascade_guarantee import split_guarantee
from analysis.thresholds.precision_guarantee import precision_threshold

CLIPS, TARGET, CONFIDENCE = 400, 0.9, 0.9


@dataclass(frozen=True)
class MissRates:
    """Shares of studies in which the guaranteed threshold misses the target, there is none, or the picked one misses.

    The picked threshold is the loosest whose point estimate reaches the target.
    """

    studies: int
    guaranteed: float
    none: float
    picked: float

    def shown(self, what: str) -> "MissRates":
        """Print both rates and return the same."""
        print(
            f"{what}, {self.studies} studies: guaranteed precision missed in {100 * self.guaranteed:.1f} %, picked by "
            f"point estimate missed in {100 * self.picked:.1f} %, none guaranteed in {100 * self.none:.1f} %"
        )
        return self

    @property
    def allowed(self) -> float:
        """The share that the guarantee allows: 1 - C plus three standard errors of so many studies."""
        return float(1 - CONFIDENCE + 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / self.studies))


def chance(scores: Floats) -> Floats:
    """P(good | score) of the simulated pool."""
    return np.clip(0.55 + 0.6 * scores, 0.0, 0.99)


def lowest_reaching(target: float) -> float:
    """The lowest threshold whose precision in the pool (scores uniform on 0 to 1) reaches the target."""
    scores = (np.arange(200_000) + 0.5) / 200_000
    above = np.cumsum(chance(scores)[::-1])[::-1] / np.arange(len(scores), 0, -1)
    return float(scores[np.argmax(above >= target)])


def missed_guarantees(studies: int, seed: int) -> MissRates:
    """Seeded studies of 400 clips: thresholds with the guarantee and by point estimate, against the pool."""
    generator, lowest, design = np.random.default_rng(seed), lowest_reaching(TARGET), Design.build(CLIPS)
    guaranteed = none = picked = 0
    for _ in range(studies):
        scores = generator.random(CLIPS)
        good = (generator.random(CLIPS) < chance(scores)).astype(np.float64)
        found = precision_threshold(scores, good, design, target=TARGET, confidence=CONFIDENCE).threshold
        none += found is None
        guaranteed += found is not None and found < lowest
        order = np.argsort(-scores)
        reaching = np.flatnonzero(np.cumsum(good[order]) / np.arange(1, CLIPS + 1) >= TARGET)
        picked += bool(len(reaching)) and float(scores[order][reaching[-1]]) < lowest
    return MissRates(studies, guaranteed / studies, none / studies, picked / studies)


def missed_under_weights(studies: int, seed: int) -> MissRates:
    """The same for samples of 130 clips from each of three unequal strata, with effective numbers."""
    generator, lowest = np.random.default_rng(seed), lowest_reaching(TARGET)
    ends, sizes = [(0.0, 0.6), (0.6, 0.9), (0.9, 1.0)], {"a": 60_000, "b": 30_000, "c": 10_000}
    design = Design.build(390, strata=[name for name in sizes for _ in range(130)], stratum_sizes=sizes)
    guaranteed = none = picked = 0
    for _ in range(studies):
        scores = np.concatenate([generator.uniform(low, high, 130) for low, high in ends])
        good = (generator.random(390) < chance(scores)).astype(np.float64)
        found = precision_threshold(scores, good, design, target=TARGET, confidence=CONFIDENCE, steps=30).threshold
        none += found is None
        guaranteed += found is not None and found < lowest
        order = np.argsort(-scores)
        weight = design.clip_weight[order]
        reaching = np.flatnonzero(np.cumsum(weight * good[order]) / np.cumsum(weight) >= TARGET)
        picked += bool(len(reaching)) and float(scores[order][reaching[-1]]) < lowest
    return MissRates(studies, guaranteed / studies, none / studies, picked / studies)


def missed_cascade_guarantees(studies: int, *, even: bool) -> MissRates:
    """Seeded studies of 300 clips under two filters, against a precision of 0.85 known in the pool.

    95 % of the clips with both scores above 0.3 are good, and 10 % of the others. Without `even`, half of the clips are
    drawn from the upper half of the first score: three times as dense there.
    """
    target, clips = 0.85, 300
    guaranteed = none = picked = 0
    for seed in range(studies):
        generator = np.random.default_rng(seed)
        values, weight = generator.random((clips, 2)), np.ones(clips)
        if not even:
            values[:, 0] = np.where(generator.random(clips) < 0.5, values[:, 0], 0.5 + 0.5 * values[:, 0])
            weight = np.where(values[:, 0] < 0.5, 3.0, 1.0)
        good = (generator.random(clips) < np.where(values.min(axis=1) > 0.3, 0.95, 0.1)).astype(np.float64)
        found = split_guarantee(
            values, good, Design.build(clips, weight), target=target, confidence=CONFIDENCE, seed=seed
        ).thresholds
        none += found is None
        guaranteed += found is not None and _cascade_precision(found) < target - 1e-12
        grid = CascadeGrid.of(values, good, weight)
        levels = search(grid, target, restarts=2, seed=seed)
        picked += levels is not None and _cascade_precision(grid.thresholds(levels)) < target
    return MissRates(studies, guaranteed / studies, none / studies, picked / studies)


def _cascade_precision(thresholds: Floats) -> float:
    """The pool's precision at these thresholds, shape (filters,)."""
    low = np.where(np.isfinite(thresholds), thresholds, 0.0)
    return 0.1 + 0.85 * float(np.prod(1 - np.maximum(low, 0.3)) / np.prod(1 - low))


def run() -> None:
    """Print both rates for each kind of guarantee."""
    print(
        f"precision, confidence {CONFIDENCE}: missed in at most {100 * (1 - CONFIDENCE):.0f} % if the guarantee holds"
    )
    missed_guarantees(2000, 0).shown("  one filter, one random sample, exact")
    missed_under_weights(500, 0).shown("  one filter, stratified, effective n")
    missed_cascade_guarantees(300, even=True).shown("  two filters, split, exact")
    missed_cascade_guarantees(300, even=False).shown("  two filters, split, two weights, effective n")
