"""Draws: inclusion probabilities are right, and notes and errors say what could not be drawn."""

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
def test_weights_add_up_to_the_pool_in_each_stratum(pool: Path, name: str) -> None:
    """In each stratum the weights add up to its clips; every row has design id, seed and phase."""
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
    """The same clips in another order give the same rows; only the hash of the pool differs."""
    kept = ("clip", "stratum", "inclusion_probability", "source")
    before = made(pool, DESIGNS[name]).clips.select(kept)
    frame().sample(fraction=1, shuffle=True, seed=5).write_parquet(pool)
    assert made(pool, DESIGNS[name]).clips.select(kept).equals(before)


def test_rejects_are_always_drawn_unless_waived_with_a_reason(pool: Path) -> None:
    """At least three tenths of the clips are rejects, or 30 for only accepted clips; otherwise the reason is noted."""
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


def test_a_design_without_filters_notes_that_rejects_are_unknown(pool: Path) -> None:
    """Without filters nothing is rejected; quantiles of a score still work."""
    sample = made(pool, 'design = "stratified"\nclips = 30\n[[strata]]\nscore = "sharpness"\nquantiles = 3\n')
    assert [row["label"].split(" ")[0] for row in sample.record["strata"]][-1] == "no"
    assert "which clips are rejects is not known" in " ".join(sample.record["notes"])


def test_included_clips_have_probability_one_and_excluded_clips_zero(pool: Path) -> None:
    """Included clips are a separate stratum; populations leave out the excluded clip, and a note says so."""
    sample = made(pool, DESIGNS["included"])
    row = sample.clips.row(by_predicate=pl.col("clip") == "c001", named=True)
    assert (row["stratum"], row["inclusion_probability"]) == ("must include", 1.0)
    assert "c002" not in sample.clips["clip"]
    assert "1 clips were excluded by id" in " ".join(sample.record["notes"])
    assert "Did you mean" in refusal(pool, 'design = "simple"\ninclude = ["c01"]')


def test_a_limit_per_source_holds_and_its_probabilities_are_marked(pool: Path) -> None:
    """Probabilities are estimated for a limit in the whole sample, and exact for a limit in each stratum."""
    text = DESIGNS["limited"].replace('per_source_in = "stratum"\n', "")
    sample = made(pool, text)
    assert sample.clips["source"].is_unique().all()
    assert sample.clips["probability_estimated"].all()
    assert "estimated by simulation" in " ".join(sample.record["notes"])
    exact = made(pool, DESIGNS["limited"]).clips
    assert exact.group_by("stratum", "source").len()["len"].max() == 1
    assert not exact["probability_estimated"].any()


def test_too_many_strata_for_the_sample_are_an_error(pool: Path) -> None:
    """The message has both numbers and the remedy."""
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
def test_a_design_that_does_not_fit_the_pool_is_an_error(pool: Path, text: str, words: str) -> None:
    """Unknown columns (with similar names), columns without numbers, numbers that do not fit the strata."""
    if words:
        assert words in refusal(pool, text)
    else:
        labels = [
            row["label"] for row in made(pool, text + "\nbands = 4\n".replace("bands = 4\n", "")).record["strata"]
        ]
        assert labels[-1] == "other"


def test_shortages_are_noted(pool: Path) -> None:
    """Notes name empty bands, equal scores, and more clips than a stratum or the pool has."""

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


def test_nan_and_infinite_scores_count_as_missing(pool: Path) -> None:
    """Clips with such scores are a separate stratum; a column with nothing else is an error."""
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


def test_a_duplicate_clip_and_a_file_that_is_not_a_pool_are_errors(pool: Path, tmp_path: Path) -> None:
    """The message names the clip, or the command that makes a pool."""
    pl.concat([frame(), frame(3)]).write_parquet(pool)
    assert "has the clip 'c000' more than once" in refusal(pool, DESIGNS["simple"])
    (tmp_path / "text.parquet").write_text("no Parquet")
    assert "is not a pool" in refusal(tmp_path / "text.parquet", DESIGNS["simple"])
    assert "There is no pool" in refusal(tmp_path / "none.parquet", DESIGNS["simple"])


def test_unreadable_files_are_not_in_the_frame(pool: Path) -> None:
    """They are left out of the populations, and a note counts them."""
    broken = pl.int_range(pl.len()) < 5
    frame().with_columns(
        duration=pl.when(~broken).then("duration"), reason=pl.when(broken).then(pl.lit("no video stream"))
    ).write_parquet(pool)
    sample = made(pool, DESIGNS["simple"])
    assert sum(row["population"] for row in sample.record["strata"]) == CLIPS - 5
    assert "5 files of the pool cannot be read" in sample.record["notes"][0]


def test_a_borderline_sample_has_distances_and_a_random_sample_of_rejects(pool: Path) -> None:
    """The nearest clips on each side with their distance, and twelve other rejects at random with their probability."""
    sample = made(pool, BORDERLINE)
    scores = frame().filter(pl.col("movement") >= 60)["movement"].sort()
    strata = {row["label"]: row for row in sample.record["strata"]}
    assert strata["still just passes"]["farthest"] == pytest.approx(scores[9] - 60)
    assert f"within {scores[9] - 60:.4g} of the threshold" in " ".join(sample.record["notes"])
    slice_ = sample.clips.filter(pl.col("stratum") == "random slice of rejects")
    assert slice_.height == 12
    assert slice_["weight"].sum() == pytest.approx(strata["random slice of rejects"]["population"])
    near = sample.clips.filter(pl.col("drawn_for").list.len() > 0)
    assert set(near["clip"]).isdisjoint(slice_["clip"])
    assert sample.clips["clip"].is_unique().all()


def test_a_borderline_sample_may_require_that_all_other_filters_accept(pool: Path) -> None:
    """Clips near one filter's threshold are accepted by the other; without the option some are not."""
    rows = {row["clip"]: row for row in frame().iter_rows(named=True)}

    def sharp(sample: SampleFile) -> list[bool]:
        near = sample.clips.filter(pl.col("drawn_for").list.contains("still"))["clip"]
        return [(rows[clip]["sharpness"] or 0) >= 10 for clip in near]

    assert not all(sharp(made(pool, BORDERLINE)))
    assert all(sharp(made(pool, 'others = "passed"\n' + BORDERLINE)))
