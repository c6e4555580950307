"""Tests of the parts of a draw: random numbers, allocation, rejects, borderline sides, two phases."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.sampling import rejects, two_phase
from analysis.sampling.allocation import AllocationRule, allocate, claims, quotas, smoothed
from analysis.sampling.borderline import near_threshold, remarks
from analysis.sampling.random_numbers import SELECT, THIN, codes, digests, numbers, repeated_id
from analysis.sampling.selection import DrawPlan, draw, drawn_clips, top_up_draw
from analysis.sampling.source_limits import SourceLimit
from analysis.sampling.strata import OUTSIDE, Division, bands, by_edges, by_values, crossed, everything

IDS = pl.Series([f"clip-{number}" for number in range(20_000)])


def test_the_numbers_of_clips_are_the_same_on_every_machine() -> None:
    """Digests and numbers of known ids equal those computed first; no library's hash is used."""
    known = digests(pl.Series(["", "a", "clip-1", "exactly8", "longer than eight", "Ünïcode/ß.mp4"]))
    assert known.tolist() == [
        16294208416658607535,
        6774081908283191102,
        1748420163276868897,
        8784198000727360463,
        7839907335246949005,
        1453276018293986805,
    ]
    assert numbers(known[:3], seed=20_261).tolist() == [3908431534163207956, 12156087458573103147, 15620121847282499334]


def test_a_digest_depends_on_the_id_alone() -> None:
    """A digest does not depend on other ids, its position, or how many ids are hashed at once."""
    many = pl.Series([f"{'x' * (number % 40)}{number}" for number in range(300_000)])
    whole = digests(many)
    for place in (0, 7, 262_143, 262_144, 299_999):
        assert digests(many.slice(place, 1))[0] == whole[place]
    assert len(np.unique(whole)) == len(many)
    assert len({digests(pl.Series(["a" + "\0" * zeros]))[0] for zeros in range(20)}) == 20


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_the_numbers_are_uniform_and_seeds_and_lots_independent(seed: int) -> None:
    """For ids that differ in one digit: Kolmogorov-Smirnov, chi-squared on the lowest bits, correlations."""
    digest = digests(IDS)
    number = numbers(digest, seed)
    shares = number / 2.0**64
    assert stats.kstest(shares, "uniform").pvalue > 1e-3
    assert stats.chisquare(np.bincount((number & np.uint64(255)).astype(np.int64), minlength=256)).pvalue > 1e-3
    for other in (numbers(digest, seed + 1), numbers(digest, seed, THIN)):
        joint = np.histogram2d(shares, other / 2.0**64, bins=16, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(joint.ravel()).pvalue > 1e-3
    assert number.tolist() == numbers(digest, seed, SELECT).tolist()


def test_a_repeated_id_is_found() -> None:
    """The first repeated id by name, None if all differ; a missing id raises an error."""
    ids = pl.Series(["b", "a", "c", "b", "a"])
    assert (repeated_id(digests(ids), ids), repeated_id(digests(IDS), IDS)) == ("a", None)
    with pytest.raises(ValueError, match="no id"):
        digests(pl.Series(["a", None]))


def test_neyman_shares_are_those_of_the_worked_example() -> None:
    """400 clips, p = .1/.4/.7/.95 in 60/25/10/5 % of the pool: 200/136/51/12, standard errors .0180/.0185/.0223."""
    sizes, p = np.array([60_000, 25_000, 10_000, 5_000]), np.array([0.1, 0.4, 0.7, 0.95])
    claim = claims(sizes, "neyman", p=p)
    assert quotas(400, claim).round().tolist() == [200, 136, 51, 12]

    def error(rule: AllocationRule) -> float:
        shares = quotas(400, claims(sizes, rule, p=p))
        return float(np.sqrt(((sizes / sizes.sum()) ** 2 * p * (1 - p) / shares).sum()))

    rules: tuple[AllocationRule, ...] = ("neyman", "proportional", "equal")
    assert [round(error(rule), 4) for rule in rules] == [0.0180, 0.0185, 0.0223]
    shares, _ = allocate(sizes, 400, claim, list("abcd"))
    assert (shares.sum(), np.abs(shares - quotas(400, claim)).max() < 1) == (400, True)


def test_power_lies_between_equal_and_proportional() -> None:
    """Power 0 is equal, 1 is proportional, and a half is the square root."""
    sizes = np.array([100, 10_000])
    assert claims(sizes, "power", power=0).tolist() == claims(sizes, "equal").tolist()
    assert claims(sizes, "power", power=1).tolist() == claims(sizes, "proportional").tolist()
    assert claims(sizes, "power").tolist() == [10, 100]


@pytest.mark.parametrize(
    ("rule", "p", "power", "words"),
    [
        ("neyman", None, 0.5, "a guess or a pilot"),
        ("neyman", [0.5], 0.5, "1 guesses for 2 strata"),
        ("neyman", [0.5, 1.5], 0.5, "between 0 and 1"),
        ("power", None, -1.0, "between 0 .equal. and 1"),
    ],
)
def test_impossible_allocations_are_refused(
    rule: AllocationRule, p: list[float] | None, power: float, words: str
) -> None:
    """Neyman without shares, with too few or impossible ones, and a negative power raise an error."""
    with pytest.raises(ValueError, match=words):
        claims([10, 20], rule, p=p, power=power)


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.integers(0, 500), min_size=1, max_size=12), n=st.integers(1, 900), power=st.floats(0, 1))
def test_shares_never_exceed_supply_and_add_up(sizes: list[int], n: int, power: float) -> None:
    """All n or all clips are allocated, every stratum with clips gets one, and a note names what is missing."""
    supply = np.array(sizes)
    present = int((supply > 0).sum())
    labels = [f"s{number}" for number in range(len(sizes))]
    if n < max(1, present):
        with pytest.raises(ValueError, match=f"{n} clips cannot cover {present} strata"):
            allocate(supply, n, claims(supply, "power", power=power), labels)
        return
    shares, notes = allocate(supply, n, claims(supply, "power", power=power), labels)
    assert (shares <= supply).all()
    assert shares.sum() == min(n, supply.sum())
    assert (shares[supply > 0] >= np.minimum(supply[supply > 0], 2 if n >= 2 * present else 1)).all()
    assert (supply.sum() < n) == any("all are taken" in note and "The pool has" in note for note in notes)


