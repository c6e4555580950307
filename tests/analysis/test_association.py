"""Tests of a score against the mean rating: published values, other libraries, invariants, intervals by design."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.agreement import icc
from analysis.association import ranks
from analysis.association.correlations import COEFFICIENTS, Name, correlation
from analysis.association.design_intervals import (
    MOST_GROUPS,
    Described,
    JackknifeParts,
    Resampling,
    bootstrap,
    by_design,
    jackknife,
)
from analysis.association.opinion import Opinion, reliability
from analysis.association.range_restriction import range_restriction
from analysis.association.scores import associate
from analysis.design import Design
from analysis.estimate import Floats
from tests.helpers.analysis_data import case, real

QUICK = Resampling(resamples=100)
NAMES: tuple[Name, ...] = get_args(Name)
THEIRS = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall_tau_b": stats.kendalltau}


def simulated(chance: np.random.Generator, clips: int, raters: int = 3) -> tuple[Floats, Floats]:
    """A score of latent correlation .8 with the quality, shape (clips,), and ratings from 1 to 5 (clips, raters)."""
    quality = chance.normal(0, 1, clips)
    score = 0.8 * quality + 0.6 * chance.normal(0, 1, clips)
    return score, np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (clips, raters))), 1, 5)


def value(name: Name, score: Floats, opinion: Floats, weights: Floats | None = None) -> float:
    """A correlation without its interval."""
    each = np.ones(len(score)) if weights is None else weights
    return float(COEFFICIENTS[name].correlation(score, opinion)(each[None])[0])


def test_spearman_gives_the_printed_interval_of_statpsych() -> None:
    """Estimate, standard error and both ends equal those that the package prints, to all seven digits."""
    content = case("correlation", "statpsych_spearman")
    x, y = (np.array(content[name], dtype=np.float64) for name in "xy")
    found = correlation("spearman", x, y, Described(Design.build(len(x)), QUICK))
    one = found.estimate
    printed = [content[name] for name in ("estimate", "se", "low", "high")]
    assert [one.value, found.se, one.low, one.high] == pytest.approx(printed, abs=1e-7)
    assert "Bonett" in one.method


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("clips", [5, 60, 700])
def test_whole_weights_equal_repeated_clips(name: Name, clips: int) -> None:
    """A clip of weight 3 counts as three clips, also with ties on both sides; weights of 1 change nothing."""
    chance = np.random.default_rng(clips)
    x, y = chance.normal(0, 1, clips).round(1), chance.normal(0, 1, clips).round(0)
    times = chance.integers(1, 5, clips)
    repeated = THEIRS[name](np.repeat(x, times), np.repeat(y, times)).statistic
    assert value(name, x, y, times.astype(np.float64)) == pytest.approx(repeated, abs=1e-12)
    assert value(name, x, y) == pytest.approx(THEIRS[name](x, y).statistic, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), clips=st.integers(3, 40))
def test_correlations_keep_their_invariants(seed: int, clips: int) -> None:
    """Units of weights and the order of clips change nothing, a falling score changes the sign, ranks see order."""
    chance = np.random.default_rng(seed)
    x, y, weights = chance.normal(0, 1, clips), chance.integers(0, 6, clips) / 2, chance.uniform(0.1, 9, clips)
    if np.ptp(y) == 0:
        return
    order = chance.permutation(clips)
    for name in NAMES:
        own = value(name, x, y, weights)
        assert abs(own) <= 1
        assert value(name, x, y, 1000 * weights) == pytest.approx(own, abs=1e-9)
        assert value(name, x[order], y[order], weights[order]) == pytest.approx(own, abs=1e-9)
        assert value(name, -x, y, weights) == pytest.approx(-own, abs=1e-9)
        assert value(name, y, x, weights) == pytest.approx(own, abs=1e-9)
        if name != "pearson":
            assert value(name, np.exp(x), y**3, weights) == pytest.approx(own, abs=1e-9)


def test_replicates_of_weights_equal_single_weights() -> None:
    """Many sets of weights at once give what each set gives alone."""
    chance = np.random.default_rng(1)
    x, y = chance.normal(0, 1, 50).round(1), chance.normal(0, 1, 50).round(1)
    weights = chance.integers(0, 4, (20, 50)).astype(np.float64)
    for make in (ranks.pearson, ranks.spearman, ranks.kendall_tau_b):
        statistic = make(x, y)
        assert statistic(weights) == pytest.approx([float(statistic(row[None])[0]) for row in weights], abs=1e-12)


def test_intervals_follow_the_design() -> None:
    """A plain sample gets Fisher's z, sources a jackknife, strata and weights a bootstrap; the method says so."""
    chance = np.random.default_rng(2)
    x, y = simulated(chance, 80)[0], chance.normal(0, 1, 80)
    sources = [f"v{clip // 4}" for clip in range(80)]
    strata = ["ab"[clip % 2] for clip in range(80)]
    designs = {
        "Fisher": Design.build(80),
        "jackknife": Design.build(80, sources=sources),
        "bootstrap": Design.build(80, strata=strata),
        "bootstrap: standard error of 100": Design.build(80, chance.uniform(1, 2, 80)),
        "jackknife, leaving out one of 20 sources": Design.build(80, strata=strata, sources=sources),
    }
    for words, design in designs.items():
        for name in NAMES:
            found = correlation(name, x, y, Described(design, QUICK))
            assert words in found.estimate.method
            assert found.se is not None
            assert found.se > 0
            assert (found.sample_value is None) == design.equal_weights
            assert found.to_dict().keys() >= {"value", "low", "high", "se", "signature", "undefined"}


