"""Tests that every design draws every clip with its stored probability: 20,000 draws from a pool of 40 clips.

Random numbers depend on a clip's id and the seed. 500 copies of the pool, each with its own ids and strata, form one
large pool that is drawn from with 40 seeds, which gives 20,000 independent draws in a fraction of the time.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

from analysis.estimate import Bools, Floats
from analysis.sampling import rejects, two_phase
from analysis.sampling.allocation import AllocationRule, allocate, claims
from analysis.sampling.borderline import joint_probabilities, near_threshold
from analysis.sampling.random_numbers import digests
from analysis.sampling.selection import DrawPlan, draw, drawn_clips, top_up_draw
from analysis.sampling.source_limits import SourceLimit
from analysis.sampling.strata import OUTSIDE, Division, by_edges, by_values, crossed, everything

COPIES, SEEDS = 500, 40
DRAWS = COPIES * SEEDS
CLIPS = 40
CHANCE = np.random.default_rng(3)
SCORES = CHANCE.random(CLIPS).round(2) * 100
SOURCE = CHANCE.integers(0, 9, CLIPS).astype(np.int32)
LANGUAGE = CHANCE.integers(0, 2, CLIPS).astype(np.int32)
REJECTED: Bools = SCORES < 25
DIGEST = digests(pl.Series([f"clip-{number}" for number in range(CLIPS)]))
BANDS = by_edges(SCORES, [20, 40, 60, 80])
CROSSED = crossed([by_edges(SCORES, [30, 70]), by_values(LANGUAGE, ["en", "fr"])])
WHOLE = everything(CLIPS)


MANY = digests(pl.Series([f"clip-{copy}-{number}" for copy in range(COPIES) for number in range(CLIPS)]))


def copied(plan: DrawPlan, most: int | None = None, *, within_strata: bool = False) -> DrawPlan:
    """The plan for all copies of the pool at once, with the limit per source and copy if there is one."""
    parts = len(plan.shares)
    copy = np.repeat(np.arange(COPIES, dtype=np.int32), CLIPS)
    tiled = np.tile(plan.division.of, COPIES)
    of = np.where(tiled == OUTSIDE, OUTSIDE, tiled + parts * copy).astype(np.int32)
    division = Division(of, tuple(map(str, range(parts * COPIES))), plan.division.ends * COPIES)
    source = np.tile(SOURCE, COPIES) + 9 * copy
    limit = None if most is None else SourceLimit.build(of, parts * COPIES, source, most, within_strata=within_strata)
    return DrawPlan(MANY, division, np.tile(plan.shares, COPIES), limit)


def membership(many: DrawPlan) -> Bools:
    """Which clips each of the draws takes, shape (DRAWS, CLIPS)."""
    found = np.zeros((SEEDS, COPIES * CLIPS), dtype=np.bool_)
    for seed in range(SEEDS):
        found[seed, drawn_clips(many, seed)] = True
    return found.reshape(DRAWS, CLIPS)


def frequencies(plan: DrawPlan) -> Floats:
    """The share of all draws that take each clip."""
    return np.asarray(membership(copied(plan)).mean(axis=0))


@cache
def under_a_limit(within_strata: bool, more: int = 0) -> tuple[DrawPlan, Bools]:
    """The plan with a limit per source and `more` clips per stratum, and the clips that each draw takes."""
    most = 1 if within_strata else 2
    plan = limited(most, within_strata=within_strata)
    plan = DrawPlan(DIGEST, BANDS, plan.shares + more, plan.limit)
    return plan, membership(copied(plan, most, within_strata=within_strata))


def outliers(frequency: Floats, chance: Floats) -> int:
    """The number of clips whose frequency lies more than 4 standard errors from the probability."""
    error = np.sqrt(chance * (1 - chance) / DRAWS)
    return int((np.abs(frequency - chance) > 4 * error + 1e-9).sum())


def chances(plan: DrawPlan) -> Floats:
    """The plan's stored probability of every clip, 0 for those outside."""
    inside = np.flatnonzero(plan.division.of != OUTSIDE)
    found = np.zeros(CLIPS)
    found[inside] = plan.probability(inside)
    return found