def test_a_stratum_without_claim_gives_only_the_minimum() -> None:
    """A guess of 0 still gets two clips, and more only if nothing else is left."""
    shares, _ = allocate(np.array([50, 50]), 20, claims([50, 50], "neyman", p=[0, 0.5]), ["a", "b"])
    assert shares.tolist() == [2, 18]
    assert allocate(np.array([50, 5]), 20, np.array([0.0, 1.0]), ["a", "b"])[0].tolist() == [15, 5]


def test_a_pilot_without_a_bad_clip_is_smoothed() -> None:
    """Smoothing by (x + 1/2) / (n + 1) keeps every stratum in the allocation."""
    assert smoothed([9, 0, 4], [9, 9, 9]).tolist() == [0.95, 0.05, 0.45]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1000), wanted=st.integers(1, 15), n=st.integers(4, 30), share=st.floats(0.02, 0.9))
def test_enough_rejects_are_drawn_and_strata_stay_disjoint(seed: int, wanted: int, n: int, share: float) -> None:
    """At least as many rejects as wanted (or all) are expected, populations add up, and no share shrinks."""
    chance = np.random.default_rng(seed)
    division, rejected = by_edges(chance.random(60), [0.4, 0.7]), chance.random(60) < share
    sizes = division.sizes
    shares, _ = allocate(sizes, n, claims(sizes, "equal"), division.labels)
    sliced = rejects.with_enough_rejects(division, shares, rejected, wanted)
    assert rejects.expected_rejects(sliced.division, sliced.shares, rejected) >= min(wanted, rejected.sum()) - 1e-9
    assert sliced.division.sizes.sum() == 60
    assert (sliced.shares <= sliced.division.sizes).all()
    assert (sliced.shares[sliced.division.sizes > 0] > 0).all()
    assert sliced.shares.sum() >= shares.sum() - len(shares)
    assert (np.bincount(sliced.parent, sliced.division.sizes, len(sizes)) == sizes).all()


