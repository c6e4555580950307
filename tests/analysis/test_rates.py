"""Tests of precision, recall and the other rates: printed values, TalkVid's table, survey formulas, coverage."""

import numpy as np
import pytest

from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.rates import Confusion, confusion
from analysis.proportions import effective_wilson, wilson
from tests.helpers.analysis_data import case, real


def test_wilson_of_newcombe_1998() -> None:
    """The four proportions of Newcombe's table have the Wilson limits printed there."""
    content = case("wilson", "newcombe_1998")
    for row in content["cases"]:
        low, high = wilson(row["x"], row["n"])
        assert (low, high) == pytest.approx((row["low"], row["high"]), abs=content["tolerance"])


def test_wilson_refuses_impossible_counts() -> None:
    """More successes than trials, or no trials, raise an error."""
    for successes, n in ((3, 2), (0, 0), (-1, 4)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(successes, n)


@pytest.mark.parametrize("row", range(7))
def test_talkvid_table_7(row: int) -> None:
    """On the unanimous clips, precision, recall, F1 and accuracy of each filter round to the figures of TalkVid."""
    printed = real("talkvid_table7", "counts.csv")[row]
    clips = [clip for clip in real("talkvid_table7", "items_long.csv") if clip["filter"] == printed["filter"]]
    agreed = [clip for clip in clips if clip["rater1"] == clip["rater2"]]
    table = confusion([clip["filter_pass"] == "1" for clip in agreed], [clip["rater1"] == "1" for clip in agreed])
    assert (table.tp, table.fp, table.fn, table.tn) == tuple(int(printed[cell]) for cell in ("tp", "fp", "fn", "tn"))
    for name in ("precision", "recall", "f1", "accuracy"):
        value = getattr(table, name).value
        assert round(100 * value + 1e-9, 2) == float(printed[f"pub_{name}_pct"])
    low, high = wilson(table.tp + table.tn, len(agreed))
    assert (table.accuracy.low, table.accuracy.high) == (low, high)


def stratified_sample() -> tuple[Bools, Bools, list[str], dict[str, int]]:
    """Three strata with the threshold inside the middle one and shares of good clips between 0 and 1."""
    accepted = np.array([0] * 10 + [0] * 6 + [1] * 9 + [1] * 20, dtype=np.bool_)
    good = np.array([1, 1] + [0] * 8 + [1, 0, 1, 0, 0, 0] + [1] * 6 + [0] * 3 + [1] * 17 + [0] * 3, dtype=np.bool_)
    return accepted, good, ["low"] * 10 + ["mid"] * 15 + ["top"] * 20, {"low": 900, "mid": 150, "top": 60}


def test_weighted_rates_equal_the_survey_formulas() -> None:
    """Values are Hajek ratios; intervals use the textbook linearised variance with finite population correction."""
    accepted, good, strata, sizes = stratified_sample()
    table = confusion(accepted, good, strata=strata, stratum_sizes=sizes)
    weight = np.array([sizes[name] / strata.count(name) for name in strata])
    for name, top, bottom in (
        ("precision", accepted & good, accepted),
        ("recall", accepted & good, good),
        ("specificity", ~accepted & ~good, ~good),
        ("accuracy", accepted == good, np.ones(45)),
        ("prevalence", good, np.ones(45)),
        ("f1", 2.0 * (accepted & good), accepted.astype(float) + good),
    ):
        ratio = (weight * top).sum() / (weight * bottom).sum()
        error: Floats = top - ratio * bottom
        variance = 0.0
        for label, size in sizes.items():
            part = error[np.array(strata) == label]
            variance += size**2 * (1 - len(part) / size) * part.var(ddof=1) / len(part)
        variance /= (weight * bottom).sum() ** 2
        estimate = getattr(table, name)
        assert estimate.value == pytest.approx(ratio)
        expected = effective_wilson(ratio, ratio * (1 - ratio) / variance)
        assert (estimate.low, estimate.high) == pytest.approx(expected)
    assert table.weighted == pytest.approx([(weight * cell).sum() for cell in cells(accepted, good)])
    assert table.max_weight_share == pytest.approx(90 / 1110)


def cells(accepted: Bools, good: Bools) -> list[Bools]:
    return [accepted & good, accepted & ~good, ~accepted & good, ~accepted & ~good]


def test_uniform_strata_keep_their_uncertainty() -> None:
    """A large stratum in which no rated clip was good still widens the interval of recall."""
    accepted = [True] * 30 + [False] * 30
    good = [True] * 27 + [False] * 3 + [False] * 30
    strata = ["top"] * 30 + ["rest"] * 30
    small = confusion(accepted, good, strata=strata, stratum_sizes={"top": 300, "rest": 300})
    large = confusion(accepted, good, strata=strata, stratum_sizes={"top": 300, "rest": 30_000})
    assert small.recall.value == large.recall.value == 1.0
    assert small.recall.low is not None
    assert large.recall.low is not None
    assert small.recall.low > 0.8, "the rejects are few, so little can have been lost"
    assert large.recall.low < 0.5, "one good clip in a hundred rejects would outweigh all accepted ones"
    assert large.precision.low == pytest.approx(small.precision.low), (
        "precision does not depend on clips below the threshold"
    )


def test_a_complete_census_has_no_sampling_error() -> None:
    """When every clip of every stratum was rated, the interval is the value itself and the method says why."""
    table = confusion(
        [True, True, False, False], [True, False] * 2, strata=list("aabb"), stratum_sizes={"a": 2, "b": 2}
    )
    assert (table.precision.low, table.precision.high) == (0.5, 0.5)
    assert "no sampling error" in table.precision.method


def test_a_rate_of_0_or_1_has_an_interval() -> None:
    """A filter that accepts no rated clip has F1 and recall 0 with an interval, which weights make wider."""
    accepted, good = [False] * 10, [True] * 6 + [False] * 4
    plain = confusion(accepted, good)
    share = wilson(0, 6)[1]
    assert (plain.recall.low, plain.recall.high) == pytest.approx((0, share))
    assert (plain.f1.low, plain.f1.high) == pytest.approx((0, 2 * share / (1 + share))), "F1 = 2 J / (1 + J)"
    weighted = confusion(accepted, good, [2.0] * 5 + [8.0] * 5, ["a"] * 5 + ["b"] * 5)
    assert (weighted.recall.low, weighted.recall.high) == pytest.approx(wilson(0, 18 / 8))
    assert (weighted.specificity.low, weighted.specificity.high) == pytest.approx(wilson(4, 4))
    assert "4 effective clips" in weighted.specificity.method
    for estimate in (plain.f1, weighted.f1, weighted.recall, weighted.specificity):
        assert "no sampling error" not in estimate.method


def test_a_census_of_accepted_clips_leaves_recall_uncertain() -> None:
    """If all accepted clips are rated, precision has no error, but recall has one from unrated rejected clips."""
    sizes = {"a": 3, "b": 400}
    table = confusion([True] * 3 + [False] * 4, [True] * 7, strata=["a"] * 3 + ["b"] * 4, stratum_sizes=sizes)
    assert (table.precision.low, table.precision.high) == (1.0, 1.0)
    assert "no sampling error" in table.precision.method
    none = confusion([False] * 7, [True] * 7, strata=["a"] * 3 + ["b"] * 4, stratum_sizes=sizes)
    assert none.recall.high == pytest.approx(wilson(0, 403 / 100)[1])
    assert "no sampling error" not in none.recall.method


def test_strata_of_one_clip_have_at_most_their_effective_number() -> None:
    """Two clips from two strata give recall Kish's interval of their weights, and precision that of one clip."""
    table = confusion([True, False], [True, True], [2, 8], ["a", "b"])
    kish = (2 + 8) ** 2 / (2**2 + 8**2)
    assert (table.recall.low, table.recall.high) == pytest.approx(effective_wilson(0.2, kish))
    even = confusion([True, False], [True, True], [8, 8], ["a", "b"])
    assert "2 effective clips" in even.recall.method
    assert table.precision.low is not None
    assert table.precision.low <= wilson(1, 1)[0]
    sizes = {"a": 1, "b": 1}
    census = confusion([True, False], [True, True], strata=["a", "b"], stratum_sizes=sizes)
    assert (census.recall.low, census.recall.high) == (0.5, 0.5), "one clip may be all there is"


@pytest.mark.parametrize(
    ("accepted", "good", "absent", "reason"),
    [
        ([0, 0, 0], [1, 0, 1], ["precision"], "accepts none"),
        ([1, 0, 1], [0, 0, 0], ["recall"], "no rated clip is good"),
        ([1, 0, 1], [1, 1, 1], ["specificity"], "every rated clip is good"),
        ([1, 1, 1], [1, 0, 1], ["recall", "specificity", "f1", "accuracy"], "rejects was rated"),
        ([], [], ["accuracy", "prevalence"], "no clip was rated"),
    ],
)
def test_undefined_rates_give_the_reason(accepted: list[int], good: list[int], absent: list[str], reason: str) -> None:
    """An empty denominator, or no rated clip below the threshold, gives a reason instead of a number."""
    table = confusion(np.array(accepted, dtype=np.bool_), np.array(good, dtype=np.bool_))
    for name in absent:
        estimate = getattr(table, name)
        assert estimate.value is None
        assert reason in estimate.undefined
    if accepted and all(accepted):
        assert table.precision.value == pytest.approx(2 / 3), "precision needs the accepted clips only"
        assert table.prevalence.value == pytest.approx(2 / 3), "prevalence does not depend on the filter"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1, 2, 3]}, "as many strata, weights"),
        ({"sources": ["x"]}, "as many strata, weights and sources"),
        ({"weights": [1, -1], "strata": ["a", "b"]}, "positive"),
        ({"strata": ["a"]}, "as many strata"),
        ({"strata": ["a", "b"], "stratum_sizes": {"a": 5, "b": 5, "c": 9}}, "'c' has 9 clips and none was rated"),
        ({"strata": ["a", "a"], "stratum_sizes": {"a": 1}}, "2 clips rated of 1"),
    ],
)
def test_impossible_designs_are_refused(arguments: dict[str, list[float]], message: str) -> None:
    """Weights, strata and pool sizes that contradict each other raise an error that names the stratum."""
    with pytest.raises(ValueError, match=message):
        Design.build(2, **arguments)  # type: ignore[arg-type]  # the cases mix argument types on purpose