def shared(division: Division, n: int, rule: AllocationRule) -> DrawPlan:
    """A plan with shares by a rule; p of a Neyman allocation rises with the stratum."""
    sizes = division.sizes
    p = np.linspace(0.1, 0.9, len(sizes))
    return DrawPlan(DIGEST, division, allocate(sizes, n, claims(sizes, rule, p=p), division.labels)[0])


def limited(most: int, *, within_strata: bool) -> DrawPlan:
    """Two clips per stratum and at most `most` of a source, in the sample or in each stratum."""
    limit = SourceLimit.build(BANDS.of, 5, SOURCE, most, within_strata=within_strata)
    return DrawPlan(DIGEST, BANDS, np.array([2, 3, 2, 3, 2]), limit)


def with_rejects() -> DrawPlan:
    """Ten clips in two strata, and enough added rejects for six of them."""
    halves = by_edges(SCORES, [50])
    sliced = rejects.with_enough_rejects(halves, np.array([5, 5]), REJECTED, 6)
    assert len(sliced.shares) == 3, "only one of the strata mixes accepted and rejected clips"
    return DrawPlan(DIGEST, sliced.division, sliced.shares)


def passed_and_slice() -> DrawPlan:
    """Eight clips that pass and four rejects of a stratum of their own; one clip is excluded, one a stratum."""
    of = np.where(REJECTED, OUTSIDE, 0).astype(np.int32)
    of[[0, 1]] = OUTSIDE, 1
    division = Division(of, ("passed", "must include"), ((None, None),) * 2)
    free = REJECTED.copy()
    free[[0, 1]] = False
    sliced = rejects.with_reject_stratum(division, np.array([8, 1]), free, 4)
    return DrawPlan(DIGEST, sliced.division, sliced.shares)


