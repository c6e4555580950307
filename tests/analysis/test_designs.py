"""Tests of rates with weights inside strata, sources, labels that are shares, Matthews' correlation."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score, roc_auc_score

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.delong import delong_test
from analysis.filters.rates import NAMES, confusion
from analysis.filters.roc import roc
from analysis.proportions import effective_wilson
from analysis.thresholds.calibration import best_threshold
from analysis.thresholds.cross_fitting import halves
from analysis.thresholds.objectives import parse
from tests.helpers.analysis_data import case, real


def uneven(seed: int, clips: int = 120) -> tuple[Bools, Bools, Floats, list[str]]:
    generator = np.random.default_rng(seed)
    strata = generator.choice(["a", "b", "c"], clips).tolist()
    good = generator.random(clips) < 0.6
    return (good ^ (generator.random(clips) < 0.3)), good, generator.uniform(1, 9, clips), strata


def test_weights_may_differ_inside_a_stratum() -> None:
    """Rates with a weight per clip equal those of scikit-learn with sample weights."""
    accepted, good, weights, strata = uneven(1)
    table = confusion(accepted, good, weights, strata)
    for name, library in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert getattr(table, name).value == pytest.approx(library(good, accepted, sample_weight=weights))
        assert table.sample_value(name) == pytest.approx(library(good, accepted))
    assert table.mcc.value == pytest.approx(matthews_corrcoef(good, accepted, sample_weight=weights))
    assert table.sample_value("mcc") == pytest.approx(matthews_corrcoef(good, accepted))
    assert table.max_weight_share == pytest.approx(weights.max() / weights.sum())


def test_the_variance_uses_the_weighted_residual_of_every_clip() -> None:
    """With weights that differ inside strata the variance is that of sampling with replacement, for w times e."""
    accepted, good, weights, strata = uneven(2)
    table = confusion(accepted, good, weights, strata)
    ratio = float((weights * accepted * good).sum() / (weights * good).sum())
    residual = weights * (accepted * good - ratio * good)
    variance = 0.0
    for label in "abc":
        part = residual[np.array(strata) == label]
        variance += len(part) * part.var(ddof=1)
    variance /= float((weights * good).sum()) ** 2
    assert table.se["recall"] == pytest.approx(np.sqrt(variance))
    expected = effective_wilson(ratio, ratio * (1 - ratio) / variance)
    assert (table.recall.low, table.recall.high) == pytest.approx(expected)


def test_one_source_per_clip_changes_nothing_and_copies_add_nothing() -> None:
    """Sources of one clip each give the plain variance, and so does doubling every clip within its source."""
    accepted, good, weights, strata = uneven(3)
    plain = confusion(accepted, good, weights, strata)
    alone = confusion(accepted, good, weights, strata, sources=[str(clip) for clip in range(120)])
    twice = confusion(
        np.tile(accepted, 2),
        np.tile(good, 2),
        np.tile(weights, 2),
        strata * 2,
        sources=[str(k) for k in range(120)] * 2,
    )
    for name in NAMES:
        assert alone.se[name] == pytest.approx(plain.se[name])
        assert twice.se[name] == pytest.approx(plain.se[name])
    naive = confusion(np.tile(accepted, 2), np.tile(good, 2), np.tile(weights, 2), strata * 2)
    assert naive.se["recall"] is not None
    assert plain.se["recall"] is not None
    assert naive.se["recall"] < 0.75 * plain.se["recall"], "without sources the copies pass for information"
    assert "unit:source" in alone.recall.signature


def test_whole_sources_are_resampled() -> None:
    """Clips of a source have the same multiplier, whether sources lie within strata or span several."""
    sources = [f"v{clip // 4}" for clip in range(48)]
    for strata in (["a"] * 24 + ["b"] * 24, ["a", "b"] * 24):
        design = Design.build(48, strata=strata, sources=sources)
        block = np.concatenate(list(design.replicates(50, seed=1)))
        assert block.shape == (50, 48)
        assert (block.reshape(50, 12, 4) == block[:, ::4, None]).all()
        assert block.sum(axis=1) == pytest.approx(48)
        for half in halves(design, seed=0, splits=5):
            assert (half.reshape(12, 4) == half[::4, None]).all()
    scores, good = np.random.default_rng(0).random(48), np.arange(48) % 3 == 0
    auc = roc(scores, good, sources=sources, resamples=50).auc
    assert "of sources" in auc.method


def test_labels_may_be_shares() -> None:
    """A share p counts as p good and 1 - p bad clips, as scikit-learn gives for clips split in two."""
    generator = np.random.default_rng(5)
    scores, share, weights = (
        generator.random(80).round(2),
        generator.integers(0, 6, 80) / 5,
        generator.uniform(1, 3, 80),
    )
    both, good = np.tile(scores, 2), np.repeat([True, False], 80)
    mass = np.concatenate([weights * share, weights * (1 - share)])
    table = confusion(scores >= 0.5, share, weights)
    assert table.precision.value == pytest.approx(precision_score(good, both >= 0.5, sample_weight=mass))
    assert table.recall.value == pytest.approx(recall_score(good, both >= 0.5, sample_weight=mass))
    assert table.mcc.value == pytest.approx(matthews_corrcoef(good, both >= 0.5, sample_weight=mass))
    assert sum(table.counts) == pytest.approx(80)
    auc = roc(scores, share, weights, resamples=50).auc
    assert auc.value == pytest.approx(roc_auc_score(good, both, sample_weight=mass))
    assert "labels:shares" in auc.signature
    assert best_threshold(scores, share, Design.build(80, weights), resamples=20).held_out is not None


def test_verification_bias_is_corrected_as_by_begg_and_greenes() -> None:
    """Strata of verification give the corrected sensitivity and specificity; the sample values are the naive ones."""
    content = case("verification", "begg_greenes_1983")
    seen, unseen = content["verified"], content["unverified"]
    accepted, good, sizes = [], [], {}
    for sign, name in ((True, "positive"), (False, "negative")):
        cell = seen[name]
        accepted += [sign] * (cell["diseased"] + cell["well"])
        good += [True] * cell["diseased"] + [False] * cell["well"]
        sizes[name] = cell["diseased"] + cell["well"] + unseen[name]
    strata = ["positive" if sign else "negative" for sign in accepted]
    table = confusion(accepted, good, strata=strata, stratum_sizes=sizes)
    for rate, name in (("recall", "sensitivity"), ("specificity", "specificity")):
        assert getattr(table, rate).value == pytest.approx(content["corrected"][name], abs=content["tolerance"])
        assert table.sample_value(rate) == pytest.approx(content["naive"][name], abs=content["tolerance"])
    assert table.precision.value == pytest.approx(231 / 263), "no correction is needed within verdicts"


@pytest.mark.parametrize("kind", ["uneven weights", "sources", "mcc"])
def test_intervals_cover(kind: str) -> None:
    """Over 400 seeded samples with weights and sources 92.5 to 98 % of the 95 % intervals contain the pool's value."""
    generator, hits = np.random.default_rng(8), 0
    sizes = generator.integers(1, 6, 4000)
    effect = generator.normal(size=4000) * 1.5
    clip_of = np.repeat(np.arange(4000), sizes)
    good_pool = generator.random(len(clip_of)) < 1 / (1 + np.exp(-effect[clip_of]))
    kept_pool = good_pool ^ (generator.random(len(clip_of)) < 0.25)
    truth = {
        "uneven weights": good_pool.mean(),
        "sources": (kept_pool & good_pool).sum() / kept_pool.sum(),
        "mcc": matthews_corrcoef(good_pool, kept_pool),
    }[kind]
    ends = np.cumsum(sizes)
    for _ in range(400):
        drawn = generator.choice(4000, 120, replace=False)
        if kind == "sources":
            rows = np.concatenate([np.arange(ends[s] - sizes[s], ends[s]) for s in drawn])
            table = confusion(kept_pool[rows], good_pool[rows], sources=clip_of[rows].astype(str).tolist())
            found = table.precision
        else:  # one clip of each drawn source: weights are the sizes of the sources
            rows = ends[drawn] - 1 - generator.integers(0, sizes[drawn])
            table = confusion(kept_pool[rows], good_pool[rows], sizes[drawn].astype(float))
            found = table.mcc if kind == "mcc" else table.prevalence
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert 0.925 <= hits / 400 <= 0.98, hits / 400


