"""Tests of opinion scores and screening: the demo of ITU-T P.913, sureal's figures on real ratings, edge cases."""

import csv
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.consensus.mean_opinion import SCREENING_RULES, bt500, bt500_bias_removed, low_correlation, mean_opinion
from analysis.consensus.subject_model import subject_model
from analysis.raters.quality import answer_runs, drift, gold_accuracy, hasty
from tests.helpers.places import SHARED

RATINGS = SHARED / "ratings"


def known(name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """A real set of ratings, shape (clips, raters), and the figures expected for it."""
    folder = RATINGS / name
    if not folder.is_dir():
        pytest.skip(f"no real ratings in {folder}")
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    if name == "p913_demo":
        return np.genfromtxt(folder / "sample_data.csv", delimiter=","), expected
    with (folder / "ratings_wide.csv").open() as file:
        rows = list(csv.DictReader(file))
    raters = [column for column in rows[0] if column[0] == "s" and column[1:].isdigit()]
    return np.array([[float(row[rater] or "nan") for rater in raters] for row in rows]), expected


def long(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same ratings with one entry each."""
    clips, raters = np.nonzero(~np.isnan(table))
    return clips, raters, table[clips, raters]


def test_the_demo_of_p913_is_reproduced() -> None:
    """Bias, inconsistency, scores and errors equal those of the demo to 1e-8, including the missing vote."""
    table, expected = known("p913_demo")
    made = subject_model(*long(table))
    assert made.bias == pytest.approx(np.array(expected["bias_i"]), abs=1e-8)
    assert made.inconsistency == pytest.approx(np.array(expected["inconsistency_i"]), abs=1e-8)
    assert made.quality == pytest.approx(np.array(expected["mos_j"]), abs=1e-8)
    assert made.observed_error == pytest.approx(np.array(expected["sos_j"]), abs=1e-8)
    assert made.converged
    assert made.components == 1


@pytest.mark.parametrize("name", ["nflx_public", "nflx_public_outliers", "vqeg_hd3"])
def test_real_sets_give_sureals_figures(name: str) -> None:
    """Means, rejections by BT.500 before and after removing bias, biases and scores of the model are equal."""
    table, expected = known(name)
    clips, raters, points = long(table)
    assert mean_opinion(clips, points).mean.mean() == pytest.approx(expected["MOS"]["quality_mean"], abs=1e-12)
    assert bt500(table) == [bool(one) for one in expected["BT500"]["observer_rejected"]]
    assert bt500_bias_removed(table) == [bool(one) for one in expected["P913"]["observer_rejected"]]
    made, model = subject_model(clips, raters, points), expected["P910"]
    assert made.bias == pytest.approx(np.array(model["observer_bias"]), abs=6e-7)
    assert made.inconsistency == pytest.approx(np.array(model["observer_inconsistency"]), abs=6e-7)
    assert made.quality[:5] == pytest.approx(np.array(model["quality_first5"]), abs=1e-7)


def test_rules_miss_bad_raters_that_the_model_ranks_worst() -> None:
    """Of four bad raters BT.500 misses one and P.913 another; the subject model ranks all four worst."""
    table, _ = known("nflx_public_outliers")
    bad = {26, 27, 28, 29}
    assert len(bad - set(np.flatnonzero(bt500(table)))) == 1
    assert len(bad - set(np.flatnonzero(bt500_bias_removed(table)))) == 1
    assert set(np.argsort(-subject_model(*long(table)).inconsistency)[:4].tolist()) == bad
    assert bad <= set(np.flatnonzero(low_correlation(table)))


def test_incomplete_ratings_are_allowed() -> None:
    """With 320 clips, 99 raters and gaps, the mean of the clips' means equals the published one."""
    folder = RATINGS / "agh_tv_2017"
    if not folder.is_dir():
        pytest.skip(f"no real ratings in {folder}")
    rows = np.genfromtxt(folder / "ratings_long.csv", delimiter=",", skip_header=1)
    clips = np.unique(rows[:, 0], return_inverse=True)[1]
    expected = json.loads((folder / "expected.json").read_text())
    assert mean_opinion(clips, rows[:, -1]).mean.mean() == pytest.approx(expected["MOS"]["quality_mean"], abs=1e-9)
    raters = np.unique(rows[:, 2], return_inverse=True)[1]
    made = subject_model(clips, raters, rows[:, -1])
    assert made.quality.mean() == pytest.approx(expected["P910"]["quality_mean"], abs=0.01)
    assert made.converged


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_invariances_of_the_subject_model(seed: int) -> None:
    """A constant added to all ratings moves the scores, one added to a rater moves the bias; names do not matter."""
    generator = np.random.default_rng(seed)
    clips, raters = np.nonzero(generator.random((40, 8)) < 0.8)
    clips, raters = np.concatenate([clips, np.arange(40)]), np.concatenate([raters, np.full(40, 8)])
    points = generator.normal(3, 1, 40)[clips] + generator.normal(0, 0.5, len(clips))
    made = subject_model(clips, raters, points)
    assert abs(made.bias.mean()) < 1e-9
    moved = subject_model(clips, raters, points + 2)
    assert moved.quality == pytest.approx(made.quality + 2, abs=1e-6)
    leaning = subject_model(clips, raters, points + 0.9 * (raters == 3))
    gained = leaning.bias - made.bias
    assert gained[3] - gained[0] == pytest.approx(0.9, abs=1e-6)
    turned = subject_model(39 - clips, raters, points)
    assert turned.quality[::-1] == pytest.approx(made.quality, abs=1e-6)


def test_nobody_gets_infinite_weight() -> None:
    """The inconsistency of a rater who always gives the mean, or has few ratings, is raised and marked."""
    generator = np.random.default_rng(1)
    table = generator.normal(3, 1, (30, 1)) + generator.normal(0, 0.8, (30, 6))
    table[:, 5] = table[:, :5].mean(axis=1)
    table[3:, 4] = np.nan
    made = subject_model(*long(table))
    assert made.floored[4:] == (True, True)
    assert not any(made.floored[:4])
    assert made.inconsistency.min() > 0.05


def test_unconnected_groups_of_raters_are_counted() -> None:
    """Two panels without a common clip are two components, between which bias and quality are confounded."""
    clips, raters = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 1, 0, 1, 2, 3, 2, 3])
    assert subject_model(clips, raters, np.array([1.0, 2, 3, 4, 5, 4, 3, 2])).components == 2


