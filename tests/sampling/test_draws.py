"""From pool and design to a sample: known chances, and plain words where a wish could not be met."""

from pathlib import Path

import polars as pl
import pytest

from app.sampling.sample_files import SampleFile
from tests.helpers.sampled_pools import BORDERLINE, CLIPS, DESIGNS, FILTERS, frame, made, refusal


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool of 600 clips on disk."""
    frame().write_parquet(tmp_path / "pool.parquet")
    return tmp_path / "pool.parquet"


@pytest.mark.parametrize("name", DESIGNS)
def test_weights_stand_for_the_pool_stratum_by_stratum(pool: Path, name: str) -> None:
    """In each stratum the weights add up to its clips; every row names design, seed and phase."""
    sample = made(pool, DESIGNS[name])
    for row in sample.record["strata"]:
        own = sample.clips.filter(pl.col("stratum") == row["label"])
        assert own.height == row["drawn"]
        if name != "limited":
            assert own["weight"].sum() == pytest.approx(row["population"])
    whole = sum(row["population"] for row in sample.record["strata"])
    assert whole == CLIPS - (name == "included")
    assert sample.clips["clip"].is_unique().all()
    assert (sample.clips["weight"] * sample.clips["inclusion_probability"]).to_list() == pytest.approx(
        [1] * sample.clips.height
    )
    assert set(sample.clips["design_id"]) == {sample.record["design_id"]}
    assert (set(sample.clips["seed"]), set(sample.clips["phase"])) == ({1}, {1})
    assert not sample.clips["probability_estimated"].any()
    assert sample.clips["media"].to_list() == ["tiny.mp4"] * sample.clips.height


@pytest.mark.parametrize("name", DESIGNS)
def test_the_order_of_rows_does_not_change_a_sample(pool: Path, name: str) -> None:
    """The same clips in another order: the same rows in the same order, byte for byte but for the pool's hash."""
    kept = ("clip", "stratum", "inclusion_probability", "source")
    before = made(pool, DESIGNS[name]).clips.select(kept)
    frame().sample(fraction=1, shuffle=True, seed=5).write_parquet(pool)
    assert made(pool, DESIGNS[name]).clips.select(kept).equals(before)


def test_rejects_are_always_drawn_unless_waived_in_words(pool: Path) -> None:
    """Three tenths of the clips asked for at least, 30 of those that only accepted clips would be; or the reason."""
    accepted = 'design = "stratified"\nclips = 50\n[[strata]]\nfilter = "still"\nedges = [50]\n'
    cut = (
        FILTERS.replace("min = 60", "min = 1")
        .replace("min = 10", "min = -1")
        .replace('score = "sharpness"', 'score = "constant"')
    )
    sample = made(pool, accepted + cut)
    labels = {row["label"]: row["drawn"] for row in sample.record["strata"]}
    rejects = frame().filter(pl.col("movement") < 1).height
    assert 0 < labels["below 50, rejected"] == rejects < 15
    assert f"has only {rejects} rejected clips where 15 were wanted" in " ".join(sample.record["notes"])
    assert "rejected clips were added" in " ".join(sample.record["notes"])
    passed = made(pool, DESIGNS["passed"])
    assert {row["label"]: row["drawn"] for row in passed.record["strata"]} == {"all": 30, "random slice of rejects": 30}
    waived = made(pool, 'waive_rejects = "only the accepted clips matter here"\n' + DESIGNS["passed"])
    assert "No slice of rejects is drawn: only the accepted clips matter here" in waived.record["notes"]
    assert waived.clips.height == 30


def test_a_design_without_filters_says_that_rejects_are_not_known(pool: Path) -> None:
    """There is nothing to be rejected by; quantiles of a score still work."""
    sample = made(pool, 'design = "stratified"\nclips = 30\n[[strata]]\nscore = "sharpness"\nquantiles = 3\n')
    assert [row["label"].split(" ")[0] for row in sample.record["strata"]][-1] == "no"
    assert "which clips are rejects is not known" in " ".join(sample.record["notes"])


