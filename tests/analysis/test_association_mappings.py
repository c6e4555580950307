"""Tests of mappings from scores to mean ratings: exact fits, the best rising cubic, the errors of ITU-T P.1401."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import t as student

from analysis.association.curves import PARAMETERS, Mapping, fit
from analysis.association.design_intervals import Described, Resampling
from analysis.association.mappings import mapped_score, mapped_scores
from analysis.association.opinion import Opinion
from analysis.association.scores import associate
from analysis.design import Design
from analysis.estimate import Floats
from analysis.proportions import wilson

MAPPINGS: tuple[Mapping, ...] = ("linear", "cubic", "logistic")


def described(clips: int, weights: Floats | None = None) -> Described:
    """A simple random sample, or a weighted one."""
    return Described(Design.build(clips, weights), Resampling(resamples=50))


def panel(seed: int, clips: int = 80, raters: int = 6) -> tuple[Floats, Floats]:
    """A score, shape (clips,), and ratings from 1 to 5, shape (clips, raters)."""
    chance = np.random.default_rng(seed)
    quality = chance.normal(0, 1, clips)
    votes = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (clips, raters))), 1, 5)
    return np.exp(0.4 * quality) + chance.normal(0, 0.3, clips), votes


def test_curves_of_their_own_kind_are_found_exactly() -> None:
    """Ratings that lie on a line, a rising cubic or a logistic curve are met, also for scores of another size."""
    x = np.linspace(-300, 500, 60)
    share = (x + 300) / 800
    curves: dict[Mapping, Floats] = {
        "linear": 2 + 3 * share,
        "cubic": 1 + share**3 + share,
        "logistic": 1 + 4 / (1 + np.exp(-(x - 90) / 70)),
    }
    for mapping, y in curves.items():
        made = fit(mapping, x, y, np.ones(60))
        assert made.value is not None
        assert made.value(x) == pytest.approx(y, abs=1e-6)
        assert made.monotone
        assert made.converged


@pytest.mark.parametrize("seed", range(4))
def test_the_rising_cubic_is_the_best_one(seed: int) -> None:
    """Where the free cubic falls, the fit rises everywhere and equals the optimum of a general solver."""
    chance = np.random.default_rng(seed)
    x = np.sort(np.r_[chance.uniform(0, 0.3, 30), chance.uniform(0.8, 1, 30)])  # the trap: a gap in the scores
    y = np.clip(3 * x + chance.normal(0, 0.3, 60), 0.4, 2.5)
    weights = chance.uniform(0.5, 2, 60)
    made = fit("cubic", x, y, weights)
    assert made.value is not None
    powers, places = x[:, None] ** np.arange(4), np.linspace(x.min(), x.max(), 300)

    def loss(factors: Floats) -> float:
        return float(weights @ (powers @ factors - y) ** 2)

    def slope(factors: Floats) -> Floats:
        return np.asarray(factors[1] + 2 * factors[2] * places + 3 * factors[3] * places**2)

    options = {"maxiter": 500, "ftol": 1e-12}
    best = minimize(loss, [0, 1, 0, 0], constraints={"type": "ineq", "fun": slope}, method="SLSQP", options=options)
    assert (weights * (made.value(x) - y) ** 2).sum() == pytest.approx(best.fun, rel=1e-4)
    assert np.diff(made.value(places)).min() >= -1e-12
    free = np.polyfit(x, y, 3, w=np.sqrt(weights))
    assert made.monotone == bool((np.polyval(np.polyder(free), places) >= -1e-9).all())


def test_errors_follow_their_definitions() -> None:
    """RMSE divides by N - d, RMSE* squares what lies beyond the interval, outliers get Wilson's interval."""
    score, votes = panel(1)
    opinion = Opinion.of_grid(votes)
    half = student.ppf(0.975, 5) * votes.std(axis=1, ddof=1) / np.sqrt(6)
    for mapping in MAPPINGS:
        made = mapped_score(mapping, score, opinion, described(80))
        assert made.curve.value is not None
        error = np.abs(made.curve.value(score) - votes.mean(axis=1))
        left = 80 - PARAMETERS[mapping]
        assert made.parameters == PARAMETERS[mapping]
        assert made.rmse.estimate.value == pytest.approx(np.sqrt((error**2).sum() / left))
        past = np.maximum(0, error - half)
        assert made.rmse_star.estimate.value == pytest.approx(np.sqrt((past**2).sum() / left))
        outliers = int((past > 0).sum())
        found = made.outlier_ratio.estimate
        assert [found.value, found.low, found.high] == pytest.approx([outliers / 80, *wilson(outliers, 80)])
        fitted = made.curve.value(score)
        assert made.pearson.estimate.value == pytest.approx(np.corrcoef(fitted, votes.mean(axis=1))[0, 1])
        assert made.rmse.estimate.low is not None


