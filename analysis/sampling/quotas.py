"""Quota sampling of persons for a benchmark: as many places as possible, evenly over groups, each person used once.

Persons, groups and dimensions form a flow network, so the corners of its linear programmes are whole numbers. Three
programmes are solved by HiGHS through scipy: the most places; among those solutions, the most even groups; among
those, the smallest sum of random numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, vstack

from analysis.estimate import Floats, Ints

_WHOLE = 1e-6  # the solver's own tolerance for whole numbers


@dataclass(frozen=True)
class Quota:
    """`places` to fill in one dimension, divided evenly among its `groups`.

    Raises ValueError without groups, for a repeated group, and for fewer than one place.
    """

    dimension: str
    groups: tuple[str, ...]
    places: int

    def __post_init__(self) -> None:
        if not self.groups or len(set(self.groups)) < len(self.groups):
            raise ValueError(
                f"{self.dimension} needs groups, each named once: {', '.join(self.groups) or 'none given'}"
            )
        if self.places < 1:
            raise ValueError(f"{self.dimension} has a quota of {self.places}; it needs one place or more")


@dataclass(frozen=True)
class Balance:
    """A group's places `wanted` and `filled`, and the persons in it (`available`, even if used elsewhere)."""

    dimension: str
    group: str
    wanted: int
    filled: int
    available: int

    @property
    def short(self) -> int:
        """The number of places that stay empty."""
        return max(0, self.wanted - self.filled)


def choose(quotas: Sequence[Quota], person: Ints, group: Ints, *, seed: int = 0, fill: bool = False) -> Ints:
    """Fill the quotas from pairs (person, group), each person at most once: ascending positions of the pairs chosen.

    `person` and `group` have shape (pairs,) and say who belongs to which group; groups are numbered through all quotas
    in order. Each group takes places // groups persons, and the remaining places of a dimension go one each to groups
    that have another person. With `fill`, empty places go to other groups of the dimension.

    The choice fills the largest possible number of places. Among such choices it minimises the sum over groups of the
    squared distance from an even share; a seeded random draw decides between the rest. Raises ValueError for pairs of
    different lengths, a group out of range, or a solver that fails.

    >>> two = [Quota("age", ("young",), 1), Quota("gender", ("woman",), 1)]
    >>> choose(two, np.array([0, 0, 1]), np.array([0, 1, 1])).tolist()
    [0, 2]
    """
    groups = sum(len(quota.groups) for quota in quotas)
    if person.shape != group.shape or (len(group) and not 0 <= group.min() <= group.max() < groups):
        raise ValueError(f"{len(person)} persons and {len(group)} groups, numbered to {groups - 1}, are not pairs")
    generator = np.random.default_rng(seed)
    kept = _within_reach(person, group, sum(quota.places for quota in quotas), generator)
    if not len(kept):
        return kept
    chances = generator.random(len(kept))
    net = _Network.build(quotas, person[kept], group[kept], fill=fill)
    pairs = np.append(np.ones(net.pairs), np.zeros(len(net.cost)))
    net = net.held(pairs, round(float(pairs @ net.solve(-pairs))))
    even = np.append(np.zeros(net.pairs), net.cost)
    net = net.held(even, round(float(even @ net.solve(even))))
    # Which of equal groups gets one more place is drawn per group, so that it does not depend on its persons' numbers.
    luck = np.append(chances, (len(kept) * generator.random(groups))[net.place_group])
    solution = net.solve(luck)[: net.pairs]
    return np.sort(kept[solution > 0.5])


def balance(quotas: Sequence[Quota], filled: Ints, available: Ints) -> list[Balance]:
    """The places wanted and filled in every group; both arrays have shape (groups,), numbered through all quotas.

    If places do not divide evenly, the groups with most places filled want one more, then those with most persons.

    >>> table = balance([Quota("ethnicity", ("a", "b", "c"), 5)], np.array([1, 2, 0]), np.array([9, 9, 0]))
    >>> [(row.group, row.wanted, row.short) for row in table]
    [('a', 2, 1), ('b', 2, 0), ('c', 1, 1)]
    """
    rows: list[Balance] = []
    for quota in quotas:
        first, size = len(rows), len(quota.groups)
        has, there = filled[first : first + size], available[first : first + size]
        base, extra = divmod(quota.places, size)
        more = set(np.lexsort((-there, -has))[:extra].tolist())
        rows += [
            Balance(quota.dimension, name, base + (one in more), int(has[one]), int(there[one]))
            for one, name in enumerate(quota.groups)
        ]
    return rows