def test_included_clips_have_probability_one_and_excluded_ones_none(pool: Path) -> None:
    """A stratum of their own; the populations leave the excluded clip out and say so."""
    sample = made(pool, DESIGNS["included"])
    row = sample.clips.row(by_predicate=pl.col("clip") == "c001", named=True)
    assert (row["stratum"], row["inclusion_probability"]) == ("must include", 1.0)
    assert "c002" not in sample.clips["clip"]
    assert "1 clips were excluded by id" in " ".join(sample.record["notes"])
    assert "Did you mean" in refusal(pool, 'design = "simple"\ninclude = ["c01"]')


def test_a_limit_per_source_holds_and_its_kind_of_probability_is_marked(pool: Path) -> None:
    """One clip of a film in the whole sample: estimated; in each stratum: exact."""
    text = DESIGNS["limited"].replace('per_source_in = "stratum"\n', "")
    sample = made(pool, text)
    assert sample.clips["source"].is_unique().all()
    assert sample.clips["probability_estimated"].all()
    assert "estimated by simulation" in " ".join(sample.record["notes"])
    exact = made(pool, DESIGNS["limited"]).clips
    assert exact.group_by("stratum", "source").len()["len"].max() == 1
    assert not exact["probability_estimated"].any()


def test_too_many_strata_for_the_sample_are_counted(pool: Path) -> None:
    """The refusal has both numbers and the way out."""
    words = refusal(pool, DESIGNS["crossed"].replace("clips = 90", "clips = 7"))
    assert "7 clips cannot cover" in words
    assert "most = 8" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DESIGNS["simple"].replace('"sharpness"', '"sharpnes"'), "has no column 'sharpnes'. Did you mean sharpness"),
        ('design = "stratified"\n[[strata]]\ncolumn = "langage"', "has no column 'langage'. Did you mean language"),
        ('design = "stratified"\n[[strata]]\nscore = "clip"\nedges = [1]', "no numbers"),
        ('design = "stratified"\n[[strata]]\ncolumn = "movement"\nmost = 3', ""),
        (DESIGNS["neyman"].replace("0.95]", "0.95, 0.5]"), "5 guesses for 4 strata (below"),
        (DESIGNS["neyman"].replace("guess = [0.1, 0.4, 0.7, 0.95]\n", ""), "needs guess = [...] or a pilot"),
        ('design = "stratified"\nshares = [3]\n[[strata]]\ncolumn = "language"', "1 shares for 2 strata (language en;"),
    ],
)
def test_what_the_pool_cannot_give_is_refused_by_name(pool: Path, text: str, words: str) -> None:
    """Unknown columns with the nearest name, columns without numbers, numbers that do not fit the strata."""
    if words:
        assert words in refusal(pool, text)
    else:
        labels = [
            row["label"] for row in made(pool, text + "\nbands = 4\n".replace("bands = 4\n", "")).record["strata"]
        ]
        assert labels[-1] == "other"


def test_shortages_are_said_and_never_silent(pool: Path) -> None:
    """Empty bands, equal scores, a quota over supply, more clips than the pool has."""

    def said(text: str) -> str:
        return " ".join(made(pool, text).record["notes"])

    strata = '[[strata]]\nscore = "movement"\nedges = [50, 500]\n'
    assert "Stratum 500 and above has no clips." in said('design = "stratified"\nclips = 20\n' + strata)
    over = said('design = "stratified"\nshares = [10, 700, 0]\n' + strata)
    assert "were asked for: all are taken" in over
    assert "The pool has 600 clips where 900 were asked for" in said('design = "simple"\nclips = 900')
    equal = 'design = "stratified"\nclips = 20\n[[strata]]\nfilter = "same"\nbands = 4\n'
    equal += '[[filter]]\nname = "same"\nscore = "constant"\nmin = 5\n'
    assert "Equal values of constant leave 2 bands of the 4 asked for." in said(equal)


