"""Tests of sample sizes: textbook numbers, and simulated studies of the planned size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from analysis.agreement.statistics import krippendorff_alpha
from analysis.design import Design
from analysis.filters.rates import confusion
from analysis.proportions import wilson
from analysis.ratings import ACR5, VERDICT, Ratings
from analysis.sampling.alpha_sample_size import alpha_half_width, alpha_size, guessed_votes, pilot_votes
from analysis.sampling.sample_size import (
    claim_chance,
    claim_plan,
    claim_size,
    cluster_effect,
    half_width,
    mean_variance,
    mos_half_width,
    mos_raters,
    rate_from,
    rater_effect,
    size_for,
    variance_components,
)


@pytest.mark.parametrize(
    ("p", "d", "clips"), [(0.5, 0.05, 385), (0.5, 0.03, 1068), (0.9, 0.03, 385), (0.95, 0.02, 457)]
)
def test_textbook_sizes_of_a_proportion(p: float, d: float, clips: int) -> None:
    """z^2 p (1 - p) / d^2, rounded up; one clip fewer is not enough."""
    assert size_for(p, d, interval="wald") == clips
    assert half_width(p, clips, interval="wald") <= d < half_width(p, clips - 1, interval="wald")


def test_wilson_needs_more_clips_near_one() -> None:
    """0.95 within 0.02 needs 469 clips instead of 457; 0 and 1 have an answer too."""
    assert size_for(0.95, 0.02) == 469
    assert size_for(1.0, 0.02) == size_for(0.0, 0.02) == 93


@given(st.floats(0, 1), st.floats(0.005, 0.4), st.sampled_from([0.8, 0.95, 0.99]), st.floats(0.3, 4))
def test_the_size_is_the_smallest_that_reaches_the_half_width(
    p: float, d: float, confidence: float, effect: float
) -> None:
    """The half-width is reached, and one clip fewer misses it, for every guess and design effect."""
    clips = size_for(p, d, confidence=confidence, design_effect=effect)
    assert half_width(p, clips, confidence=confidence, design_effect=effect) <= d * (1 + 1e-6)
    if clips > 1:
        assert half_width(p, clips - 1, confidence=confidence, design_effect=effect) > d * (1 - 1e-6)


@given(st.integers(2, 10**6), st.floats(0.01, 0.3))
def test_a_finite_pool_needs_fewer_clips(pool: int, d: float) -> None:
    """n / (1 + (n - 1) / N) clips, never more than the pool, give the same half-width."""
    n = 1.959964**2 * 0.25 / d**2
    clips = size_for(0.5, d, interval="wald", pool=pool)
    assert clips == min(pool, math.ceil(n / (1 + (n - 1) / pool) - 1e-6)) or n < 1
    assert half_width(0.5, clips, interval="wald", pool=pool) <= d * (1 + 1e-6)


@pytest.mark.parametrize(("p", "d"), [(0.5, 0.05), (0.9, 0.03), (0.95, 0.02)])
def test_studies_of_the_planned_size_have_the_planned_half_width(p: float, d: float) -> None:
    """In 20,000 studies Wilson's interval covers in 95 % and is as wide as planned on average."""
    clips = size_for(p, d)
    good, times = np.unique(np.random.default_rng(5).binomial(clips, p, size=20_000), return_counts=True)
    ends = np.array([wilson(float(count), clips) for count in good])
    assert np.average((ends[:, 0] <= p) & (p <= ends[:, 1]), weights=times) == pytest.approx(0.95, abs=0.008)
    assert np.average((ends[:, 1] - ends[:, 0]) / 2, weights=times) == pytest.approx(d, rel=0.02)


def test_studies_from_a_small_pool_have_the_planned_half_width() -> None:
    """Drawn without replacement from 600 clips, the rate has the standard deviation that was planned for."""
    clips = size_for(0.8, 0.04, interval="wald", pool=600)
    rates = np.random.default_rng(6).hypergeometric(480, 120, clips, size=40_000) / clips
    assert 1.959964 * rates.std() == pytest.approx(0.04, rel=0.02)
    assert clips < size_for(0.8, 0.04, interval="wald") / 1.5


def test_clips_of_one_source_widen_a_rate_by_the_design_effect() -> None:
    """With sources of four clips and correlation 0.3, the simulated variance is 1.9 times that of single clips."""
    assert cluster_effect(4, 0.3) == pytest.approx(1.9)
    assert cluster_effect(1, 0.9) == 1.0
    chance = np.random.default_rng(7)
    strength = (1 - 0.3) / 0.3
    shares = chance.beta(0.7 * strength, 0.3 * strength, size=(20_000, 50))
    rates = chance.binomial(4, shares).sum(axis=1) / 200
    assert rates.var() / (0.7 * 0.3 / 200) == pytest.approx(1.9, rel=0.05)


