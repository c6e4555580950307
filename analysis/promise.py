"""A threshold with a promise: precision at least P, with confidence C, by a fixed sequence of tests.

Thresholds are tested from a start declared before looking at the labels, strict to loose, up to the first failure.
Source: Angelopoulos, Bates, Candes, Jordan & Lei, Learn then Test, arXiv 2110.01052; Ann. Appl. Statist. 2025.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainc
from scipy.stats import beta

from analysis.design import Design
from analysis.estimate import Bools, Floats, Ints
from analysis.rates import effective_precision
from analysis.sweeps import Sweep

Method = Literal["exact", "hoeffding-bentkus", "effective-n", "bin-wise"]
STEPS = 100
"""Thresholds tested below the start at most, evenly by rank: more steps are more occasions to fail early."""


@dataclass(frozen=True)
class Step:
    """A threshold tested: rated clips accepted, bad ones among them, p of "precision < P" (None where bin-wise)."""

    threshold: float
    accepted: int
    false_accepts: float
    p: float | None
    passed: bool


@dataclass(frozen=True)
class Promise:
    """The loosest threshold that the sequence reached, or None and the reason in `undefined`.

    Every cut in (gap_low, threshold] accepts the same rated clips. `method` is "exact" (binomial), for labels that
    are shares "hoeffding-bentkus" (valid for finite samples too), for weighted samples "effective-n" (approximate)
    or "bin-wise" (exact, at edges of strata only). `start_rule` says how the start was declared.
    """

    target: float
    confidence: float
    method: Method
    start: float
    start_rule: str
    threshold: float | None
    gap_low: float | None
    tests: tuple[Step, ...]
    undefined: str | None = None

    @property
    def approximate(self) -> bool:
        """True where the confidence rests on an effective number of clips."""
        return self.method == "effective-n"


def binomial_p(failures: Floats | float, n: Floats | float, allowed: float) -> Floats:
    """P(Bin(n, allowed) <= failures); both numbers may be effective ones (continuous by the beta function).

    p <= delta is the same as Clopper & Pearson's (1934) one-sided bound of the failures being at most `allowed`.

    >>> [round(float(binomial_p(bad, n, 0.05)), 4) for bad, n in ((0, 59), (1, 93), (10, 336))]
    [0.0485, 0.05, 0.0497]
    """
    wrong, size = np.asarray(failures, dtype=np.float64), np.asarray(n, dtype=np.float64)
    right = size - wrong
    return np.asarray(np.where(right > 1e-9, betainc(np.maximum(right, 1e-9), wrong + 1, 1 - allowed), 1.0))


def hoeffding_bentkus_p(risk: Floats, n: Floats, allowed: float) -> Floats:
    """A valid p-value that the mean of n losses in [0, 1] exceeds `allowed`, for a mean `risk` seen.

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


def reached(passed: Bools) -> Ints:
    """How many tests in a row succeed from the first on; tests along the last axis, which fixes their order.

    >>> reached(np.array([[True, True, False, True], [False, True, True, True]])).tolist()
    [2, 0]
    """
    return np.asarray(np.cumprod(passed, axis=-1).sum(axis=-1))


def start_size(target: float, confidence: float) -> int:
    """Accepted clips from which the promise succeeds with half of the bad clips it tolerates: where to start.

    n = ceil(2 f / (1 - P)) for the least f with P(Bin(n, 1 - P) <= f) <= 1 - C. Knows no label, so it may choose the
    start.

    >>> start_size(0.95, 0.95), start_size(0.9, 0.9)
    (240, 80)
    """
    bad = 1
    while True:
        size = int(np.ceil(2 * bad / (1 - target) - 1e-9))
        if float(binomial_p(bad, size, 1 - target)) <= 1 - confidence:
            return size
        bad += 1