def test_scores_that_are_no_numbers_are_no_scores(pool: Path) -> None:
    """NaN, infinite and missing alike: a stratum of their own; a column of nothing else is refused."""
    rows = frame().with_columns(
        sharpness=pl.when(pl.col("sharpness") > 90).then(float("nan")).otherwise("sharpness"),
        movement=pl.when(pl.int_range(pl.len()) == 3).then(float("inf")).otherwise("movement"),
        constant=pl.lit(float("nan")),
    )
    rows.write_parquet(pool)
    text = 'design = "stratified"\nclips = 30\n[[strata]]\nscore = "sharpness"\nedges = [50]\n'
    strata = {row["label"]: row["population"] for row in made(pool, text).record["strata"]}
    assert strata["no score"] == rows.filter(~pl.col("sharpness").is_finite().fill_null(value=False)).height
    assert "No clip of the pool has the score constant" in refusal(pool, text.replace("sharpness", "constant"))


def test_a_clip_that_is_there_twice_and_a_file_that_is_no_pool_are_refused(pool: Path, tmp_path: Path) -> None:
    """By id; and with the command that makes a pool."""
    pl.concat([frame(), frame(3)]).write_parquet(pool)
    assert "has the clip 'c000' more than once" in refusal(pool, DESIGNS["simple"])
    (tmp_path / "text.parquet").write_text("no Parquet")
    assert "is not a pool" in refusal(tmp_path / "text.parquet", DESIGNS["simple"])
    assert "There is no pool" in refusal(tmp_path / "none.parquet", DESIGNS["simple"])


def test_files_that_nobody_can_watch_are_no_clips(pool: Path) -> None:
    """They are left out of the populations, and counted."""
    broken = pl.int_range(pl.len()) < 5
    frame().with_columns(
        duration=pl.when(~broken).then("duration"), reason=pl.when(broken).then(pl.lit("no video stream"))
    ).write_parquet(pool)
    sample = made(pool, DESIGNS["simple"])
    assert sum(row["population"] for row in sample.record["strata"]) == CLIPS - 5
    assert "5 files of the pool cannot be read" in sample.record["notes"][0]


def test_a_borderline_sample_states_nearness_and_has_a_slice_beside_it(pool: Path) -> None:
    """The nearest on each side with the distance in words; twelve other rejects at random with their probability."""
    sample = made(pool, BORDERLINE)
    scores = frame().filter(pl.col("movement") >= 60)["movement"].sort()
    strata = {row["label"]: row for row in sample.record["strata"]}
    assert strata["still just passes"]["farthest"] == pytest.approx(scores[9] - 60)
    assert f"within {scores[9] - 60:.4g} of the cut" in " ".join(sample.record["notes"])
    slice_ = sample.clips.filter(pl.col("stratum") == "random slice of rejects")
    assert slice_.height == 12
    assert slice_["weight"].sum() == pytest.approx(strata["random slice of rejects"]["population"])
    near = sample.clips.filter(pl.col("drawn_for").list.len() > 0)
    assert set(near["clip"]).isdisjoint(slice_["clip"])
    assert sample.clips["clip"].is_unique().all()


def test_a_borderline_sample_may_ask_all_other_filters_to_pass(pool: Path) -> None:
    """Clips drawn for one filter's cut pass the other; without it some do not."""
    rows = {row["clip"]: row for row in frame().iter_rows(named=True)}

    def sharp(sample: SampleFile) -> list[bool]:
        near = sample.clips.filter(pl.col("drawn_for").list.contains("still"))["clip"]
        return [(rows[clip]["sharpness"] or 0) >= 10 for clip in near]

    assert not all(sharp(made(pool, BORDERLINE)))
    assert all(sharp(made(pool, 'others = "passed"\n' + BORDERLINE)))
