"""`clipjury stats consensus` and `raters`: every method on real and synthetic files, repeats, error messages."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import cli, main
from tests.helpers.places import SHARED

RATINGS = SHARED / "ratings"


def printed_json(*arguments: object) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(cli, ["stats", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def error_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """The error message of the command."""
    monkeypatch.setattr("sys.argv", ["clipjury", "stats", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    return capsys.readouterr().err


def write(path: Path, *rows: str) -> Path:
    """Write a CSV file of these lines."""
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    """Three raters on four clips: unanimous, two to one, a tie with an `unsure`, and a single vote."""
    return write(
        tmp_path / "verdicts.csv",
        "clip,rater,criterion,value",
        *("a,x,verdict,accept", "a,y,verdict,accept", "a,z,verdict,accept"),
        *("b,x,verdict,accept", "b,y,verdict,reject", "b,z,verdict,reject"),
        *("c,x,verdict,accept", "c,y,verdict,reject", "c,z,verdict,unsure"),
        "d,x,verdict,reject",
    )


def test_the_majority_has_ties_and_shares(verdicts: Path) -> None:
    """A tie has no consensus; `unsure` is not a vote and is counted."""
    found = printed_json("consensus", verdicts)
    assert [(one["clip"], one["value"], one["tie"], one["ratings"]) for one in found["clips"]] == [
        ("a", "accept", False, 3),
        ("b", "reject", False, 3),
        ("c", None, True, 2),
        ("d", "reject", False, 1),
    ]
    assert found["clips"][1]["share"] == pytest.approx(2 / 3)
    assert found["abstained"] == 1


@pytest.mark.parametrize("method", ["dawid-skene", "one-coin"])
def test_posteriors_add_up_and_raters_are_described(verdicts: Path, method: str) -> None:
    """The posterior of each clip and each row of a rater's confusion matrix add up to 1."""
    found = printed_json("consensus", verdicts, "--method", method)
    assert all(sum(one["posterior"].values()) == pytest.approx(1) for one in found["clips"])
    assert sum(found["prior"].values()) == pytest.approx(1)
    for rater in found["raters"]:
        assert all(sum(row.values()) == pytest.approx(1) for row in rater["confusion"].values())
    assert found["converged"]


def test_real_opinion_scores_by_mean_and_subject_model(tmp_path: Path) -> None:
    """79 clips by 26 raters give the mean of the scores, and the model's scores to 1e-6."""
    folder = RATINGS / "nflx_public"
    if not folder.is_dir():
        pytest.skip(f"no real ratings in {folder}")
    expected = json.loads((folder / "expected.json").read_text())
    with (folder / "ratings_wide.csv").open() as file:
        rows = list(csv.DictReader(file))
    raters = [column for column in rows[0] if column[0] == "s" and column[1:].isdigit()]
    lines = [",".join([row["stimulus"], *(row[rater] for rater in raters)]) for row in rows]
    table = write(tmp_path / "wide.csv", ",".join(["clip", *raters]), *lines)
    order = {row["stimulus"]: number for number, row in enumerate(rows)}
    for method, model in (("mean", "MOS"), ("subject-model", "P910")):
        found = printed_json("consensus", table, "--wide", "--method", method)
        values = {one["clip"]: one["value"] for one in found["clips"]}
        assert np.mean(list(values.values())) == pytest.approx(expected[model]["quality_mean"], abs=1e-6)
        firsts = [values[name] for name in sorted(order, key=order.__getitem__)[:5]]
        assert firsts == pytest.approx(expected[model]["quality_first5"], abs=1e-6)
    about = printed_json("raters", table, "--wide")
    rules = {one["rule"]: one for one in about["screening"]}
    assert rules["bt500"]["rejected"] == ["s02"]
    assert rules["bt500"]["before"]["mean"] == pytest.approx(expected["MOS"]["quality_mean"])
    assert rules["bt500"]["after"]["mean"] == pytest.approx(expected["BT500"]["quality_mean"])
    assert "nobody in silence" in about["notes"][0]
    for words in (("consensus", "--method", "subject-model"), ("raters",)):
        text = CliRunner().invoke(cli, ["stats", words[0], str(table), "--wide", *words[1:]])
        assert "s02" in text.output
        assert "inconsistency" in text.output


def test_careless_raters_are_found(tmp_path: Path) -> None:
    """Columns of order, time and gold answers show a monotonous, a hasty and an inaccurate rater."""
    generator = np.random.default_rng(3)
    lines = ["clip,rater,value,position,seconds,gold"]
    for clip in range(60):
        quality = 1 + clip % 5
        gold = quality if clip < 10 else ""
        fair = int(np.clip(quality + generator.integers(-1, 2), 1, 5))
        place = int(generator.permutation(60)[0])
        lines += [
            f"c{clip},fair,{fair},{clip},{8 + clip % 3},{gold}",
            f"c{clip},steady,{quality},{59 - clip},9,{gold}",
            f"c{clip},runs,{1 + clip // 12},{clip},9,{gold}",
            f"c{clip},hasty,{1 + (place * 7) % 5},{clip},1.2,{gold}",
        ]
    found = {one["rater"]: one for one in printed_json("raters", write(tmp_path / "r.csv", *lines))["raters"]}
    assert {name for name, one in found.items() if one["straight_lining"]} == {"runs"}
    assert {name for name, one in found.items() if one["hasty"]} == {"hasty"}
    assert found["steady"]["gold"]["value"] == 1.0
    assert found["hasty"]["gold"]["value"] < 0.9
    assert found["fair"]["gold"]["clips"] == 10
    assert found["steady"]["inconsistency"] < found["runs"]["inconsistency"]
    assert found["fair"]["drift"]["clips"] == 60


def test_repeats_do_not_count_as_second_raters(tmp_path: Path) -> None:
    """The second occasion is not in the mean; without the column two answers are an error with their lines."""
    rows = ["clip,rater,value,occasion", "a,x,5,0", "a,x,1,1", "a,y,4,0"]
    found = printed_json("consensus", write(tmp_path / "r.csv", *rows), "--method", "mean")
    assert found["clips"][0]["value"] == 4.5


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        (["clip,rater,value", "a,x,5", "a,x,1"], [], ["lines 2, 3", "2 times", "occasion"]),
        (["clip,rater,valeu", "a,x,5"], [], ["no column 'value'", "Did you mean valeu?"]),
        (["clip,rater,criterion,value", "a,x,q,5", "a,x,s,4"], [], ["several criteria: q, s", "--criterion"]),
        (["clip,rater,value", "a,x,good"], ["--method", "mean"], ["'good', which is no number"]),
        (["clip,rater,value", "a,x,5", "a,y,9"], ["--values", "1,2,3,4,5"], ["value '9'"]),
        (["clip,rater,value", "a,x,"], [], ["holds no rating"]),
        (["clip,rater,value", ",x,3"], [], ["line 2: the clip is missing"]),
        (["clip,rater,value,weight", "a,x,3,-1"], [], ["line 2: the weight is -1"]),
    ],
)
def test_faulty_files_are_errors(
    rows: list[str],
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message names line, column or value, and the remedy."""
    complaint = error_message(capsys, monkeypatch, "consensus", write(tmp_path / "bad.csv", *rows), *arguments)
    assert all(word in complaint for word in words), complaint


def test_a_file_of_another_type_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a spreadsheet or a missing file the message lists the formats that are read."""
    assert "CSV (.csv)" in error_message(capsys, monkeypatch, "raters", tmp_path / "ratings.xlsx")
    assert "cannot be read" in error_message(capsys, monkeypatch, "raters", tmp_path / "missing.csv")