def test_more_raters_help_a_mean_vote_as_far_as_they_disagree() -> None:
    """a + (1 - a) / m equals the variance of simulated votes; with perfect agreement more raters do not help."""
    votes = guessed_votes(0.7, 0.4, 3)
    drawn = np.random.default_rng(8).multinomial(100, votes.shares, size=20_000)
    rates = drawn @ votes.patterns[:, 1] / 300
    assert rates.var() / (0.7 * 0.3 / 100) == pytest.approx(rater_effect(0.4, 3), rel=0.05)
    assert rater_effect(1.0, 7) == 1.0


def test_the_design_effect_of_a_pilot_predicts_its_interval() -> None:
    """The half-width planned for the pilot's own size equals that of its estimate; recall costs 1 / prevalence."""
    chance = np.random.default_rng(9)
    strata = np.repeat(["high", "low"], [150, 50])
    weights = np.repeat([2.0, 30.0], [150, 50])
    good = chance.random(200) < np.where(strata == "high", 0.9, 0.3)
    design = Design.build(200, weights, strata.tolist())
    value, effect = rate_from(good.astype(np.float64), np.ones(200), design)
    made = confusion(np.ones(200, dtype=np.bool_), good, weights, strata.tolist()).prevalence
    assert made.value == pytest.approx(value)
    assert made.low is not None
    assert made.high is not None
    assert half_width(value, 200, design_effect=effect) == pytest.approx((made.high - made.low) / 2, rel=1e-6)
    kept = (chance.random(400) < 0.7).astype(np.float64)
    truth = (np.arange(400) % 4 > 0).astype(np.float64)
    _, recall_effect = rate_from(kept * truth, truth, Design.build(400))
    assert recall_effect == pytest.approx(4 / 3, rel=0.01)


def test_variance_components_are_estimated() -> None:
    """Unequal groups with variances 0.64 and 0.49 give them back; no variance between gives a correlation of 0."""
    chance = np.random.default_rng(10)
    groups = np.repeat(np.arange(3000), chance.integers(1, 6, size=3000))
    values = 3 + 0.8 * chance.standard_normal(3000)[groups] + 0.7 * chance.standard_normal(len(groups))
    found = variance_components(values, groups.astype(np.float64))
    assert (found.mean, found.between, found.within) == pytest.approx((3, 0.64, 0.49), abs=0.05)
    assert found.icc == pytest.approx(0.64 / 1.13, abs=0.03)
    assert variance_components(np.array([0.0, 1.0, 1.0, 0.0]), ["a", "a", "b", "b"]).icc == 0.0


def test_raters_for_a_mean_opinion_score() -> None:
    """0.25 points with S = 0.7 need 31 raters by z and 33 by t; one fewer misses it."""
    assert (mos_raters(0.7, 0.25, known=True), mos_raters(0.7, 0.25)) == (31, 33)
    for known, raters in ((True, 31), (False, 33)):
        assert mos_half_width(0.7, raters, known=known) <= 0.25 < mos_half_width(0.7, raters - 1, known=known)


def test_the_variance_of_a_mean_over_clips() -> None:
    """s2_clip / n + s2_err / (n m) equals the variance in simulated studies of 50 clips and 3 raters."""
    chance = np.random.default_rng(11)
    means = 0.8 * chance.standard_normal((20_000, 50)) + 0.7 / math.sqrt(3) * chance.standard_normal((20_000, 50))
    assert means.mean(axis=1).var() == pytest.approx(mean_variance(0.64, 0.49, 50, 3), rel=0.04)
    assert mean_variance(0.64, 0.49, 100, 1) < mean_variance(0.64, 0.49, 50, 2)


@pytest.mark.parametrize(("bad", "clips"), [(0, 59), (1, 93), (2, 124), (5, 208), (10, 336)])
def test_clips_for_an_exact_claim(bad: int, clips: int) -> None:
    """Clopper & Pearson's lower bound reaches 0.95 with so many clips and not with one fewer."""
    assert claim_size(0.95, 0.95, bad) == clips
    bounds = [
        binomtest(n - bad, n, alternative="greater").proportion_ci(0.95, method="exact").low for n in (clips - 1, clips)
    ]
    assert bounds[0] < 0.95 <= bounds[1]


def test_a_claim_of_99_percent_needs_299_clips() -> None:
    """Target 0.99 with no bad clip."""
    assert claim_size(0.99) == 299


def test_a_planned_claim_has_its_power_and_its_level() -> None:
    """With precision 0.98 it succeeds in at least four of five studies; at the target in at most one of twenty."""
    clips, bad = claim_plan(0.95, 0.98)
    assert claim_chance(0.98, clips, bad) >= 0.8 > claim_chance(0.98, claim_size(0.95, failures=bad - 1), bad - 1)
    wrong = np.random.default_rng(12).binomial(clips, 0.05, size=40_000) <= bad
    assert 0.035 < wrong.mean() <= 0.0535