def test_the_jackknife_of_a_mean_is_its_textbook_standard_error() -> None:
    """For a mean in strata the jackknife equals the stratified formula; for sources that of their totals."""
    chance = np.random.default_rng(3)
    values, strata = chance.normal(0, 1, 30), np.repeat(["a", "b", "c"], 10)
    design = Design.build(30, strata=strata.tolist(), sources=[f"s{clip}" for clip in range(30)])
    found = by_design(float(values.mean()), lambda w: w @ values / w.sum(axis=1), design, QUICK)
    expected = np.sqrt(sum(10**2 / 30**2 * np.var(values[strata == one], ddof=1) / 10 for one in "abc"))
    assert found.se == pytest.approx(expected, rel=1e-9)


def test_many_sources_are_left_out_in_groups_with_the_same_standard_error() -> None:
    """With more sources than parts the grouped jackknife still gives the standard error of a mean, within 15 %."""
    chance = np.random.default_rng(4)
    values = chance.normal(0, 1, 1500)
    design = Design.build(1500, sources=[f"s{clip}" for clip in range(1500)])
    parts = JackknifeParts.build(design, 0)
    assert len(parts.factor) == MOST_GROUPS
    found = by_design(float(values.mean()), lambda w: w @ values / w.sum(axis=1), design, QUICK)
    assert found.se == pytest.approx(1 / np.sqrt(1500), rel=0.15)
    assert "200 parts" in found.method


@pytest.mark.parametrize("name", NAMES)
def test_the_influence_of_a_clip_is_the_slope_in_its_weight(name: Name) -> None:
    """With ties on both sides it equals the change under a slightly larger weight; over all clips it adds up to 0."""
    chance = np.random.default_rng(11)
    x, y, weights = chance.normal(0, 2, 30).round(), chance.normal(0, 2, 30).round(), chance.uniform(1, 4, 30)
    found, step = COEFFICIENTS[name].influence(x, y, weights), 1e-5
    for clip in range(30):
        more, less = weights.copy(), weights.copy()
        more[clip] += step
        less[clip] -= step
        slope = (value(name, x, y, more) - value(name, x, y, less)) / (2 * step)
        assert found[clip] == pytest.approx(weights[clip] * slope, abs=1e-8)
    assert found.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["strata", "sources"])
