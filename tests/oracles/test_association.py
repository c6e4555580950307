"""Scores against ratings compared with other people's libraries: statsmodels, pingouin, scipy, scikit-learn.

`make oracles` installs the libraries and runs these tests; `make test` skips them if the libraries are missing.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from scipy import stats
from scipy.optimize import curve_fit

from analysis.association import ranks
from analysis.association.correlations import COEFFICIENTS, correlation
from analysis.association.curves import Mapping, fit
from analysis.association.design_intervals import Described, Resampling, by_design
from analysis.association.opinion import Opinion, reliability
from analysis.design import Design
from analysis.estimate import Floats


def library(name: str) -> Any:
    """A library to compare with; without it the tests of this file are skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        return pytest.importorskip(name, reason="the libraries to compare with are not installed: make oracles")


pd, pingouin = library("pandas"), library("pingouin")
weighted, models = library("statsmodels.stats.weightstats"), library("statsmodels.api")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
SEEDS = range(5)


def clips(chance: Generator, count: int = 80) -> tuple[Floats, Floats, Floats]:
    """A score with ties, ratings from 1 to 5 by four raters (clips, raters), and weights."""
    quality = chance.normal(0, 1, count)
    votes = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (count, 4))), 1, 5)
    return (quality + chance.normal(0, 0.6, count)).round(1), votes, chance.uniform(0.2, 6, count)


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_pearson_equals_statsmodels(seed: int) -> None:
    """`DescrStatsW` gives the same weighted correlation, of values and of weighted mid-ranks, to 1e-12."""
    score, votes, weights = clips(default_rng(seed))
    rating = votes.mean(axis=1)
    ours = float(ranks.pearson(score, rating)(weights[None])[0])
    theirs = weighted.DescrStatsW(np.column_stack([score, rating]), weights=weights).corrcoef[0, 1]
    assert ours == pytest.approx(theirs, abs=1e-12)
    both = [ranks.RankOrder.of(column).midranks(weights[None])[0] for column in (score, rating)]
    spearman = float(ranks.spearman(score, rating)(weights[None])[0])
    theirs = weighted.DescrStatsW(np.column_stack(both), weights=weights).corrcoef[0, 1]
    assert spearman == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_tau_b_equals_somers_d_of_scipy(seed: int) -> None:
    """tau-b squared is the product of both of Somers' D of the weighted table, which scipy computes from counts."""
    score, votes, _ = clips(default_rng(seed), 40)
    rating, times = votes.mean(axis=1), default_rng(seed).integers(1, 5, 40)
    places = [np.unique(column, return_inverse=True)[1] for column in (score, rating)]
    table = np.zeros((places[0].max() + 1, places[1].max() + 1))
    np.add.at(table, tuple(places), times)
    product = stats.somersd(table.astype(int)).statistic * stats.somersd(table.T.astype(int)).statistic
    ours = float(ranks.kendall_tau_b(score, rating)(times[None].astype(np.float64))[0])
    assert ours == pytest.approx(np.sqrt(product), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_pearsons_interval_equals_pingouins(seed: int) -> None:
    """Value and Fisher's interval; for Spearman, where pingouin takes 1 / (n - 3) too, ours is no shorter."""
    score, votes, _ = clips(default_rng(seed))
    found = correlation("pearson", score, votes.mean(axis=1), Described(Design.build(80), Resampling())).estimate
    theirs = pingouin.corr(score, votes.mean(axis=1))
    column = next(name for name in theirs.columns if name.startswith("CI95"))
    assert found.value == pytest.approx(float(theirs["r"].iloc[0]), abs=1e-9)
    assert [found.low, found.high] == pytest.approx(list(theirs[column].iloc[0]), abs=0.0051)
    ranked = correlation("spearman", score, votes.mean(axis=1), Described(Design.build(80), Resampling())).estimate
    of_ranks = pingouin.corr(score, votes.mean(axis=1), method="spearman")
    assert ranked.value == pytest.approx(float(of_ranks["r"].iloc[0]), abs=1e-9)
    low, high = of_ranks[column].iloc[0]
    assert ranked.low is not None
    assert ranked.high is not None
    assert ranked.low <= low + 0.0051
    assert ranked.high >= high - 0.0051


@pytest.mark.parametrize("seed", SEEDS)
def test_reliability_equals_pingouins_intraclass_correlations(seed: int) -> None:
    """ICC(1,1) and, as every rater rated every clip, ICC(3,k) with their F intervals."""
    _, votes, _ = clips(default_rng(seed))
    long = pd.DataFrame(
        {"clip": np.repeat(np.arange(80), 4), "rater": np.tile(np.arange(4), 80), "value": votes.ravel()}
    )
    theirs = pingouin.intraclass_corr(long, targets="clip", raters="rater", ratings="value")
    column = next(name for name in theirs.columns if name.startswith("CI95"))
    found = reliability(Opinion.of_grid(votes), Described(Design.build(80), Resampling()))
    assert found is not None
    for one, row in ((found.icc_1_1.estimate, 0), (found.mos_reliability.estimate, 5)):
        assert one.value == pytest.approx(float(theirs["ICC"].iloc[row]), abs=1e-9)
        assert [one.low, one.high] == pytest.approx(list(theirs[column].iloc[row]), abs=0.0051)


@pytest.mark.parametrize("seed", SEEDS)
def test_curves_equal_statsmodels_and_scipys(seed: int) -> None:
    """The line, and the cubic where it rises by itself, equal `WLS`; the logistic curve equals `curve_fit`."""
    chance = default_rng(seed)
    score, weights = chance.normal(0, 1, 300), chance.uniform(0.5, 3, 300)
    rating = 1 + 4 / (1 + np.exp(-(score - 0.2) / 0.6)) + chance.normal(0, 0.3, 300)
    kinds: tuple[tuple[Mapping, int], ...] = (("linear", 1), ("cubic", 3))
    for mapping, degree in kinds:
        made = fit(mapping, score, rating, weights)
        powers = score[:, None] ** np.arange(degree + 1)
        theirs = models.WLS(rating, powers, weights=weights).fit().fittedvalues
        assert made.value is not None
        if made.monotone:
            assert made.value(score) == pytest.approx(theirs, abs=1e-8)

    def logistic(x: Floats, top: float, bottom: float, middle: float, width: float) -> Floats:
        return np.asarray(bottom + (top - bottom) / (1 + np.exp(-(x - middle) / abs(width))))

    best, _ = curve_fit(logistic, score, rating, p0=[5, 1, 0, 1], sigma=1 / np.sqrt(weights))
    made = fit("logistic", score, rating, weights)
    assert made.value is not None
    assert made.value(score) == pytest.approx(logistic(score, *best), abs=1e-4)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_bootstrap_agrees_with_scipys(name: Any) -> None:
    """Our standard error under weights of 1 in two strata is near that of scipy's bootstrap of pairs in one stratum."""
    chance = default_rng(3)
    score, votes, _ = clips(chance, 200)
    rating = votes.mean(axis=1)
    side = ["ab"[clip % 2] for clip in range(200)]  # strata that say nothing
    statistic = COEFFICIENTS[name].correlation(score, rating)
    value = float(statistic(np.ones((1, 200)))[0])
    found = by_design(value, statistic, Design.build(200, strata=side), Resampling(resamples=2000))

    def theirs(x: Floats, y: Floats) -> float:
        return float(COEFFICIENTS[name].correlation(x, y)(np.ones((1, len(x))))[0])

    made = stats.bootstrap(
        (score, rating), theirs, paired=True, vectorized=False, n_resamples=1000, method="percentile", rng=0
    )
    assert found.se == pytest.approx(float(made.standard_error), rel=0.1)
