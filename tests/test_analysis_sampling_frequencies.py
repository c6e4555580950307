"""Every design draws every clip as often as its stored probability says: 20,000 seeded draws of a pool of 40."""

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling import rejects, twophase
from analysis.sampling.allocation import Rule, allocate, claims
from analysis.sampling.boundary import joint, near_cut
from analysis.sampling.limits import Limit
from analysis.sampling.ranks import digests
from analysis.sampling.selection import Plan, draw, drawn, topped_up
from analysis.sampling.strata import OUTSIDE, Division, by_edges, by_values, crossed, everything

DRAWS = 20_000
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


def frequencies(draw_one: Callable[[int], Ints]) -> Floats:
    """How often each clip comes in, over the seeds 0, 1, 2, ..."""
    times = np.zeros(CLIPS)
    for seed in range(DRAWS):
        times[draw_one(seed)] += 1
    return times / DRAWS


@cache
def under_a_limit(within_strata: bool, more: int = 0) -> tuple[Plan, Floats]:
    """The plan with a limit per source and `more` clips a stratum, and how often it draws each clip."""
    plan = limited(1 if within_strata else 2, within_strata=within_strata)
    plan = Plan(DIGEST, BANDS, plan.shares + more, plan.limit)
    return plan, frequencies(lambda seed: drawn(plan, seed))


def outliers(frequency: Floats, chance: Floats) -> int:
    """Clips whose frequency lies more than 4 standard errors from the probability."""
    error = np.sqrt(chance * (1 - chance) / DRAWS)
    return int((np.abs(frequency - chance) > 4 * error + 1e-9).sum())


def chances(plan: Plan) -> Floats:
    """The plan's stored probability of every clip, 0 for those outside."""
    inside = np.flatnonzero(plan.division.of != OUTSIDE)
    found = np.zeros(CLIPS)
    found[inside] = plan.probability(inside)
    return found


def shared(division: Division, n: int, rule: Rule) -> Plan:
    """A plan with shares by a rule; p of a Neyman allocation rises with the stratum."""
    sizes = division.sizes
    p = np.linspace(0.1, 0.9, len(sizes))
    return Plan(DIGEST, division, allocate(sizes, n, claims(sizes, rule, p=p), division.labels)[0])


def limited(most: int, *, within_strata: bool) -> Plan:
    """Two clips a stratum and at most `most` of a source, in the sample or in each stratum."""
    limit = Limit.build(BANDS.of, 5, SOURCE, most, within_strata=within_strata)
    return Plan(DIGEST, BANDS, np.array([2, 3, 2, 3, 2]), limit)


def with_rejects() -> Plan:
    """Ten clips in two strata, and as many rejects added as make six sure."""
    halves = by_edges(SCORES, [50])
    sliced = rejects.guaranteed(halves, np.array([5, 5]), REJECTED, 6)
    assert len(sliced.shares) == 3, "only one of the strata mixes accepted and rejected clips"
    return Plan(DIGEST, sliced.division, sliced.shares)


def passed_and_slice() -> Plan:
    """Eight of the clips that pass and a slice of four rejects; one clip is excluded, one a stratum of its own."""
    of = np.where(REJECTED, OUTSIDE, 0).astype(np.int32)
    of[[0, 1]] = OUTSIDE, 1
    division = Division(of, ("passed", "must include"), ((None, None),) * 2)
    free = REJECTED.copy()
    free[[0, 1]] = False
    sliced = rejects.with_slice(division, np.array([8, 1]), free, 4)
    return Plan(DIGEST, sliced.division, sliced.shares)


