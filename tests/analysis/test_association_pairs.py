"""Tests of pairs of clips (Krasula et al. 2016): definitions written out, invariants, intervals over clips."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analysis.association.design_intervals import Described, Resampling
from analysis.association.opinion import Opinion
from analysis.association.pairs import PairAnalysis, pair_analysis
from analysis.design import Design
from analysis.estimate import Floats


def panel(seed: int, clips: int, raters: int = 6) -> tuple[Floats, Floats]:
    """A score, shape (clips,), with ties, and ratings from 1 to 5, shape (clips, raters)."""
    chance = np.random.default_rng(seed)
    quality = chance.normal(0, 1, clips)
    votes = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (clips, raters))), 1, 5)
    return (8 * quality + 6 * chance.normal(0, 1, clips)).round(), votes


def analysed(
    score: Floats, votes: Floats, weights: Floats | None = None, sources: list[str] | None = None
) -> PairAnalysis:
    """The analysis, with weights or sources."""
    made = Design.build(len(score), weights, sources=sources)
    found = pair_analysis(score, Opinion.of_grid(votes), Described(made, Resampling()))
    assert found is not None
    return found


def values(found: PairAnalysis) -> list[float | None]:
    """The three figures."""
    return [one.estimate.value for one in (found.auc_different_similar, found.auc_better_worse, found.correct_at_zero)]


@pytest.mark.parametrize("weighted", [False, True])
def test_every_pair_is_counted_as_defined(weighted: bool) -> None:
    """Written out pair by pair, with scikit-learn's areas: unordered pairs, none of a clip with itself."""
    score, votes = panel(1, 40)
    weights = np.random.default_rng(1).uniform(1, 5, 40) if weighted else np.ones(40)
    mean, variance = votes.mean(axis=1), votes.var(axis=1, ddof=1) / votes.shape[1]
    different, distance, signed, mass = [], [], [], []
    for i, j in itertools.combinations(range(40), 2):
        gap, error = mean[i] - mean[j], np.sqrt(variance[i] + variance[j])
        different.append(abs(gap) > 1.96 * error)
        distance.append(abs(score[i] - score[j]))
        signed.append((score[i] - score[j]) * (1 if gap > 0 else -1))
        mass.append(weights[i] * weights[j])
    is_different, step, weight = np.array(different), np.array(signed), np.array(mass)
    steps, mass_of = step[is_different], weight[is_different]
    expected = [
        roc_auc_score(is_different, distance, sample_weight=weight),
        roc_auc_score(np.repeat([1, 0], len(steps)), np.r_[steps, -steps], sample_weight=np.tile(mass_of, 2)),
        np.average(steps > 0, weights=mass_of),
    ]
    found = analysed(score, votes, weights if weighted else None)
    assert (found.pairs, found.different) == (780, is_different.sum())
    assert values(found) == pytest.approx(expected, abs=1e-12)
    if not weighted:
        assert found.threshold_95 == pytest.approx(np.quantile(np.array(distance)[~is_different], 0.95))


def test_invariants_of_pairs() -> None:
    """Another unit, equal weights or another order of clips change nothing; the reverse score turns the order round."""
    score, votes = panel(2, 60)
    chance = np.random.default_rng(2)
    found, order = analysed(score, votes), chance.permutation(60)
    assert values(analysed(score[order], votes[order])) == pytest.approx(values(found))
    assert values(analysed(0.1 * score, votes)) == pytest.approx(values(found))
    weighted = analysed(score, votes, np.full(60, 4.0))
    assert values(weighted) == pytest.approx(values(found))
    cubed = analysed(score**3, votes)
    assert cubed.correct_at_zero.estimate.value == found.correct_at_zero.estimate.value
    reverse = analysed(-score, votes)
    assert values(reverse)[0] == pytest.approx(values(found)[0])
    assert values(reverse)[1] == pytest.approx(1 - float(values(found)[1] or 0))


def test_intervals_count_clips_and_not_pairs() -> None:
    """Copies of clips say nothing new: with their sources named, the interval does not shrink."""
    score, votes = panel(3, 50)
    twice, both = np.repeat(score, 2), np.repeat(votes, 2, axis=0)
    sources = [f"v{clip // 2:03}" for clip in range(100)]
    single = analysed(score, votes).correct_at_zero.estimate
    named = analysed(twice, both, sources=sources).correct_at_zero.estimate
    blind = analysed(twice, both).correct_at_zero.estimate
    widths = [float(one.high or 0) - float(one.low or 0) for one in (single, named, blind)]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[2] < 0.8 * widths[0]
    assert "jackknife of sources" in named.method


def test_few_different_pairs_are_refused() -> None:
    """With two raters hardly any pair differs: better / worse is undefined under 30 pairs, with the reason."""
    score, votes = panel(4, 12, raters=2)
    found = analysed(score, votes)
    assert found.different < 30
    assert "needs 30" in str(found.auc_better_worse.estimate.undefined)


def test_clips_with_one_rating_and_means_alone_make_no_pairs() -> None:
    """A clip with a single rating has no spread and is left out; without single ratings there is no analysis."""
    score, votes = panel(5, 30)
    votes[0, 1:] = np.nan
    found = analysed(score, votes)
    assert (found.clips, found.pairs) == (29, 29 * 28 // 2)
    assert values(found) == pytest.approx(values(analysed(score[1:], votes[1:])))
    assert pair_analysis(score, Opinion(np.nanmean(votes, axis=1)), Described(Design.build(30), Resampling())) is None


def test_a_perfect_score_has_no_interval() -> None:
    """If the score orders every different pair as the raters do, the share is 1 and its method says why it is bare."""
    votes = panel(6, 40)[1]
    one = analysed(votes.mean(axis=1), votes).correct_at_zero.estimate
    assert (one.value, one.low) == (1.0, None)
    assert "every pair" in one.method


def test_intervals_of_pairs_hold_the_value_of_the_population() -> None:
    """In over 90 % of samples of 40 clips each interval holds the figure of all 1,000 clips."""
    score, votes = panel(7, 1000)
    truth = values(analysed(score, votes))
    chance, held = np.random.default_rng(7), np.zeros(3)
    for _ in range(100):
        drawn = chance.choice(1000, 40, replace=False)
        found = analysed(score[drawn], votes[drawn])
        for place, one in enumerate((found.auc_different_similar, found.auc_better_worse, found.correct_at_zero)):
            low, high = one.estimate.low, one.estimate.high
            held[place] += low is not None and high is not None and low <= float(truth[place] or 0) <= high
    assert (held / 100 > 0.9).all()
