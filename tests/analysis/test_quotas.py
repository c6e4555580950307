"""Tests of quotas: the fullest and most even choice, proved by exhaustive search, and the balance of a benchmark."""

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.estimate import Ints
from analysis.sampling.quotas import Balance, Quota, balance, choose

BENCH = [
    Quota("age", ("0-19", "19-30", "31-45", "46-60", "60+"), 105),
    Quota("gender", ("female", "male"), 100),
    Quota("ethnicity", ("african", "asian", "white"), 100),
    Quota("language", tuple(f"language {number}" for number in range(15)), 195),
]


def pairs(fits: list[list[int]]) -> tuple[Ints, Ints]:
    """Persons and groups, as pairs, from the groups to which each person belongs."""
    found = [(person, group) for person, groups in enumerate(fits) for group in groups]
    return np.array([one[0] for one in found], dtype=np.int64), np.array([one[1] for one in found], dtype=np.int64)


def filled(quotas: list[Quota], fits: list[list[int]], *, seed: int = 0, fill: bool = False) -> Ints:
    """Persons per group, after checking that each person is used once and only in a group of theirs."""
    person, group = pairs(fits)
    chosen = choose(quotas, person, group, seed=seed, fill=fill)
    assert len(set(person[chosen].tolist())) == len(chosen)
    return np.bincount(group[chosen], minlength=sum(len(quota.groups) for quota in quotas))


def distance(quotas: list[Quota], counts: tuple[int, ...]) -> float:
    """The sum over groups of the squared distance from an even share."""
    shares = [quota.places / len(quota.groups) for quota in quotas for _ in quota.groups]
    return sum((share - count) ** 2 for share, count in zip(shares, counts, strict=True))


def allowed(quotas: list[Quota], counts: tuple[int, ...], *, fill: bool) -> bool:
    """Whether no dimension exceeds its quota and, without fill, no group its share, few enough having one more."""
    first = 0
    for quota in quotas:
        part = counts[first : first + len(quota.groups)]
        first += len(quota.groups)
        base, extra = divmod(quota.places, len(quota.groups))
        over = [count - base for count in part if count > base]
        if sum(part) > quota.places or (not fill and (max(over, default=0) > 1 or len(over) > extra)):
            return False
    return True


