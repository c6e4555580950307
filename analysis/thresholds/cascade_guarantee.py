"""Joint thresholds of a cascade with a precision guarantee from split clips, and its rates on held-out clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.rates import Confusion, effective_precision, tabulate
from analysis.thresholds.cascade import CascadeGrid, FilterContribution, filter_contributions, search
from analysis.thresholds.cross_fitting import HeldOutResult, cross_fitted, halves
from analysis.thresholds.precision_guarantee import TestedThreshold, binomial_p, passed_in_a_row, start_size

PATH_STEPS = 10
"""Steps of the path: threshold vectors found for precisions from near 1 down to the target."""
_SPLITS, _RESTARTS = 3, 6  # of the searches on halves


@dataclass(frozen=True)
class SplitGuarantee:
    """Joint thresholds found on one half of the clips and tested on the other; None with the reason if none passed.

    `table` holds the rates on the second half at `thresholds`. `steps` are the tests of threshold vectors from strict
    to loose; the `threshold` of a step is the precision its vector was found for. `method` is "exact" or "effective-n".
    """

    target: float
    confidence: float
    method: str
    thresholds: Floats | None
    table: Confusion | None
    steps: tuple[TestedThreshold, ...]
    undefined: str | None = None


@dataclass(frozen=True)
class JointThresholds:
    """Joint thresholds of all filters (-inf: the filter is left open), with their rates.

    `thresholds` are those with the guarantee if there are any, else those found on all clips. `table` holds the rates
    on the clips that the thresholds were found on and is optimistic; `held_out` is not. `contributions` describes what
    every filter contributes at `thresholds`.
    """

    thresholds: Floats
    table: Confusion
    held_out: HeldOutResult | None
    guarantee: SplitGuarantee
    contributions: list[FilterContribution]

    @property
    def guaranteed(self) -> bool:
        """True if `thresholds` carry the guarantee."""
        return self.guarantee.thresholds is not None


def joint_thresholds(
    names: Sequence[str],
    values: Floats,
    good: Floats,
    design: Design,
    *,
    target: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> JointThresholds:
    """Joint thresholds of all filters that keep the most good clips at precision >= `target`.

    `values` (clips, filters) rise with quality; `good` (0 to 1) has shape (clips,). Raises ValueError for a target or
    confidence outside (0, 1), if no clip is good or none is bad, and if no thresholds reach the target.

    >>> generator = np.random.default_rng(0)
    >>> scores = generator.random((800, 2))
    >>> good = (scores.min(axis=1) > 0.3).astype(float)
    >>> found = joint_thresholds(["a", "b"], scores, good, Design.build(800), target=0.9)
    >>> found.guaranteed, bool((found.thresholds < 0.31).all())
    (True, True)
    """
    for name, share in (("target", target), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ValueError(f"a {name} of {share:g} is not possible: it must lie between 0 and 1")
    if not good.any() or (good == 1).all():
        raise ValueError("a search needs good clips and bad ones: one kind is missing among those rated")
    grid = CascadeGrid.of(values, good, design.clip_weight)
    levels = search(grid, target, seed=seed)
    if levels is None:
        raise ValueError(f"no thresholds of these filters reach a precision of {target:g} on the rated clips")

    def choose(fit: Bools) -> Bools | None:
        if not good[fit].any() or (good[fit] == 1).all():
            return None
        part = CascadeGrid.of(values[fit], good[fit], design.clip_weight[fit])
        found = search(part, target, restarts=_RESTARTS, seed=seed)
        return None if found is None else np.asarray((values >= part.thresholds(found)).all(axis=1))

    held_out = cross_fitted(good, design, choose, _recall, seed=seed, confidence=confidence, splits=_SPLITS)
    guarantee = split_guarantee(values, good, design, target=target, confidence=confidence, seed=seed)
    thresholds = grid.thresholds(levels) if guarantee.thresholds is None else guarantee.thresholds
    return JointThresholds(
        thresholds=thresholds,
        table=tabulate(np.asarray((values >= thresholds).all(axis=1)), good, design, confidence),
        held_out=held_out,
        guarantee=guarantee,
        contributions=filter_contributions(names, values, thresholds, good, design, confidence),
    )


def split_guarantee(
    values: Floats, good: Floats, design: Design, *, target: float, confidence: float, seed: int = 0
) -> SplitGuarantee:
    """Find a path of threshold vectors on half of the clips and test it on the other half by a fixed sequence.

    The path holds the vectors found for precisions from near 1 down to the target. Testing begins with the first
    vector that accepts `precision_guarantee.start_size` clips of the other half (effective ones under weights) and
    stops at the first failure. P-values are exact binomial for one simple random sample with labels 0 or 1, else
    binomial on effective numbers of clips. Source: Angelopoulos et al. (2021), arXiv 2110.01052, section 2.4 (split
    fixed sequence testing).
    """
    first = next(halves(design, seed + 1, splits=1))
    path = _path(values[first], good[first], design.clip_weight[first], target, seed)
    scores, labels, rest = values[~first], good[~first], design.part(~first)
    exact = rest.equal_weights and rest.source is None and len(rest.labels) == 1
    exact = exact and bool(np.isin(good, (0.0, 1.0)).all())
    method, wanted = "exact" if exact else "effective-n", start_size(target, confidence)
    steps: list[TestedThreshold] = []
    vectors: list[Floats] = []
    for aim, thresholds in path:
        accepted = np.asarray((scores >= thresholds).all(axis=1))
        weight = rest.clip_weight[accepted]
        if not vectors and weight.sum() ** 2 < wanted * (weight**2).sum() and aim > target:
            continue
        bad = float((1 - labels[accepted]).sum())
        p = _p(accepted, bad, labels, rest, 1 - target, exact=exact)
        steps.append(TestedThreshold(aim, int(accepted.sum()), bad, p, p <= 1 - confidence))
        vectors.append(thresholds)
    count = int(passed_in_a_row(np.array([step.passed for step in steps], dtype=np.bool_))) if steps else 0
    tested = tuple(steps[: count + 1])
    if not count:
        return SplitGuarantee(target, confidence, method, None, None, tested, _why_none(tested, target))
    accepted = np.asarray((scores >= vectors[count - 1]).all(axis=1))
    table = tabulate(accepted, labels, rest, confidence)
    return SplitGuarantee(target, confidence, method, vectors[count - 1], table, tested)


def _p(accepted: Bools, bad: float, good: Floats, design: Design, allowed: float, *, exact: bool) -> float:
    """The p-value of "more than `allowed` of the accepted clips are bad", on whole or effective numbers of clips."""
    if exact:
        size, failures = float(accepted.sum()), bad
    else:
        share, size = effective_precision(accepted, good, design)
        failures = size * (1 - share)
    return float(binomial_p(failures, size, allowed)) if size else 1.0


def _path(values: Floats, good: Floats, weight: Floats, target: float, seed: int) -> list[tuple[float, Floats]]:
    if not good.any() or (good == 1).all():
        return []
    grid, path = CascadeGrid.of(values, good, weight), []
    for step in range(1, PATH_STEPS + 1):
        aim = 1 - (1 - target) * step / PATH_STEPS
        levels = search(grid, aim, restarts=_RESTARTS, seed=seed)
        if levels is not None:
            path.append((aim, grid.thresholds(levels)))
    return path


def _why_none(tested: tuple[TestedThreshold, ...], target: float) -> str:
    if not tested:
        return "half of the clips gave no thresholds to test on the other half"
    first = tested[0]
    return (
        f"the first thresholds tested accept {first.accepted} clips of the other half, {first.false_accepts:.6g} of "
        f"them bad: not enough to guarantee a precision of {target:g}"
    )


def _recall(cells: tuple[float, float, float, float]) -> float:
    return cells[0] / (cells[0] + cells[2])