def test_the_line_equals_numpys() -> None:
    """The straight line is the one of least squares, with weights too."""
    score, votes = panel(2)
    weights = np.random.default_rng(2).uniform(1, 9, 80)
    made = fit("linear", score, votes.mean(axis=1), weights)
    theirs = np.polyfit(score, votes.mean(axis=1), 1, w=np.sqrt(weights))
    assert made.value is not None
    assert made.value(score) == pytest.approx(np.polyval(theirs, score))


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_whole_weights_fit_as_repeated_clips_and_units_do_not_matter(mapping: Mapping) -> None:
    """A clip of weight 2 pulls the curve as two clips; a score in other units gives the same errors."""
    score, votes = panel(3, clips=40)
    rating, times = votes.mean(axis=1), np.random.default_rng(3).integers(1, 4, 40)
    heavy = fit(mapping, score, rating, times.astype(np.float64))
    repeated = fit(mapping, np.repeat(score, times), np.repeat(rating, times), np.ones(times.sum()))
    assert heavy.value is not None
    assert repeated.value is not None
    assert heavy.value(score) == pytest.approx(repeated.value(score), abs=2e-4)
    opinion = Opinion.of_grid(votes)
    one, other = (mapped_score(mapping, part, opinion, described(40)) for part in (score, 1000 * score - 7))
    assert one.rmse.estimate.value == pytest.approx(other.rmse.estimate.value, rel=1e-5)


def test_weights_of_one_change_nothing() -> None:
    """Equal weights give the unweighted figures; unequal ones say in sample_value what those are."""
    score, votes = panel(4)
    opinion = Opinion.of_grid(votes)
    plain, ones = (mapped_score("cubic", score, opinion, described(80, given)) for given in (None, np.ones(80)))
    assert plain == ones
    heavy = mapped_score("cubic", score, opinion, described(80, np.random.default_rng(4).uniform(1, 5, 80)))
    assert heavy.rmse.sample_value == pytest.approx(plain.rmse.estimate.value)
    assert heavy.outlier_ratio.sample_value == pytest.approx(plain.outlier_ratio.estimate.value)


def test_sources_decide_the_interval_of_errors() -> None:
    """With sources a jackknife leaves them out in turn; with fewer than ten there is no interval."""
    score, votes = panel(8)
    for each, words in ((4, "one of 20 sources"), (10, "no interval: 8 sources")):
        design = Design.build(80, sources=[f"v{clip // each:02}" for clip in range(80)])
        made = mapped_score("cubic", score, Opinion.of_grid(votes), Described(design, Resampling()))
        assert words in made.rmse.estimate.method
        assert (made.rmse.estimate.low is None) == (each == 10)


def test_a_falling_score_is_turned() -> None:
    """The negative of a score has the same figures after its mapping."""
    score, votes = panel(5)
    rising, falling = associate(
        {"up": score, "down": -score}, Opinion.of_grid(votes), Design.build(80), Resampling(), mappings=MAPPINGS
    ).scores
    assert (rising.direction, falling.direction) == ("ge", "le")
    for one, other in zip(rising.mappings, falling.mappings, strict=True):
        assert one.rmse.estimate.value == pytest.approx(other.rmse.estimate.value)
        assert one.pearson.estimate.value == pytest.approx(other.pearson.estimate.value)


def test_a_logistic_curve_without_a_usable_fit_names_another() -> None:
    """Too few clips for a logistic curve: its figures say why, the cubic one is added and named."""
    score, votes = panel(6, clips=15)
    found, notes = mapped_scores(["logistic"], score, Opinion.of_grid(votes), described(15))
    logistic, cubic = found
    assert not logistic.converged
    assert "needs 20" in str(logistic.rmse.estimate.undefined)
    assert cubic.mapping == "cubic"
    assert cubic.rmse.estimate.value is not None
    assert "read the cubic one" in notes[0]


def test_what_means_alone_cannot_say() -> None:
    """Without single ratings RMSE* and outliers are undefined; with one score for all, everything is."""
    score, votes = panel(7)
    made = mapped_score("cubic", score, Opinion(votes.mean(axis=1)), described(80))
    assert made.rmse.estimate.value is not None
    assert "single ratings" in str(made.rmse_star.estimate.undefined)
    two = mapped_score("cubic", score, Opinion.of_grid(votes[:, :2]), described(80))
    assert two.outlier_ratio.estimate.value is not None
    assert two.outlier_ratio.estimate.low is two.rmse_star.estimate.low is None
    assert "pooled standard deviation" in two.rmse_star.estimate.method
    single = mapped_score("cubic", score, Opinion.of_grid(votes[:, :1]), described(80))
    assert "no clip has two ratings" in str(single.outlier_ratio.estimate.undefined)
    flat = mapped_score("cubic", np.ones(80), Opinion.of_grid(votes), described(80))
    assert "1 different scores" in str(flat.rmse.estimate.undefined)
    assert not flat.converged