def test_large_samples_need_no_resampling(name: Name, kind: str) -> None:
    """From 2,000 clips on the infinitesimal jackknife gives the standard error of the bootstrap or the jackknife."""
    chance = np.random.default_rng(12)
    score, grid = simulated(chance, 2000)
    strata = ["abcd"[clip % 4] for clip in range(2000)] if kind == "strata" else None
    sources = [f"v{clip // 10:03}" for clip in range(2000)] if kind == "sources" else None
    weights = None if kind == "sources" else chance.uniform(1, 4, 2000)
    design, rating = Design.build(2000, weights, strata, sources=sources), grid.mean(axis=1)
    how = Resampling(resamples=300)
    found = correlation(name, score, rating, Described(design, how))
    assert "infinitesimal jackknife" in found.estimate.method
    statistic = COEFFICIENTS[name].correlation(score, rating)
    drawn = (bootstrap if kind == "strata" else jackknife)(float(found.estimate.value or 0), statistic, design, how)
    assert found.se == pytest.approx(drawn.se, rel=0.12)


def test_no_interval_where_none_can_be_held() -> None:
    """A perfect correlation, fewer than ten clips and fewer than ten sources have a value and no interval."""
    chance = np.random.default_rng(5)
    x, y = chance.normal(0, 1, 40), chance.normal(0, 1, 40)
    few = Design.build(40, sources=[f"v{clip // 5}" for clip in range(40)])
    cases = {
        "perfect": (x, x**3, Design.build(40)),
        "9 clips": (x[:9], y[:9], Design.build(9)),
        "8 sources": (x, y, few),
    }
    for words, (score, opinion, design) in cases.items():
        one = correlation("spearman", score, opinion, Described(design, QUICK)).estimate
        assert one.value is not None
        assert one.low is one.high is None
        assert words in one.method
    for name in NAMES:
        one = correlation(name, np.ones(20), y[:20], Described(Design.build(20), QUICK)).estimate
        assert one.undefined == "every clip has the same score"


def test_reliability_of_shrout_and_fleiss() -> None:
    """Their six targets give ICC(1,1) = .17 and, as every judge rated every target, ICC(3,4) = .91 with F intervals."""
    grid = np.array(case("icc", "shrout_fleiss_1979")["points"], dtype=np.float64)
    found = reliability(Opinion.of_grid(grid), Described(Design.build(6), QUICK))
    assert found is not None
    one, mean = found.icc_1_1.estimate, found.mos_reliability.estimate
    assert [one.value, mean.value] == pytest.approx([0.17, 0.91], abs=0.005)
    assert mean.value is not None
    assert mean.low is not None
    assert "one-way" in one.method
    assert "ICC(3,k)" in mean.method
    assert found.ceiling == pytest.approx(np.sqrt(mean.value))
    assert found.votes_per_clip == 4


def test_reliability_with_gaps_and_weights() -> None:
    """With gaps the mean is one-way; equal numbers of ratings give ICC(1,k); whole weights are repeated clips."""
    chance = np.random.default_rng(6)
    grid = np.full((60, 7), np.nan)
    votes = simulated(chance, 60)[1]
    for clip in range(60):
        grid[clip, chance.choice(7, 3, replace=False)] = votes[clip]
    plain = reliability(Opinion.of_grid(grid), Described(Design.build(60), QUICK))
    assert plain is not None
    assert plain.mos_reliability.estimate.value == pytest.approx(icc.value(icc.mean_squares(grid), "1_k"))
    assert "one-way" in plain.mos_reliability.estimate.method
    weights = chance.uniform(1, 5, 60)
    heavy = reliability(Opinion.of_grid(grid), Described(Design.build(60, weights), QUICK))
    assert heavy is not None
    assert heavy.icc_1_1.sample_value == pytest.approx(plain.icc_1_1.estimate.value)
    assert heavy.icc_1_1.estimate.value != pytest.approx(plain.icc_1_1.estimate.value, abs=1e-4)


def test_noise_is_removed_from_pearson() -> None:
    """The score of latent correlation .8 is seen as .7 by two raters; without their noise it is .8 again."""
    score, grid = simulated(np.random.default_rng(7), 20_000, raters=2)
    found = associate({"s": score}, Opinion.of_grid(grid), Design.build(20_000), Resampling(resamples=10))
    pure = found.scores[0].disattenuated_pearson
    assert found.scores[0].pearson.estimate.value == pytest.approx(0.66, abs=0.03)
    assert pure is not None
    assert pure.estimate.value == pytest.approx(0.79, abs=0.02)