def test_the_stratum_of_rejects_leaves_out_rejects_of_other_strata() -> None:
    """No clip can be drawn in two ways; if no reject is left there is no such stratum and a note says so."""
    division = Division(np.array([0, OUTSIDE, OUTSIDE, OUTSIDE], dtype=np.int32), ("near",), ((None, None),))
    sliced = rejects.with_reject_stratum(division, np.array([1]), np.array([True, True, True, False]), 5)
    assert sliced.division.of.tolist() == [0, 1, 1, OUTSIDE]
    assert sliced.shares.tolist() == [1, 2]
    assert "only 2 other rejected clips where 5 were wanted" in sliced.notes[0]
    none = rejects.with_reject_stratum(division, np.array([1]), np.array([True, False, False, False]), 5)
    assert none.shares.tolist() == [1]
    assert "no slice" in none.notes[0]


def test_the_farthest_clip_is_stated_and_only_eligible_clips_are_drawn() -> None:
    """The distance is in units of the score, and clips that other filters reject are left out."""
    scores = np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan])
    passing, failing = near_threshold(
        scores, low=2.5, high=None, n=2, eligible=np.array([True, True, False, True, True, True])
    )
    assert (passing.clips.tolist(), passing.farthest, passing.population) == ([3, 4], 2.5, 2)
    assert (failing.clips.tolist(), failing.farthest) == ([0, 1], 1.5)


def test_a_borderline_limit_per_source_moves_on_to_the_next_source() -> None:
    """With at most one clip of a film per side the next film is used; a note says if films run out."""
    scores, source = np.array([5.1, 5.2, 5.3, 9.0, 4.0]), np.array([0, 0, 0, 1, 0], dtype=np.int32)
    sides = near_threshold(scores, low=5, high=None, n=3, source=source, most=1)
    assert sides[0].clips.tolist() == [0, 3]
    assert any(
        "Only 2 clips pass where 3 were asked for (at most 1 of a source)" in note for note in remarks(sides, 3, 0)
    )


def test_a_limited_side_looks_beyond_one_large_source() -> None:
    """With 5,000 clips of one film nearest the threshold, the search continues until there are enough clips."""
    scores = np.concatenate([np.linspace(5, 6, 5000), np.linspace(7, 8, 50)])
    source = np.concatenate([np.zeros(5000), np.arange(1, 51)]).astype(np.int32)
    passing, _ = near_threshold(scores, low=5, high=None, n=10, source=source, most=2)
    assert passing.clips.tolist() == [0, 1, *range(5000, 5008)]
    assert (passing.chance == 1).all()


def test_the_quality_curve_crosses_where_clips_become_good() -> None:
    """Rising or falling; a curve on one side of the target crosses at its end."""
    scores = np.arange(10.0)
    rising = two_phase.quality_curve(scores, (scores > 5).astype(float), target=0.8)
    assert (rising.low, rising.high) == (5, 6)
    falling = two_phase.quality_curve(scores, (scores < 3).astype(float), target=0.8, rising=False)
    assert (falling.low, falling.high) == (2, 3)
    assert (np.diff(falling.good) <= 0).all()
    assert two_phase.quality_curve(scores, np.ones(10), target=0.8).low == -np.inf
    assert two_phase.quality_curve(scores, np.zeros(10), target=0.8).high == np.inf
    assert two_phase.quality_curve(scores, np.zeros(10), target=0.8, rising=False).low == -np.inf
    with pytest.raises(ValueError, match="two at least"):
        two_phase.quality_curve([1.0], [1.0], target=0.8)
    with pytest.raises(ValueError, match="between 0 and 1"):
        two_phase.quality_curve(scores, scores * 0, target=1)


def test_most_of_the_second_phase_lies_around_the_crossing() -> None:
    """70 % in the band of the crossing and its neighbours, the minimum everywhere, exactly n new clips."""
    division = by_edges(np.arange(8000.0), [1000, 2000, 3000, 4000, 5000, 6000, 7000])
    pilot = np.full(8, 30)
    found = two_phase.quality_curve(
        np.arange(0, 8000.0, 100), (np.arange(0, 8000, 100) > 4450).astype(float), target=0.9
    )
    focus = two_phase.crossing_bands(found, [low for low, _ in division.ends if low is not None])
    assert focus.tolist() == [False, False, False, True, True, True, False, False]
    total, notes = two_phase.second_phase(division, pilot, focus, 200, floor=35)
    assert (total - pilot)[focus].sum() == 140
    assert (total - pilot).sum() == 200
    assert total.min() >= 35
    assert "140 of 200 clips of the second phase lie around the crossing" in notes[0]
    assert "small bias" in notes[-1]
    with pytest.raises(ValueError, match="cannot lift every band to 60"):
        two_phase.second_phase(division, pilot, focus, 100, floor=60)


