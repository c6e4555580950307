"""`clipjury stats agreement`: every statistic on files, weights, sources, repeats and error messages."""

import json
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from app.commands.stats.agreement import agreement
from app.errors import AppError
from tests.helpers.analysis_data import case, real

COMMAND = typer.Typer()
COMMAND.command()(agreement)
NAMES = (
    *("krippendorff_alpha", "gwet_ac1", "gwet_ac2", "percent_agreement", "fleiss_kappa"),
    *("cohen_kappa", "weighted_kappa_linear", "weighted_kappa_quadratic"),
    *("icc_1_1", "icc_2_1", "icc_3_1", "icc_1_k", "icc_2_k", "icc_3_k"),
    *("intra_rater_agreement", "intra_rater_kappa", "within_rater_sd", "repeatability"),
)


def printed_json(*arguments: object) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(COMMAND, [*map(str, arguments), "--resamples", "100", "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def error_message(*arguments: object) -> str:
    """The error message of the command."""
    error = CliRunner().invoke(COMMAND, [*map(str, arguments), "--json"]).exception
    assert isinstance(error, AppError), error
    return str(error)


def named(found: dict[str, Any], criterion: str | None = None) -> dict[str, dict[str, Any]]:
    return {
        one["statistic"]: one for one in found["estimates"] if criterion is None or one["criterion"] == criterion
    }  # fmt: skip


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def krippendorff_wide(tmp_path: Path) -> Path:
    """Krippendorff's example (2011) with missing values, a row per unit."""
    votes = {rater: line.split() for rater, line in case("alpha", "krippendorff_2011")["votes"].items()}
    rows = (
        ",".join([f"u{unit:02}", *("" if line[unit] == "." else line[unit] for line in votes.values())])
        for unit in range(12)
    )
    return write(tmp_path / "wide.csv", "unit," + ",".join(votes), *rows)


@pytest.mark.parametrize(
    ("scale", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorff_2011_on_every_scale(krippendorff_wide: Path, scale: str, printed: float) -> None:
    """A wide file gives the four published alphas; every other statistic has a value or a reason."""
    estimates = named(printed_json(krippendorff_wide, "--wide", "--scale", scale, "--values", "1,2,3,4,5"))
    assert tuple(estimates) == NAMES
    assert estimates["krippendorff_alpha"]["value"] == pytest.approx(printed, abs=6e-4)
    assert estimates["krippendorff_alpha"]["clips"] == 11
    for one in estimates.values():
        assert (one["value"] is None) == bool(one["undefined"])
    assert "missing" in estimates["icc_2_1"]["undefined"] or scale == "nominal"


def test_shrout_and_fleiss_from_a_file(tmp_path: Path) -> None:
    """Six targets by four judges give the six published intraclass correlations."""
    content = case("icc", "shrout_fleiss_1979")
    rows = (",".join(map(str, [f"t{number}", *row])) for number, row in enumerate(content["points"]))
    found = named(printed_json(write(tmp_path / "sf.csv", "clip,a,b,c,d", *rows), "--wide", "--scale", "interval"))
    for name, printed in content["printed"].items():
        assert found[name]["value"] == pytest.approx(printed, abs=0.005)
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_agreement_on_a_single_answer_is_undefined_with_a_reason(tmp_path: Path) -> None:
    """If all answers are the same, chance-corrected statistics are null with a reason; percent agreement is 1."""
    file = write(tmp_path / "same.csv", "clip,rater,value", *(f"{c},{r},5" for c in "abc" for r in "xy"))
    for scale in ("nominal", "ordinal", "interval", "ratio"):
        found = printed_json(file, "--scale", scale)
        estimates = named(found)
        assert estimates.pop("percent_agreement")["value"] == 1
        assert all(one["value"] is None and one["undefined"] for one in estimates.values())
        assert found["pairs"][0]["cohen_kappa"]["undefined"]


def test_one_rating_per_clip_is_undefined_with_a_reason(tmp_path: Path) -> None:
    """Without a clip that two raters rated, every statistic is undefined and has a reason."""
    file = write(tmp_path / "one.csv", "clip,rater,value", "a,x,1", "b,y,2", "c,x,3")
    found = printed_json(file, "--scale", "ordinal")
    assert all(one["value"] is None and one["undefined"] for one in found["estimates"])
    assert found["pairs"][0]["clips"] == 0


def test_weights_are_used_and_the_sample_value_is_given_too(tmp_path: Path) -> None:
    """Alpha with integer weights equals alpha of repeated clips; equal weights change nothing."""
    chance = np.random.default_rng(2)
    votes = np.clip(np.rint(chance.normal(3, 1, (40, 1)) + chance.normal(0, 0.8, (40, 3))), 1, 5).astype(int)
    weight = np.where(votes[:, 0] > 3, 40, 10)

    def file(name: str, weights: Any) -> Path:
        lines = [f"c{c},r{r},{votes[c, r]},{weights[c]},s{c % 2}" for c in range(40) for r in range(3)]
        return write(tmp_path / name, "clip,rater,value,weight,stratum", *lines)

    options = ("--scale", "interval", "--values", "1,2,3,4,5")
    weighted = named(printed_json(file("weighted.csv", weight), *options))
    even = named(printed_json(file("even.csv", np.full(40, 7)), *options))
    repeated = krippendorff.alpha(np.repeat(votes, weight, axis=0).T, level_of_measurement="interval")
    plain = krippendorff.alpha(votes.T, level_of_measurement="interval")
    alpha = weighted["krippendorff_alpha"]
    assert alpha["value"] == pytest.approx(repeated, abs=0.01)
    assert abs(alpha["value"] - plain) > 1e-3
    assert alpha["sample_value"] == pytest.approx(plain, abs=1e-12)
    assert alpha["low"] < alpha["value"] < alpha["high"]
    assert even["krippendorff_alpha"]["value"] == pytest.approx(plain, abs=1e-12)
    assert weighted["icc_1_1"]["value"] is None
    assert weighted["icc_1_1"]["sample_value"] is not None


def test_repeats_measure_the_rater_and_do_not_change_other_statistics(tmp_path: Path) -> None:
    """Occasions give agreement, spread and repeatability as computed by hand; other agreement is the same."""
    first = ["a,x,1,0", "b,x,3,0", "c,x,5,0", "d,x,2,0", "a,y,1,0", "b,y,2,0", "c,y,5,0", "d,y,4,0"]
    head = "clip,rater,value,occasion"
    with_repeats = printed_json(
        write(tmp_path / "r.csv", head, *first, "a,x,2,1", "b,x,3,1", "c,x,5,1", "d,x,4,1"), "--scale", "ordinal"
    )
    alone = named(printed_json(write(tmp_path / "a.csv", head, *first), "--scale", "ordinal"))
    estimates = named(with_repeats)
    assert estimates["intra_rater_agreement"]["value"] == 0.5
    assert estimates["within_rater_sd"]["value"] == pytest.approx((5 / 4 / 2) ** 0.5, abs=1e-12)
    assert estimates["repeatability"]["value"] == pytest.approx(1.96 * (5 / 4) ** 0.5, abs=1e-12)
    assert estimates["krippendorff_alpha"]["value"] == alone["krippendorff_alpha"]["value"]
    assert "occasion" in alone["within_rater_sd"]["undefined"]
    by_rater = {one["rater"]: one for one in with_repeats["raters"]}
    assert by_rater["x"]["within_rater_sd"]["value"] == estimates["within_rater_sd"]["value"]
    assert "within_rater_sd" not in by_rater["y"]


def test_statistics_that_ignore_weights_or_sources_say_so(tmp_path: Path) -> None:
    """Pairs, raters, repeats and the ceiling use neither weights nor sources, and notes say so."""
    lines = [f"c{c},{r},{(c + (r == 'y')) % 3 % 2},{1 + c % 2},s{c // 2}" for c in range(8) for r in "xyz"]
    file = write(tmp_path / "w.csv", "clip,rater,value,weight,source", *lines)
    by_clip, by_source = (
        printed_json(file, "--scale", "nominal"),
        printed_json(file, "--scale", "nominal", "--unit", "source"),
    )
    assert ["take no weights" in note for note in by_clip["notes"]] == [True]
    assert ["not sources" in note for note in by_source["notes"]] == [False, True]
    assert (
        printed_json(write(tmp_path / "p.csv", "clip,rater,value", "a,x,1", "a,y,0"), "--scale", "nominal")["notes"]
        == []
    )
    printed = CliRunner().invoke(COMMAND, [str(file), "--scale", "nominal", "--resamples", "20"]).output
    assert "take no weights" in printed


@pytest.mark.parametrize("empty", ["NA", "NaN", "null", ""])
def test_a_missing_answer_is_left_out(tmp_path: Path, empty: str) -> None:
    """NA (of R) and NaN (of Python) are counted as missing and are not levels of the scale."""
    file = write(tmp_path / "na.csv", "clip,rater,value", "a,x,1", f"a,y,{empty}", "b,x,0", "b,y,0", "c,x,1", "c,y,1")
    found = printed_json(file, "--scale", "nominal")
    assert (found["levels"]["value"], found["empty"]) == (["0", "1"], 1)
    assert named(found)["krippendorff_alpha"]["clips"] == 2


def test_sources_widen_the_interval(tmp_path: Path) -> None:
    """Similar clips from few sources give a wider interval than as many independent clips."""
    lines = [
        f"c{c:02},{r},{'accept' if s % 2 or (r == 'z' and s == 2) else 'reject'},s{s}"
        for c, s in ((c, c // 10) for c in range(60))
        for r in "xyz"
    ]
    file = write(tmp_path / "s.csv", "clip,rater,value,source", *lines)
    widths = []
    for unit in ("clip", "source"):
        one = named(printed_json(file, "--scale", "nominal", "--unit", unit))["krippendorff_alpha"]
        widths.append(one["high"] - one["low"])
    assert widths[1] > 1.5 * widths[0]


def test_several_criteria_and_the_ceiling(tmp_path: Path) -> None:
    """Each criterion has its own estimates; the ceiling compares filter, rater and repeat."""
    lines = [
        f"{c},{r},{k},{'accept' if (c in 'abc') else 'reject'},reject" for c in "abcd" for r in "xyz" for k in "qs"
    ]
    file = write(tmp_path / "two.csv", "clip,rater,criterion,value,sync", *lines)
    found = printed_json(file, "--scale", "nominal", "--filter", "sync")
    assert {one["criterion"] for one in found["estimates"]} == {"q", "s"}
    ceiling = {one["statistic"]: one for one in found["ceiling"] if one["criterion"] == "q"}
    assert ceiling["filter_to_panel"]["value"] == 0.25
    assert ceiling["rater_to_rest"]["value"] == 1
    assert ceiling["rater_to_self"]["undefined"]
    assert len(named(printed_json(file, "--scale", "nominal", "--criterion", "s"))) == len(NAMES)


def test_ratings_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    """Unordered words on an ordinal scale, words as points, values off the scale, missing or duplicate sources."""
    words = write(tmp_path / "w.csv", "clip,rater,value", "a,x,good", "a,y,bad")
    points = write(tmp_path / "p.csv", "clip,rater,value,source", "a,x,-1,s", "a,y,3,t")
    assert "order of bad, good is unknown" in error_message(words, "--scale", "ordinal")
    assert "'good'" in error_message(words, "--scale", "interval")
    assert "-1" in error_message(points, "--scale", "ratio")
    assert "value '3'" in error_message(points, "--scale", "ordinal", "--values", "-1,0")
    assert "no column 'source'" in error_message(words, "--scale", "nominal", "--unit", "source")
    assert "two values of source" in error_message(points, "--scale", "interval", "--unit", "source")
    assert "no column 'sync'" in error_message(words, "--scale", "nominal", "--filter", "sync")
    assert "good" in printed_json(words, "--scale", "ordinal", "--values", "bad,good")["levels"]["value"]


def test_the_terminal_shows_all_four_tables(krippendorff_wide: Path) -> None:
    """Without --json the same figures are printed as tables."""
    result = CliRunner().invoke(COMMAND, [str(krippendorff_wide), "--wide", "--scale", "ordinal", "--resamples", "50"])
    assert result.exit_code == 0, result.exception
    assert all(head in result.output for head in ("0.82 [", "The human ceiling", "Pairs of raters", "alpha without"))


def test_bluebirds_alpha(tmp_path: Path) -> None:
    """39 raters and 108 pictures of birds give the alpha published for these data."""
    rows = real("bluebirds", "labels_long.csv")
    lines = (f"{row['image']},{row['worker']},{row['label']}" for row in rows)
    found = named(printed_json(write(tmp_path / "birds.csv", "clip,rater,value", *lines), "--scale", "nominal"))
    assert found["krippendorff_alpha"]["value"] == pytest.approx(0.12550057220257338, abs=1e-12)
    assert found["icc_2_1"]["undefined"]
