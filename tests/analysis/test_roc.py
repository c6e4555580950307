"""Tests of ROC curves and best thresholds with their uncertainty: published numbers, brute force, simulation."""

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.delong import delong_variance, separation_bound
from analysis.filters.rates import confusion
from analysis.filters.roc import Direction, roc
from analysis.resampling import within_strata
from analysis.thresholds.calibration import ChosenThreshold, best_threshold
from tests.helpers.analysis_data import real


def asah(marker: str, only: str | None = None) -> tuple[Floats, Bools]:
    rows = [row for row in real("asah", "asah.csv") if only in (None, row["gender"])]
    outcome = np.array([row["outcome_poor"] == "1" for row in rows])
    return np.array([float(row[marker]) for row in rows]), outcome


def best_f1(
    scores: Sequence[float] | Floats,
    good: Sequence[bool] | Bools,
    weights: Floats | None = None,
    strata: list[str] | None = None,
    *,
    direction: Direction = "ge",
    resamples: int,
) -> ChosenThreshold:
    """The threshold with the best F1 of clips given by columns."""
    design = Design.build(len(scores), weights, strata)
    columns = np.asarray(scores, dtype=np.float64), np.asarray(good, dtype=np.float64)
    return best_threshold(*columns, design, direction=direction, resamples=resamples)


def test_delong_of_the_asah_data() -> None:
    """AUC, DeLong variance and interval of S100b, and of NDKA among women, equal those of the pROC package."""
    scores, poor = asah("s100b")
    area, variance = delong_variance(scores, poor)
    assert area == pytest.approx(0.73136856, abs=1e-8)
    assert variance == pytest.approx(0.00266868245717244, abs=1e-12)
    auc = roc(scores, poor).auc
    assert (auc.low, auc.high) == pytest.approx((0.63012, 0.83262), abs=1e-5)
    women = roc(*asah("ndka", only="Female")).auc
    assert (women.low, women.value, women.high) == pytest.approx((0.5261398281, 0.6671428571, 0.8081458862), abs=1e-9)


def test_best_f1_of_the_asah_data() -> None:
    """The threshold with the best F1 on S100b is 0.22 with F1 0.642, as found by an exhaustive search."""
    choice = best_f1(*asah("s100b"), resamples=200)
    assert choice.threshold == pytest.approx(0.22)
    assert choice.confusion.f1.value == pytest.approx(0.64197531, abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=4, max_size=40).filter(
        lambda pairs: 2 <= sum(good for _, good in pairs) <= len(pairs) - 2
    )
)
def test_delong_equals_the_sum_over_pairs_and_ignores_the_scale(pairs: list[tuple[int, bool]]) -> None:
    """Mid-rank DeLong equals the sum over all pairs, and an increasing recoding does not change it."""
    scores, good = np.array([float(score) for score, _ in pairs]), np.array([good for _, good in pairs])
    wins = np.sign(scores[good][:, None] - scores[~good][None, :]) / 2 + 0.5
    spread = wins.mean(axis=1).var(ddof=1) / good.sum() + wins.mean(axis=0).var(ddof=1) / (~good).sum()
    assert delong_variance(scores, good) == pytest.approx((wins.mean(), spread))
    assert delong_variance(np.exp(scores), good) == pytest.approx((wins.mean(), spread))
    assert roc(-scores, good, direction="le").auc.value == pytest.approx(wins.mean())


def test_the_curve_gives_the_rates_of_every_threshold() -> None:
    """At any threshold, on a score or between two, the curve gives the same shares as counting."""
    generator = np.random.default_rng(2)
    good = generator.random(60) < 0.5
    scores = np.round(generator.normal(size=60) + good, 1)
    for direction in ("ge", "le"):
        curve = roc(scores, good, direction=direction)
        for threshold in [*np.unique(scores), -9.0, 0.05, 0.55, 9.0]:
            accepted = scores >= threshold if direction == "ge" else scores <= threshold
            assert curve.at(threshold) == pytest.approx((accepted[~good].mean(), accepted[good].mean()))


