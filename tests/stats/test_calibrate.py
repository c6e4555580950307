"""`clipjury stats calibrate`: figures on real and synthetic files, guarantees and error messages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from app.commands.stats.calibrate import calibrate
from app.errors import AppError
from tests.helpers.analysis_data import RATINGS

COMMAND = typer.Typer()
COMMAND.command()(calibrate)


def printed_json(*arguments: object) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(COMMAND, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def write(path: Path, clips: int = 300, labelled_above: float = -1.0) -> Path:
    """Write three strata of scores (the lowest stands for most of the pool), with labels only above a score."""
    generator = np.random.default_rng(3)
    lines = ["clip,score,good,stratum,size,weight,source"]
    for clip in range(clips):
        stratum = clip % 3
        score = (stratum + generator.random()) / 3
        good = "accept" if generator.random() < 0.3 + 0.65 * score else "reject"
        label = good if score >= labelled_above else ""
        size = (9000, 1500, 600)[stratum]
        lines.append(f"c{clip},{score:.6f},{label},s{stratum},{size},{size / (clips / 3):g},v{clip // 6}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_asah_data_give_published_figures() -> None:
    """AUC and interval equal those of pROC; every choice has an interval, a stability and held-out rates."""
    path = RATINGS / "asah" / "asah.csv"
    if not path.is_file():
        pytest.skip("real ratings asah/asah.csv are not beside this checkout")
    found = printed_json(
        path, "--score", "s100b", "--label", "outcome_poor", "--at", 0.2, "--objective", "youden", "--resamples", 50
    )
    assert (found["auc"]["value"], found["auc"]["low"]) == pytest.approx((0.73136856, 0.63011821), abs=1e-8)
    table = found["at"]
    assert (table["tp"], table["fp"], table["fn"], table["tn"]) == (26, 14, 15, 58)
    assert set(table) >= {"precision", "recall", "specificity", "f1", "mcc", "accuracy", "prevalence"}
    for name in ("precision", "mcc"):
        assert set(table[name]) >= {"value", "se", "low", "high"}
    (choice,) = found["choices"]
    assert choice["interval"] == pytest.approx([0.19, 0.22])
    assert choice["held_out"]["precision"]["value"] < 0.65
    assert "optimistic" in choice["note"]
    assert found["curve"][0] == {"threshold": None, "tpr": 0.0, "fpr": 0.0, "precision": None}


def test_weighted_figures_and_sample_values(tmp_path: Path) -> None:
    """Strata with sizes and weights give the same rates; unweighted rates are only in sample_value."""
    path = write(tmp_path / "rated.csv")
    common = ("--score", "score", "--label", "good", "--at", 0.5, "--resamples", 50)
    strata = printed_json(path, *common, "--stratum", "stratum", "--population", "size")
    weights = printed_json(path, *common, "--weight", "weight", "--stratum", "stratum")
    alone = printed_json(path, *common, "--weight", "weight")
    plain = printed_json(path, *common)
    for name in ("precision", "recall", "prevalence"):
        rate = strata["at"][name]
        assert rate["value"] == pytest.approx(weights["at"][name]["value"]) == pytest.approx(alone["at"][name]["value"])
        assert rate["sample_value"] == pytest.approx(plain["at"][name]["value"])
        assert abs(rate["value"] - rate["sample_value"]) > 0.01 or name == "precision"
        assert "sample_value" not in plain["at"][name]
    assert strata["auc"]["sample_value"] == pytest.approx(plain["auc"]["value"])
    assert strata["weighted"]
    assert not plain["weighted"]
    sources = printed_json(path, *common, "--weight", "weight", "--source", "source")
    assert "unit:source" in sources["at"]["recall"]["signature"]


def test_guarantees_of_precision_and_recall(tmp_path: Path) -> None:
    """A guaranteed threshold has method, start and p; an impossible guarantee has a reason and no threshold."""
    path = write(tmp_path / "rated.csv", clips=900)
    common = ("--score", "score", "--label", "good", "--confidence", 0.9)
    found = printed_json(path, *common, "--target-precision", 0.7, "--start", 0.7, "--target-recall", 0.9)
    promise, average, sure = found["choices"]
    assert promise["objective"] == "precision>=0.7"
    assert promise["threshold"] <= 0.7
    assert promise["guarantee"]["method"] == "exact"
    assert promise["guarantee"]["start"] == 0.7
    assert promise["guarantee"]["start_rule"] == "declared"
    assert promise["guarantee"]["p"] <= 0.1
    assert promise["held_out"]["precision"]["value"] > 0.65
    assert promise["interval"][1] == promise["threshold"]
    assert average["guarantee"]["method"] == "conformal-risk-control"
    assert sure["threshold"] <= average["threshold"]
    never = printed_json(path, *common, "--target-precision", 0.999)["choices"][0]
    assert (never["threshold"], never["guarantee"]) == (None, None)
    assert "bad" in never["undefined"]
    strata = ("--stratum", "stratum", "--population", "size")
    rough = printed_json(path, *common, *strata, "--target-precision", 0.7)["choices"][0]["guarantee"]
    assert (rough["method"], rough["approximate"]) == ("effective-n", True)
    cautious = printed_json(path, *common, *strata, "--target-precision", 0.7, "--bin-wise")["choices"][0]["guarantee"]
    assert (cautious["method"], cautious["approximate"]) == ("bin-wise", False)


def test_recall_is_undefined_without_rated_rejects(tmp_path: Path) -> None:
    """If no clip below the threshold was rated, recall and its guarantee are null and have a reason."""
    path = write(tmp_path / "rated.csv", labelled_above=0.5)
    found = printed_json(path, "--score", "score", "--label", "good", "--at", 0.5, "--target-recall", 0.9)
    assert found["counts"]["without_label"] > 100
    for name in ("recall", "specificity", "f1", "mcc", "accuracy"):
        assert found["at"][name]["value"] is None
        assert "rejects was rated" in found["at"][name]["undefined"]
    assert found["at"]["precision"]["value"] is not None
    for choice in found["choices"]:
        assert choice["threshold"] is None
        assert "rejects was rated" in choice["undefined"]


def test_low_scores_may_be_good(tmp_path: Path) -> None:
    """With the negative score and --direction le every threshold is the negative of the other."""
    path = write(tmp_path / "rated.csv")
    lines = path.read_text().splitlines()
    turned = [",".join([row[0], str(-float(row[1])), *row[2:]]) for row in (line.split(",") for line in lines[1:])]
    other = tmp_path / "turned.csv"
    other.write_text("\n".join([lines[0], *turned]) + "\n")
    common = ("--score", "score", "--label", "good", "--objective", "f1", "--target-recall", 0.8, "--resamples", 50)
    up, down = printed_json(path, *common), printed_json(other, *common, "--direction", "le")
    assert down["auc"]["value"] == pytest.approx(up["auc"]["value"])
    for one, turned_one in zip(up["choices"], down["choices"], strict=True):
        assert turned_one["threshold"] == pytest.approx(-one["threshold"])
        assert turned_one["interval"] == pytest.approx([-end for end in one["interval"][::-1]])


def test_a_table_for_the_terminal(tmp_path: Path) -> None:
    """Without --json rates, choices and guarantees are printed as a table and sentences."""
    path = write(tmp_path / "rated.csv")
    options = ["--score", "score", "--label", "good", "--at", "0.5", "--objective", "f1", "--target-precision", "0.6"]
    result = CliRunner().invoke(COMMAND, [str(path), *options, "--target-recall", "0.9"], catch_exceptions=False)
    assert result.exit_code == 0
    for words in ("AUC 0.", "held out, f1", "specificity", "precision>=0.6: ", "on average", "with confidence 0.95"):
        assert words in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--score", "scor", "--label", "good"], "Did you mean score"),
        (["--score", "score", "--label", "good", "--population", "size"], "needs --stratum"),
        (["--score", "score", "--label", "good", "--objective", "best"], "is no objective"),
        (["--score", "score", "--label", "good", "--target-precision", "2"], "--target-precision 2 is not possible"),
        (["--score", "score", "--label", "good", "--confidence", "95"], "--confidence 95 is not possible"),
        (["--score", "score", "--label", "clip"], "clip is 'c0'"),
        (
            ["--score", "score", "--label", "good", "--stratum", "stratum", "--population", "weight"],
            "number of pool clips in its stratum",
        ),
    ],
)
def test_wrong_options_are_errors(tmp_path: Path, options: list[str], message: str) -> None:
    """The message for a wrong column, number or word names the fault and the remedy."""
    path = write(tmp_path / "rated.csv", clips=3000)
    with pytest.raises(AppError, match=message):
        CliRunner().invoke(COMMAND, [str(path), *options], catch_exceptions=False)
