"""How many clips each stratum gives to the sample."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.estimate import Floats, Ints

Rule = Literal["equal", "proportional", "neyman", "power"]
FEWEST = 2
"""Clips per stratum at least, as far as n allows: one alone tells nothing about the spread within its stratum."""


def claims(sizes: ArrayLike, rule: Rule, *, p: ArrayLike | None = None, power: float = 0.5) -> Floats:
    """What the strata's shares of the sample are proportional to, shape (strata,).

    equal: 1. proportional: the clips in the pool, N. neyman: N sqrt(p (1 - p)), p being the share of good clips in
    the stratum, guessed or from a pilot (`smoothed`); it makes the variance of a weighted share smallest. power:
    N^power, between equal (0) and proportional (1). Sources: Neyman (1934); Bankier (1988), Power allocations,
    The American Statistician 42(3):174-177, with equal coefficients of variation.

    Raises ValueError for p that is missing, of another length, or outside 0 ... 1, and a power outside 0 ... 1.

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
    """Shares of good clips from a pilot, never 0 or 1: (good + 1/2) / (judged + 1), shape of the arguments.

    A pilot without a bad clip would leave a stratum out of a Neyman allocation; this keeps it in. A stratum that
    no pilot clip came from gets 1/2, the most cautious guess.

    >>> smoothed([0, 9, 0], [9, 9, 0]).tolist()
    [0.05, 0.95, 0.5]
    """
    return (np.asarray(good, dtype=np.float64) + 0.5) / (np.asarray(judged, dtype=np.float64) + 1.0)


def quotas(n: int, claim: Floats) -> Floats:
    """The strata's exact shares of n, before rounding, floors and ceilings, shape (strata,).

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
    """Clips to draw from each stratum, shape (strata,), and what to tell the researcher about them.

    `supply` are the clips there are, `claim` what shares are proportional to. Every stratum that has clips gets at
    least two (one, if n is too small for two), since a stratum never drawn from cannot be spoken of, and at least
    `least`. Then every next clip goes to the stratum that is furthest behind its claim and not yet exhausted: the
    rounding of Webster (Sainte-Lague). Where a stratum has too few clips all are taken and the rest goes to the
    others. Raises ValueError for an n below the number of strata.

    >>> allocate(np.array([50, 3]), 20, np.array([1.0, 1.0]), ["a", "b"])[0].tolist()
    [17, 3]
    """
    present, total = int((supply > 0).sum()), int(supply.sum())
    if n < max(1, present):
        raise ValueError(f"{n} clips cannot cover {present} strata; draw at least {present}, or use fewer strata")
    floor = FEWEST if n >= FEWEST * present else 1
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
    """Shares raised one by one until they are n in all or nothing is left, each time the one furthest behind its claim.

    A stratum without a claim comes only after all others are exhausted.

    >>> filled(np.array([2, 2]), np.array([9, 3]), np.array([1.0, 1.0]), 8).tolist()
    [5, 3]
    """
    full = shares.copy()
    some = np.where(claim > 0, claim, 1e-9 * float(claim[claim > 0].min(initial=1.0)))
    for _ in range(min(n, int(supply.sum())) - int(full.sum())):
        full[np.argmin(np.where(full < supply, (full + 0.5) / some, np.inf))] += 1
    return full