def test_intervals_of_clips_use_t_and_a_pooled_spread_where_ratings_are_few() -> None:
    """With five ratings t is 1.416 times the form with 1.96; with three the pooled standard deviation is used."""
    made = mean_opinion(np.repeat([0, 1], [5, 3]), np.array([3.0, 4, 4, 5, 4, 2, 2, 2]))
    assert made.t_half[0] / made.z_half[0] == pytest.approx(2.7764451 / 1.9599640, abs=1e-6)
    assert made.spread[1] == pytest.approx(np.sqrt(2 / 6))
    assert made.t_half[1] == pytest.approx(2.4469119 * np.sqrt(2 / 6) / np.sqrt(3), abs=1e-6)


def test_equal_ratings_reject_nobody() -> None:
    """Equal votes have no spread, and no rule divides by it."""
    assert {name: rule(np.full((20, 4), 3.0)) for name, rule in SCREENING_RULES.items()} == dict.fromkeys(
        SCREENING_RULES, [False] * 4
    )


def test_straight_lining_is_told_from_chance() -> None:
    """Runs much longer than in random orders of the rater's answers are flagged; shorter ones are not."""
    generator = np.random.default_rng(4)
    values = generator.integers(1, 6, 100)
    order = np.arange(100.0)
    assert not answer_runs(values, order).straight
    assert answer_runs(np.sort(values), order).straight
    assert answer_runs(np.array([2] * 9), None).straight is False


def test_haste_gold_and_drift() -> None:
    """Haste is a median below a third, gold accuracy has an interval, and the drift equals the simulated slope."""
    assert hasty(np.array([np.nan, 10.0, 11.0, 3.0])) == [False, False, False, True]
    one = gold_accuracy(8, 10)
    assert (one.value, round(one.low or 0, 4), round(one.high or 0, 4)) == (0.8, 0.4902, 0.9433)
    assert gold_accuracy(0, 0).value is None
    generator = np.random.default_rng(2)
    places = np.arange(150.0)
    found = drift(3 + 0.5 * places / 100 + generator.normal(0, 0.3, 150), np.full(150, 3.0), places)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert drift(np.ones(5), np.ones(5), np.arange(5.0)).value is None
