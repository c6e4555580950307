"""Tests of stratified and borderline draws: probabilities, reproducibility, names of bands, notes."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.sampling.allocation import AllocationRule, allocate, claims
from analysis.sampling.borderline import near_threshold, remarks
from analysis.sampling.random_numbers import digests
from analysis.sampling.selection import Draw, DrawPlan, draw
from analysis.sampling.strata import NO_SCORE, bands, by_edges

IDS = [f"clip{number:03}" for number in range(120)]
SCORES: list[float | None] = [None if number % 12 == 0 else float(number % 60) for number in range(120)]


def stratified(
    ids: Sequence[str],
    scores: Sequence[float | None],
    *,
    edges: Sequence[float],
    n: int,
    allocation: AllocationRule = "equal",
    seed: int,
    include_missing: bool = True,
) -> Draw:
    """A simple random sample within bands of the score."""
    division = by_edges(np.array(scores, dtype=np.float64), edges, include_missing=include_missing)
    shares, notes = allocate(division.sizes, n, claims(division.sizes, allocation), division.labels)
    return draw(DrawPlan(digests(pl.Series(list(ids), dtype=pl.String)), division, shares, notes=notes), seed)


def borderline(
    ids: Sequence[str],
    scores: Sequence[float | None],
    *,
    low: float | None = None,
    high: float | None = None,
    n: int,
    seed: int,
) -> list[tuple[str, str, float]]:
    """Name, side and inclusion probability of the clips of a borderline draw, nearest to the threshold first."""
    digest = digests(pl.Series(list(ids), dtype=pl.String))
    sides = near_threshold(np.array(scores, dtype=np.float64), low=low, high=high, n=n)
    return [
        (ids[int(side.clips[place])], side.label, float(side.chance[place]))
        for lot, side in enumerate(sides)
        for place in side.drawn(digest, seed, lot)
    ]


def drawn(found: Draw, ids: list[str]) -> set[tuple[str, str, float]]:
    """Name, stratum and inclusion probability of the drawn clips."""
    rows = zip(found.indices.tolist(), found.stratum, found.inclusion_probability.tolist(), strict=True)
    return {(ids[index], stratum, chance) for index, stratum, chance in rows}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.integers(0, 10**6))
def test_the_order_of_rows_does_not_change_a_draw(seed: int, shuffle: int) -> None:
    """Shuffled rows give the same clips with the same strata and probabilities."""
    order = np.random.default_rng(shuffle).permutation(len(IDS))
    ids, scores = [IDS[k] for k in order], [SCORES[k] for k in order]
    one = stratified(IDS, SCORES, edges=[10, 40], n=31, seed=seed)
    other = stratified(ids, scores, edges=[10, 40], n=31, seed=seed)
    assert drawn(one, IDS) == drawn(other, ids)
    tied: list[float | None] = [None if score is None else round(score / 10) * 10.0 for score in SCORES]
    near = borderline(IDS, tied, low=30, n=5, seed=seed)
    assert near == borderline(ids, [tied[k] for k in order], low=30, n=5, seed=seed)


def test_allocation_is_equal_or_proportional() -> None:
    """Equal allocation splits n evenly, proportional allocation follows the pool; both give at least two clips."""
    scores = [float(number) for number in range(120)]
    equal = stratified(IDS, scores, edges=[4, 24], n=30, seed=0)
    assert [stratum.drawn for stratum in equal.strata] == [4, 13, 13], "the small stratum is taken whole"
    assert "below 4 has only 4 clips" in " ".join(equal.notes)
    proportional = stratified(IDS, scores, edges=[4, 24], n=30, allocation="proportional", seed=0)
    assert [stratum.drawn for stratum in proportional.strata] == [2, 5, 23]
    assert [stratum.population for stratum in proportional.strata] == [4, 20, 96]


def test_a_larger_draw_contains_the_smaller() -> None:
    """With the same seed a larger n adds clips and replaces none, so that a study can be topped up."""
    small = stratified(IDS, SCORES, edges=[20], n=20, seed=9)
    large = stratified(IDS, SCORES, edges=[20], n=50, seed=9)
    assert set(small.indices.tolist()) < set(large.indices.tolist())


def test_clips_without_score_are_a_stratum_or_are_noted() -> None:
    """Clips without a score form a stratum of their own, or a note says that they are left out."""
    kept = stratified(IDS, SCORES, edges=[20], n=30, seed=0)
    assert (kept.strata[-1].label, kept.strata[-1].population, kept.strata[-1].drawn) == (NO_SCORE, 10, 10)
    left = stratified(IDS, SCORES, edges=[20], n=30, seed=0, include_missing=False)
    assert all(SCORES[index] is not None for index in left.indices)
    assert "10 clips without a score were left out" in left.notes[0]


def test_a_pool_smaller_than_n_is_taken_whole() -> None:
    """If the pool has fewer clips than asked for, all have probability 1 and a note says so."""
    found = stratified(["b", "a", "c"], [1, 2, 3], edges=[2], n=10, seed=0)
    assert sorted(found.indices.tolist()) == [0, 1, 2]
    assert found.inclusion_probability.tolist() == [1.0, 1.0, 1.0]
    assert "The pool has 3 clips where 10 were asked for" in found.notes[-1]


def test_infinite_scores_are_refused() -> None:
    """An infinite score raises an error that names the clip."""
    with pytest.raises(ValueError, match=r"clip 2 \(from 0\) has an infinite score"):
        by_edges(np.array([1, 2, np.inf]), [2])


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.integers(0, 50).map(float), min_size=2, max_size=80),
    k=st.integers(2, 6),
    threshold=st.integers(-5, 55).map(float),
)
def test_bands_never_straddle_the_threshold(scores: list[float], k: int, threshold: float) -> None:
    """Every band lies on one side of the threshold, for both directions and with ties."""
    upward = np.searchsorted(bands(scores, k, threshold), scores, side="right")
    downward = np.searchsorted(bands(scores, k, threshold, direction="le"), scores, side="right")
    for band, accepted in ((upward, np.array(scores) >= threshold), (downward, np.array(scores) <= threshold)):
        assert all(len(np.unique(accepted[band == number])) == 1 for number in np.unique(band))


def labels(edges: Sequence[float], scores: list[float]) -> list[str]:
    ids = [f"clip{number}" for number in range(len(scores))]
    return [stratum.label for stratum in stratified(ids, scores, edges=edges, n=len(scores), seed=0).strata]


def test_bands_have_short_and_correct_names() -> None:
    """Edges have four digits, or more to be distinct, and a maximum belongs to the band that it ends."""
    scores = [1.0, 4.4, 5.0, 5.0, 5.0, 7.0, 9.0]
    upto = float(np.nextafter(5, np.inf))
    assert labels([4.333333, upto], scores) == ["below 4.333", "4.333 to 5", "above 5"]
    assert labels([upto, 6.5], scores) == ["5 or below", "above 5 to below 6.5", "6.5 and above"]
    assert labels([5, upto], scores) == ["below 5", "exactly 5", "above 5"]
    assert labels([52.6612, 134.0871], scores) == ["below 52.66", "52.66 to below 134.1", "134.1 and above"]
    assert labels([0.12346, 0.12349], scores)[1] == "0.12346 to below 0.12349"
    assert labels([123456], scores) == ["below 123456", "123456 and above"]
    assert labels([float(np.nextafter(0, 1))], scores) == ["0 or below", "above 0"]


@settings(max_examples=60, deadline=None)
@given(scores=st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=30), k=st.integers(2, 6), data=st.data())
def test_names_of_bands_are_unique(scores: list[float], k: int, data: st.DataObject) -> None:
    """No two strata of a draw share a name, even if their edges are close."""
    edges = bands(scores, k, data.draw(st.sampled_from(scores)), direction="le")
    found = labels(edges, scores)
    assert len(set(found)) == len(found) == len(edges) + 1


def test_borderline_takes_the_nearest_on_each_side() -> None:
    """Of a filter with two ends, the clips nearest to either end are taken; a clip on the threshold passes."""
    scores: list[float | None] = [0.84, 0.85, 0.86, 0.93, 0.999, 1.0, 0.5, None]
    found = borderline("abcdefgh", scores, low=0.85, high=0.999, n=2, seed=0)
    assert sorted(found) == [
        ("a", "just fails", 1.0),
        ("b", "just passes", 1.0),
        ("e", "just passes", 1.0),
        ("f", "just fails", 1.0),
    ]
    sides = near_threshold(np.array(scores, dtype=np.float64), low=0.85, high=0.999, n=2)
    assert [side.population for side in sides] == [4, 3]
    assert "borderline only" in remarks(sides, 2, 1)[0]


def test_ties_at_the_last_distance_are_drawn_with_their_probability() -> None:
    """Four clips tied for two places are each drawn half the time, and their probability is one half."""
    ids, scores = "abcdefg", [5.0, 6.0, 6.0, 6.0, 6.0, 9.0, 1.0]
    times = dict.fromkeys(ids, 0)
    for seed in range(800):
        for clip, _, chance in borderline(ids, scores, low=5, n=3, seed=seed):
            times[clip] += 1
            assert chance == (0.5 if scores[ids.index(clip)] == 6 else 1.0)
    assert (times["a"], times["g"], times["f"]) == (800, 800, 0)
    assert all(abs(times[clip] - 400) < 4 * np.sqrt(200) for clip in "bcde")
    sides = near_threshold(np.array(scores), low=5, high=None, n=3)
    assert "Only 1 clips fail where 3 were asked for." in remarks(sides, 3, 0)


def test_a_borderline_draw_needs_a_threshold() -> None:
    """Without a threshold, or with thresholds that no score can pass, an error is raised."""
    with pytest.raises(ValueError, match="needs a threshold"):
        near_threshold(np.array([1.0]), low=None, high=None, n=1)
    with pytest.raises(ValueError, match="low 2 is above high 1"):
        near_threshold(np.array([1.0]), low=2, high=1, n=1)
