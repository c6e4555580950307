"""Tests of ratings, agreement and consensus: published cases, values of libraries, invariances."""

from typing import Any, Literal

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement import coefficients, kappas
from analysis.agreement.statistics import STATISTICS, gwet_ac, gwet_ac1, gwet_ac2, krippendorff_alpha, percent_agreement
from analysis.consensus.majority import majority
from analysis.ratings import ACR5, VERDICT, Ratings, Scale
from tests.helpers.analysis_data import case, real

Vote = tuple[str, str, str]


def ratings_of(votes: list[Vote], scale: Scale) -> Ratings:
    clips, raters, values = zip(*votes, strict=True) if votes else ((), (), ())
    return Ratings.from_votes(clips, raters, values, scale)


def published(content: dict[str, Any], metric: Literal["nominal", "ordinal"]) -> Ratings:
    votes = [
        (f"unit {unit:02}", rater, value)
        for rater, line in content["votes"].items()
        for unit, value in enumerate(line.split())
        if value != "."
    ]
    return ratings_of(votes, Scale("published", tuple(content["levels"]), metric))


def simulated(clips: int, raters: int, scale: Scale, gaps: float, seed: int) -> Ratings:
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=clips)
    levels = len(scale.levels)
    seen = quality[:, None] + generator.normal(scale=0.8, size=(clips, raters))
    level = np.clip(np.floor((seen + 2.5) / 5 * levels), 0, levels - 1).astype(int)
    kept = np.argwhere(generator.random((clips, raters)) >= gaps)
    return ratings_of([(f"c{c:04}", f"r{r}", scale.levels[level[c, r]]) for c, r in kept], scale)


@pytest.mark.parametrize("metric", ["nominal", "ordinal"])
def test_alpha_of_krippendorff_2011(metric: Literal["nominal", "ordinal"]) -> None:
    """Four observers with gaps give the alpha printed by Krippendorff, nominal and ordinal."""
    content = case("alpha", "krippendorff_2011")
    estimate = krippendorff_alpha(published(content, metric), resamples=200)
    assert estimate.value == pytest.approx(content["expected"][metric], abs=content["tolerance"])
    assert (estimate.clips, estimate.ratings, estimate.raters) == (11, 40, 4), "the unit with one vote drops out"


def test_alpha_of_fleiss_1971_through_kappa() -> None:
    """Fleiss's diagnoses give his kappa through alpha = 1 - (1 - 1/n)(1 - kappa), and his mean agreement."""
    content = case("alpha", "fleiss_1971")
    votes = [
        (f"patient {number:02}", f"vote {rater}", diagnosis)
        for number, patient in enumerate(content["patients"])
        for rater, diagnosis in enumerate(patient)
    ]
    ratings = ratings_of(votes, Scale("diagnosis", ("1", "2", "3", "4", "5"), "nominal"))
    alpha = krippendorff_alpha(ratings, resamples=200).value
    assert alpha is not None
    kappa = 1 - (1 - alpha) / (1 - 1 / 180)
    assert kappa == pytest.approx(content["expected"]["kappa"], abs=content["tolerance"])
    agreement = percent_agreement(ratings, resamples=200).value
    assert agreement == pytest.approx(content["expected"]["mean_agreement"], abs=content["tolerance"])


def test_ac1_of_gwets_package() -> None:
    """AC1 and raw agreement equal the figures in the documentation of Gwet's own package."""
    content = case("gwet_ac", "irrcac_raw4raters")
    ratings = published(content, "nominal")
    assert gwet_ac(ratings, resamples=200).value == pytest.approx(content["expected"]["ac1"], abs=content["tolerance"])
    agreement = percent_agreement(ratings, resamples=200).value
    assert agreement == pytest.approx(content["expected"]["percent_agreement"], abs=content["tolerance"])


def test_ac2_of_gwets_package() -> None:
    """AC2 with quadratic weights equals the figures of the package, with gaps and for its two abstractors."""
    content = case("gwet_ac", "irrcac_raw4raters")
    gaps = gwet_ac2(published(content, "ordinal"), resamples=200).value
    assert gaps == pytest.approx(content["expected"]["ac2_quadratic"], abs=content["tolerance"])
    content = case("gwet_ac", "irrcac_abstractors")
    cells = [(i, j) for i, row in enumerate(content["table"]) for j, count in enumerate(row) for _ in range(count)]
    votes = [(f"{clip:03}", rater, str(said)) for clip, cell in enumerate(cells) for rater, said in enumerate(cell)]
    named = [(clip, "ab"[rater], said) for clip, rater, said in votes]
    ratings = ratings_of(named, Scale("diagnosis", ("0", "1", "2"), "interval"))
    (pair,) = kappas.pairs(ratings)
    found = {
        "ac1": gwet_ac1(ratings, resamples=200),
        "ac2": gwet_ac2(ratings, resamples=200),
        "alpha_interval": krippendorff_alpha(ratings, resamples=200),
        "cohen_kappa": kappas.pair_estimate("cohen_kappa", pair, ratings),
        "weighted_kappa_quadratic": kappas.pair_estimate("weighted_kappa_quadratic", pair, ratings),
    }
    for name, printed in content["expected"].items():
        assert found[name].value == pytest.approx(printed, abs=content["tolerance"]), name


