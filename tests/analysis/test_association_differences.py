"""Tests of two scores on the same clips: published examples, symmetries, intervals by design, the size of the test."""

import numpy as np
import pytest
from scipy import stats

from analysis.association.correlations import fisher_ends
from analysis.association.design_intervals import Described, Resampling
from analysis.association.differences import COMPARED, ScoreDifference, meng_test, score_difference, zou_interval
from analysis.association.opinion import Opinion
from analysis.association.scores import associate
from analysis.design import Design
from analysis.estimate import Floats
from tests.helpers.analysis_data import case


def panel(chance: np.random.Generator, clips: int) -> tuple[Floats, Floats, Floats]:
    """A better score, a worse one with shared errors, and mean ratings, each of shape (clips,)."""
    quality, shared = chance.normal(0, 1, clips), 0.4 * chance.normal(0, 1, clips)
    better = quality + shared + 0.4 * chance.normal(0, 1, clips)
    worse = quality + shared + 1.2 * chance.normal(0, 1, clips)
    votes = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (clips, 3))), 1, 5)
    return better, worse, np.asarray(votes.mean(axis=1))


def compared(better: Floats, worse: Floats, rating: Floats, design: Design | None = None) -> list[ScoreDifference]:
    """Both differences, by Spearman and by Pearson."""
    described = Described(design or Design.build(len(rating)), Resampling(resamples=200))
    return [score_difference(one, ("a", "b"), (better, worse), rating, described) for one in COMPARED]


def test_zou_gives_his_own_interval_and_those_that_cocor_prints() -> None:
    """Four published examples, to the digits that were printed."""
    for row in case("correlation", "overlapping")["zou"]:
        r1, r2, r12 = row["r"]
        one, other = (fisher_ends(r, (row["clips"] - 3) ** -0.5, 0.95) for r in (r1, r2))
        found = zou_interval(r1, r2, r12, one, other)
        assert found == pytest.approx((row["low"], row["high"]), abs=row["tolerance"])


def test_meng_rosenthal_and_rubin_give_their_own_z_and_those_that_cocor_prints() -> None:
    """Four published examples, to the digits that were printed."""
    for row in case("correlation", "overlapping")["meng"]:
        r1, r2, r12 = row["r"]
        z, p = meng_test(r1, r2, r12, row["clips"])
        assert z == pytest.approx(row["z"], abs=row["tolerance"])
        assert p == pytest.approx(row.get("p", p), abs=row["tolerance"])


def test_the_difference_is_that_of_scipys_correlations() -> None:
    """The value is exactly the first correlation minus the second; exchanging the scores turns everything round."""
    better, worse, rating = panel(np.random.default_rng(1), 90)
    theirs = [stats.spearmanr, stats.pearsonr]
    for one, other, own in zip(compared(better, worse, rating), compared(worse, better, rating), theirs, strict=True):
        value = own(better, rating).statistic - own(worse, rating).statistic
        first, second = one.difference.estimate, other.difference.estimate
        assert first.value == pytest.approx(value, abs=1e-12)
        assert first.low is not None
        assert first.high is not None
        assert [second.low, second.high] == pytest.approx([-first.high, -first.low])
        assert one.p == pytest.approx(other.p)
        assert "Zou" in first.method
        assert "Meng" in one.method


def test_ranks_alone_matter_to_spearman() -> None:
    """Monotone steps of both scores leave value, interval and p of Spearman's difference as they are."""
    better, worse, rating = panel(np.random.default_rng(2), 60)
    one, other = compared(better, worse, rating)[0], compared(np.exp(better), worse**3, rating)[0]
    assert (one.difference.estimate, one.p) == (other.difference.estimate, other.p)


def test_the_design_decides_how_the_difference_is_resampled() -> None:
    """Sources are left out in turn, strata and weights redrawn; p comes from the same standard error."""
    chance = np.random.default_rng(3)
    better, worse, rating = panel(chance, 120)
    designs = {
        "jackknife": Design.build(120, sources=[f"v{clip // 4}" for clip in range(120)]),
        "bootstrap": Design.build(120, chance.uniform(1, 4, 120), strata=["abc"[clip % 3] for clip in range(120)]),
    }
    for words, design in designs.items():
        for one in compared(better, worse, rating, design):
            estimate = one.difference.estimate
            assert words in estimate.method
            assert one.difference.se is not None
            assert one.p is not None
            assert estimate.low is not None
            assert (one.p < 0.05) == (estimate.low > 0)
            assert "t with" in one.method


def test_scores_in_opposite_directions_are_compared_by_strength() -> None:
    """A score that falls as ratings rise is turned before its correlation is subtracted."""
    better, worse, rating = panel(np.random.default_rng(4), 80)
    design, how = Design.build(80), Resampling(resamples=20)
    found = associate({"a": better, "b": -worse}, Opinion(rating), design, how).differences
    plain = compared(better, worse, rating)
    assert [one.difference.estimate.value for one in found] == pytest.approx(
        [one.difference.estimate.value for one in plain]
    )


def test_what_cannot_be_compared_says_why() -> None:
    """A score compared with itself, a score without variation and a handful of clips have no interval and no p."""
    better, worse, rating = panel(np.random.default_rng(5), 30)
    same = compared(better, better, rating)[0]
    assert (same.difference.estimate.value, same.difference.estimate.low, same.p) == (0, None, None)
    assert "both scores say the same" in same.difference.estimate.method
    flat = compared(better, np.ones(30), rating)[1]
    assert flat.difference.estimate.undefined == "b: every clip has the same score"
    few = compared(better[:8], worse[:8], rating[:8])[0]
    assert "8 clips" in few.difference.estimate.method
    assert few.p is None


def test_equal_scores_are_found_different_in_five_of_a_hundred_samples() -> None:
    """Two scores of the same worth: the test's size is near 5 %, and Zou's interval holds 0 about as often."""
    chance = np.random.default_rng(6)
    rejected = held = 0
    for _ in range(400):
        quality, shared = chance.normal(0, 1, 80), 0.5 * chance.normal(0, 1, 80)
        one, other = (quality + shared + 0.8 * chance.normal(0, 1, 80) for _ in range(2))
        rating = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (80, 3))), 1, 5).mean(axis=1)
        found = compared(one, other, rating)[0]
        estimate = found.difference.estimate
        assert found.p is not None
        assert estimate.low is not None
        assert estimate.high is not None
        rejected += found.p < 0.05
        held += estimate.low <= 0 <= estimate.high
    assert 0.02 < rejected / 400 < 0.085
    assert held / 400 > 0.93
