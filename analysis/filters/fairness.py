"""Fairness of a filter: its false rejections and false acceptances in each subgroup, against all other subgroups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import false_discovery_control, fisher_exact, norm

from analysis.design import binary
from analysis.estimate import Bools, Estimate, Floats, absent, signature
from analysis.proportions import wilson

ErrorKind = Literal["false_rejection", "false_acceptance"]
FEW_CLIPS = 30
"""A rate of a group with fewer clips is shown and marked as uncertain."""
_UNDEFINED = {"false_rejection": "no rated clip of it is good", "false_acceptance": "no rated clip of it is bad"}


@dataclass(frozen=True)
class GroupError:
    """One kind of error in one group, compared with all other groups together.

    `rate` and `rest` are the error rates (0 to 1) of the group and of the others, and `difference` is rate - rest.
    `ratio` is the group's share of correct decisions divided by that of the others (the four-fifths rule flags values
    under 0.8; None if the others have no correct decision). `p` tests that the rates are equal; `p_holm` and `p_bh` are
    adjusted over all groups of the table. `too_few` marks fewer than 30 clips.
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
class _GroupClips:
    """The errors among the clips of a group, or of all others: counts, weighted rate, effective number of clips."""

    errors: int
    clips: int
    rate: float
    effective: float

    @classmethod
    def of(cls, wrong: Bools, weights: Floats) -> "_GroupClips":
        if not len(wrong):
            return cls(0, 0, float("nan"), 0.0)
        total = weights.sum()
        kish = float(total**2 / (weights**2).sum())
        return cls(int(wrong.sum()), len(wrong), float((weights * wrong).sum() / total), kish)


def newcombe(
    successes: tuple[float, float], clips: tuple[float, float], confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a difference between two independent proportions, from their Wilson intervals.

    `successes` and `clips` may be effective, not whole, numbers. Raises ValueError as `proportions.wilson` does.
    Source: Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.

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
    """Adjust p-values by Holm's step-down method, which bounds the chance of any false positive.

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
    """Adjust p-values by the step-up method, which bounds the expected share of false positives among all positives.

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
    """For every group, in alphabetical order, how often the filter rejects good clips or accepts bad ones.

    All sequences have one entry per clip; leave out clips without a consensus. Each group is compared with all other
    clips, not with the total that contains it: the difference by Newcombe's method 10, p by Fisher's exact test, or
    by a z test on effective numbers if weights differ. Weighted rates (Hajek) get Wilson's interval on Kish's
    effective number of clips, (sum w)^2 / sum w^2 (Kish 1965, section 11.7). If the raters themselves treat groups
    differently, this table cannot show it.

    Raises ValueError if lengths differ or a weight is not positive.

    >>> table = group_errors(["a"] * 40 + ["b"] * 40, [1] * 30 + [0] * 10 + [1] * 38 + [0] * 2, [1] * 80)
    >>> [(row.group, row.errors, round(row.difference.value, 3), round(row.p, 3)) for row in table]
    [('a', 10, 0.2, 0.025), ('b', 2, -0.2, 0.025)]
    """
    accepts, is_good = binary(accepted, "accepted"), binary(good, "good")
    weight = np.ones(len(groups)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(groups) == len(accepts) == len(is_good) == len(weight):
        raise ValueError(f"{len(groups)} groups, {len(accepts)} verdicts, {len(is_good)} labels, {len(weight)} weights")
    if not np.all(np.isfinite(weight)) or np.any(weight <= 0):
        raise ValueError("weights must be positive")
    concerned = is_good if kind == "false_rejection" else ~is_good
    wrong = (accepts != is_good)[concerned]
    names, weight = np.asarray(groups, dtype=np.str_)[concerned], weight[concerned]
    rows = []
    for group in sorted(set(groups)):
        own = names == group
        rows.append((group, _GroupClips.of(wrong[own], weight[own]), _GroupClips.of(wrong[~own], weight[~own])))
    weighted = bool(len(weight)) and not np.allclose(weight, weight[0], rtol=1e-9)
    p_values = [_p(part, rest, weighted=weighted) for _, part, rest in rows]
    tested = [p for p in p_values if p is not None]
    adjusted = iter(zip(holm(tested), benjamini_hochberg(tested), strict=True))
    return [
        _row(group, kind, part, rest, p, next(adjusted) if p is not None else (None, None), confidence, weighted)
        for (group, part, rest), p in zip(rows, p_values, strict=True)
    ]


def _p(part: _GroupClips, rest: _GroupClips, *, weighted: bool) -> float | None:
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
    part: _GroupClips,
    rest: _GroupClips,
    p: float | None,
    adjusted: tuple[float | None, float | None],
    confidence: float,
    weighted: bool,
) -> GroupError:
    own = _rate(kind, part, _UNDEFINED[kind], confidence, weighted)
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
        too_few=part.clips < FEW_CLIPS,
    )


def _signature(name: str, confidence: float, weighted: bool) -> str:
    return signature(name, ("scipy",), weights="Kish" if weighted else "equal", confidence=confidence)


def _rate(name: str, part: _GroupClips, nothing: str, confidence: float, weighted: bool) -> Estimate:
    made = _signature(name, confidence, weighted)
    if not part.clips:
        return absent(name, nothing, signature=made, confidence=confidence, clips=0)
    low, high = wilson(part.rate * part.effective, part.effective, confidence)
    method = f"Wilson on {part.effective:.4g} effective clips" if weighted else "Wilson"
    return Estimate(name, part.rate, low, high, confidence, part.clips, None, None, method, made)


def _difference(
    kind: str, part: _GroupClips, rest: _GroupClips, nothing: str | None, confidence: float, weighted: bool
) -> Estimate:
    name = f"{kind}_difference"
    made = _signature(name, confidence, weighted)
    clips = part.clips + rest.clips
    if nothing:
        return absent(name, nothing, signature=made, confidence=confidence, clips=clips)
    n, m = part.effective, rest.effective
    low, high = newcombe((part.rate * n, rest.rate * m), (n, m), confidence)
    return Estimate(name, part.rate - rest.rate, low, high, confidence, clips, None, None, "Newcombe, method 10", made)