def test_separated_classes_get_a_one_sided_bound() -> None:
    """With complete separation the AUC is 1 and its variance 0, and the bound depends on the smaller class."""
    auc = roc(np.arange(50.0), np.arange(50) >= 30).auc
    assert (auc.value, auc.high) == (1.0, 1.0)
    assert auc.low == pytest.approx(separation_bound(20, 0.95)) == pytest.approx(0.05 ** (1 / 20))
    assert "one-sided" in auc.method
    reverse = roc(-np.arange(50.0), np.arange(50) >= 30).auc
    assert (reverse.value, reverse.low) == (0.0, 0.0)
    assert reverse.high == pytest.approx(1 - 0.05 ** (1 / 20))


def test_the_interval_of_an_auc_near_one_stays_below_one() -> None:
    """An interval of DeLong's that would exceed 1 is computed on the logit scale, and the method says so."""
    scores = np.array([1, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11, 12], dtype=np.float64)
    auc = roc(scores, np.arange(12) >= 6).auc
    assert auc.method == "DeLong on the logit scale"
    assert auc.low is not None
    assert auc.value is not None
    assert auc.high is not None
    assert 0.5 < auc.low < auc.value < auc.high < 1


def test_an_undefined_auc_gives_the_reason() -> None:
    """With one class the AUC is undefined; with equal scores or a class of one clip it has no interval."""
    assert roc([1, 2], [True, True]).auc.undefined == "no rated clip is bad"
    with pytest.raises(ValueError, match="no rated clip is good"):
        roc([1, 2], [False, False]).at(1)
    equal = roc([3, 3, 3, 3], [True, True, False, False]).auc
    assert (equal.value, equal.low, equal.method) == (0.5, None, "no interval: all scores are equal")
    assert roc([1, 2, 3], [False, True, False]).auc.low is None


def test_clips_without_score_are_refused() -> None:
    """Scores that are not numbers raise an error with their count; they are not ranked."""
    with pytest.raises(ValueError, match="1 clips have no score"):
        roc([1, float("nan"), 3], [False, True, False])


def stratified_scores(seed: int, each: int = 60) -> tuple[Floats, Bools, list[str], Floats]:
    """Clips of three strata, of which the middle one stands for most of the pool."""
    generator = np.random.default_rng(seed)
    strata = ["a"] * each + ["b"] * each + ["c"] * each
    scores = np.concatenate([generator.uniform(low, low + 1, each) for low in range(3)])
    good = generator.random(3 * each) < 1 / (1 + np.exp(-2 * (scores - 1.5)))
    return scores, good, strata, np.repeat([2.0, 30.0, 5.0], each)


def test_the_weighted_auc_is_resampled_within_strata() -> None:
    """With unequal weights the value is that of scikit-learn, and the interval its percentiles over the resamples."""
    scores, good, strata, weights = stratified_scores(1, each=20)
    scores = np.round(scores, 1)  # ties count for a half
    auc = roc(scores, good, weights, strata, resamples=150, seed=3).auc
    assert auc.value == pytest.approx(roc_auc_score(good, scores, sample_weight=weights))
    order = np.lexsort((good, scores, np.array(strata)))  # chance falls on the clips in this order
    scores, good, weights = scores[order], good[order], weights[order]
    blocks = np.concatenate(list(within_strata(np.repeat([0, 1, 2], 20), 150, seed=3)))
    areas = [roc_auc_score(good, scores, sample_weight=weights * row) for row in blocks]
    assert (auc.low, auc.high) == pytest.approx(np.quantile(areas, [0.025, 0.975]))
    assert "3 strata" in auc.method
    assert "seed:3" in auc.signature


