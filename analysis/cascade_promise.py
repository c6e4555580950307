"""A cascade of filters judged on clips that had no say in it, and its precision promised by a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cascade import FilterShare, Problem, filter_shares, search
from analysis.cross_fitting import HeldOut, cross_fitted, halves
from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.promise import Step, binomial_p, reached, start_size
from analysis.rates import Confusion, effective_precision, tabulate

AIMS = 10
"""Steps of the path: vectors found for precisions from near 1 down to the target."""
_SPLITS, _RESTARTS = 3, 6  # of the searches on halves


@dataclass(frozen=True)
class SplitPromise:
    """Thresholds chosen on one half and tested on the other; `thresholds` None and the reason if none passed.

    `table` is the other half's, at the thresholds promised; `steps` number the vectors tested, from strict to loose
    (`threshold` is the precision each was found for). `method` is "exact" or "effective-n".
    """

    target: float
    confidence: float
    method: str
    thresholds: Floats | None
    table: Confusion | None
    steps: tuple[Step, ...]
    undefined: str | None = None


@dataclass(frozen=True)
class Cascade:
    """Joint thresholds (-inf: a filter left open), found on all clips and, with a promise, on half of them.

    `table` is that of the same clips and so optimistic; `held_out` is not. `shares` describes every filter at
    `thresholds`, those promised where there are any.
    """

    thresholds: Floats
    table: Confusion
    held_out: HeldOut | None
    promise: SplitPromise
    shares: list[FilterShare]

    @property
    def promised(self) -> bool:
        """Whether `thresholds` carry the promise."""
        return self.promise.thresholds is not None


def cascade(
    names: Sequence[str],
    values: Floats,
    good: Floats,
    design: Design,
    *,
    target: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> Cascade:
    """Thresholds for all filters at once that keep the most good clips at precision >= target.

    `values`, shape (clips, filters), rise with quality; `good` is 0 to 1. Raises ValueError for a target or
    confidence outside 0 ... 1, when no clip is good or none bad, and when no thresholds reach the target.

    >>> g = np.random.default_rng(0)
    >>> scores = g.random((800, 2))
    >>> truth = (scores.min(axis=1) > 0.3).astype(float)
    >>> found = cascade(["a", "b"], scores, truth, Design.build(800), target=0.9)
    >>> found.promised, bool((found.thresholds < 0.31).all())
    (True, True)
    """
    for name, share in (("target", target), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ValueError(f"a {name} of {share:g} is not possible: it must lie between 0 and 1")
    if not good.any() or (good == 1).all():
        raise ValueError("a search needs good clips and bad ones: one kind is missing among those rated")
    problem = Problem.of(values, good, design.clip_weight)
    levels = search(problem, target, seed=seed)
    if levels is None:
        raise ValueError(f"no thresholds of these filters reach a precision of {target:g} on the rated clips")

    def choose(fit: Bools) -> Bools | None:
        if not good[fit].any() or (good[fit] == 1).all():
            return None
        part = Problem.of(values[fit], good[fit], design.clip_weight[fit])
        found = search(part, target, restarts=_RESTARTS, seed=seed)
        return None if found is None else np.asarray((values >= part.thresholds(found)).all(axis=1))

    held_out = cross_fitted(good, design, choose, _recall, seed=seed, confidence=confidence, splits=_SPLITS)
    promise = split_promise(values, good, design, target=target, confidence=confidence, seed=seed)
    thresholds = problem.thresholds(levels) if promise.thresholds is None else promise.thresholds
    return Cascade(
        thresholds=thresholds,
        table=tabulate(np.asarray((values >= thresholds).all(axis=1)), good, design, confidence),
        held_out=held_out,
        promise=promise,
        shares=filter_shares(names, values, thresholds, good, design, confidence),
    )


def split_promise(
    values: Floats, good: Floats, design: Design, *, target: float, confidence: float, seed: int = 0
) -> SplitPromise:
    """A path of threshold vectors from half of the clips, tested on the other half by a fixed sequence.

    The path holds the vectors found for precisions from near 1 down to the target; the test begins with the first
    that accepts `promise.start_size` clips of the other half (effective ones under weights) and stops at the first
    failure. Exact binomial p-values for one simple random sample with labels 0 or 1, else effective numbers.
    Source: Angelopoulos et al. (2021), arXiv 2110.01052, section 2.4 (split fixed sequence testing).
    """
    first = next(halves(design, seed + 1, splits=1))
    path = _path(values[first], good[first], design.clip_weight[first], target, seed)
    rest = design.part(~first)
    scores, truth = values[~first], good[~first]
    exact = rest.equal_weights and rest.source is None and len(rest.labels) == 1
    exact = exact and bool(np.isin(good, (0.0, 1.0)).all())
    method, wanted = "exact" if exact else "effective-n", start_size(target, confidence)
    steps: list[Step] = []
    vectors: list[Floats] = []
    for aim, thresholds in path:
        accepted = np.asarray((scores >= thresholds).all(axis=1))
        weight = rest.clip_weight[accepted]
        if not vectors and weight.sum() ** 2 < wanted * (weight**2).sum() and aim > target:
            continue
        share, n = effective_precision(accepted, truth, rest)
        bad = float((1 - truth[accepted]).sum())
        size, failures = (float(accepted.sum()), bad) if exact else (n, n * (1 - share))
        p = float(binomial_p(failures, size, 1 - target)) if size else 1.0
        steps.append(Step(aim, int(accepted.sum()), bad, p, p <= 1 - confidence))
        vectors.append(thresholds)
    count = int(reached(np.array([step.passed for step in steps], dtype=np.bool_))) if steps else 0
    tested = tuple(steps[: count + 1])
    if not count:
        return SplitPromise(target, confidence, method, None, None, tested, _why_none(tested, target))
    accepted = np.asarray((scores >= vectors[count - 1]).all(axis=1))
    table = tabulate(accepted, truth, rest, confidence)
    return SplitPromise(target, confidence, method, vectors[count - 1], table, tested)


def _path(values: Floats, good: Floats, weight: Floats, target: float, seed: int) -> list[tuple[float, Floats]]:
    if not good.any() or (good == 1).all():
        return []
    problem, path = Problem.of(values, good, weight), []
    for step in range(1, AIMS + 1):
        aim = 1 - (1 - target) * step / AIMS
        levels = search(problem, aim, restarts=_RESTARTS, seed=seed)
        if levels is not None:
            path.append((aim, problem.thresholds(levels)))
    return path


def _why_none(tested: tuple[Step, ...], target: float) -> str:
    if not tested:
        return "half of the clips gave no thresholds to test on the other half"
    first = tested[0]
    return (
        f"the first thresholds tested accept {first.accepted} clips of the other half, {first.false_accepts:.6g} of "
        f"them bad: not enough to promise a precision of {target:g}"
    )


def _recall(cells: tuple[float, float, float, float]) -> float:
    return cells[0] / (cells[0] + cells[2])