def test_clips_without_consensus_are_refused() -> None:
    """A verdict that is neither true nor false raises an error."""
    with pytest.raises(ValueError, match="good must be true or false"):
        confusion(np.array([True, False]), np.array([1.0, np.nan]))


def coverage(repetitions: int) -> dict[str, float]:
    """For each rate the share of simulated stratified samples whose 95 % interval contains the pool's rate."""
    generator = np.random.default_rng(20)
    sizes, shares = {"a": 6000, "b": 2500, "c": 1500}, {"a": 0.08, "b": 0.45, "c": 0.93}
    pool = {name: generator.random(size) < shares[name] for name, size in sizes.items()}
    kept = {"a": False, "b": True, "c": True}
    accepted_good = sum(int(pool[name].sum()) for name in sizes if kept[name])
    all_good = sum(int(good.sum()) for good in pool.values())
    truth = {
        "precision": accepted_good / sum(size for name, size in sizes.items() if kept[name]),
        "recall": accepted_good / all_good,
        "prevalence": all_good / 10_000,
        "f1": 2 * accepted_good / (4000 + all_good),
    }
    hits = dict.fromkeys(truth, 0)
    strata = [name for name in sizes for _ in range(50)]
    accepted = np.array([kept[name] for name in strata])
    for _ in range(repetitions):
        good = np.concatenate([generator.choice(pool[name], 50, replace=False) for name in sizes])
        table: Confusion = confusion(accepted, good, strata=strata, stratum_sizes=sizes)
        for name, rate in truth.items():
            estimate = getattr(table, name)
            hits[name] += estimate.low <= rate <= estimate.high
    return {name: count / repetitions for name, count in hits.items()}


