"""Thresholds with a guarantee: precision at least P with confidence C, by a fixed sequence of tests.

Thresholds are tested from strict to loose, beginning at a start that was chosen without the labels and ending at the
first failure. Source: Angelopoulos, Bates, Candes, Jordan & Lei, Learn then Test, arXiv 2110.01052; Ann. Appl.
Statist. 2025.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainc
from scipy.stats import beta

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.filters.rates import effective_precision
from analysis.thresholds.sweeps import Sweep

GuaranteeMethod = Literal["exact", "hoeffding-bentkus", "effective-n", "bin-wise"]
MAX_STEPS = 100
"""Thresholds tested below the start at most, evenly spaced by rank; each further test is one more that may fail."""


@dataclass(frozen=True)
class TestedThreshold:
    """One test of the sequence: the rated clips that the threshold accepts, the bad ones among them, and the p-value.

    `p` is that of the null hypothesis "precision < P"; None for bin-wise bounds. `false_accepts` is not whole where
    labels are shares.
    """

    threshold: float
    accepted: int
    false_accepts: float
    p: float | None
    passed: bool


@dataclass(frozen=True)
class PrecisionThreshold:
    """The loosest threshold that carries the guarantee, or None with the reason in `undefined`.

    Every threshold in (gap_low, threshold] accepts the same rated clips. `method` is "exact" (binomial);
    "hoeffding-bentkus" for labels that are shares (valid in finite samples too); "effective-n" (approximate) or
    "bin-wise" (exact, at edges of strata only) for weighted samples. `start_rule` says how the start was chosen.
    """

    target: float
    confidence: float
    method: GuaranteeMethod
    start: float
    start_rule: str
    threshold: float | None
    gap_low: float | None
    tests: tuple[TestedThreshold, ...]
    undefined: str | None = None

    @property
    def approximate(self) -> bool:
        """True if the confidence is computed from an effective number of clips."""
        return self.method == "effective-n"


def binomial_p(failures: Floats | float, n: Floats | float, allowed: float) -> Floats:
    """P(Bin(n, allowed) <= failures); both numbers may be effective, not whole, numbers (by the beta function).

    p <= delta if and only if Clopper & Pearson's (1934) one-sided upper bound of the failure rate is at most
    `allowed`. The arguments broadcast to the shape of the result.

    >>> [round(float(binomial_p(bad, n, 0.05)), 4) for bad, n in ((0, 59), (1, 93), (10, 336))]
    [0.0485, 0.05, 0.0497]
    """
    wrong, size = np.asarray(failures, dtype=np.float64), np.asarray(n, dtype=np.float64)
    right = size - wrong
    return np.asarray(np.where(right > 1e-9, betainc(np.maximum(right, 1e-9), wrong + 1, 1 - allowed), 1.0))


def hoeffding_bentkus_p(risk: Floats, n: Floats, allowed: float) -> Floats:
    """The p-value of "the mean loss exceeds `allowed`" after observing a mean `risk` over n losses in [0, 1].

    Valid for finite samples. `risk` and `n` have the same shape.
    Source: Bates et al. (2021), arXiv 2101.02703, section 3.1; Bentkus (2004).

    >>> round(float(hoeffding_bentkus_p(np.array(0.02), np.array(200.0), 0.1)), 5)
    2e-05
    """
    seen = np.minimum(risk, allowed)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(seen > 0, seen * np.log(seen / allowed), 0.0)
        distance = left + (1 - seen) * np.log((1 - seen) / (1 - allowed))
    bentkus = np.e * binomial_p(np.minimum(np.ceil(n * risk - 1e-9), n), n, allowed)
    return np.asarray(np.minimum(1.0, np.minimum(np.exp(-n * distance), bentkus)))


def passed_in_a_row(passed: Bools) -> Ints:
    """The number of tests that pass before the first one fails; the tests lie along the last axis.

    >>> passed_in_a_row(np.array([[True, True, False, True], [False, True, True, True]])).tolist()
    [2, 0]
    """
    return np.asarray(np.cumprod(passed, axis=-1).sum(axis=-1))


def start_size(target: float, confidence: float) -> int:
    """How many clips the first threshold should accept: enough to pass with half of the bad clips that P tolerates.

    n = ceil(2 f / (1 - P)) for the smallest f with P(Bin(n, 1 - P) <= f) <= 1 - C. It uses no label, so it may choose
    the start.

    >>> start_size(0.95, 0.95), start_size(0.9, 0.9)
    (240, 80)
    """
    bad = 1
    while True:
        size = int(np.ceil(2 * bad / (1 - target) - 1e-9))
        if float(binomial_p(bad, size, 1 - target)) <= 1 - confidence:
            return size
        bad += 1


def precision_threshold(
    values: Floats,
    good: Floats,
    design: Design,
    *,
    target: float,
    confidence: float = 0.95,
    start: float | None = None,
    bin_wise: bool = False,
    steps: int = MAX_STEPS,
) -> PrecisionThreshold:
    """The loosest threshold at which precision >= `target` holds with the given confidence.

    `values` (rising with quality) and `good` (0 to 1) have shape (clips,). The sequence begins at `start`, which must
    have been chosen without these labels. Without one it begins where `start_size` clips are accepted (effective
    ones under weights: (sum w)^2 / sum w^2); that rule uses only scores and weights. It then goes through the scores
    of the rated clips, at most `steps` of them. One simple random sample with labels 0 and 1 gets exact binomial
    p-values. `bin_wise` bounds precision by sum W_h L_h, with Clopper-Pearson bounds at (1 - C) / H in each of the H
    strata accepted, at thresholds that split no stratum: exact and conservative. Other weighted samples use the
    binomial on the effective number of clips (Korn & Graubard 1998), at most the number accepted: approximate.

    Raises ValueError for a target or confidence outside (0, 1), and for `bin_wise` if weights differ inside a
    stratum, labels are shares, or sources are given.

    >>> scores = np.linspace(0, 1, 400)
    >>> found = precision_threshold(scores, (scores > 0.3).astype(float), Design.build(400), target=0.9)
    >>> round(found.threshold, 2), found.method
    (0.25, 'exact')
    """
    for name, share in (("target", target), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ValueError(f"a {name} of {share:g} is not possible: it must lie between 0 and 1")
    method = _method(good, design, bin_wise=bin_wise)
    sweep = Sweep.over(values, good)
    begin, rule = _start(sweep, design, target, confidence, start)
    if method == "bin-wise":
        thresholds, accepted, bad, p, passed = _bins(values, good, design, begin, target, confidence)
    else:
        thresholds, at = candidates(sweep, begin, steps)
        accepted, bad, p, _ = p_values(values, good, sweep, design, thresholds, at, 1 - target, method)
        passed = p <= 1 - confidence
    count = int(passed_in_a_row(passed))
    tests = tuple(
        TestedThreshold(
            float(thresholds[k]), int(accepted[k]), float(bad[k]), None if p is None else float(p[k]), bool(passed[k])
        )
        for k in range(min(count + 1, len(thresholds)))
    )
    threshold = float(thresholds[count - 1]) if count else None
    below = sweep.thresholds[sweep.thresholds < threshold] if threshold is not None else np.empty(0)
    gap_low = float(below[0]) if len(below) else None
    undefined = None if count else _why_none(tests, target, confidence)
    return PrecisionThreshold(target, confidence, method, begin, rule, threshold, gap_low, tests, undefined)


def _method(good: Floats, design: Design, *, bin_wise: bool) -> GuaranteeMethod:
    """The strongest method that the labels and the design allow."""
    hard = bool(np.isin(good, (0.0, 1.0)).all())
    if bin_wise and not (hard and design.source is None and design.even.all()):
        raise ValueError("bin-wise bounds need labels 0 or 1, one weight in a stratum and no sources")
    if bin_wise:
        return "bin-wise"
    if design.source is None and design.equal_weights and len(design.labels) == 1:
        return "exact" if hard else "hoeffding-bentkus"
    return "effective-n"


def _start(sweep: Sweep, design: Design, target: float, confidence: float, start: float | None) -> tuple[float, str]:
    if start is not None:
        return float(start), "declared"
    weight = design.clip_weight[sweep.order]
    effective = (np.cumsum(weight) ** 2 / np.cumsum(weight**2))[sweep.ends]
    wanted = start_size(target, confidence)
    enough = np.flatnonzero(effective >= wanted)
    first = int(enough[0]) if len(enough) else len(sweep.thresholds) - 1
    return float(
        sweep.thresholds[first]
    ), f"by rule: the strictest score that {wanted} rated clips reach (effective number)"


def candidates(sweep: Sweep, begin: float, steps: int) -> tuple[Floats, Ints]:
    """The thresholds to test, from `begin` down, and how many rated clips each accepts, shapes (thresholds,)."""
    lower = np.flatnonzero(sweep.thresholds < begin)
    if len(lower) > steps:
        lower = lower[np.unique(np.linspace(0, len(lower) - 1, steps).round().astype(np.int64))]
    at_start = int((sweep.thresholds >= begin).sum())
    first = sweep.ends[at_start - 1] + 1 if at_start else 0
    return np.append(begin, sweep.thresholds[lower]), np.append(first, sweep.ends[lower] + 1)


def p_values(
    values: Floats,
    good: Floats,
    sweep: Sweep,
    design: Design,
    thresholds: Floats,
    at: Ints,
    allowed: float,
    method: GuaranteeMethod,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Per threshold the rated clips accepted, the bad ones among them, p, and the number of clips behind p.

    `at` is the number of clips that each threshold accepts. All arrays have shape (thresholds,).
    """
    accepted = at.astype(np.float64)
    bad = np.append(0.0, np.cumsum(1 - sweep.good))[at]
    if method == "exact":
        return accepted, bad, binomial_p(bad, accepted, allowed), accepted
    if method == "hoeffding-bentkus":
        return accepted, bad, hoeffding_bentkus_p(bad / np.maximum(accepted, 1), accepted, allowed), accepted
    found = [effective_precision(values >= threshold, good, design) for threshold in thresholds]
    p = [float(binomial_p(n * (1 - share), n, allowed)) if n else 1.0 for share, n in found]
    return accepted, bad, np.array(p), np.array([n for _, n in found])


