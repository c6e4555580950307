"""Errors by subgroup: published intervals and adjustments, what is undefined, how often intervals hold."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.filters.fairness import benjamini_hochberg, group_errors, holm, newcombe
from tests.helpers.places import FIXTURES


def case(name: str) -> dict[str, Any]:
    """A published case."""
    found: dict[str, Any] = json.loads((FIXTURES / name / "case.json").read_text())
    return found


@pytest.mark.parametrize("one", case("difference/newcombe_1998")["cases"])
def test_newcombes_table_is_reproduced(one: dict[str, float]) -> None:
    """Method 10 of the paper's table II, to the four digits printed."""
    ends = newcombe((one["x"], one["y"]), (one["n"], one["m"]))
    assert ends == pytest.approx((one["low"], one["high"]), abs=5e-5)


def test_adjusted_p_values_claim_as_many_as_the_paper() -> None:
    """Benjamini & Hochberg's fifteen p-values: four claims against Bonferroni's three."""
    known = case("multiplicity/benjamini_hochberg_1995")
    adjusted = benjamini_hochberg(known["p"])
    assert sum(p <= known["level"] for p in adjusted) == known["claims_bh"]
    assert sum(p * len(known["p"]) <= known["level"] for p in known["p"]) == known["claims_bonferroni"]
    assert adjusted == pytest.approx(known["bh"], abs=1e-9)
    assert holm(known["p"]) == pytest.approx(known["holm"], abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_adjusting_never_depends_on_the_order_and_never_helps(p_values: list[float], random: Any) -> None:
    """Shuffled tests get the same values; no adjusted p is below its own; Holm is never below Benjamini-Hochberg."""
    order = list(range(len(p_values)))
    random.shuffle(order)
    for adjust in (holm, benjamini_hochberg):
        straight = adjust(p_values)
        assert adjust([p_values[place] for place in order]) == pytest.approx([straight[place] for place in order])
        assert all(after >= before - 1e-12 for before, after in zip(p_values, straight, strict=True))
    pairs = zip(holm(p_values), benjamini_hochberg(p_values), strict=True)
    assert all(first >= second - 1e-12 for first, second in pairs)


def test_groups_are_compared_with_the_rest_and_not_with_the_total() -> None:
    """The rest of a group are all clips of the other groups."""
    groups = ["a"] * 40 + ["b"] * 60
    passed = [False] * 20 + [True] * 20 + [False] * 6 + [True] * 54
    first, second = group_errors(groups, passed, [True] * 100)
    assert (first.rate.value, first.rest.value, first.difference.value) == (0.5, 0.1, 0.4)
    assert second.difference.value == -0.4
    assert first.ratio == pytest.approx(0.5 / 0.9)
    assert first.p == second.p
    assert first.p is not None
    assert first.p < 1e-4


def test_few_clips_are_marked_and_shown() -> None:
    """A group of under thirty good clips keeps its figures and is marked."""
    rows = group_errors(["few"] * 29 + ["many"] * 30, [True] * 59, [True] * 59)
    assert [(row.group, row.too_few, row.clips) for row in rows] == [("few", True, 29), ("many", False, 30)]
    assert rows[0].rate.low == 0


def test_a_group_without_good_clips_is_undefined_in_words() -> None:
    """Nothing is divided by zero, and the other groups are adjusted among themselves."""
    rows = group_errors(["a", "a", "b", "b"], [True, False, True, True], [True, True, False, False])
    undefined = rows[1]
    assert undefined.rate.value is None
    assert undefined.rate.undefined == "no rated clip of it is good"
    assert undefined.p is None
    assert undefined.difference.value is None
    accepted = group_errors(["a", "b", "b"], [True, True, False], [True, False, False], kind="false_acceptance")
    assert [row.rate.value for row in accepted] == [None, 0.5]


def test_equal_weights_change_nothing() -> None:
    """Weights of one size give the very figures of no weights; unequal ones give Hajek's."""
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


def test_intervals_of_differences_hold_as_often_as_they_say() -> None:
    """2,000 seeded studies: 93 to 97.5 % of the 95 % intervals of a difference hold the truth."""
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(2000):
        wrong, rest = generator.binomial(60, 0.2), generator.binomial(240, 0.1)
        low, high = newcombe((wrong, rest), (60, 240))
        held += low <= 0.1 <= high
    assert 0.93 <= held / 2000 <= 0.975


def test_lengths_and_weights_are_checked() -> None:
    """Input that does not fit is refused with the numbers."""
    with pytest.raises(ValueError, match="2 groups, 1 verdicts"):
        group_errors(["a", "b"], [True], [True, True])
    with pytest.raises(ValueError, match="positive"):
        group_errors(["a"], [True], [True], [0.0])