def _within_reach(person: Ints, group: Ints, places: int, generator: np.random.Generator) -> Ints:
    """Ascending positions of random pairs, at most `places` distinct persons per group.

    Other persons are not needed: if a choice uses one for a group that has `places` pairs here, one of these pairs is
    unused and can take the place, which is as full and as even.
    """
    order = generator.permutation(len(person))
    order = order[np.argsort(group[order], kind="stable")]
    _, first = np.unique(np.column_stack([group[order], person[order]]), axis=0, return_index=True)
    order = order[np.sort(first)]
    sizes = np.unique(group[order], return_counts=True)[1]
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place < places])


def _places(quotas: Sequence[Quota], *, fill: bool) -> tuple[list[float], list[int], list[tuple[list[int], int]]]:
    """The cost of filling each place, its group, and lists of places with the number of them that may be filled."""
    scale = 2 * lcm(*(len(quota.groups) for quota in quotas))
    cost: list[float] = []
    owner: list[int] = []
    limits: list[tuple[list[int], int]] = []
    groups = 0
    for quota in quotas:
        size, start = len(quota.groups), len(cost)
        base, extra = divmod(quota.places, size)
        count = quota.places if fill else base + (extra > 0)
        for number in range(groups, groups + size):
            # (share - k)^2 - (share - k + 1)^2 for the k-th place
            cost += [scale * (2 * k - 1) / 2 - scale * base - scale // size * extra for k in range(1, count + 1)]
            owner += [number] * count
        places = list(range(start, len(cost)))
        limits.append((places, quota.places))
        if not fill and extra:
            limits.append((places[base :: base + 1], extra))
        groups += size
    return cost, owner, limits


@dataclass(frozen=True, eq=False)
class _Network:
    """A linear programme; its variables are pairs (1: chosen), then places of groups (1: filled), its rows limits.

    `cost` (places,) is what filling each place adds to the squared distances, in whole numbers; `place_group` (places,)
    is its group.
    """

    pairs: int
    cost: Floats
    place_group: Ints
    rows: csr_array
    low: Floats
    high: Floats

    @classmethod
    def build(cls, quotas: Sequence[Quota], person: Ints, group: Ints, *, fill: bool) -> "_Network":
        """Rows: each person at most once, pairs of a group = its filled places, limits of places per dimension."""
        cost, owner, limits = _places(quotas, fill=fill)
        groups = sum(len(quota.groups) for quota in quotas)
        _, who = np.unique(person, return_inverse=True)
        pairs, place_group = np.arange(len(person)), np.array(owner)
        places_at = len(person) + np.arange(len(cost))
        blocks = [
            (who, pairs, 1.0),
            (who.max() + 1 + group, pairs, 1.0),
            (who.max() + 1 + place_group, places_at, -1.0),
        ]
        row = int(who.max()) + 1 + groups
        for places, _ in limits:
            blocks.append((np.full(len(places), row), len(person) + np.array(places), 1.0))
            row += 1
        at = np.concatenate([block[0] for block in blocks]), np.concatenate([block[1] for block in blocks])
        values = np.concatenate([np.full(len(block[0]), block[2]) for block in blocks])
        persons = int(who.max()) + 1
        return cls(
            pairs=len(person),
            cost=np.array(cost),
            place_group=place_group,
            rows=csr_array(coo_array((values, at), shape=(row, len(person) + len(cost)))),
            low=np.concatenate([np.full(persons, -np.inf), np.zeros(groups), np.full(len(limits), -np.inf)]),
            high=np.concatenate([np.ones(persons), np.zeros(groups), [float(most) for _, most in limits]]),
        )

    def held(self, weights: Floats, total: float) -> "_Network":
        """The network with one more row, which keeps the sum of `weights` at `total`."""
        return _Network(
            self.pairs,
            self.cost,
            self.place_group,
            csr_array(vstack([self.rows, csr_array(weights[None])])),
            np.append(self.low, total),
            np.append(self.high, total),
        )

    def solve(self, objective: Floats) -> Floats:
        """The whole values of all variables that minimise `objective`; raises ValueError if the solver fails."""
        for whole in (0, 1):  # corners are usually whole; requiring whole numbers takes ten times as long
            found = milp(
                objective,
                integrality=np.full(len(objective), whole),
                bounds=Bounds(0, 1),
                constraints=LinearConstraint(self.rows, self.low, self.high),
                options={"mip_rel_gap": 0.0},
            )
            if found.x is not None and np.abs(found.x - np.round(found.x)).max() < _WHOLE:
                return np.asarray(np.round(found.x))
        raise ValueError(f"the quotas could not be filled: {found.message}")
