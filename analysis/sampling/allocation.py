"""Allocation: how many clips of the sample come from each stratum."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.estimate import Floats, Ints

AllocationRule = Literal["equal", "proportional", "neyman", "power"]
MIN_PER_STRATUM = 2
"""Clips drawn from every stratum if n allows, because a single clip does not show the spread within its stratum."""


def claims(sizes: ArrayLike, rule: AllocationRule, *, p: ArrayLike | None = None, power: float = 0.5) -> Floats:
    """The quantities to which the strata's shares of the sample are proportional, shape (strata,).

    equal: 1. proportional: N, the clips in the pool. neyman: N sqrt(p (1 - p)), where p is the share of good clips in
    the stratum, guessed or from a pilot (`smoothed`); this minimises the variance of a weighted share. power: N^power,
    between equal (0) and proportional (1). Sources: Neyman (1934); Bankier (1988), Power allocations, The American
    Statistician 42(3):174-177, with equal coefficients of variation.

    Raises ValueError for p that is missing, has another length, or lies outside [0, 1], and for a power outside [0, 1].

    >>> claims([600, 400], "neyman", p=[0.5, 0.1]).round(9).tolist()
    [300.0, 120.0]
    """
    population = np.asarray(sizes, dtype=np.float64)
    if rule == "equal":
        return (population > 0).astype(np.float64)
    if rule == "proportional":
        return population
    if rule == "power":
        if not 0 <= power <= 1:
            raise ValueError(f"the power of an allocation lies between 0 (equal) and 1 (proportional), not at {power}")
        return np.where(population > 0, population**power, 0.0)
    if p is None:
        raise ValueError("Neyman allocation needs a share of good clips for each stratum: a guess or a pilot")
    good = np.asarray(p, dtype=np.float64)
    if good.shape != population.shape:
        raise ValueError(f"{good.size} guesses for {population.size} strata")
    if not ((good >= 0) & (good <= 1)).all():
        raise ValueError(f"shares of good clips lie between 0 and 1, not at {good.tolist()}")
    return population * np.sqrt(good * (1 - good))


def smoothed(good: ArrayLike, judged: ArrayLike) -> Floats:
    """The shares of good clips in a pilot, never 0 or 1: (good + 1/2) / (judged + 1), shape of the arguments.

    Without smoothing, a stratum without a bad clip in the pilot would get no clip in a Neyman allocation. A stratum
    without pilot clips gets 1/2, the most conservative guess.

    >>> smoothed([0, 9, 0], [9, 9, 0]).tolist()
    [0.05, 0.95, 0.5]
    """
    return (np.asarray(good, dtype=np.float64) + 0.5) / (np.asarray(judged, dtype=np.float64) + 1.0)


def quotas(n: int, claim: Floats) -> Floats:
    """The strata's exact shares of n, before rounding and before minimum and supply apply, shape (strata,).

    >>> quotas(10, np.array([3.0, 1.0])).tolist()
    [7.5, 2.5]
    """
    whole = float(claim.sum())
    return n * claim / whole if whole else np.zeros(len(claim))


def allocate(
    supply: Ints,
    n: int,
    claim: Floats,
    labels: Sequence[str],
    *,
    least: Ints | None = None,
) -> tuple[Ints, tuple[str, ...]]:
    """How many clips to draw from each stratum, shape (strata,), and notes for the researcher.

    `supply` (strata,) counts the clips available; shares are proportional to `claim` (strata,). Every stratum with
    clips gets at least two (one if n is too small), because nothing can be estimated in a stratum without a drawn clip,
    and at least `least`. Each further clip goes to the stratum that is furthest below its claim and not exhausted,
    which is rounding by Webster's (Sainte-Lague's) method. A stratum with too few clips gives all of them, and the
    rest comes from the others. Raises ValueError for an n below the number of strata.

    >>> allocate(np.array([50, 3]), 20, np.array([1.0, 1.0]), ["a", "b"])[0].tolist()
    [17, 3]
    """
    present, total = int((supply > 0).sum()), int(supply.sum())
    if n < max(1, present):
        raise ValueError(f"{n} clips cannot cover {present} strata; draw at least {present}, or use fewer strata")
    floor = MIN_PER_STRATUM if n >= MIN_PER_STRATUM * present else 1
    shares = np.minimum(supply, floor if least is None else np.maximum(floor, least)).astype(np.int64)
    shares = filled(shares, supply, claim, min(n, total))
    remarks = [f"Stratum {label} has no clips." for label, size in zip(labels, supply, strict=True) if not size]
    if (shares[supply > 1] == 1).any():
        remarks.append("Some strata get a single clip: sampling error cannot be estimated within them.")
    if total < n:
        return shares, (*remarks, f"The pool has {total} clips where {n} were asked for: all are taken.")
    remarks += [
        f"Stratum {label} has only {size} clips: all are taken, the rest comes from the other strata."
        for label, size, wish in zip(labels, supply, np.floor(quotas(n, claim)), strict=True)
        if 0 < size < wish
    ]
    return shares, tuple(remarks)


def filled(shares: Ints, supply: Ints, claim: Floats, n: int) -> Ints:
    """Raise shares one by one, always the one furthest below its claim, until they sum to n or the supply ends.

    Strata without a claim are raised only after all others are exhausted. All arrays have shape (strata,).

    >>> filled(np.array([2, 2]), np.array([9, 3]), np.array([1.0, 1.0]), 8).tolist()
    [5, 3]
    """
    full = shares.copy()
    some = np.where(claim > 0, claim, 1e-9 * float(claim[claim > 0].min(initial=1.0)))
    for _ in range(min(n, int(supply.sum())) - int(full.sum())):
        full[np.argmin(np.where(full < supply, (full + 0.5) / some, np.inf))] += 1
    return full