def test_many_strata_of_one_clip_still_cover_the_pool() -> None:
    """Over 1,000 seeded samples of one clip from each of 30 strata, at least 92.5 % cover the prevalence."""
    generator = np.random.default_rng(5)
    shares = np.tile([0.2, 0.5, 0.8], 10)
    strata, weights = [f"{number:02}" for number in range(30)], np.repeat([1.0, 3.0], 15)
    truth = float((weights * shares).sum() / weights.sum())
    hits = 0
    for _ in range(1000):
        prevalence = confusion(np.ones(30, np.bool_), generator.random(30) < shares, weights, strata).prevalence
        assert prevalence.low is not None
        assert prevalence.high is not None
        hits += prevalence.low <= truth <= prevalence.high
    assert hits >= 925


def test_weighted_intervals_cover_the_pool() -> None:
    """Over 1,000 seeded stratified samples 92.5 to 98 % of the 95 % intervals contain the pool's rates."""
    for name, share in coverage(1000).items():
        assert 0.925 <= share <= 0.98, f"{name} covered {share}"


@pytest.mark.parametrize("n", [1, 3, 7, 11, 23.7, 100, 977])
def test_an_interval_at_0_or_1_contains_its_value(n: float) -> None:
    """Rounding never moves the end of an interval past the value 0 or 1."""
    assert wilson(0, n)[0] == 0.0
    assert wilson(n, n)[1] == 1.0