@pytest.mark.parametrize(("scale", "gaps"), [(ACR5, 0.3), (VERDICT, 0.5)], ids=["ordinal", "nominal"])
def test_the_fast_alpha_equals_the_library(scale: Scale, gaps: float) -> None:
    """The bootstrap's alpha, on the data and on a resample of clips, equals krippendorff.alpha to 1e-12."""
    ratings = simulated(300, 5, scale, gaps, seed=4)
    patterns, pattern_of, sizes = coefficients.collapse(ratings.counts)
    drawn = np.random.default_rng(5).integers(len(pattern_of), size=len(pattern_of))
    weights = np.stack([sizes, np.bincount(pattern_of[drawn], minlength=len(sizes))]).astype(np.float64)
    fast = coefficients.alpha(patterns, weights, scale.metric)
    for value, rows in zip(fast, (ratings.matrix, ratings.matrix[:, drawn]), strict=True):
        domain = np.arange(len(scale.levels))
        slow = krippendorff.alpha(rows, value_domain=domain, level_of_measurement=scale.metric)
        assert value == pytest.approx(slow, abs=1e-12)


def test_collapsing_works_for_counts_too_large_to_encode() -> None:
    """Patterns of hundreds of votes on eleven levels collapse as patterns of few votes do."""
    counts = np.random.default_rng(0).integers(0, 300, size=(6, 11))
    patterns, pattern_of, sizes = coefficients.collapse(np.vstack([counts, counts]))
    assert sizes.tolist() == [2] * 6
    assert (patterns[pattern_of] == np.vstack([counts, counts])).all()


votes_on_clips = st.dictionaries(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyzw")), st.sampled_from("12345"), min_size=4
).map(lambda cells: [(clip, rater, value) for (clip, rater), value in cells.items()])


@settings(max_examples=60, deadline=None)
@given(votes=votes_on_clips, seed=st.integers(0, 99))
def test_names_and_order_do_not_matter(votes: list[Vote], seed: int) -> None:
    """Renaming raters and clips and shuffling the rows does not change any value or interval."""
    shuffled = [votes[k] for k in np.random.default_rng(seed).permutation(len(votes))]
    renamed = [(str(900 - ord(clip)), str(900 - ord(rater)), value) for clip, rater, value in shuffled]
    for statistic in STATISTICS.values():
        before = statistic(ratings_of(votes, ACR5), resamples=50)
        after = statistic(ratings_of(renamed, ACR5), resamples=50)
        assert before == after


@settings(max_examples=60, deadline=None)
@given(votes=votes_on_clips)
def test_ordinal_alpha_depends_only_on_the_order_of_levels(votes: list[Vote]) -> None:
    """An increasing recoding to a scale with unused levels does not change ordinal alpha or its interval."""
    wide = Scale("wide", ("5", "10", "20", "30", "35", "36", "40", "50", "90"), "ordinal")
    recoded = [(clip, rater, str(10 * int(value))) for clip, rater, value in votes]
    before = krippendorff_alpha(ratings_of(votes, ACR5), resamples=50)
    after = krippendorff_alpha(ratings_of(recoded, wide), resamples=50)
    assert (before.value is None) == (after.value is None)
    if before.value is not None and before.low is not None:
        assert [after.value, after.low, after.high] == pytest.approx([before.value, before.low, before.high])


def test_agreement_without_pairs_is_undefined() -> None:
    """If no clip has two ratings, every statistic is undefined and gives the reason."""
    ratings = ratings_of([("a", "x", "accept"), ("b", "y", "reject")], VERDICT)
    for statistic in (one for one in STATISTICS.values() if one.applies_to(VERDICT)):
        estimate = statistic(ratings, resamples=20)
        assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
        assert "no clip has two ratings" in str(estimate.undefined)


def test_agreement_without_variation_is_undefined() -> None:
    """If all ratings are equal, chance-corrected agreement is undefined and raw agreement has a one-sided bound."""
    votes = [(f"c{clip}", rater, "accept") for clip in range(20) for rater in "xy"]
    ratings = ratings_of(votes, VERDICT)
    for statistic in (krippendorff_alpha, gwet_ac):
        assert "'accept'" in str(statistic(ratings, resamples=20).undefined)
    agreement = percent_agreement(ratings, resamples=20)
    assert agreement.value == 1.0
    assert agreement.low == pytest.approx(0.05 ** (1 / 20))
    assert "one-sided" in agreement.method