def _bins(
    values: Floats, good: Floats, design: Design, begin: float, target: float, confidence: float
) -> tuple[Floats, Floats, Floats, None, Bools]:
    """Tests at the lower edges of strata, from the first edge at or below the start."""
    strata = len(design.labels)
    lowest, highest = np.full(strata, np.inf), np.full(strata, -np.inf)
    np.minimum.at(lowest, design.of, values)
    np.maximum.at(highest, design.of, values)
    edges = [edge for edge in np.unique(lowest)[::-1] if (highest[lowest < edge] < edge).all()]
    first = next((k for k, edge in enumerate(edges) if edge <= begin), len(edges) - 1)
    size = design.weight * design.drawn
    hits = np.bincount(design.of, good, minlength=strata)
    kept, accepted, bad, passed = edges[first:], [], [], []
    for edge in kept:
        inside = lowest >= edge
        level = (1 - confidence) / inside.sum()
        bound = np.nan_to_num(beta.ppf(level, hits, design.drawn - hits + 1))[inside]
        accepted.append(float(design.drawn[inside].sum()))
        bad.append(float((design.drawn - hits)[inside].sum()))
        passed.append(bool((size[inside] * bound).sum() >= target * size[inside].sum()))
    return np.array(kept), np.array(accepted), np.array(bad), None, np.array(passed, dtype=np.bool_)


def _why_none(tests: tuple[TestedThreshold, ...], target: float, confidence: float) -> str:
    if not tests or not tests[0].accepted:
        return "no rated clip reaches the start: declare a lower one"
    first = tests[0]
    need = int(np.ceil(np.log(1 - confidence) / np.log(target) - 1e-9))
    some = f"the first threshold tested accepts {first.accepted} rated clips, "
    return some + f"{first.false_accepts:.6g} of them bad: not enough for the guarantee (without a bad one, {need} are)"
