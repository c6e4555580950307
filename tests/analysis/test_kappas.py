"""Tests of kappas, intraclass correlations, raters against others and the human ceiling: published cases, oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from analysis.agreement import icc, kappas
from analysis.agreement.pairwise import clip_disagreement, raters_against_others, without_rater
from analysis.agreement.statistics import fleiss_kappa, gwet_ac1, gwet_ac2, krippendorff_alpha, percent_agreement
from analysis.agreement.weighted import weighted_agreement
from analysis.estimate import Floats, Ints
from analysis.raters.human_ceiling import human_ceiling
from analysis.raters.intra_rater import intra_rater, repeats
from analysis.ratings import ACR5, VERDICT, Metric, Ratings, Scale
from tests.helpers.analysis_data import case


def of_levels(levels: Ints, scale: Scale = ACR5) -> Ratings:
    """Ratings from positions on the scale, shape (clips, raters); -1 where there is no vote."""
    kept = np.argwhere(levels >= 0)
    names = [(f"c{c:03}", f"r{r}", scale.levels[levels[c, r]]) for c, r in kept]
    clips, raters, values = zip(*names, strict=True)
    return Ratings.from_votes(clips, raters, values, scale)


def simulated(chance: np.random.Generator, clips: int, raters: int) -> Ints:
    quality = chance.normal(2, 1, (clips, 1))
    return np.clip(np.rint(quality + chance.normal(0, 0.8, (clips, raters))), 0, 4).astype(np.int64)


def test_kappa_of_cohen_1968() -> None:
    """Cohen's two judges give his kappa and, with his weights, his weighted kappa."""
    content = case("kappa", "cohen_1968")
    first, second = np.repeat(np.argwhere(np.ones((3, 3))), np.ravel(content["table"]), axis=0).T
    weights = np.array(content["weights"], dtype=np.float64)
    tolerance = content["tolerance"]
    assert kappas.kappa(first, second, 1 - np.eye(3)).value == pytest.approx(0.492, abs=tolerance)
    assert kappas.kappa(first, second, weights).value == pytest.approx(0.348, abs=tolerance)


@pytest.mark.parametrize("name", kappas.NAMES)
def test_kappa_and_its_error_equal_those_of_statsmodels(name: str) -> None:
    """Value and standard error equal those of statsmodels, and the value that of scikit-learn."""
    content = case("kappa", "statsmodels")
    first, second = np.array(content["first"]), np.array(content["second"])
    found = kappas.kappa(first, second, kappas.disagreement(ACR5, kappas.NAMES[name]))
    assert found.value == pytest.approx(content[name]["value"], abs=content["tolerance"])
    error = np.sqrt((found.influence**2).sum()) / len(first)
    assert error == pytest.approx(content[name]["se"], abs=content["tolerance"])
    weighting = None if name == "cohen_kappa" else kappas.NAMES[name]
    assert found.value == pytest.approx(cohen_kappa_score(first, second, weights=weighting), abs=1e-12)


def test_icc_of_shrout_and_fleiss_1979() -> None:
    """All six forms equal the printed ones, and pingouin's to 1e-6; intervals equal pingouin's as far as printed."""
    content = case("icc", "shrout_fleiss_1979")
    table = icc.mean_squares(np.array(content["points"], dtype=np.float64))
    for name, form in icc.NAMES.items():
        found = icc.value(table, form)
        assert found == pytest.approx(content["printed"][name], abs=0.005)
        assert found == pytest.approx(content["pingouin"][name]["value"], abs=content["tolerance"])
        interval = icc.interval(table, form, 0.95)
        assert interval == pytest.approx(content["pingouin"][name]["interval"], abs=content["tolerance_interval"])


def test_the_bootstrap_of_icc_equals_the_icc_of_each_resample() -> None:
    """Every form computed from sums equals the analysis of variance of the resampled clips."""
    chance = np.random.default_rng(0)
    grid: Floats = simulated(chance, 25, 4).astype(np.float64)
    clips = [f"c{number}" for number in range(25)]
    drawn = np.random.default_rng(7).integers(25, size=25)
    groups = {clip: clip for clip in clips}
    for form in icc.NAMES.values():
        fast = icc._resampled(grid, form, clips, groups, 1, seed=7)[0]
        sources = np.unique(clips, return_inverse=True)[1]
        rows = np.concatenate([np.flatnonzero(sources == one) for one in drawn])
        assert fast == pytest.approx(icc.value(icc.mean_squares(grid[rows]), form), abs=1e-9)


def test_icc_with_gaps_is_one_way_or_undefined() -> None:
    """With one missing vote the one-way forms stay close to those of the full table; the others are undefined."""
    levels = simulated(np.random.default_rng(1), 60, 4)
    full = icc.icc("icc_1_1", of_levels(levels), resamples=200)
    levels[0, 0] = -1
    gaps = of_levels(levels)
    one_way = icc.icc("icc_1_1", gaps, resamples=200)
    assert one_way.value == pytest.approx(full.value, abs=0.02)
    assert None not in (one_way.low, one_way.high)
    assert "1 ratings are missing" in str(icc.icc("icc_2_1", gaps, resamples=200).undefined)


