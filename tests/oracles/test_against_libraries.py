"""Tests of our statistics against other libraries; where they differ, the test says by how much and why.

`make oracles` installs the libraries and runs these tests; `make test` skips them if the libraries are missing.
"""

import warnings
from typing import Any

import krippendorff
import numpy as np
import pytest
from numpy.random import Generator, default_rng
from sklearn.metrics import cohen_kappa_score, f1_score, matthews_corrcoef, precision_score, roc_auc_score

from analysis import prediction_powered
from analysis.agreement import icc, kappas, statistics
from analysis.consensus import dawid_skene
from analysis.design import Design
from analysis.estimate import Floats, Ints
from analysis.filters import fairness, rates, roc
from analysis.proportions import wilson
from analysis.ratings import ACR5, Ratings, Scale
from analysis.thresholds import precision_guarantee


def library(name: str) -> Any:
    """A library to compare with; without it the tests of this file are skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        return pytest.importorskip(name, reason="the libraries to compare with are not installed: make oracles")


pd, pingouin, ppi_py = library("pandas"), library("pingouin"), library("ppi_py")
crowdkit = library("crowdkit.aggregation")
risk_control, risk_methods = library("mapie.risk_control"), library("mapie.risk_control.methods")
inter_rater, multitest = library("statsmodels.stats.inter_rater"), library("statsmodels.stats.multitest")
proportion = library("statsmodels.stats.proportion")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
SEEDS = range(5)


def panel(chance: Generator, *, clips: int = 60, raters: int = 4, levels: int = 5, gaps: float = 0.0) -> Ints:
    """Raters of the same clips with noise: levels from 1, shape (clips, raters), 0 where there is no vote."""
    truth = chance.integers(1, levels + 1, clips)
    seen = np.clip(truth[:, None] + chance.integers(-1, 2, (clips, raters)), 1, levels)
    seen[chance.random(seen.shape) < gaps] = 0
    return np.asarray(seen)


def ratings_of(table: Ints, scale: Scale = ACR5) -> Ratings:
    """The panel as `Ratings`."""
    clips, raters = np.nonzero(table)
    values = [str(value) for value in table[clips, raters]]
    return Ratings.from_votes([str(clip) for clip in clips], [f"r{rater}" for rater in raters], values, scale)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_equals_krippendorffs(seed: int, metric: Any) -> None:
    """With gaps and on every metric, to 1e-12."""
    table = panel(default_rng(seed), gaps=0.25)
    scale = Scale("s", ("1", "2", "3", "4", "5"), metric)
    theirs = krippendorff.alpha(
        np.where(table > 0, table, np.nan).T, level_of_measurement=metric, value_domain=[1, 2, 3, 4, 5]
    )
    ours = statistics.krippendorff_alpha(ratings_of(table, scale), resamples=10)
    assert ours.value == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_kappas_equal_those_of_statsmodels_and_scikit_learn(seed: int) -> None:
    """Value and standard error of Cohen's kappa, plain and weighted; Fleiss' kappa of complete panels."""
    table = panel(default_rng(seed), raters=2)
    cells = np.zeros((5, 5))
    np.add.at(cells, (table[:, 0] - 1, table[:, 1] - 1), 1)
    (pair,) = kappas.pairs(ratings_of(table))
    for name, weights, words in (
        ("cohen_kappa", None, None),
        ("weighted_kappa_linear", "fc", "linear"),
        ("weighted_kappa_quadratic", "fc", "quadratic"),
    ):
        ours = kappas.pair_estimate(name, pair, ratings_of(table))
        theirs = inter_rater.cohens_kappa(
            cells, wt=None if words is None else ("linear" if words == "linear" else "quadratic")
        )
        assert ours.value == pytest.approx(theirs.kappa, abs=1e-12)
        assert ours.value == pytest.approx(cohen_kappa_score(*table.T, labels=[1, 2, 3, 4, 5], weights=words))
        found = kappas.kappa(table[:, 0] - 1, table[:, 1] - 1, kappas.disagreement(ACR5, kappas.NAMES[name]))
        spread = float(np.sqrt((found.influence**2).mean() / len(table)))
        assert spread == pytest.approx(theirs.std_kappa, rel=0.02), weights
    several = panel(default_rng(seed), raters=4)
    fleiss = statistics.fleiss_kappa(ratings_of(several), resamples=10)
    assert fleiss.value == pytest.approx(inter_rater.fleiss_kappa(inter_rater.aggregate_raters(several)[0]), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_intraclass_correlations_equal_pingouins(seed: int) -> None:
    """All six forms of Shrout & Fleiss and their F intervals (pingouin prints two digits)."""
    table = panel(default_rng(seed))
    long = pd.DataFrame(
        {
            "clip": np.repeat(np.arange(len(table)), table.shape[1]),
            "rater": np.tile(np.arange(table.shape[1]), len(table)),
            "value": table.ravel().astype(float),
        }
    )
    theirs = pingouin.intraclass_corr(long, targets="clip", raters="rater", ratings="value")
    column = next(name for name in theirs.columns if name.startswith("CI95"))
    names = ["icc_1_1", "icc_2_1", "icc_3_1", "icc_1_k", "icc_2_k", "icc_3_k"]
    for name, value, ends in zip(names, theirs["ICC"], theirs[column], strict=True):
        ours = icc.icc(name, ratings_of(table), resamples=10)
        assert ours.value == pytest.approx(value, abs=1e-9)
        assert [ours.low, ours.high] == pytest.approx(list(ends), abs=0.0051)


@pytest.mark.parametrize("seed", SEEDS)
def test_rates_equal_scikit_learns(seed: int) -> None:
    """Weighted precision, F1, Matthews' correlation and area under the curve."""
    chance = default_rng(seed)
    scores = chance.normal(size=200)
    good = scores + chance.normal(size=200) > 0
    weights = chance.uniform(0.5, 4, 200)
    table = rates.confusion(scores > 0.1, good, weights)
    given = {"sample_weight": weights}
    assert table.precision.value == pytest.approx(precision_score(good, scores > 0.1, **given))
    assert table.f1.value == pytest.approx(f1_score(good, scores > 0.1, **given))
    assert table.mcc.value == pytest.approx(matthews_corrcoef(good, scores > 0.1, **given))
    assert roc.roc(scores, good, weights, resamples=10).auc.value == pytest.approx(roc_auc_score(good, scores, **given))


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (7, 20), (81, 263), (20, 20)])
def test_intervals_of_proportions_equal_those_of_statsmodels(successes: int, n: int) -> None:
    """Wilson's interval of a proportion, and Newcombe's of a difference."""
    assert wilson(successes, n) == pytest.approx(
        proportion.proportion_confint(successes, n, method="wilson"), abs=1e-12
    )
    theirs = proportion.confint_proportions_2indep(successes, n, 11, 30, compare="diff", method="newcomb")
    assert fairness.newcombe((successes, 11), (n, 30)) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_adjusted_p_values_equal_those_of_statsmodels(seed: int) -> None:
    """Holm's method, and Benjamini and Hochberg's."""
    given = (default_rng(seed).random(25) ** 3).tolist()
    assert fairness.holm(given) == pytest.approx(multitest.multipletests(given, method="holm")[1])
    assert fairness.benjamini_hochberg(given) == pytest.approx(multitest.multipletests(given, method="fdr_bh")[1])