def test_mcc_at_its_ends_and_where_it_is_undefined() -> None:
    """A perfect filter has correlation 1 with an interval; without one of the classes or verdicts it is undefined."""
    truth = [True] * 12 + [False] * 12
    perfect = confusion(truth, truth).mcc
    assert perfect.value == pytest.approx(1)
    assert perfect.low is None or perfect.low < 1
    opposite = confusion([not one for one in truth], truth).mcc
    assert opposite.value == pytest.approx(-1)
    assert (
        confusion([True] * 24, truth).mcc.undefined
        == "no clip that the filter rejects was rated, so what it loses is unknown"
    )
    assert confusion([True, False], [True, True]).mcc.undefined == "every rated clip is good"


def asah(marker: str) -> tuple[Floats, Bools]:
    rows = real("asah", "asah.csv")
    return np.array([float(row[marker]) for row in rows]), np.array([row["outcome_poor"] == "1" for row in rows])


@pytest.mark.parametrize(
    ("first", "second", "z", "p"),
    [
        ("wfns", "s100b", 2.20898359144091, 0.0271757822291882),
        ("wfns", "ndka", 2.79777591868904, 0.00514557970691098),
        ("ndka", "s100b", -1.39077002573558, 0.164295175223054),
    ],
)
def test_paired_delong_of_the_asah_data(first: str, second: str, z: float, p: float) -> None:
    """The difference of two areas on the same patients has the z and p stated in pROC's tests."""
    test = delong_test(asah(first)[0], asah(second)[0], asah(first)[1])
    assert test.z == pytest.approx(z, abs=1e-9)
    assert test.p == pytest.approx(p, abs=1e-9)
    alike = delong_test(asah(first)[0], 2 * asah(first)[0], asah(first)[1])
    assert (alike.difference, alike.z) == (0.0, None)