PLANS: dict[str, Callable[[], Plan]] = {
    "simple": lambda: Plan(DIGEST, WHOLE, np.array([9]), kind="simple"),
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
    """Within 4 standard errors for every clip; the probabilities add up to the sample's size."""
    plan = PLANS[name]()
    chance = chances(plan)
    assert outliers(frequencies(lambda seed: drawn(plan, seed)), chance) == 0
    assert chance.sum() == pytest.approx(plan.shares.sum())


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_plan_with_a_limit_per_source_draws_each_clip_with_its_stored_probability(within_strata: bool) -> None:
    """Exact within strata; estimated over the whole sample, where a draw may also find too few candidates."""
    plan, frequency = under_a_limit(within_strata)
    assert outliers(frequency, chances(plan)) == 0
    assert chances(plan).sum() == pytest.approx(frequency.sum(), rel=2e-3)


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_probability_that_ignores_the_limit_per_source_is_found_wrong(within_strata: bool) -> None:
    """The same draws against share by size alone: many clips lie outside the 4 standard errors."""
    plan, frequency = under_a_limit(within_strata)
    assert outliers(frequency, (plan.shares / plan.sizes)[BANDS.of]) > 8


def test_probabilities_without_a_closed_form_are_marked() -> None:
    """A limit over the whole sample is estimated, one within strata is exact, and so is a stratum of whole sources."""
    everyone = np.arange(CLIPS)
    assert limited(2, within_strata=False).estimated(everyone).all()
    assert not limited(2, within_strata=True).estimated(everyone).any()
    by_source = by_values((SOURCE > 4).astype(np.int32), ["first", "second"])
    limit = Limit.build(by_source.of, 2, SOURCE, 1, within_strata=False)
    plan = Plan(DIGEST, by_source, np.array([3, 2]), limit)
    assert not plan.estimated(everyone).any()
    assert outliers(frequencies(lambda seed: drawn(plan, seed)), chances(plan)) == 0


@pytest.mark.parametrize("within_strata", [True, False])
def test_no_source_gives_more_clips_than_the_limit(within_strata: bool) -> None:
    """In each of 500 draws, counted in the stratum or in the whole sample."""
    plan = limited(1, within_strata=within_strata)
    for seed in range(500):
        found = drawn(plan, seed)
        groups = SOURCE[found] * 5 + BANDS.of[found] if within_strata else SOURCE[found]
        assert np.bincount(groups).max() == 1


def test_the_clips_of_a_top_up_have_their_joint_probability() -> None:
    """Both phases together are drawn as often as total drawn by population says; phase 2 alone is not."""
    earlier, later = shared(BANDS, 12, "equal"), Plan(DIGEST, BANDS, np.array([4, 3, 7, 3, 5]))
    assert outliers(frequencies(lambda seed: topped_up(earlier, later, seed).indices), chances(later)) == 0
    both = topped_up(earlier, later, seed=5)
    assert set(both.indices[both.phase == 1].tolist()) == set(drawn(earlier, 5).tolist())


@pytest.mark.parametrize("within_strata", [True, False])
def test_a_top_up_under_a_limit_keeps_the_earlier_clips(within_strata: bool) -> None:
    """Thinning is by a lot of its own, so a larger share only adds; the joint probability is right there too."""
    (earlier, _), (later, frequency) = under_a_limit(within_strata), under_a_limit(within_strata, more=1)
    for seed in range(300):
        both = topped_up(earlier, later, seed)
        assert set(both.indices[both.phase == 1].tolist()) == set(drawn(earlier, seed).tolist())
    assert outliers(frequency, chances(later)) == 0


def test_both_phases_together_have_their_joint_probability_given_the_allotment() -> None:
    """Two-phase: pilot of three a band, then an allotment around a crossing; frequencies match drawn by population."""
    pilot = np.minimum(BANDS.sizes, 3)
    found = twophase.curve(SCORES, (SCORES > 45).astype(np.float64), target=0.9)
    focus = twophase.crossing_bands(found, [20, 40, 60, 80])
    total, _ = twophase.second_phase(BANDS, pilot, focus, 8, floor=3)
    first, both = Plan(DIGEST, BANDS, pilot), Plan(DIGEST, BANDS, total)
    assert total.tolist() != pilot.tolist()
    assert outliers(frequencies(lambda seed: topped_up(first, both, seed).indices), chances(both)) == 0


@pytest.mark.parametrize("most", [None, 2])
def test_a_borderline_draw_has_its_stored_probabilities(most: int | None) -> None:
    """Ties at the last distance, within sources and between them, two filters that draw the same clips: all exact."""
    tied, other = (SCORES / 20).round() * 20, (SCORES[::-1] / 25).round() * 25
    source = None if most is None else SOURCE
    sides = [
        *near_cut(tied, low=50, high=None, n=6, source=source, most=most),
        *near_cut(other, low=None, high=60, n=5, source=source, most=most),
    ]
    clips, chance = joint(sides)
    stored = np.zeros(CLIPS)
    stored[clips] = chance
    assert ((chance > 0) & (chance < 1)).sum() > 10, "lots decide for many clips"

    def one(seed: int) -> Ints:
        taken = [side.clips[side.drawn(DIGEST, seed, lot)] for lot, side in enumerate(sides)]
        return np.unique(np.concatenate(taken))

    assert outliers(frequencies(one), stored) == 0


def test_weighted_totals_are_unbiased_in_every_design() -> None:
    """Over 1,500 draws the weighted number of clips and the weighted score total hit the pool's (4 SE)."""
    limits = [under_a_limit(within_strata)[0] for within_strata in (True, False)]
    for plan in [*limits, *(make() for make in PLANS.values())]:
        inside = plan.division.of != OUTSIDE
        found = [draw(plan, seed) for seed in range(1500)]
        for values in (np.ones(CLIPS), SCORES):
            totals = np.array([float((one.weight * values[one.indices]).sum()) for one in found])
            error = 4 * totals.std() / np.sqrt(len(totals)) + 2e-3 * values[inside].sum()
            assert abs(totals.mean() - values[inside].sum()) <= error