def test_a_top_up_is_refused_where_strata_or_shares_do_not_fit() -> None:
    """Other strata, a smaller share, or a missing limit raise an error that names it."""
    digest, division = digests(IDS.head(10)), everything(10)
    plan = DrawPlan(digest, division, np.array([4]))
    with pytest.raises(ValueError, match="4 clips were drawn, a top-up cannot leave 3"):
        top_up_draw(plan, DrawPlan(digest, division, np.array([3])), seed=1)
    with pytest.raises(ValueError, match="strata as they were"):
        top_up_draw(plan, DrawPlan(digest, by_edges(np.arange(10.0), [5]), np.array([4, 4])), seed=1)
    limit = SourceLimit.build(division.of, 1, np.arange(10, dtype=np.int32), 1, within_strata=True)
    with pytest.raises(ValueError, match="limit per source"):
        top_up_draw(plan, DrawPlan(digest, division, np.array([5]), limit), seed=1)


def test_a_draw_short_of_candidates_says_so() -> None:
    """With two sources, one clip each and five wanted, two are drawn and a note counts them."""
    division, source = everything(10), np.repeat([0, 1], 5).astype(np.int32)
    limit = SourceLimit.build(division.of, 1, source, 1, within_strata=True)
    found = draw(DrawPlan(digests(IDS.head(10)), division, np.array([5]), limit), seed=2)
    assert len(found.indices) == 2
    assert found.inclusion_probability.tolist() == [0.2, 0.2]
    assert "2 of 5 clips drawn" in found.notes[-1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.integers(0, 10**6), within=st.booleans())
def test_the_order_of_rows_does_not_change_a_limited_draw(seed: int, shuffle: int, within: bool) -> None:
    """Clips, strata and probabilities are the same in every order, with sources numbered anew each time."""
    ids, scores = IDS.head(60), np.arange(60.0) % 7
    films = pl.Series([f"film-{number % 11}" for number in range(60)])

    def found(order: list[int]) -> list[tuple[str, str, float]]:
        division = by_edges(scores[order], [3, 5])
        limit = SourceLimit.build(division.of, 3, codes(films.gather(order)), 2, within_strata=within)
        one = draw(DrawPlan(digests(ids.gather(order)), division, np.array([4, 3, 2]), limit), seed)
        chances = one.inclusion_probability.tolist()
        return list(zip(ids.gather(order).gather(one.indices).to_list(), one.stratum, chances, strict=True))

    order = np.random.default_rng(shuffle).permutation(60).tolist()
    assert found(order) == found(list(range(60)))


def test_crossing_keeps_only_combinations_with_clips_and_joins_rare_values() -> None:
    """Names follow the order of the divisions; many combinations give the same result as few."""
    language = by_values(np.array([0, 0, 1, 2, 3], dtype=np.int32), ["en", "fr", "de", "it"], most=1)
    both = crossed([language, by_edges(np.array([1.0, 9, 9, 9, 1]), [5])])
    assert both.labels == ("en × below 5", "en × 5 and above", "other × below 5", "other × 5 and above")
    assert both.of.tolist() == [0, 1, 3, 3, 2]
    wide = by_values(np.arange(5, dtype=np.int32) * 700, [f"v{number}" for number in range(5000)])
    large = crossed([wide, wide])
    assert large.labels == tuple(f"v{number} × v{number}" for number in range(0, 3500, 700))
    assert large.sizes.tolist() == [1] * 5


def test_bands_around_two_thresholds_straddle_neither() -> None:
    """A filter that accepts 3 to 7 has at least three bands with both thresholds as edges and equal numbers between."""
    scores = np.arange(11.0)
    edges = bands(scores, 5, 3, upper=7)
    assert {3.0, float(np.nextafter(7, np.inf))} <= set(edges)
    assert len(edges) == 4


def test_a_plan_draws_from_a_stratum_whose_numbers_fail_the_shortcut() -> None:
    """A stratum much smaller than its neighbours is drawn whole, and every share is met exactly."""
    of = np.zeros(20_000, dtype=np.int32)
    of[:3] = 1
    division = Division(of, ("large", "small"), ((None, None),) * 2)
    for seed in range(50):
        found = drawn_clips(DrawPlan(digests(IDS), division, np.array([2, 3])), seed)
        assert np.bincount(of[found]).tolist() == [2, 3]