def test_alpha_of_thinned_votes_is_the_alpha_of_all() -> None:
    """Two of four raters at random have the same alpha in a large sample."""
    chance = np.random.default_rng(13)
    clips, raters = np.repeat(np.arange(400), 4), np.tile(np.arange(4), 400)
    votes = np.where(chance.random(1600) < np.repeat(chance.beta(1, 1, 400), 4), "accept", "reject")
    pilot = Ratings.from_votes([str(n) for n in clips], [str(n) for n in raters], votes.tolist(), VERDICT)
    four, two = pilot_votes(pilot, 4), pilot_votes(pilot, 2)
    assert two.alpha == pytest.approx(four.alpha, abs=1e-9)
    assert alpha_half_width(two, 200) > 1.2 * alpha_half_width(four, 200)


@pytest.mark.parametrize("clips", [40, 150])
def test_planned_half_widths_of_alpha_are_those_that_studies_get(clips: int) -> None:
    """In forty simulated studies of four raters the bootstrap intervals are as wide on average as planned."""
    votes = guessed_votes(0.7, 0.466, 4)
    assert votes.alpha == pytest.approx(0.466)
    chance = np.random.default_rng(15)
    widths = []
    for _ in range(40):
        counts = votes.patterns[chance.choice(len(votes.shares), clips, p=votes.shares)]
        words = [word for reject, accept in counts for word in ["reject"] * reject + ["accept"] * accept]
        names = [f"c{clip}" for clip in np.repeat(np.arange(clips), 4)]
        study = krippendorff_alpha(Ratings.from_votes(names, list("wxyz") * clips, words, VERDICT), resamples=1000)
        assert study.low is not None
        assert study.high is not None
        widths.append((study.high - study.low) / 2)
    assert np.mean(widths) == pytest.approx(alpha_half_width(votes, clips), rel=0.08)


def test_the_size_for_alpha_reaches_its_half_width() -> None:
    """Half the width needs about four times the clips; the same seed gives the same answer."""
    votes = guessed_votes(0.8, 0.6, 3)
    clips, found = alpha_size(votes, 0.1)
    assert found <= 0.1
    assert alpha_half_width(votes, clips, seed=99) == pytest.approx(0.1, rel=0.05)
    assert alpha_size(votes, 0.05)[0] / clips == pytest.approx(4, rel=0.15)
    assert alpha_size(votes, 0.1) == (clips, found)


def test_alpha_on_five_levels_is_planned_too() -> None:
    """A plan from an ordinal pilot with three votes per clip."""
    chance = np.random.default_rng(14)
    level = np.clip(np.round(3 + np.repeat(chance.standard_normal(150), 3) + 0.7 * chance.standard_normal(450)), 1, 5)
    clips = [f"c{n}" for n in np.repeat(np.arange(150), 3)]
    pilot = Ratings.from_votes(clips, ["x", "y", "z"] * 150, [f"{value:.0f}" for value in level], ACR5)
    size, found = alpha_size(pilot_votes(pilot, 3), 0.06)
    assert found <= 0.06
    assert 50 < size < 500


def test_impossible_plans_are_refused() -> None:
    """Each error names the number that is out of range."""
    same = Ratings.from_votes(list("aabb"), list("xyxy"), ["accept"] * 4, VERDICT)
    two = Ratings.from_votes(list("aabb"), list("xyxy"), ["accept", "reject"] * 2, VERDICT)
    for refused, words in (
        (lambda: size_for(0.5, 0.0), "half-width of 0 "),
        (lambda: size_for(0.5, 0.5), "half-width of 0.5 "),
        (lambda: size_for(1.5, 0.1), "1.5 is no proportion"),
        (lambda: size_for(1.0, 0.1, interval="wald"), "plan with Wilson's"),
        (lambda: size_for(0.5, 0.1, confidence=1.0), "confidence of 1 "),
        (lambda: half_width(0.5, 11, pool=10), "the pool has 10"),
        (lambda: cluster_effect(3, 1.2), "correlation of 1.2"),
        (lambda: rater_effect(0.5, 0), "0 raters"),
        (lambda: mos_half_width(0.7, 1), "it takes two"),
        (lambda: mos_raters(0.7, 0), "half-width of 0 "),
        (lambda: claim_size(1.0), "cannot be proved"),
        (lambda: claim_plan(0.95, 0.95), "cannot be shown to reach"),
        (lambda: claim_plan(0.95, 0.9501), "too near"),
        (lambda: guessed_votes(0.5, 1.0, 3), "cannot be planned"),
        (lambda: pilot_votes(same, 2), "every vote of the pilot is the same"),
        (lambda: pilot_votes(two, 3), "the most votes are 2"),
        (lambda: alpha_size(guessed_votes(0.5, 0.5, 2), 0.001), "more than 200000 clips"),
        (lambda: variance_components(np.array([1.0, 2.0]), ["a", "b"]), "show no variance between and within"),
        (lambda: rate_from(np.ones(4), np.ones(4), Design.build(4)), "shows no variance"),
        (
            lambda: rate_from(np.array([1.0, 0.0, 1.0]), np.ones(3), Design.build(3, strata=list("aab"))),
            "'b'.*one clip",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            refused()