def test_perfect_agreement_has_no_interval() -> None:
    """Unanimous clips of both kinds have alpha 1 without an interval, because replicates show no spread."""
    votes = [(f"c{clip}", rater, "accept" if clip % 2 else "reject") for clip in range(12) for rater in "xyz"]
    estimate = krippendorff_alpha(ratings_of(votes, VERDICT), resamples=100)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)
    assert estimate.method.startswith("no interval")


def test_disagreement_is_negative_and_undefined_resamples_are_counted() -> None:
    """Raters who always disagree get a negative alpha; replicates with a single level are counted as undefined."""
    opposed = [(f"c{clip}", rater, value) for clip in range(6) for rater, value in (("x", "accept"), ("y", "reject"))]
    value = krippendorff_alpha(ratings_of(opposed, VERDICT), resamples=50).value
    assert value is not None
    assert value < -0.5
    skewed = [(f"c{clip}", rater, "accept") for clip in range(9) for rater in "xy"]
    skewed += [("c9", "x", "accept"), ("c9", "y", "reject")]
    estimate = krippendorff_alpha(ratings_of(skewed, VERDICT), resamples=400)
    assert 0.25 * 400 < estimate.resamples_undefined < 0.45 * 400, "about (9/10)^10 = 35 % lack the odd clip"


def test_copies_of_a_source_do_not_narrow_the_interval() -> None:
    """Ten copies of each clip from one source give the same interval as one copy."""
    single = simulated(40, 3, VERDICT, 0.0, seed=1)
    rows = list(zip(single.clip_of.tolist(), single.rater_of.tolist(), single.level.tolist(), strict=True))
    votes = [(f"{c:02}-{k}", f"r{r}", VERDICT.levels[level]) for c, r, level in rows for k in range(10)]
    copies = ratings_of(votes, VERDICT)
    groups = {clip: clip[:2] for clip in copies.clips}
    honest, naive = (krippendorff_alpha(copies, resamples=800, groups=g) for g in (groups, None))
    alone = krippendorff_alpha(single, resamples=800)
    widths = [estimate.high - estimate.low for estimate in (honest, naive, alone) if estimate.high and estimate.low]
    assert widths[0] == pytest.approx(widths[2], rel=0.15)
    assert widths[1] < 0.5 * widths[2]
    with pytest.raises(ValueError, match="00-0 has no source"):
        krippendorff_alpha(copies, resamples=10, groups={})


def test_two_answers_of_one_rater_are_refused() -> None:
    """A rater who answered a clip twice raises an error that names rater, clip and both answers."""
    votes = [("c7", "ann", "accept"), ("c8", "ann", "accept"), ("c7", "ann", "reject")]
    with pytest.raises(ValueError, match=r"ann rated clip c7 twice \('accept' and 'reject'\)"):
        ratings_of(votes, VERDICT)


def test_an_answer_off_the_scale_is_refused() -> None:
    """An answer that is not on the scale raises an error that names it, its rater and its clip."""
    with pytest.raises(ValueError, match="rater ann gave clip c7 the value '6'"):
        ratings_of([("c7", "ann", "6")], ACR5)


def test_unsure_counts_as_missing() -> None:
    """An unsure answer is counted in `missing`, is a gap in the matrix, and does not decide a clip."""
    ratings = ratings_of([("a", "x", "unsure"), ("b", "x", "accept"), ("b", "y", "unsure")], VERDICT)
    assert (ratings.missing, ratings.missing_of.tolist()) == (2, [1, 1])
    assert np.isnan(ratings.matrix).tolist() == [[True, False], [True, True]]
    consensus = majority(ratings)
    assert (consensus.verdict, consensus.without_votes, consensus.ties) == ((None, "accept"), 1, 0)


def test_a_tie_is_no_consensus() -> None:
    """An even split gives no verdict and is counted; a strict majority decides."""
    votes = [
        ("a", "x", "accept"),
        ("a", "y", "reject"),
        ("b", "x", "reject"),
        ("b", "y", "reject"),
        ("b", "z", "accept"),
    ]
    consensus = majority(ratings_of(votes, VERDICT))
    assert consensus.verdict == (None, "reject")
    assert consensus.share.tolist() == [0.5, pytest.approx(1 / 3)]
    assert (consensus.ties, consensus.decided.tolist(), consensus.good.tolist()) == (1, [False, True], [False, False])


def test_majority_on_the_bluebirds() -> None:
    """The majority of 39 raters is right on 75.93 % of the 108 bluebird pictures, as published."""
    votes = real("bluebirds", "labels_long.csv")
    truth = real("bluebirds", "truth.csv")
    verdict_of = {"1": "accept", "0": "reject"}
    ratings = ratings_of([(row["image"], row["worker"], verdict_of[row["label"]]) for row in votes], VERDICT)
    facts = {row["image"]: verdict_of[row["truth"]] for row in truth}
    consensus = majority(ratings)
    right = sum(facts[clip] == verdict for clip, verdict in zip(consensus.clips, consensus.verdict, strict=True))
    assert right / len(facts) == pytest.approx(0.7593, abs=5e-5)
