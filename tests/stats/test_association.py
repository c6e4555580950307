"""`clipjury stats association`: the JSON that its users read, files joined by clip, and errors in words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.errors import AppError

ESTIMATE = {
    *("statistic", "value", "low", "high", "confidence", "clips", "raters", "ratings", "method", "signature"),
    *("undefined", "resamples_undefined", "se"),
}
CLIPS = 60


def printed_json(*arguments: object) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(cli, ["stats", "association", *map(str, arguments), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def error_message(*arguments: object) -> str:
    """The error of the command: message and remedy."""
    result = CliRunner().invoke(cli, ["stats", "association", *map(str, arguments)])
    assert isinstance(result.exception, AppError), (result.output, result.exception)
    return f"{result.exception.message} {result.exception.remedy}"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A clip table with two scores, their mean ratings and a design, and the ratings of five raters."""
    chance = np.random.default_rng(1)
    clips = ["clip,sharp,blur,mos,stratum,size,weight,source"]
    ratings = ["clip,rater,criterion,value"]
    for clip in range(CLIPS):
        quality = chance.normal()
        votes = np.clip(np.rint(3 + quality + chance.normal(0, 0.8, 5)), 1, 5)
        sharp, blur = quality + chance.normal(0, 0.6), -quality + chance.normal()
        side = int(sharp > 0)
        design = f"{'ab'[side]},{(1000, 100)[side]},{1 + clip % 3},v{clip // 3}"
        clips.append(f"c{clip:03},{sharp:.5f},{blur:.5f},{votes.mean():g},{design}")
        ratings += [f"c{clip:03},r{rater},quality,{vote:g}" for rater, vote in enumerate(votes)]
        ratings.append(f"c{clip:03},r0,stability,3")
    for name, lines in (("clips.csv", clips), ("ratings.csv", ratings)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path / "clips.csv", tmp_path / "ratings.csv"


def test_the_keys_are_those_of_the_documentation(files: tuple[Path, Path]) -> None:
    """Every object has exactly its keys, and every estimate those of an estimate with `se`."""
    found = printed_json(
        files[0], "--score", "sharp", "--score", "blur", "--ratings", files[1], "--criterion", "quality"
    )
    assert set(found) == {"criterion", "counts", "notes", "reliability", "scores", "differences"}
    assert found["criterion"] == "quality"
    assert found["counts"] == {"rows": CLIPS, "used": CLIPS, "without_score": 0, "without_rating": 0}
    assert set(found["reliability"]) == {"icc_1_1", "mos_reliability", "ceiling", "votes_per_clip"}
    for name in ("icc_1_1", "mos_reliability"):
        assert set(found["reliability"][name]) == ESTIMATE
    sharp, blur = found["scores"]
    estimates = {"spearman", "pearson", "kendall_tau_b", "disattenuated_pearson"}
    assert set(sharp) == {"score", "direction", "mappings", "pairs", *estimates}
    assert [sharp["score"], sharp["direction"], blur["score"], blur["direction"]] == ["sharp", "ge", "blur", "le"]
    for name in ("spearman", "pearson", "kendall_tau_b", "disattenuated_pearson"):
        assert set(sharp[name]) == ESTIMATE
        assert sharp[name]["low"] < sharp[name]["value"] < sharp[name]["high"]
        assert (sharp[name]["clips"], sharp[name]["raters"], sharp[name]["ratings"]) == (CLIPS, 5, 5 * CLIPS)
    assert sharp["disattenuated_pearson"]["value"] == pytest.approx(
        sharp["pearson"]["value"] / found["reliability"]["ceiling"]
    )


def test_mappings_have_their_keys(files: tuple[Path, Path]) -> None:
    """Every mapping asked for is there in order with exactly its keys; the cubic one is the default."""
    common = (files[0], "--score", "blur", "--ratings", files[1], "--criterion", "quality")
    wanted = ["logistic", "linear", "cubic"]
    found = printed_json(*common, *(word for name in wanted for word in ("--mapping", name)))["scores"][0]["mappings"]
    assert [one["mapping"] for one in found] == wanted
    assert [one["parameters"] for one in found] == [4, 2, 4]
    estimates = {"rmse", "rmse_star", "outlier_ratio", "pearson"}
    for one in found:
        assert set(one) == {"mapping", "monotone", "converged", "parameters", *estimates}
        assert all(set(one[name]) == ESTIMATE for name in estimates)
        assert one["pearson"]["value"] > 0.3
    assert [one["mapping"] for one in printed_json(*common)["scores"][0]["mappings"]] == ["cubic"]


def test_pairs_have_their_keys(files: tuple[Path, Path]) -> None:
    """With --pairs every score has exactly the keys of pairs; without it null, and means alone are refused."""
    common = (files[0], "--score", "blur", "--ratings", files[1], "--criterion", "quality")
    found = printed_json(*common, "--pairs")["scores"][0]["pairs"]
    estimates = {"auc_different_similar", "auc_better_worse", "correct_at_zero"}
    assert set(found) == {"pairs", "different", "threshold_95", *estimates}
    assert found["pairs"] == CLIPS * (CLIPS - 1) // 2
    assert all(set(found[name]) == ESTIMATE for name in estimates)
    assert found["auc_better_worse"]["value"] > 0.5
    assert printed_json(*common)["scores"][0]["pairs"] is None
    assert "--ratings" in error_message(files[0], "--score", "blur", "--rating", "mos", "--pairs")


def test_differences_have_their_keys(files: tuple[Path, Path]) -> None:
    """The first score is compared with each other one by both correlations, with exactly the documented keys."""
    common = (files[0], "--rating", "mos", "--score", "sharp")
    found = printed_json(*common, "--score", "blur", "--score", "weight", "--resamples", 20)["differences"]
    assert [(one["scores"], one["statistic"]) for one in found] == [
        (["sharp", other], statistic) for other in ("blur", "weight") for statistic in ("spearman", "pearson")
    ]
    for one in found:
        assert set(one) == {"scores", "statistic", "difference", "p", "method"}
        assert set(one["difference"]) == ESTIMATE
        assert one["difference"]["low"] < one["difference"]["value"] < one["difference"]["high"]
        assert 0 <= one["p"] <= 1
    assert printed_json(*common)["differences"] == []


def test_means_and_ratings_give_the_same_correlations(files: tuple[Path, Path]) -> None:
    """A column of mean ratings gives the correlations of the ratings themselves, without what needs single ratings."""
    of_means = printed_json(files[0], "--score", "sharp", "--rating", "mos")
    of_ratings = printed_json(files[0], "--score", "sharp", "--ratings", files[1], "--criterion", "quality")
    assert of_means["reliability"] is None
    assert of_means["scores"][0]["disattenuated_pearson"] is None
    assert of_means["criterion"] == "mos"
    for name in ("spearman", "pearson", "kendall_tau_b"):
        ends = [[one["scores"][0][name][key] for key in ("value", "low", "high")] for one in (of_means, of_ratings)]
        assert ends[0] == pytest.approx(ends[1])


def test_designs_and_their_methods(files: tuple[Path, Path]) -> None:
    """Strata with sizes, weights and sources change values or intervals, and the method says which was used."""
    common = (files[0], "--score", "sharp", "--rating", "mos", "--resamples", 50)
    methods = {
        "Fisher": (),
        "jackknife": ("--source", "source"),
        "bootstrap": ("--stratum", "stratum", "--population", "size"),
        "resamples of 60 clips": ("--weight", "weight"),
    }
    plain = printed_json(*common)["scores"][0]["spearman"]
    for word, options in methods.items():
        one = printed_json(*common, *options)["scores"][0]["spearman"]
        assert word in one["method"]
        assert ("sample_value" in one) == (options[:1] in (("--weight",), ("--stratum",)))
        assert one.get("sample_value", one["value"]) == pytest.approx(plain["value"])


def test_what_was_left_out_is_counted(files: tuple[Path, Path]) -> None:
    """Clips without a score, without a rating, and rated clips that are not in the table are counted."""
    clips, ratings = files
    clips.write_text(clips.read_text() + "c900,,1,3,a,1000,1,v1\nc901,0.1,1,,a,1000,1,v1\n")
    ratings.write_text(ratings.read_text() + "c900,r0,quality,3\nc950,r1,quality,2\nc951,r1,quality,unsure\n")
    found = printed_json(clips, "--score", "sharp", "--ratings", ratings, "--criterion", "quality")
    assert found["counts"] == {"rows": CLIPS + 2, "used": CLIPS, "without_score": 1, "without_rating": 1}
    notes = " ".join(found["notes"])
    assert "1 rated clips" in notes
    assert "unsure" in notes


def test_a_narrow_sample_is_no_statement_about_the_pool(files: tuple[Path, Path]) -> None:
    """If the table's other clips spread more than the rated ones, a note says so and names a remedy."""
    clips = files[0]
    lines = [f"p{clip},{clip - 30},0,,a,1000,1,v1" for clip in range(60)]
    clips.write_text(clips.read_text() + "\n".join(lines) + "\n")
    found = printed_json(clips, "--score", "sharp", "--rating", "mos")
    assert any("no statement about the pool" in note and "--weight" in note for note in found["notes"])
    weighted = printed_json(clips, "--score", "sharp", "--rating", "mos", "--weight", "weight", "--resamples", 20)
    assert not any("no statement" in note for note in weighted["notes"])


def test_errors_name_the_remedy(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Contradictory options, unknown columns and criteria, and files that do not meet are refused in words."""
    clips, ratings = files
    assert "--rating" in error_message(clips, "--score", "sharp")
    assert "--rating" in error_message(clips, "--score", "sharp", "--rating", "mos", "--ratings", ratings)
    assert "--criterion" in error_message(clips, "--score", "sharp", "--rating", "mos", "--criterion", "quality")
    assert "no column 'shrap'" in error_message(clips, "--score", "shrap", "--rating", "mos")
    assert "--criterion" in error_message(clips, "--score", "sharp", "--ratings", ratings)
    (tmp_path / "other.csv").write_text("clip,rater,value\nz1,a,3\nz2,a,4\n")
    assert "joined by their names" in error_message(clips, "--score", "sharp", "--ratings", tmp_path / "other.csv")
    (tmp_path / "verdicts.csv").write_text("clip,rater,value\nc000,a,accept\nc001,a,reject\n")
    assert "stats calibrate" in error_message(clips, "--score", "sharp", "--ratings", tmp_path / "verdicts.csv")
    result = CliRunner().invoke(cli, ["stats", "association", str(clips), "--score", "sharp", "--nope"])
    assert result.exit_code == 2


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_scores_of_any_size_have_the_same_figures(size: float, tmp_path: Path) -> None:
    """Tiny and huge scores neither overflow nor vanish, and no warning gets into the JSON."""
    path = tmp_path / "clips.csv"
    path.write_text("\n".join(["clip,s,mos", *(f"c{clip},{clip * size / 40!r},{clip % 5}" for clip in range(40))]))
    found = printed_json(path, "--score", "s", "--rating", "mos", "--mapping", "cubic", "--mapping", "logistic")
    assert found["scores"][0]["pearson"]["value"] == pytest.approx(0.1225127784)
    assert found["scores"][0]["mappings"][0]["rmse"]["value"] == pytest.approx(1.4646543628)


@pytest.mark.parametrize("clips", [1, 2, 3, 9])
def test_a_handful_of_clips_has_values_or_reasons(clips: int, tmp_path: Path) -> None:
    """From one clip on every figure is a number without an interval, or undefined with a reason."""
    chance = np.random.default_rng(clips)
    lines, votes = ["clip,s,t"], ["clip,rater,value"]
    for clip in range(clips):
        lines.append(f"c{clip},{chance.normal():.4f},{chance.normal():.4f}")
        votes += [f"c{clip},r{rater},{chance.integers(1, 6)}" for rater in range(3)]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    (tmp_path / "r.csv").write_text("\n".join(votes))
    common = ("--score", "s", "--score", "t", "--ratings", tmp_path / "r.csv", "--mapping", "logistic", "--pairs")
    found = printed_json(tmp_path / "c.csv", *common)
    one = found["scores"][0]
    for estimate in (
        one["spearman"],
        one["pearson"],
        one["mappings"][0]["rmse"],
        found["differences"][0]["difference"],
    ):
        assert (estimate["value"] is None) == bool(estimate["undefined"])
        assert estimate["low"] is None
    assert found["differences"][0]["p"] is None


def test_the_terminal_shows_the_same_figures(files: tuple[Path, Path]) -> None:
    """Without --json a table has the correlations in the format of every other figure, and the ceiling in words."""
    arguments = ["stats", "association", str(files[0]), "--score", "sharp", "--ratings", str(files[1])]
    result = CliRunner().invoke(cli, [*arguments, "--criterion", "quality"])
    assert result.exit_code == 0, result.output
    one = printed_json(*arguments[2:], "--criterion", "quality")["scores"][0]["spearman"]
    assert f"{one['value']:.2f} [{one['low']:.2f}, {one['high']:.2f}]" in result.output
    assert "No score is expected to correlate" in result.output
