"""`clipjury stats agreement`: every statistic on files, refusals in words, weights, sources, repeats."""

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


def said(*arguments: object) -> dict[str, Any]:
    """What the command prints with --json, read strictly."""
    result = CliRunner().invoke(COMMAND, [*map(str, arguments), "--resamples", "100", "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def refused(*arguments: object) -> str:
    """What the command complains."""
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
    """Krippendorff's example of 2011 with gaps, a row per unit."""
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
    """The four alphas printed for the example with gaps come from a wide file; every statistic is there or refused."""
    estimates = named(said(krippendorff_wide, "--wide", "--scale", scale, "--values", "1,2,3,4,5"))
    assert tuple(estimates) == NAMES
    assert estimates["krippendorff_alpha"]["value"] == pytest.approx(printed, abs=6e-4)
    assert estimates["krippendorff_alpha"]["clips"] == 11
    for one in estimates.values():
        assert (one["value"] is None) == bool(one["undefined"])
    assert "missing" in estimates["icc_2_1"]["undefined"] or scale == "nominal"


def test_shrout_and_fleiss_from_a_file(tmp_path: Path) -> None:
    """Six targets by four judges give the six printed intraclass correlations."""
    content = case("icc", "shrout_fleiss_1979")
    rows = (",".join(map(str, [f"t{number}", *row])) for number, row in enumerate(content["points"]))
    found = named(said(write(tmp_path / "sf.csv", "clip,a,b,c,d", *rows), "--wide", "--scale", "interval"))
    for name, printed in content["printed"].items():
        assert found[name]["value"] == pytest.approx(printed, abs=0.005)
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_one_answer_only_is_undefined_in_words(tmp_path: Path) -> None:
    """When all say the same, everything corrected for chance is null with the reason; raw agreement is 1."""
    file = write(tmp_path / "same.csv", "clip,rater,value", *(f"{c},{r},5" for c in "abc" for r in "xy"))
    for scale in ("nominal", "ordinal", "interval", "ratio"):
        found = said(file, "--scale", scale)
        estimates = named(found)
        assert estimates.pop("percent_agreement")["value"] == 1
        assert all(one["value"] is None and one["undefined"] for one in estimates.values())
        assert found["pairs"][0]["cohen_kappa"]["undefined"]


def test_one_rating_a_clip_is_undefined_in_words(tmp_path: Path) -> None:
    """Without a clip that two rated there is no agreement, and every statistic says so."""
    file = write(tmp_path / "one.csv", "clip,rater,value", "a,x,1", "b,y,2", "c,x,3")
    found = said(file, "--scale", "ordinal")
    assert all(one["value"] is None and one["undefined"] for one in found["estimates"])
    assert found["pairs"][0]["clips"] == 0


def test_weights_weigh_and_the_sample_value_stands_beside(tmp_path: Path) -> None:
    """Alpha with whole-number weights is alpha of clips repeated so often; equal weights change nothing."""
    chance = np.random.default_rng(2)
    votes = np.clip(np.rint(chance.normal(3, 1, (40, 1)) + chance.normal(0, 0.8, (40, 3))), 1, 5).astype(int)
    weight = np.where(votes[:, 0] > 3, 40, 10)

    def file(name: str, weights: Any) -> Path:
        lines = [f"c{c},r{r},{votes[c, r]},{weights[c]},s{c % 2}" for c in range(40) for r in range(3)]
        return write(tmp_path / name, "clip,rater,value,weight,stratum", *lines)

    options = ("--scale", "interval", "--values", "1,2,3,4,5")
    weighted = named(said(file("weighted.csv", weight), *options))
    even = named(said(file("even.csv", np.full(40, 7)), *options))
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


def test_repeats_measure_the_rater_and_never_join_the_others(tmp_path: Path) -> None:
    """Occasions give agreement, spread and repeatability as by hand; agreement between raters stays as it was."""
    first = ["a,x,1,0", "b,x,3,0", "c,x,5,0", "d,x,2,0", "a,y,1,0", "b,y,2,0", "c,y,5,0", "d,y,4,0"]
    head = "clip,rater,value,occasion"
    with_repeats = said(
        write(tmp_path / "r.csv", head, *first, "a,x,2,1", "b,x,3,1", "c,x,5,1", "d,x,4,1"), "--scale", "ordinal"
    )
    alone = named(said(write(tmp_path / "a.csv", head, *first), "--scale", "ordinal"))
    estimates = named(with_repeats)
    assert estimates["intra_rater_agreement"]["value"] == 0.5
    assert estimates["within_rater_sd"]["value"] == pytest.approx((5 / 4 / 2) ** 0.5, abs=1e-12)
    assert estimates["repeatability"]["value"] == pytest.approx(1.96 * (5 / 4) ** 0.5, abs=1e-12)
    assert estimates["krippendorff_alpha"]["value"] == alone["krippendorff_alpha"]["value"]
    assert "occasion" in alone["within_rater_sd"]["undefined"]
    by_rater = {one["rater"]: one for one in with_repeats["raters"]}
    assert by_rater["x"]["within_rater_sd"]["value"] == estimates["within_rater_sd"]["value"]
    assert "within_rater_sd" not in by_rater["y"]


def test_figures_that_leave_weights_or_sources_aside_say_so(tmp_path: Path) -> None:
    """Pairs, raters, repeats and the ceiling take neither weights nor sources: notes say it where it matters."""
    lines = [f"c{c},{r},{(c + (r == 'y')) % 3 % 2},{1 + c % 2},s{c // 2}" for c in range(8) for r in "xyz"]
    file = write(tmp_path / "w.csv", "clip,rater,value,weight,source", *lines)
    by_clip, by_source = said(file, "--scale", "nominal"), said(file, "--scale", "nominal", "--unit", "source")
    assert ["take no weights" in note for note in by_clip["notes"]] == [True]
    assert ["not sources" in note for note in by_source["notes"]] == [False, True]
    assert said(write(tmp_path / "p.csv", "clip,rater,value", "a,x,1", "a,y,0"), "--scale", "nominal")["notes"] == []
    printed = CliRunner().invoke(COMMAND, [str(file), "--scale", "nominal", "--resamples", "20"]).output
    assert "take no weights" in printed


@pytest.mark.parametrize("empty", ["NA", "NaN", "null", ""])
def test_a_missing_answer_is_no_answer(tmp_path: Path, empty: str) -> None:
    """R writes NA and Python NaN for a missing answer: it is left out and counted, and no level of the scale."""
    file = write(tmp_path / "na.csv", "clip,rater,value", "a,x,1", f"a,y,{empty}", "b,x,0", "b,y,0", "c,x,1", "c,y,1")
    found = said(file, "--scale", "nominal")
    assert (found["levels"]["value"], found["empty"]) == (["0", "1"], 1)
    assert named(found)["krippendorff_alpha"]["clips"] == 2


def test_sources_widen_the_interval(tmp_path: Path) -> None:
    """Clips cut from few sources, alike within each, know less than as many independent clips."""
    lines = [
        f"c{c:02},{r},{'accept' if s % 2 or (r == 'z' and s == 2) else 'reject'},s{s}"
        for c, s in ((c, c // 10) for c in range(60))
        for r in "xyz"
    ]
    file = write(tmp_path / "s.csv", "clip,rater,value,source", *lines)
    widths = []
    for unit in ("clip", "source"):
        one = named(said(file, "--scale", "nominal", "--unit", unit))["krippendorff_alpha"]
        widths.append(one["high"] - one["low"])
    assert widths[1] > 1.5 * widths[0]


def test_several_criteria_and_the_ceiling(tmp_path: Path) -> None:
    """Each criterion has its own estimates; the ceiling lays filter, rater and repeat beside each other."""
    lines = [
        f"{c},{r},{k},{'accept' if (c in 'abc') else 'reject'},reject" for c in "abcd" for r in "xyz" for k in "qs"
    ]
    file = write(tmp_path / "two.csv", "clip,rater,criterion,value,sync", *lines)
    found = said(file, "--scale", "nominal", "--filter", "sync")
    assert {one["criterion"] for one in found["estimates"]} == {"q", "s"}
    ceiling = {one["statistic"]: one for one in found["ceiling"] if one["criterion"] == "q"}
    assert ceiling["filter_to_panel"]["value"] == 0.25
    assert ceiling["rater_to_rest"]["value"] == 1
    assert ceiling["rater_to_self"]["undefined"]
    assert len(named(said(file, "--scale", "nominal", "--criterion", "s"))) == len(NAMES)


def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """Unordered words on an ordinal scale, words for points, values off the scale, sources missing or double."""
    words = write(tmp_path / "w.csv", "clip,rater,value", "a,x,good", "a,y,bad")
    points = write(tmp_path / "p.csv", "clip,rater,value,source", "a,x,-1,s", "a,y,3,t")
    assert "order of bad, good is unknown" in refused(words, "--scale", "ordinal")
    assert "'good'" in refused(words, "--scale", "interval")
    assert "-1" in refused(points, "--scale", "ratio")
    assert "value '3'" in refused(points, "--scale", "ordinal", "--values", "-1,0")
    assert "no column 'source'" in refused(words, "--scale", "nominal", "--unit", "source")
    assert "two values of source" in refused(points, "--scale", "interval", "--unit", "source")
    assert "no column 'sync'" in refused(words, "--scale", "nominal", "--filter", "sync")
    assert "good" in said(words, "--scale", "ordinal", "--values", "bad,good")["levels"]["value"]


def test_the_terminal_shows_all_four_tables(krippendorff_wide: Path) -> None:
    """Without --json the same figures stand in tables."""
    result = CliRunner().invoke(COMMAND, [str(krippendorff_wide), "--wide", "--scale", "ordinal", "--resamples", "50"])
    assert result.exit_code == 0, result.exception
    assert all(head in result.output for head in ("0.815", "The human ceiling", "Pairs of raters", "alpha without"))


def test_bluebirds_alpha(tmp_path: Path) -> None:
    """39 people on 108 birds give the alpha known for these data."""
    rows = real("bluebirds", "labels_long.csv")
    lines = (f"{row['image']},{row['worker']},{row['label']}" for row in rows)
    found = named(said(write(tmp_path / "birds.csv", "clip,rater,value", *lines), "--scale", "nominal"))
    assert found["krippendorff_alpha"]["value"] == pytest.approx(0.12550057220257338, abs=1e-12)
    assert found["icc_2_1"]["undefined"]