@pytest.mark.parametrize(("ours", "theirs"), [("confusion", "DawidSkene"), ("one-coin", "OneCoinDawidSkene")])
def test_consensus_labels_equal_crowd_kits(ours: Any, theirs: str) -> None:
    """Their EM has no prior: labels are equal on 995 of 1000 clips, posteriors within 0.02 on average."""
    for seed in SEEDS:
        chance = default_rng(seed)
        truth = chance.integers(0, 3, 300)
        skill = chance.uniform(0.55, 0.95, 8)
        votes = np.where(chance.random((300, 8)) < skill, truth[:, None], chance.integers(0, 3, (300, 8)))
        clip, rater = (part.ravel() for part in np.indices(votes.shape))
        found = dawid_skene.dawid_skene(clip, rater, votes.ravel(), levels=3, skill=ours)
        long = pd.DataFrame({"task": clip, "worker": rater, "label": votes.ravel()})
        model = getattr(crowdkit, theirs)(n_iter=500, tol=1e-10).fit(long)
        posterior = model.probas_.sort_index().sort_index(axis=1).to_numpy()
        assert (found.posterior.argmax(axis=1) == posterior.argmax(axis=1)).mean() > 0.995
        assert np.abs(found.posterior - posterior).mean() < 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_pool_shares_equal_ppi_pythons(seed: int) -> None:
    """With our weight of the predictions, on a pool so large that its mean is known: equal value and interval.

    By default ppi-python limits the weight to 1, which does not minimise the variance if predictions vary less than
    labels do, so its interval is wider than ours. Its interval is normal, ours is Student's t.
    """
    chance = default_rng(seed)
    truth = chance.random(400_000)
    labels, predicted = (truth < 0.4).astype(float), np.clip(1 - truth + chance.normal(0, 0.1, len(truth)), 0, 1)
    chosen = chance.choice(len(truth), 300, replace=False)
    given = labels[chosen], predicted[chosen], np.delete(predicted, chosen)
    found = prediction_powered.pool_share(labels[chosen], predicted[chosen], predicted)
    ours, weight = found.with_predictions, found.tuning[0]
    low, high = (float(np.squeeze(end)) for end in ppi_py.ppi_mean_ci(*given, alpha=0.05, lam=weight))
    assert ours.value == pytest.approx(float(np.squeeze(ppi_py.ppi_mean_pointestimate(*given, lam=weight))), abs=1e-4)
    assert ours.low is not None
    assert ours.high is not None
    assert ours.high - ours.low == pytest.approx(high - low, rel=0.01)
    by_default = np.squeeze(np.subtract(*reversed(ppi_py.ppi_mean_ci(*given, alpha=0.05))))
    assert weight > 1
    assert ours.high - ours.low < by_default