def test_fleiss_and_ac1_of_gwets_package() -> None:
    """Four raters with gaps give the Fleiss kappa and AC1 of the documentation of Gwet's package."""
    content = case("gwet_ac", "irrcac_raw4raters")
    lines = {rater: line.split() for rater, line in content["votes"].items()}
    votes = [(f"u{u:02}", r, v) for r, line in lines.items() for u, v in enumerate(line) if v != "."]
    clips, raters, values = zip(*votes, strict=True)
    ratings = Ratings.from_votes(clips, raters, values, Scale("s", tuple(content["levels"]), "nominal"))
    assert gwet_ac1(ratings, resamples=50).value == pytest.approx(content["expected"]["ac1"], abs=content["tolerance"])
    assert fleiss_kappa(ratings, resamples=50).value == pytest.approx(0.76117, abs=1e-5)
    assert gwet_ac2(ratings, resamples=50).undefined


tables = st.lists(st.lists(st.integers(-1, 4), min_size=3, max_size=3), min_size=3, max_size=12).map(np.array)


@settings(max_examples=12, deadline=None)
@given(levels=tables.filter(lambda table: bool((table >= 0).any())), seed=st.integers(0, 99))
def test_order_and_names_of_clips_and_raters_do_not_matter(levels: Ints, seed: int) -> None:
    """Permuting clips and raters does not change the mean kappas or the intraclass correlations."""
    chance = np.random.default_rng(seed)
    moved = levels[chance.permutation(len(levels))][:, chance.permutation(3)]
    for name in kappas.NAMES:
        one, other = (kappas.mean_kappa(name, of_levels(table)) for table in (levels, moved))
        assert (one.value is None) == (other.value is None)
        assert one.value is None or one.value == pytest.approx(other.value, abs=1e-9)
    for name in icc.NAMES:
        one, other = (icc.icc(name, of_levels(table), resamples=20) for table in (levels, moved))
        assert one.value is None or one.value == pytest.approx(other.value, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(levels=tables.filter(lambda table: bool((table >= 0).any())), shift=st.integers(1, 9), factor=st.integers(2, 7))
def test_recoding_that_a_scale_allows_changes_nothing(levels: Ints, shift: int, factor: int) -> None:
    """Interval alpha does not change by shift and scale, ratio alpha by scale, ordinal alpha by a rising recoding."""
    recodings: dict[Metric, list[int]] = {
        "interval": [shift + factor * level for level in range(5)],
        "ratio": [factor * level for level in range(5)],
        "ordinal": [level**2 + shift for level in range(5)],
    }
    for metric, recoded in recodings.items():
        plain = Scale("plain", ("0", "1", "2", "3", "4"), metric)
        one = krippendorff_alpha(of_levels(levels, plain), resamples=20)
        other = krippendorff_alpha(of_levels(levels, Scale("new", tuple(map(str, recoded)), metric)), resamples=20)
        assert (one.value is None) == (other.value is None)
        assert one.value is None or one.value == pytest.approx(other.value, abs=1e-9)


def test_intervals_of_kappa_and_icc_cover() -> None:
    """In 200 studies 90 to 99 % of the 95 % intervals of the mean kappa and of icc_2_1 contain the true value."""
    chance = np.random.default_rng(11)
    whole = of_levels(simulated(chance, 10_000, 3))
    held = {"cohen_kappa": 0, "icc_2_1": 0}
    truth = {"cohen_kappa": kappas.mean_kappa("cohen_kappa", whole).value, "icc_2_1": icc.icc("icc_2_1", whole).value}
    for _ in range(200):
        ratings = of_levels(simulated(chance, 60, 3))
        for name, estimate in (
            ("cohen_kappa", kappas.mean_kappa("cohen_kappa", ratings)),
            ("icc_2_1", icc.icc("icc_2_1", ratings)),
        ):
            held[name] += float(estimate.low or 0) <= float(truth[name] or 0) <= float(estimate.high or 0)
    assert all(180 <= count <= 198 for count in held.values()), held


def test_a_rater_is_compared_without_the_rater_s_own_vote() -> None:
    """A contrarian among three raters differs from the others everywhere, and alpha without that rater is higher."""
    good = np.random.default_rng(3).integers(0, 5, 30)
    ratings = of_levels(np.stack([good, good, 4 - good], axis=1))
    contrary = raters_against_others(ratings)[2]
    values = {one.statistic: one.value for one in contrary.estimates}
    assert values["rest_pearson"] == pytest.approx(-1)
    assert values["rest_agreement"] == pytest.approx(np.mean(good == 2))
    assert krippendorff_alpha(without_rater(ratings, "r2"), resamples=20).value == pytest.approx(1)
    assert raters_against_others(ratings)[0].ties == int((good != 2).sum()), "one against one is a tie"


def test_filter_and_rater_are_compared_with_the_same_panel() -> None:
    """Both are compared with the majority of the other raters at every decided vote; ties are left out."""
    levels = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0]])
    scale = Scale("verdict", ("reject", "accept"), "nominal")
    verdicts = {"c000": "reject", "c001": "accept", "c002": "accept", "c003": "accept"}
    filter_, rater, itself = human_ceiling(of_levels(levels, scale), verdicts, None, resamples=50)
    assert filter_.value == pytest.approx(7 / 10), "the third clip has one decided vote: two of its three face a tie"
    assert rater.value == pytest.approx(9 / 10)
    assert itself.undefined
    with pytest.raises(ValueError, match="'maybe'"):
        human_ceiling(of_levels(levels, scale), {"c000": "maybe"}, None)


