"""Tests of errors by subgroup: published intervals and adjustments, undefined cases, coverage."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.filters.fairness import benjamini_hochberg, group_errors, holm, newcombe
from tests.helpers.places import FIXTURES


def case(name: str) -> dict[str, Any]:
    """A published case of this module."""
    found: dict[str, Any] = json.loads((FIXTURES / name / "case.json").read_text())
    return found


@pytest.mark.parametrize("one", case("difference/newcombe_1998")["cases"])
def test_newcombes_table_is_reproduced(one: dict[str, float]) -> None:
    """Method 10 gives the intervals of the paper's table II to the four digits printed."""
    ends = newcombe((one["x"], one["y"]), (one["n"], one["m"]))
    assert ends == pytest.approx((one["low"], one["high"]), abs=5e-5)


def test_adjusted_p_values_reject_as_many_as_in_the_paper() -> None:
    """Benjamini & Hochberg's fifteen p-values give four rejections, Bonferroni's method three."""
    known = case("multiplicity/benjamini_hochberg_1995")
    adjusted = benjamini_hochberg(known["p"])
    assert sum(p <= known["level"] for p in adjusted) == known["claims_bh"]
    assert sum(p * len(known["p"]) <= known["level"] for p in known["p"]) == known["claims_bonferroni"]
    assert adjusted == pytest.approx(known["bh"], abs=1e-9)
    assert holm(known["p"]) == pytest.approx(known["holm"], abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_adjusted_p_values_do_not_depend_on_the_order_and_are_never_smaller(p_values: list[float], random: Any) -> None:
    """Shuffling changes nothing; adjusted p-values are never below the raw ones, nor Holm's below the others."""
    order = list(range(len(p_values)))
    random.shuffle(order)
    for adjust in (holm, benjamini_hochberg):
        straight = adjust(p_values)
        assert adjust([p_values[place] for place in order]) == pytest.approx([straight[place] for place in order])
        assert all(after >= before - 1e-12 for before, after in zip(p_values, straight, strict=True))
    pairs = zip(holm(p_values), benjamini_hochberg(p_values), strict=True)
    assert all(first >= second - 1e-12 for first, second in pairs)


def test_groups_are_compared_with_all_other_groups() -> None:
    """The reference of a group is all clips of the other groups."""
    groups = ["a"] * 40 + ["b"] * 60
    passed = [False] * 20 + [True] * 20 + [False] * 6 + [True] * 54
    first, second = group_errors(groups, passed, [True] * 100)
    assert (first.rate.value, first.rest.value, first.difference.value) == (0.5, 0.1, 0.4)
    assert second.difference.value == -0.4
    assert first.ratio == pytest.approx(0.5 / 0.9)
    assert first.p == second.p
    assert first.p is not None
    assert first.p < 1e-4


def test_groups_with_few_clips_are_marked() -> None:
    """A group with fewer than thirty good clips keeps its figures and is marked."""
    rows = group_errors(["few"] * 29 + ["many"] * 30, [True] * 59, [True] * 59)
    assert [(row.group, row.too_few, row.clips) for row in rows] == [("few", True, 29), ("many", False, 30)]
    assert rows[0].rate.low == 0


def test_a_group_without_good_clips_gives_the_reason() -> None:
    """The group is undefined with a reason, and the p-values of the other groups are adjusted among themselves."""
    rows = group_errors(["a", "a", "b", "b"], [True, False, True, True], [True, True, False, False])
    undefined = rows[1]
    assert undefined.rate.value is None
    assert undefined.rate.undefined == "no rated clip of it is good"
    assert undefined.p is None
    assert undefined.difference.value is None
    accepted = group_errors(["a", "b", "b"], [True, True, False], [True, False, False], kind="false_acceptance")
    assert [row.rate.value for row in accepted] == [None, 0.5]


def test_equal_weights_change_nothing() -> None:
    """Equal weights give the same figures as no weights; unequal ones give Hajek's."""
    generator = np.random.default_rng(3)
    groups = generator.choice(["x", "y", "z"], 200).tolist()
    passed, good = generator.random(200) < 0.7, generator.random(200) < 0.6
    plain = group_errors(groups, passed, good)
    assert [row.rate.value for row in group_errors(groups, passed, good, [4.0] * 200)] == [r.rate.value for r in plain]
    weights = generator.uniform(1, 9, 200)
    heavy = group_errors(groups, passed, good, weights)[0]
    own = np.array([group == "x" for group in groups]) & good
    assert heavy.rate.value == pytest.approx(weights[own & ~passed].sum() / weights[own].sum())
    assert heavy.rate.low is not None
    assert heavy.rate.high is not None
    assert heavy.rate.high - heavy.rate.low > 0


def test_intervals_of_differences_cover() -> None:
    """In 2,000 seeded studies 93 to 97.5 % of the 95 % intervals of a difference contain the true one."""
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(2000):
        wrong, rest = generator.binomial(60, 0.2), generator.binomial(240, 0.1)
        low, high = newcombe((wrong, rest), (60, 240))
        held += low <= 0.1 <= high
    assert 0.93 <= held / 2000 <= 0.975


def test_lengths_and_weights_are_checked() -> None:
    """Sequences of different lengths and weights that are not positive raise an error with the numbers."""
    with pytest.raises(ValueError, match="2 groups, 1 verdicts"):
        group_errors(["a", "b"], [True], [True, True])
    with pytest.raises(ValueError, match="positive"):
        group_errors(["a"], [True], [True], [0.0])