def test_p_values_equal_mapies() -> None:
    """The Hoeffding-Bentkus p-value of "the risk exceeds what is allowed"."""
    risk, n = np.array([0.0, 0.01, 0.03, 0.05, 0.09]), 200
    theirs = risk_methods.compute_hoeffding_bentkus_p_value(risk, n, 0.1)
    ours = precision_guarantee.hoeffding_bentkus_p(risk, np.full(5, float(n)), 0.1)
    assert ours == pytest.approx(np.minimum(1, np.ravel(theirs)), rel=1e-6)


def test_mapie_accepts_fewer_clips_for_the_same_guarantee() -> None:
    """Both search a threshold with "precision at least 0.9, with 95 % confidence" on the same clips.

    MAPIE tests a hundred fixed thresholds with a Bonferroni correction and Hoeffding-Bentkus p-values; we test the
    scores in a fixed order with exact p-values. Ours accepts at least as many clips in nearly every study, and both
    guarantees hold in the population.
    """
    wins, broken, studies = 0, 0, 40
    for seed in range(studies):
        chance = default_rng(seed)
        scores = chance.random(500)
        good = chance.random(500) < np.clip(0.3 + 1.1 * scores, 0, 1)
        made = precision_guarantee.precision_threshold(
            scores, good.astype(float), Design.build(500), target=0.9, confidence=0.95
        )

        def chances(rows: Any) -> Floats:
            return np.column_stack([1 - np.ravel(rows), np.ravel(rows)])

        theirs = risk_control.BinaryClassificationController(
            chances, risk_control.precision, target_level=0.9, confidence_level=0.95, fwer_method="bonferroni"
        )
        theirs.calibrate(scores[:, None], good.astype(int))
        valid = np.ravel(np.asarray(theirs.valid_predict_params, dtype=float))
        kept = (scores >= valid.min()).mean() if len(valid) else 0.0
        ours = (scores >= made.threshold).mean() if made.threshold is not None else 0.0
        wins += ours >= kept
        if made.threshold is not None:
            above = np.linspace(made.threshold, 1, 10_001)
            broken += np.clip(0.3 + 1.1 * above, 0, 1).mean() < 0.9
    assert wins >= 0.9 * studies
    assert broken <= 0.05 * studies + 3 * np.sqrt(0.05 * 0.95 * studies)