@pytest.mark.parametrize(
    ("aim", "threshold", "value"),
    [
        ("youden", 0.22, 0.4397019),
        ("fbeta:0.5", 0.52, 0.6741573),
        ("cost:1,5", 0.07, 67 / 113),
        ("f1", 0.22, 0.64197531),
    ],
)
def test_best_thresholds_of_the_asah_data(aim: str, threshold: float, value: float) -> None:
    """Youden's index, F and cost choose the thresholds and values found by an exhaustive search."""
    scores, poor = asah("s100b")
    choice = best_threshold(scores, poor.astype(float), Design.build(113), parse(aim), resamples=50)
    assert choice.threshold == pytest.approx(threshold)
    assert choice.value == pytest.approx(value, abs=1e-7)
    assert choice.held_out is not None
    worse = choice.held_out.value > choice.value if aim.startswith("cost") else choice.held_out.value < choice.value
    assert worse, "held-out figures are no better than fitted ones"


def test_a_large_sample_is_resampled_by_bins() -> None:
    """Above 512 different scores the range over resamples equals that of resampling clip by clip, within two bins."""
    generator = np.random.default_rng(9)
    scores = generator.random(1500)
    good = (generator.random(1500) < scores).astype(float)
    even = best_threshold(scores, good, Design.build(1500), resamples=300)
    uneven_weights = Design.build(1500, np.where(np.arange(1500) == 0, 1.0001, 1.0))
    clip_by_clip = best_threshold(scores, good, uneven_weights, resamples=300)
    assert even.stable_low == pytest.approx(clip_by_clip.stable_low, abs=0.03)
    assert even.stable_high == pytest.approx(clip_by_clip.stable_high, abs=0.05)
    assert even.same_share == pytest.approx(clip_by_clip.same_share, abs=0.12)