def test_agreement_with_oneself_is_one_number_in_both_tables() -> None:
    """The human ceiling and the table of repeats give the same value and interval, with several repeats of a clip."""
    clip, rater = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 0, 1, 1])
    found = repeats(clip, rater, np.array([0, 1] * 4), np.array([0, 0, 1, 1, 1, 0, 0, 0]))
    scale = Scale("verdict", ("reject", "accept"), "nominal")
    itself = human_ceiling(of_levels(np.eye(3, dtype=int)[:, :2], scale), None, found, resamples=50)[2]
    in_table = intra_rater(found, scale)[0]
    assert itself.value == 0.75
    assert (itself.value, itself.low, itself.high) == (in_table.value, in_table.low, in_table.high)
    assert itself.method == in_table.method


def test_weighted_alpha_refuses_a_clip_without_weight() -> None:
    """A missing or zero weight raises an error that names the clip."""
    with pytest.raises(ValueError, match="c001 has no weight"):
        weighted_agreement("krippendorff_alpha", of_levels(np.array([[0, 1], [2, 2]])), {"c000": 1.0})


def test_an_end_without_bound_gives_no_interval() -> None:
    """For three clips on which raters hardly agree, the lower end for the mean would be unbounded: no interval."""
    levels = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]])
    clips, raters = np.nonzero(np.ones_like(levels, dtype=bool))
    names = [f"c{clip}" for clip in clips], [f"r{rater}" for rater in raters]
    scale = Scale("points", ("1", "2", "3"), "interval")
    table = Ratings.from_votes(*names, [str(level + 1) for level in levels.ravel()], scale)
    found = icc.icc("icc_2_k", table)
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert "no interval" in found.method


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.sampled_from(ACR5.levels)), min_size=1, max_size=30))
def test_the_disagreement_on_a_clip_lies_between_0_and_1(rows: list[tuple[int, int, str]]) -> None:
    """It is 0 exactly if all votes are equal, and NaN exactly if there are fewer than two votes."""
    last = {(clip, rater): value for clip, rater, value in rows}
    clips, raters = zip(*last, strict=True)
    ratings = Ratings.from_votes([str(c) for c in clips], [str(r) for r in raters], list(last.values()), ACR5)
    disagreement = clip_disagreement(ratings)
    paired = ratings.votes >= 2
    assert (np.isnan(disagreement) == ~paired).all()
    assert ((disagreement[paired] >= 0) & (disagreement[paired] <= 1)).all()
    assert ((disagreement[paired] == 0) == (np.count_nonzero(ratings.counts[paired], axis=1) == 1)).all()


def test_disagreement_and_percent_agreement_add_up_to_1() -> None:
    """On a nominal scale the mean disagreement of the clips is 1 minus the percent agreement."""
    verdicts = ["accept" if letter == "A" else "reject" for letter in "ARAAARA"]
    ratings = Ratings.from_votes(list("aaabbcc"), list("xyzxyxy"), verdicts, VERDICT)
    share = percent_agreement(ratings, resamples=10).value
    assert share is not None
    assert 1 - float(np.mean(clip_disagreement(ratings))) == pytest.approx(share)


def test_spearman_with_the_rest_has_the_interval_of_spearman() -> None:
    """A rater's rank correlation with the others uses Bonett & Wright's variance and not that of Pearson."""
    ratings = of_levels(simulated(np.random.default_rng(8), 60, 3))
    estimates = {one.statistic: one for one in raters_against_others(ratings)[0].estimates}
    one = estimates["rest_spearman"]
    assert one.value is not None
    assert one.low is not None
    error = np.sqrt((1 + one.value**2 / 2) / 57)
    assert one.low == pytest.approx(np.tanh(np.arctanh(one.value) - 1.959964 * error), abs=1e-6)
    assert "Bonett" in one.method
    assert estimates["rest_pearson"].method == "Fisher's z"