def precision_promise(
    values: Floats,
    good: Floats,
    design: Design,
    *,
    target: float,
    confidence: float = 0.95,
    start: float | None = None,
    bin_wise: bool = False,
    steps: int = STEPS,
) -> Promise:
    """The loosest threshold at which "precision >= target" holds with the confidence, found by a fixed sequence.

    `values` rise with quality; `good` (0 to 1) and `values` have shape (clips,). The sequence begins at `start`, which
    must have been chosen without these labels. Without one it begins where the accepted clips number `start_size`
    (effective ones under weights: (sum w)^2 / sum w^2), a rule that sees scores and weights alone. It then goes
    through the rated clips' scores, at most `steps` of them. One simple random sample with labels 0 and 1 has exact
    binomial p-values. `bin_wise` takes sum W_h L_h with Clopper-Pearson bounds at (1 - C) / H in each of the H strata
    accepted, at thresholds that split no stratum: exact and cautious. Other weighted samples use the binomial on the
    effective number of clips (Korn & Graubard 1998), at most the number accepted: approximate.

    Raises ValueError for a target or confidence outside 0 ... 1, and for `bin_wise` where weights differ inside a
    stratum, labels are shares or sources are given.

    >>> scores = np.linspace(0, 1, 400)
    >>> promise = precision_promise(scores, (scores > 0.3).astype(float), Design.build(400), target=0.9)
    >>> round(promise.threshold, 2), promise.method
    (0.25, 'exact')
    """
    for name, share in (("target", target), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ValueError(f"a {name} of {share:g} is not possible: it must lie between 0 and 1")
    hard = bool(np.isin(good, (0.0, 1.0)).all())
    if bin_wise and not (hard and design.source is None and design.even.all()):
        raise ValueError("bin-wise bounds need labels 0 or 1, one weight in a stratum and no sources")
    method: Method = "bin-wise" if bin_wise else "effective-n"
    if not bin_wise and design.source is None and design.equal_weights and len(design.labels) == 1:
        method = "exact" if hard else "hoeffding-bentkus"
    sweep = Sweep.over(values, good)
    begin, rule = _start(sweep, design, target, confidence, start)
    if method == "bin-wise":
        cuts, accepted, bad, p, passed = _bins(values, good, design, begin, target, confidence)
    else:
        cuts, at = candidates(sweep, begin, steps)
        accepted, bad, p, _ = p_values(values, good, sweep, design, cuts, at, 1 - target, method)
        passed = p <= 1 - confidence
    count = int(reached(passed))
    tests = tuple(
        Step(float(cuts[k]), int(accepted[k]), float(bad[k]), None if p is None else float(p[k]), bool(passed[k]))
        for k in range(min(count + 1, len(cuts)))
    )
    threshold = float(cuts[count - 1]) if count else None
    below = sweep.cuts[sweep.cuts < threshold] if threshold is not None else np.empty(0)
    gap_low = float(below[0]) if len(below) else None
    undefined = None if count else _why_none(tests, target, confidence)
    return Promise(target, confidence, method, begin, rule, threshold, gap_low, tests, undefined)


def _start(sweep: Sweep, design: Design, target: float, confidence: float, start: float | None) -> tuple[float, str]:
    if start is not None:
        return float(start), "declared"
    weight = design.clip_weight[sweep.order]
    effective = (np.cumsum(weight) ** 2 / np.cumsum(weight**2))[sweep.ends]
    wanted = start_size(target, confidence)
    enough = np.flatnonzero(effective >= wanted)
    first = int(enough[0]) if len(enough) else len(sweep.cuts) - 1
    return float(sweep.cuts[first]), f"by rule: the strictest score that {wanted} rated clips reach (effective number)"


def candidates(sweep: Sweep, begin: float, steps: int) -> tuple[Floats, Ints]:
    """Thresholds from the start down, and how many clips each accepts."""
    lower = np.flatnonzero(sweep.cuts < begin)
    if len(lower) > steps:
        lower = lower[np.unique(np.linspace(0, len(lower) - 1, steps).round().astype(np.int64))]
    at_start = int((sweep.cuts >= begin).sum())
    first = sweep.ends[at_start - 1] + 1 if at_start else 0
    return np.append(begin, sweep.cuts[lower]), np.append(first, sweep.ends[lower] + 1)


def p_values(
    values: Floats,
    good: Floats,
    sweep: Sweep,
    design: Design,
    cuts: Floats,
    at: Ints,
    allowed: float,
    method: Method,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Rated clips accepted at each cut, bad ones of them, p, and the number of clips that p rests on."""
    accepted = at.astype(np.float64)
    bad = np.append(0.0, np.cumsum(1 - sweep.good))[at]
    if method == "exact":
        return accepted, bad, binomial_p(bad, accepted, allowed), accepted
    if method == "hoeffding-bentkus":
        return accepted, bad, hoeffding_bentkus_p(bad / np.maximum(accepted, 1), accepted, allowed), accepted
    found = [effective_precision(values >= cut, good, design) for cut in cuts]
    p = [float(binomial_p(n * (1 - share), n, allowed)) if n else 1.0 for share, n in found]
    return accepted, bad, np.array(p), np.array([n for _, n in found])


def _bins(
    values: Floats, good: Floats, design: Design, begin: float, target: float, confidence: float
) -> tuple[Floats, Floats, Floats, None, Bools]:
    """Tests at the lower edges of strata, from those above the start on."""
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


def _why_none(tests: tuple[Step, ...], target: float, confidence: float) -> str:
    if not tests or not tests[0].accepted:
        return "no rated clip reaches the start: declare a lower one"
    first = tests[0]
    need = int(np.ceil(np.log(1 - confidence) / np.log(target) - 1e-9))
    some = f"the first threshold tested accepts {first.accepted} rated clips, "
    return some + f"{first.false_accepts:.6g} of them bad: not enough for the promise (without a bad one, {need} are)"