PLANS: dict[str, Callable[[], DrawPlan]] = {
    "simple": lambda: DrawPlan(DIGEST, WHOLE, np.array([9]), kind="simple"),
    "equal": lambda: shared(BANDS, 15, "equal"),
    "proportional": lambda: shared(BANDS, 15, "proportional"),
    "neyman": lambda: shared(BANDS, 15, "neyman"),
    "power": lambda: shared(BANDS, 15, "power"),
    "crossed": lambda: shared(CROSSED, 20, "proportional"),
    "rejects guaranteed": with_rejects,
    "passed clips and a slice of rejects": passed_and_slice,
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_draws_each_clip_with_its_stored_probability(name: str) -> None:
    """Frequencies lie within 4 standard errors, and the probabilities sum to the sample's size."""
    plan = PLANS[name]()
    chance = chances(plan)
    assert outliers(frequencies(plan), chance) == 0
    assert chance.sum() == pytest.approx(plan.shares.sum())


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_plan_with_a_limit_per_source_draws_each_clip_with_its_stored_probability(within_strata: bool) -> None:
    """Probabilities are exact within strata, and estimated over the whole sample."""
    plan, found = under_a_limit(within_strata)
    assert outliers(found.mean(axis=0), chances(plan)) == 0
    assert chances(plan).sum() == pytest.approx(found.mean(axis=0).sum(), rel=2e-3)


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_probability_that_ignores_the_limit_per_source_is_found_wrong(within_strata: bool) -> None:
    """Against share / size of the stratum, many frequencies of the same draws lie outside 4 standard errors."""
    plan, found = under_a_limit(within_strata)
    assert outliers(found.mean(axis=0), (plan.shares / plan.sizes)[BANDS.of]) > 8


def test_probabilities_without_a_closed_form_are_marked() -> None:
    """A limit over the whole sample is estimated; one within strata, or of whole sources, is exact."""
    everyone = np.arange(CLIPS)
    assert limited(2, within_strata=False).estimated(everyone).all()
    assert not limited(2, within_strata=True).estimated(everyone).any()
    by_source = by_values((SOURCE > 4).astype(np.int32), ["first", "second"])
    limit = SourceLimit.build(by_source.of, 2, SOURCE, 1, within_strata=False)
    plan = DrawPlan(DIGEST, by_source, np.array([3, 2]), limit)
    assert not plan.estimated(everyone).any()
    assert outliers(membership(copied(plan, 1)).mean(axis=0), chances(plan)) == 0


@pytest.mark.parametrize("within_strata", [True, False])
def test_no_source_gives_more_clips_than_the_limit(within_strata: bool) -> None:
    """The limit holds in each of 500 draws, per stratum or over the whole sample."""
    plan = limited(1, within_strata=within_strata)
    for seed in range(500):
        found = drawn_clips(plan, seed)
        groups = SOURCE[found] * 5 + BANDS.of[found] if within_strata else SOURCE[found]
        assert np.bincount(groups).max() == 1


def grows(earlier: DrawPlan, later: DrawPlan) -> None:
    """Check in 200 draws that a top-up gives the clips of the later plan, those of the earlier one as phase 1."""
    for seed in range(200):
        both = top_up_draw(earlier, later, seed)
        assert both.indices.tolist() == drawn_clips(later, seed).tolist()
        assert set(both.indices[both.phase == 1].tolist()) == set(drawn_clips(earlier, seed).tolist())


def test_the_clips_of_a_top_up_have_their_joint_probability() -> None:
    """Both phases together are drawn with the probability drawn / population; phase 2 alone is not."""
    earlier, later = shared(BANDS, 12, "equal"), DrawPlan(DIGEST, BANDS, np.array([4, 3, 7, 3, 5]))
    assert outliers(frequencies(later), chances(later)) == 0
    assert outliers(frequencies(earlier), chances(later)) > 8
    grows(earlier, later)


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_top_up_under_a_limit_keeps_the_earlier_clips(within_strata: bool) -> None:
    """Thinning has its own random numbers, so a larger share only adds clips with the right joint probability."""
    (earlier, before), (later, found) = under_a_limit(within_strata), under_a_limit(within_strata, more=1)
    grows(earlier, later)
    assert not (before & ~found).any()
    assert outliers(found.mean(axis=0), chances(later)) == 0


def test_both_phases_together_have_their_joint_probability_given_the_allocation() -> None:
    """A pilot of three per band, then an allocation around the crossing: frequencies equal drawn / population."""
    pilot = np.minimum(BANDS.sizes, 3)
    found = two_phase.quality_curve(SCORES, (SCORES > 45).astype(np.float64), target=0.9)
    focus = two_phase.crossing_bands(found, [20, 40, 60, 80])
    total, _ = two_phase.second_phase(BANDS, pilot, focus, 8, floor=3)
    first, both = DrawPlan(DIGEST, BANDS, pilot), DrawPlan(DIGEST, BANDS, total)
    assert total.tolist() != pilot.tolist()
    assert outliers(frequencies(both), chances(both)) == 0
    grows(first, both)


def test_a_borderline_draw_has_its_stored_probabilities() -> None:
    """Ties at the last distance, within and between sources, and clips drawn by two filters are all exact."""
    tied, other = (SCORES / 20).round() * 20, (SCORES[::-1] / 25).round() * 25
    sides = [
        *near_threshold(tied, low=50, high=None, n=6),
        *near_threshold(other, low=None, high=60, n=5, source=SOURCE, most=2),
    ]
    clips, chance = joint_probabilities(sides)
    stored = np.zeros(CLIPS)
    stored[clips] = chance
    assert ((chance > 0) & (chance < 1)).sum() > 10, "lots decide for many clips"

    times = np.zeros(CLIPS)
    for seed in range(DRAWS):
        taken = [side.clips[side.drawn(DIGEST, seed, lot)] for lot, side in enumerate(sides)]
        times[np.unique(np.concatenate(taken))] += 1
    assert outliers(times / DRAWS, stored) == 0


def test_weighted_totals_are_unbiased_in_every_design() -> None:
    """Over 20,000 draws the weighted number of clips and score total equal the pool's on average (4 SE)."""
    plans = [make() for make in PLANS.values()]
    found = [under_a_limit(within_strata) for within_strata in (True, False)]
    for plan, taken in [*found, *((plan, membership(copied(plan))) for plan in plans)]:
        chance, inside = chances(plan), plan.division.of != OUTSIDE
        one = draw(plan, seed=3)
        assert one.weight.tolist() == (1 / chance[one.indices]).tolist()
        for values in (np.ones(CLIPS), SCORES):
            totals = taken[:, inside] @ (values[inside] / chance[inside])
            error = 4 * totals.std() / np.sqrt(DRAWS) + 2e-3 * values[inside].sum()
            assert abs(totals.mean() - values[inside].sum()) <= error