@pytest.mark.parametrize("direction", ["ge", "le"])
def test_the_order_of_clips_changes_neither_curve_nor_choice(direction: Direction) -> None:
    """Shuffled rows give exactly the same AUC, interval, stability range and cross-fitted F1."""
    scores, good, strata, weights = stratified_scores(4, each=15)
    scores = np.round(scores, 1)
    order = np.random.default_rng(8).permutation(45)
    rows = (scores[order], good[order], weights[order], [strata[k] for k in order])
    one = roc(scores, good, weights, strata, direction=direction, resamples=60)
    other = roc(*rows, direction=direction, resamples=60)
    assert one.auc == other.auc
    assert np.array_equal(one.tpr, other.tpr)
    choice = best_f1(scores, good, weights, strata, direction=direction, resamples=60)
    assert choice == best_f1(*rows, direction=direction, resamples=60)


def test_a_bootstrap_without_spread_says_so() -> None:
    """Without an interval, the method says so and how many resamples had no AUC."""
    scores, good = [1.0, 2.0, 0.0, 0.0], [True, False, False, False]
    auc = roc(scores, good, [1, 1, 2, 2], ["a", "a", "b", "b"], resamples=40).auc
    assert (auc.low, auc.high) == (None, None)
    assert 0 < auc.resamples_undefined < 40
    assert auc.method == f"no interval: the resamples show no spread, {auc.resamples_undefined} of 40 were undefined"


def test_signatures_name_weights_strata_and_libraries() -> None:
    """The signature of the best threshold names weights and strata, and every signature its libraries' versions."""
    scores, good, strata, weights = stratified_scores(4, each=15)
    choice = best_f1(scores, good, weights, strata, resamples=20)
    assert {"weights:inverse-inclusion", "strata:3"} <= set(choice.signature.split("|"))
    assert "weights:equal" in best_f1(scores, good, resamples=20).signature.split("|")
    assert f"scipy:{version('scipy')}" in choice.confusion.precision.signature.split("|")
    assert f"scikit-learn:{version('scikit-learn')}" in roc(scores, good).auc.signature.split("|")


@settings(max_examples=100, deadline=None)
@given(
    scores=st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=12, unique=True),
    le=st.booleans(),
    digits=st.integers(2, 5),
)
def test_a_shown_threshold_accepts_the_same_clips(scores: list[float], le: bool, digits: int) -> None:
    """The rounded best threshold gives the same table as the exact one, even if scores are close together."""
    good = np.arange(len(scores)) % 3 > 0
    direction: Direction = "le" if le else "ge"
    choice = best_f1(scores, good, direction=direction, resamples=5)
    typed, values = float(choice.shown(digits)), np.array(scores)
    assert confusion(values <= typed if le else values >= typed, good) == choice.confusion


def test_a_shown_threshold_is_as_short_as_the_gap_allows() -> None:
    """Rounding stays inside the gap, and adds digits only if no shorter decimal lies in it."""
    good = [False, False, True, True]
    assert best_f1([0.1, 0.9, 0.919962, 0.93], good, resamples=5).shown() == "0.9199"
    assert best_f1([0.1, 0.91995, 0.919962, 0.93], good, resamples=5).shown() == "0.91996"
    assert best_f1([5.0, 2.00004, 2.00001, 1.0], good, direction="le", resamples=5).shown() == "2.00001"
    assert best_f1([5.0, 3.0, 2.00001, 1.0], good, direction="le", resamples=5).shown() == "2.001"


def test_the_note_says_whether_there_is_a_cross_fitted_f1() -> None:
    """With one good clip no half can be judged, and the note says that the cross-fitted F1 is missing."""
    lone = best_f1([1, 2, 3, 4], [False, False, False, True], resamples=5)
    assert lone.cross_fitted_f1 is None
    assert "too few clips for a cross-fitted F1" in lone.note
    many = best_f1(np.arange(40.0), np.arange(40) % 4 > 0, resamples=5)
    assert many.cross_fitted_f1 is not None
    assert "the cross-fitted F1 is not" in many.note


