"""Tests of guaranteed thresholds: printed sizes, values of libraries, and thousands of simulated studies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from analysis.design import Design
from analysis.thresholds.guarantee_checks import guarantee_held_out, guarantee_stability
from analysis.thresholds.precision_guarantee import binomial_p, hoeffding_bentkus_p, precision_threshold, start_size
from analysis.thresholds.recall_guarantee import recall_threshold
from tests.bench.statistics_guarantees import missed_guarantees, missed_under_weights


@pytest.mark.parametrize(("bad", "clips"), [(0, 59), (1, 93), (2, 124), (5, 208), (10, 336)])
def test_the_smallest_sample_for_a_guarantee(bad: int, clips: int) -> None:
    """For 95 % at 95 % the textbook sizes pass with so many bad clips and one clip less fails, as in scipy."""
    assert binomial_p(bad, clips, 0.05) == pytest.approx(binom.cdf(bad, clips, 0.05))
    assert binomial_p(bad, clips, 0.05) <= 0.05 < binomial_p(bad, clips - 1, 0.05)


@settings(max_examples=60, deadline=None)
@given(clips=st.integers(1, 500), share=st.floats(0, 1), target=st.floats(0.5, 0.99))
def test_p_is_clopper_and_pearsons_bound(clips: int, share: float, target: float) -> None:
    """The lower confidence bound of the precision at level 1 - p equals the target."""
    good = round(clips * share)
    p = float(binomial_p(clips - good, clips, 1 - target))
    assert p == pytest.approx(float(binom.cdf(clips - good, clips, 1 - target)), abs=1e-10)
    if good and 1e-6 < p < 1 - 1e-6:
        assert float(beta.ppf(p, good, clips - good + 1)) == pytest.approx(target, abs=1e-6)


def test_the_guarantee_holds_over_2000_studies() -> None:
    """The precision is missed in at most 1 - C plus three standard errors; plain selection misses it far more often."""
    missed = missed_guarantees(2000, seed=0).shown("one filter, exact")
    assert missed.guaranteed <= missed.allowed
    assert missed.picked > 0.4
    assert missed.none < 0.02


def test_the_guarantee_holds_for_stratified_samples() -> None:
    """With effective numbers the precision is missed in at most 1 - C plus three standard errors of 60 studies."""
    missed = missed_under_weights(60, seed=3).shown("one filter, stratified, effective n")
    assert missed.guaranteed <= missed.allowed
    assert missed.picked > 0.3


def test_the_sequence_stops_at_the_first_failure() -> None:
    """A threshold below a failed one never gets the guarantee, however good its rates."""
    scores = np.arange(400.0)
    good = np.ones(400)
    good[250:300] = 0  # bad clips in the middle, only good ones below
    found = precision_threshold(scores, good, Design.build(400), target=0.85, start=300.0)
    assert found.threshold is not None
    assert 280 <= found.threshold <= 300
    assert [step.passed for step in found.tests] == [True] * (len(found.tests) - 1) + [False]
    assert 1 - 50 / 400 > 0.85, "all clips together would have passed"
    assert found.start_rule == "declared"


def test_an_impossible_guarantee_gives_the_reason() -> None:
    """With a start that no clip reaches, or too few clips, there is no threshold but a reason with numbers."""
    scores = np.arange(40.0)
    high = precision_threshold(scores, np.ones(40), Design.build(40), target=0.95, start=99.0)
    assert high.threshold is None
    assert high.undefined is not None
    assert "declare a lower" in high.undefined
    few = precision_threshold(scores, np.ones(40), Design.build(40), target=0.95)
    assert few.undefined is not None
    assert "accepts 40 rated clips, 0 of them bad" in few.undefined
    assert "59 are" in few.undefined
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        precision_threshold(scores, np.ones(40), Design.build(40), target=1.0)


def test_the_start_by_rule_does_not_use_labels() -> None:
    """Other labels give the same start, which accepts the number of clips that the rule says."""
    scores = np.random.default_rng(0).random(600)
    starts = {
        precision_threshold(scores, (scores > threshold).astype(float), Design.build(600), target=0.9).start
        for threshold in (0.1, 0.5, 0.9)
    }
    assert len(starts) == 1
    assert int((scores >= starts.pop()).sum()) == start_size(0.9, 0.95)


def test_bin_wise_bounds_are_exact_and_conservative() -> None:
    """The bound is the weighted mean of Clopper-Pearson bounds, at the edges of strata only."""
    scores = np.concatenate([np.linspace(low, low + 0.99, 200) for low in (0.0, 1.0, 2.0)])
    good = np.ones(600)
    good[:200:2] = 0
    good[[205, 420]] = 0
    design = Design.build(
        600, strata=list("a" * 200 + "b" * 200 + "c" * 200), stratum_sizes={"a": 900, "b": 600, "c": 300}
    )
    found = precision_threshold(scores, good, design, target=0.9, start=2.0, bin_wise=True)
    assert (found.method, found.threshold) == ("bin-wise", 1.0)
    bounds = beta.ppf(0.05 / 2, 199, 2)
    assert (
        precision_threshold(scores, good, design, target=float(bounds) - 1e-6, start=1.0, bin_wise=True).threshold
        == 1.0
    )
    tight = precision_threshold(scores, good, design, target=float(bounds) + 1e-6, start=1.0, bin_wise=True)
    assert tight.threshold is None
    with pytest.raises(ValueError, match="bin-wise"):
        precision_threshold(scores, good * 0.5, design, target=0.9, bin_wise=True)


def test_the_method_depends_on_weights_labels_and_sources() -> None:
    """Weights and sources make the guarantee approximate; labels that are shares use a p-value that stays valid."""
    generator = np.random.default_rng(1)
    scores = generator.random(300)
    good = (scores > 0.2).astype(float)
    weights = generator.uniform(1, 3, 300)
    assert precision_threshold(scores, good, Design.build(300), target=0.8).method == "exact"
    assert precision_threshold(scores, good * 0.95, Design.build(300), target=0.8).method == "hoeffding-bentkus"
    weighted = precision_threshold(scores, good, Design.build(300, weights), target=0.8)
    assert weighted.method == "effective-n"
    assert weighted.approximate
    assert hoeffding_bentkus_p(np.array(0.3), np.array(50.0), 0.2) == 1.0


def test_stability_and_held_out_precision_of_a_guarantee() -> None:
    """The guaranteed threshold lies in its range over resamples, and held-out precision reaches the target."""
    generator = np.random.default_rng(2)
    scores = generator.random(800)
    good = (generator.random(800) < 0.6 + 0.5 * scores).astype(float)
    design = Design.build(800)
    found = precision_threshold(scores, good, design, target=0.85)
    assert found.threshold is not None
    stable = guarantee_stability(scores, good, design, found)
    assert stable is not None
    assert stable[0] <= found.threshold <= stable[1]
    held_out = guarantee_held_out(scores, good, design, found)
    assert held_out is not None
    assert held_out.value >= 0.85


def test_recall_is_kept_on_average() -> None:
    """Over 2,000 seeded samples of 60 good clips the mean recall of the threshold is 90 to 92 %."""
    generator = np.random.default_rng(4)
    kept, sure = [], []
    for _ in range(2000):
        scores = generator.random(60)
        design = Design.build(60)
        found = recall_threshold(scores, np.ones(60), design, target=0.9)
        assert found.threshold is not None
        kept.append(1 - found.threshold)  # scores are uniform, so this is the recall in the pool
        with_confidence = recall_threshold(scores, np.ones(60), design, target=0.9, confidence=0.9)
        assert with_confidence.threshold is not None
        sure.append(1 - with_confidence.threshold >= 0.9)
    error = np.std(kept) / np.sqrt(2000)
    assert 0.9 - 3 * error <= np.mean(kept) <= 0.9 + 1 / 61 + 3 * error
    assert np.mean(sure) >= 0.9 - 3 * np.sqrt(0.09 / 2000)


def test_weighted_recall_control_is_the_plain_one_for_equal_weights() -> None:
    """Equal weights give the order statistic of the paper; if good clips are too few, the number needed is named."""
    scores = np.random.default_rng(5).random(87)
    expected = np.sort(scores)[int(np.floor(0.1 * 88)) - 1]
    for weight in (1.0, 7.3):
        found = recall_threshold(scores, np.ones(87), Design.build(87, np.full(87, weight)), target=0.9)
        assert found.threshold == expected
    heavy = np.where(scores < 0.5, 3.0, 1.0)
    weighted = recall_threshold(scores, np.ones(87), Design.build(87, heavy), target=0.9)
    assert weighted.approximate
    assert weighted.threshold is not None
    assert weighted.threshold < expected, "low scores stand for more clips"
    few = recall_threshold(scores[:8], np.ones(8), Design.build(8), target=0.9)
    assert few.threshold is None
    assert few.undefined is not None
    assert "it takes 9" in few.undefined
