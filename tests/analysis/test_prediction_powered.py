"""Tests of prediction-powered pool shares: an independent implementation, bias, coverage, refusals."""

import json

import numpy as np
import pytest

from analysis.prediction_powered import cross_fitted_predictions, pool_share
from tests.helpers.places import FIXTURES

CASE = json.loads((FIXTURES / "ppi/ppi_python/case.json").read_text())


def test_the_value_equals_ppi_python() -> None:
    """The same weight gives the same point estimate to 1e-9."""
    pool = np.array(CASE["pool"])
    found = pool_share(CASE["labels"], pool[CASE["judged"]], pool)
    assert found.tuning[0] == pytest.approx(CASE["tuning"], abs=1e-9)
    assert found.with_predictions.value == pytest.approx(CASE["value"], abs=1e-9)


def studies(stratified: bool, seed: int = 7, runs: int = 200) -> tuple[np.ndarray, float, float]:
    """Whether each interval contains the pool's share, the mean error, and the mean gain."""
    generator = np.random.default_rng(seed)
    score = generator.beta(2, 1.2, 4000)
    good = (generator.random(4000) < score).astype(float)
    stratum = np.where(score < 0.5, "low", "high")
    held, errors, gains = [], [], []
    for run in range(runs):
        if stratified:
            judged = np.concatenate([generator.choice(np.flatnonzero(stratum == name), 60) for name in ("low", "high")])
            judged = np.unique(judged)
        else:
            judged = generator.choice(4000, 120, replace=False)
        own, pool = cross_fitted_predictions(score[judged], good[judged], score, seed=run)
        names = (stratum[judged].tolist(), stratum.tolist()) if stratified else (None, None)
        found = pool_share(good[judged], own, pool, *names)
        one = found.with_predictions
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        held.append(one.low <= good.mean() <= one.high)
        errors.append(one.value - good.mean())
        gains.append(found.gain or 0.0)
    return np.array(held), float(np.mean(errors)), float(np.mean(gains))


@pytest.mark.parametrize("stratified", [False, True])
def test_intervals_cover_and_predictions_help(stratified: bool) -> None:
    """Of 200 seeded studies of 120 clips 92 to 98 % cover the pool's share, without bias and with a gain."""
    held, bias, gain = studies(stratified)
    assert 0.92 <= held.mean() <= 0.98
    assert abs(bias) < 0.01
    assert gain > (1.0 if stratified else 1.15)


@pytest.mark.parametrize(("strata", "judged"), [(10, 2), (10, 3), (4, 15), (1, 20)])
def test_intervals_cover_with_few_judged_clips_per_stratum(strata: int, judged: int) -> None:
    """92 to 98 % of 400 seeded studies cover; a weight fitted on three clips would make intervals far too narrow.

    The cost of fitting and the combined weight of small strata: Cochran (1977), Sampling Techniques, 7.3 and 7.10.
    """
    generator = np.random.default_rng(3)
    predicted = np.clip(generator.beta(2, 1.2, 800), 0.02, 0.98)
    stratum = np.searchsorted(np.quantile(predicted, np.linspace(0, 1, strata + 1)[1:-1]), predicted).astype(str)
    members = [np.flatnonzero(stratum == name) for name in np.unique(stratum)]
    held = []
    for _ in range(400):
        good = (generator.random(800) < predicted).astype(float)
        own = np.concatenate([generator.choice(one, judged, replace=False) for one in members])
        found = pool_share(good[own], predicted[own], predicted, stratum[own].tolist(), stratum.tolist())
        low, high = found.with_predictions.low, found.with_predictions.high
        held.append(low is not None and high is not None and low <= good.mean() <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_small_strata_share_one_weight() -> None:
    """Strata of three judged clips share a weight; six judged clips in all get none and keep the mean of the labels."""
    generator = np.random.default_rng(8)
    predicted, stratum = generator.random(300), np.array(list("abcdefghijkl") * 25)
    own = np.concatenate([np.flatnonzero(stratum == name)[:3] for name in "abcdefghijkl"])
    good = (generator.random(300) < predicted).astype(float)
    found = pool_share(good[own], predicted[own], predicted, stratum[own].tolist(), stratum.tolist())
    assert len(set(found.tuning)) == 1
    assert found.tuning[0] != 0
    two = np.isin(stratum, ["a", "b"])
    few = own[np.isin(stratum[own], ["a", "b"])]
    found = pool_share(good[few], predicted[few], predicted[two], stratum[few].tolist(), stratum[two].tolist())
    assert found.tuning == (0.0, 0.0)
    assert found.with_predictions.value == pytest.approx(found.judged_alone.value)
    assert found.gain == 1.0


def test_uninformative_predictions_are_harmless() -> None:
    """A constant prediction gives the classical estimate and no gain."""
    found = pool_share([1, 0, 1, 1], [0.5] * 4, [0.5] * 100)
    assert found.with_predictions.value == found.judged_alone.value == 0.75
    assert found.gain == 1.0


def test_impossible_input_is_refused_or_undefined() -> None:
    """Strata without judged clips or absent from the pool, missing numbers, and too few clips to fit a curve."""
    thin = pool_share([1, 0, 1], [0.5] * 3, [0.5] * 10, ["a"] * 3, ["a"] * 5 + ["b"] * 5)
    assert thin.with_predictions.value is None
    assert "'b'" in str(thin.with_predictions.undefined)
    with pytest.raises(ValueError, match="does not occur in the pool"):
        pool_share([1, 0], [0.5] * 2, [0.5] * 3, ["a", "c"], ["a"] * 3)
    with pytest.raises(ValueError, match="finite"):
        pool_share([1, float("nan")], [0.5] * 2, [0.5] * 3)
    with pytest.raises(ValueError, match="too few"):
        cross_fitted_predictions([1.0, 2.0], [0, 1], [1.0])