def best(quotas: list[Quota], fits: list[list[int]], *, fill: bool) -> tuple[int, float]:
    """The largest number of places and the smallest distance for that number, by exhaustive search."""
    groups = sum(len(quota.groups) for quota in quotas)
    reached = set()
    for way in product(*([None, *options] for options in fits)):
        counts = [0] * groups
        for group in way:
            if group is not None:
                counts[group] += 1
        reached.add(tuple(counts))
    totals = [(sum(counts), -distance(quotas, counts)) for counts in reached if allowed(quotas, counts, fill=fill)]
    most, nearest = max(totals)
    return most, -nearest


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[Quota], list[list[int]]]:
    """Up to three dimensions of up to three groups, and up to six persons who belong to up to three groups."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    quotas = [
        Quota(f"d{number}", tuple(f"g{group}" for group in range(size)), draw(st.integers(1, 4)))
        for number, size in enumerate(sizes)
    ]
    group = st.integers(0, sum(sizes) - 1)
    fits = draw(st.lists(st.lists(group, min_size=1, max_size=3, unique=True), min_size=1, max_size=6))
    return quotas, fits


@settings(max_examples=150, deadline=None)
@given(pools(), st.booleans(), st.integers(0, 5))
def test_no_other_choice_is_fuller_or_as_full_and_more_even(
    pool: tuple[list[Quota], list[list[int]]], fill: bool, seed: int
) -> None:
    """For tiny pools the total and the squared distance equal the best of an exhaustive search."""
    quotas, fits = pool
    counts = tuple(filled(quotas, fits, seed=seed, fill=fill).tolist())
    assert allowed(quotas, counts, fill=fill)
    most, least = best(quotas, fits, fill=fill)
    assert sum(counts) == most
    assert distance(quotas, counts) == pytest.approx(least)


def test_quotas_are_filled_where_a_greedy_choice_fails() -> None:
    """The only two Poles are women too, and women are filled first, so they must be kept for Polish."""
    quotas = [Quota("gender", ("women", "men"), 4), Quota("language", ("pl", "en"), 4)]
    fits = [[0, 2], [0, 2], [0, 3], [0, 3], [1, 3], [1, 3], [1, 3], [1, 3]]
    used: set[int] = set()
    greedy = [0] * 4
    for group in range(4):
        for person, groups in enumerate(fits):
            if group in groups and person not in used and greedy[group] < 2:
                used.add(person)
                greedy[group] += 1
    assert greedy == [2, 2, 0, 2]
    for seed in range(20):
        assert filled(quotas, fits, seed=seed).tolist() == [2, 2, 2, 2]


def test_the_extra_place_goes_to_a_group_with_another_person() -> None:
    """100 over three is 34/33/33, and the group with 33 persons never gets 34 places."""
    quotas = [Quota("ethnicity", ("african", "asian", "white"), 100)]
    fits = [[0]] * 33 + [[1]] * 60 + [[2]] * 33
    assert filled(quotas, fits).tolist() == [33, 34, 33]
    plenty = [[group] for group in range(3) for _ in range(50)]
    drawn = {tuple(filled(quotas, plenty, seed=seed).tolist()) for seed in range(20)}
    assert drawn == {(34, 33, 33), (33, 34, 33), (33, 33, 34)}


def test_empty_places_go_to_other_groups_only_with_fill() -> None:
    """With four children for 21 places, 17 stay empty, or 17 more go evenly to the others."""
    quotas = [BENCH[0]]
    fits = [[0]] * 4 + [[group] for group in range(1, 5) for _ in range(40)]
    assert filled(quotas, fits).tolist() == [4, 21, 21, 21, 21]
    counts = filled(quotas, fits, fill=True)
    assert counts[0] == 4
    assert counts.sum() == 105
    assert np.ptp(counts[1:]) == 1


def test_a_shortage_is_shared_evenly() -> None:
    """Nine persons for two dimensions of six places each are divided evenly over all groups."""
    quotas = [Quota("gender", ("f", "m"), 6), Quota("language", ("a", "b"), 6)]
    counts = filled(quotas, [[0, 2], [0, 3], [1, 2]] * 3)
    assert sorted(counts.tolist()) == [2, 2, 2, 3]


def test_the_same_seed_gives_the_same_persons_and_another_seed_others() -> None:
    """Over 300 seeds each of 20 persons takes about a quarter of the five places."""
    quotas = [Quota("gender", ("f",), 5)]
    person, group = np.arange(20), np.zeros(20, dtype=np.int64)
    assert choose(quotas, person, group, seed=4).tolist() == choose(quotas, person, group, seed=4).tolist()
    times = np.zeros(20)
    for seed in range(300):
        times[choose(quotas, person, group, seed=seed)] += 1
    assert times.sum() == 1500
    assert 45 < times.min() <= times.max() < 110  # 75 expected, standard deviation 7.5


def test_a_person_named_twice_for_a_group_counts_once() -> None:
    """Several clips of one person in one group count as one pair."""
    quotas = [Quota("gender", ("f",), 3)]
    chosen = choose(quotas, np.array([0, 0, 0, 1]), np.zeros(4, dtype=np.int64))
    assert len(chosen) == 2


def test_an_empty_pool_fills_no_place() -> None:
    """An empty pool is not an error."""
    nothing = np.zeros(0, dtype=np.int64)
    assert choose([Quota("gender", ("f",), 3)], nothing, nothing).tolist() == []


def test_a_hundred_thousand_pairs_take_seconds() -> None:
    """Ten thousand persons fill TalkVid-Bench's quotas except for the children, who are as rare as in TalkVid."""
    chance = np.random.default_rng(1)
    persons = 10_000
    rare = np.array([1 / number**2.2 for number in range(1, 16)])
    ages = chance.choice(5, persons, p=[0.002, 0.24, 0.66, 0.08, 0.018])
    columns = [ages, 5 + chance.choice(2, persons), 7 + chance.choice(3, persons, p=[0.6, 0.3, 0.1])]
    columns.append(10 + chance.choice(15, persons, p=rare / rare.sum()))
    group = np.concatenate([np.repeat(column, 3) for column in columns])
    person = np.tile(np.repeat(np.arange(persons), 3), 4)
    began = time.process_time()
    chosen = choose(BENCH, person, group)
    assert time.process_time() - began < 20
    table = balance(BENCH, np.bincount(group[chosen]), np.bincount(np.concatenate(columns)))
    children = int((ages == 0).sum())
    assert [row.filled for row in table] == [children, *[21] * 4, 50, 50, *sorted_thirds(table), *[13] * 15]
    assert sum(row.short for row in table) == 21 - children


def sorted_thirds(table: list[Balance]) -> list[int]:
    """34, 33, 33 in the order of the table."""
    thirds = [row.filled for row in table if row.dimension == "ethnicity"]
    assert sorted(thirds) == [33, 33, 34]
    return thirds


@pytest.mark.parametrize(
    ("places", "groups", "wanted"),
    [
        (105, 5, {21: 5}),
        (100, 2, {50: 2}),
        (100, 3, {34: 1, 33: 2}),
        (195, 15, {13: 15}),
        (3, 5, {1: 3, 0: 2}),
    ],
)
def test_places_are_shared_with_a_difference_of_one_at_most(places: int, groups: int, wanted: dict[int, int]) -> None:
    """The shares of TalkVid-Bench, and of a quota with fewer places than groups."""
    quota = Quota("d", tuple(map(str, range(groups))), places)
    table = balance([quota], np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64))
    assert {share: [row.wanted for row in table].count(share) for share in wanted} == wanted
    assert sum(row.short for row in table) == places


def test_impossible_quotas_are_refused() -> None:
    """No groups, a repeated group, no places, and an unknown group raise an error."""
    for groups, places, words in (
        ((), 3, "needs groups"),
        (("a", "a"), 3, "each named once"),
        (("a",), 0, "quota of 0"),
    ):
        with pytest.raises(ValueError, match=words):
            Quota("age", groups, places)
    with pytest.raises(ValueError, match="are not pairs"):
        choose([Quota("age", ("a",), 1)], np.array([0]), np.array([1]))