def test_ratings_that_are_noise_have_no_ceiling() -> None:
    """A reliability at or below 0 is shown, and nothing is divided by it."""
    grid = np.tile([[1.0, 5.0], [5.0, 2.0]], (10, 1))
    found = associate({"s": np.arange(20.0)}, Opinion.of_grid(grid), Design.build(20), QUICK)
    assert found.reliability is not None
    seen = found.reliability.mos_reliability.estimate.value
    assert seen is not None
    assert seen < 0
    assert found.reliability.ceiling is None
    pure = found.scores[0].disattenuated_pearson
    assert pure is not None
    assert "cannot be told from noise" in str(pure.estimate.undefined)


def test_one_half_of_a_panel_predicts_the_other() -> None:
    """On Netflix's ratings the noise-free correlation of a half panel's mean is the ceiling of that half itself."""
    rows = real("nflx_public", "ratings_wide.csv")
    grid = np.array([[float(vote) for name, vote in row.items() if name[1:].isdigit()] for row in rows])
    assert grid.mean() == pytest.approx(3.5447907, abs=1e-6)
    score, others = grid[:, ::2].mean(axis=1), grid[:, 1::2]
    found = associate({"half": score}, Opinion.of_grid(others), Design.build(len(grid)), QUICK)
    own = icc.value(icc.mean_squares(grid[:, ::2]), "3_k")
    pure = found.scores[0].disattenuated_pearson
    assert pure is not None
    assert own is not None
    assert pure.estimate.value == pytest.approx(np.sqrt(own), abs=0.01)


def test_the_order_of_clips_changes_no_digit() -> None:
    """Values and intervals, resampled ones too, are the same for the clips in another order."""
    chance = np.random.default_rng(8)
    score, grid = simulated(chance, 60)
    weights, strata = chance.uniform(1, 3, 60), np.array(["a", "b", "c"])[chance.integers(0, 3, 60)]
    order = chance.permutation(60)

    def made(places: np.ndarray) -> object:
        design = Design.build(60, weights[places], strata[places].tolist())
        found = associate({"s": score[places]}, Opinion.of_grid(grid[places]), design, QUICK).scores[0]
        return [round(x or 0, 9) for one in (found.spearman, found.kendall_tau_b) for x in (one.estimate.low, one.se)]

    assert made(np.arange(60)) == made(order)


def test_range_restriction_repairs_pearson() -> None:
    """Clips of a narrow band of scores show a small correlation; with the pool's spread it is the pool's again."""
    score, grid = simulated(np.random.default_rng(9), 40_000)
    opinion = grid.mean(axis=1)
    band = np.abs(score) < 0.7
    narrow = value("pearson", score[band], opinion[band])
    whole = value("pearson", score, opinion)
    fixed = range_restriction(narrow, float(score.std()), float(score[band].std()))
    assert narrow < 0.6 * whole
    assert fixed.corrected == pytest.approx(whole, abs=0.03)


def test_sources_that_resemble_widen_the_interval_enough() -> None:
    """With 20 sources of 8 like clips the jackknife's interval holds the pool's Spearman in over 90 % of samples."""
    chance = np.random.default_rng(10)
    truth = stats.spearmanr(*_clustered(chance, 20_000)).statistic
    design = Design.build(160, sources=[f"v{clip // 8:02}" for clip in range(160)])
    held = 0
    for _ in range(150):
        one = correlation("spearman", *_clustered(chance, 20), Described(design, QUICK)).estimate
        assert one.low is not None
        assert one.high is not None
        held += one.low <= truth <= one.high
    assert held / 150 > 0.9


def _clustered(chance: np.random.Generator, sources: int) -> tuple[Floats, Floats]:
    """Score and quality of 8 clips a source, half of the variance shared inside it."""
    shared = np.repeat(chance.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], sources), 8, axis=0)
    own = chance.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 8 * sources)
    both = (shared + own) / np.sqrt(2)
    return both[:, 0], both[:, 1]