def test_weighted_auc_intervals_cover_the_pool() -> None:
    """Over 200 seeded samples the bootstrap interval contains the pool's AUC about 95 % of the time (4 SE)."""
    scores, good, _, weights = stratified_scores(99, each=60_000)
    pool = roc_auc_score(good, scores, sample_weight=weights)
    hits = 0
    for seed in range(200):
        auc = roc(*stratified_scores_in_order(seed), resamples=300, seed=seed).auc
        assert auc.low is not None
        assert auc.high is not None
        hits += auc.low <= pool <= auc.high
    assert abs(hits / 200 - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / 200)


def stratified_scores_in_order(seed: int) -> tuple[Floats, Bools, Floats, list[str]]:
    scores, good, strata, weights = stratified_scores(seed)
    return scores, good, weights, strata


def test_resampling_within_strata_keeps_mean_and_variance() -> None:
    """Replicates of a total have its mean, and the variance of the textbook formula (within 3 %)."""
    values = np.array([1.0, 4.0, 2.0, 9.0, 5.0])
    weights = np.concatenate(list(within_strata(np.zeros(5, dtype=np.int64), 20_000, seed=0)))
    totals = weights @ values
    assert totals.mean() == pytest.approx(values.sum(), rel=0.01)
    assert totals.var() == pytest.approx(5 * values.var(ddof=1), rel=0.03)


@settings(max_examples=60, deadline=None)
@given(
    clips=st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=3, max_size=30).filter(
        lambda clips: len({good for _, good in clips}) == 2 and len({score for score, _ in clips}) > 1
    ),
    le=st.booleans(),
)
def test_best_f1_equals_that_of_an_exhaustive_search(clips: list[tuple[int, bool]], le: bool) -> None:
    """The chosen threshold has the best F1 of all that split the clips, and its whole gap accepts the same clips."""
    scores, good = np.array([float(score) for score, _ in clips]), np.array([good for _, good in clips])
    direction: Direction = "le" if le else "ge"
    choice = best_f1(scores, good, direction=direction, resamples=20)
    thresholds = np.unique(scores)[:-1] if le else np.unique(scores)[1:]
    values = [f1_score(good, scores <= t if le else scores >= t, zero_division=0.0) for t in thresholds]
    assert choice.confusion.f1.value == pytest.approx(max(values))
    inside = (choice.gap_low + choice.gap_high) / 2
    assert confusion(scores <= inside if le else scores >= inside, good) == choice.confusion
    assert choice.stable_low <= choice.stable_high


def test_a_threshold_found_on_noise_is_unstable() -> None:
    """For uninformative scores the stability range is wide, and cross-fitted F1 is below the fitted one."""
    generator = np.random.default_rng(7)
    scores, good = generator.random(80), generator.random(80) < 0.4
    noise = best_f1(scores, good, resamples=300)
    clear = best_f1(scores, scores + 0.1 * generator.normal(size=80) > 0.5, resamples=300)
    assert noise.stable_high - noise.stable_low > 2 * (clear.stable_high - clear.stable_low)
    assert noise.cross_fitted_f1 is not None
    assert noise.confusion.f1.value is not None
    assert noise.cross_fitted_f1 < noise.confusion.f1.value
    assert "optimistic" in noise.note
    assert noise == best_f1(scores, good, resamples=300), "the same seed gives the same choice"


def test_a_search_without_good_clips_or_spread_is_refused() -> None:
    """Without a good clip, or with equal scores, the search raises an error that says so."""
    with pytest.raises(ValueError, match="no rated clip is good"):
        best_f1([1, 2], [False, False], resamples=5)
    with pytest.raises(ValueError, match="no rated clip is bad"):
        best_f1([0.1, 0.2], [True, True], resamples=5)
    with pytest.raises(ValueError, match="one score"):
        best_f1([1, 1], [True, False], resamples=5)
