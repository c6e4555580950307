"""Whether a filter treats subgroups alike: false rejections and acceptances of each against all the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import false_discovery_control, fisher_exact, norm

from analysis.design import binary
from analysis.estimate import Bools, Estimate, Floats, absent, signature
from analysis.rates import wilson

ErrorKind = Literal["false_rejection", "false_acceptance"]
FEW = 30
"""Below so many clips of a group a rate says little; it is shown and marked."""
WHY_NONE = {"false_rejection": "no rated clip of it is good", "false_acceptance": "no rated clip of it is bad"}


@dataclass(frozen=True)
class GroupError:
    """One kind of error in one group, beside the same in all other groups together.

    `rate` and `rest` are shares (0 to 1), `difference` is rate - rest, `ratio` is the kept share of the group by that
    of the rest (the four-fifths rule looks at values under .8; None when the rest keeps none). `p` tests that the
    rates are equal, `p_holm` and `p_bh` are adjusted over all groups of the table. `too_few` marks fewer than 30 clips.
    """

    group: str
    kind: ErrorKind
    errors: int
    clips: int
    rate: Estimate
    rest: Estimate
    difference: Estimate
    ratio: float | None
    p: float | None
    p_holm: float | None
    p_bh: float | None
    too_few: bool


@dataclass(frozen=True)
class _Part:
    """Weighted errors among the clips of one side: the effective number of clips carries the interval."""

    errors: int
    clips: int
    rate: float
    effective: float

    @classmethod
    def of(cls, wrong: Bools, weights: Floats) -> "_Part":
        if not len(wrong):
            return cls(0, 0, float("nan"), 0.0)
        total = weights.sum()
        kish = float(total**2 / (weights**2).sum())
        return cls(int(wrong.sum()), len(wrong), float((weights * wrong).sum() / total), kish)


def newcombe(
    successes: tuple[float, float], clips: tuple[float, float], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a difference between two independent proportions, from the two Wilson intervals.

    Source: Newcombe (1998), Statistics in Medicine 17, 873-890, method 10. Raises ValueError as `wilson` does.

    >>> [round(end, 4) for end in newcombe((56, 48), (70, 80))]
    [0.0524, 0.3339]
    """
    (first, second), (n, m) = successes, clips
    p, q = first / n, second / m
    (low, high), (other_low, other_high) = wilson(first, n, confidence), wilson(second, m, confidence)
    return (
        float(p - q - np.hypot(p - low, other_high - q)),
        float(p - q + np.hypot(high - p, q - other_low)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's step-down method: the chance of any false claim stays under the level.

    Source: Holm (1979), Scandinavian Journal of Statistics 6, 65-70.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted.tolist()


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by the step-up method: the expected share of false claims among all stays under the level.

    Source: Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57, 289-300.

    >>> [round(p, 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    return [] if not len(p_values) else np.asarray(false_discovery_control(p_values, method="bh")).tolist()


def group_errors(
    groups: Sequence[str],
    accepted: Sequence[bool] | Bools,
    good: Sequence[bool] | Bools,
    weights: Sequence[float] | Floats | None = None,
    *,
    kind: ErrorKind = "false_rejection",
    confidence: float = 0.95,
) -> list[GroupError]:
    """For every group how often the filter is wrong: rejects good clips, or accepts bad ones.

    One entry per clip in each argument, clips without consensus left out. Each group is compared with the REST, not
    with the total that contains it: the difference by Newcombe's method 10, p by Fisher's exact test, or by a z test
    on effective numbers when weights differ. Weighted rates (Hajek) get Wilson's interval on Kish's effective
    number of clips, (sum w)^2 / sum w^2 (Kish 1965, section 11.7). The consensus itself may treat groups
    differently: no table of errors shows that.

    Raises ValueError when lengths differ or a weight is not positive. Groups come back in alphabetical order.

    >>> table = group_errors(["a"] * 40 + ["b"] * 40, [1] * 30 + [0] * 10 + [1] * 38 + [0] * 2, [1] * 80)
    >>> [(row.group, row.errors, round(row.difference.value, 3), round(row.p, 3)) for row in table]
    [('a', 10, 0.2, 0.025), ('b', 2, -0.2, 0.025)]
    """
    accepts, is_good = binary(accepted, "accepted"), binary(good, "good")
    weight = np.ones(len(groups)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(groups) == len(accepts) == len(is_good) == len(weight):
        raise ValueError(f"{len(groups)} groups, {len(accepts)} verdicts, {len(is_good)} truths, {len(weight)} weights")
    if not np.all(np.isfinite(weight)) or np.any(weight <= 0):
        raise ValueError("weights must be positive")
    concerned = is_good if kind == "false_rejection" else ~is_good
    wrong = (accepts != is_good)[concerned]
    names, weight = np.asarray(groups, dtype=np.str_)[concerned], weight[concerned]
    rows = []
    for group in sorted(set(groups)):
        own = names == group
        rows.append((group, _Part.of(wrong[own], weight[own]), _Part.of(wrong[~own], weight[~own])))
    weighted = bool(len(weight)) and not np.allclose(weight, weight[0], rtol=1e-9)
    p_values = [_p(part, rest, weighted=weighted) for _, part, rest in rows]
    tested = [p for p in p_values if p is not None]
    adjusted = iter(zip(holm(tested), benjamini_hochberg(tested), strict=True))
    return [
        _row(group, kind, part, rest, p, next(adjusted) if p is not None else (None, None), confidence, weighted)
        for (group, part, rest), p in zip(rows, p_values, strict=True)
    ]


def _p(part: _Part, rest: _Part, *, weighted: bool) -> float | None:
    if not part.clips or not rest.clips:
        return None
    if not weighted:
        table = [[part.errors, part.clips - part.errors], [rest.errors, rest.clips - rest.errors]]
        return float(fisher_exact(table).pvalue)
    n, m = part.effective, rest.effective
    pooled = (part.rate * n + rest.rate * m) / (n + m)
    spread = pooled * (1 - pooled) * (1 / n + 1 / m)
    return 1.0 if spread <= 0 else float(2 * norm.sf(abs(part.rate - rest.rate) / np.sqrt(spread)))


def _row(
    group: str,
    kind: ErrorKind,
    part: _Part,
    rest: _Part,
    p: float | None,
    adjusted: tuple[float | None, float | None],
    confidence: float,
    weighted: bool,
) -> GroupError:
    own = _rate(kind, part, WHY_NONE[kind], confidence, weighted)
    others = _rate(f"{kind}_rest", rest, "the other groups have no such clip", confidence, weighted)
    kept = None
    if part.clips and rest.clips and rest.rate < 1:
        kept = (1 - part.rate) / (1 - rest.rate)
    return GroupError(
        group=group,
        kind=kind,
        errors=part.errors,
        clips=part.clips,
        rate=own,
        rest=others,
        difference=_difference(kind, part, rest, own.undefined or others.undefined, confidence, weighted),
        ratio=kept,
        p=p,
        p_holm=adjusted[0],
        p_bh=adjusted[1],
        too_few=part.clips < FEW,
    )


def _signature(name: str, confidence: float, weighted: bool) -> str:
    return signature(name, ("scipy",), weights="Kish" if weighted else "equal", confidence=confidence)


def _rate(name: str, part: _Part, nothing: str, confidence: float, weighted: bool) -> Estimate:
    made = _signature(name, confidence, weighted)
    if not part.clips:
        return absent(name, nothing, signature=made, confidence=confidence, clips=0)
    low, high = wilson(part.rate * part.effective, part.effective, confidence)
    method = f"Wilson on {part.effective:.4g} effective clips" if weighted else "Wilson"
    return Estimate(name, part.rate, low, high, confidence, part.clips, None, None, method, made)


def _difference(
    kind: str, part: _Part, rest: _Part, nothing: str | None, confidence: float, weighted: bool
) -> Estimate:
    name = f"{kind}_difference"
    made = _signature(name, confidence, weighted)
    clips = part.clips + rest.clips
    if nothing:
        return absent(name, nothing, signature=made, confidence=confidence, clips=clips)
    n, m = part.effective, rest.effective
    low, high = newcombe((part.rate * n, rest.rate * m), (n, m), confidence)
    return Estimate(name, part.rate - rest.rate, low, high, confidence, clips, None, None, "Newcombe, method 10", made)
