"""`clipjury stats talkvid, fairness, anchoring, ppi`: published figures, valid JSON and error messages."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from analysis.raters.talkvid_table import contradictions, highest_kappa, talkvid_row
from app.cli import cli, main
from tests.helpers.places import SHARED

TABLE = SHARED / "ratings" / "talkvid_table7"


def printed_json(*arguments: str) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(cli, ["stats", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def error_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The error message of the command."""
    monkeypatch.setattr("sys.argv", ["clipjury", "stats", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    return capsys.readouterr().err


@pytest.fixture
def talkvid_votes() -> Path:
    """Votes reconstructed from TalkVid's table."""
    if not TABLE.is_dir():
        pytest.skip(f"no published ratings in {TABLE}")
    return TABLE


def test_talkvids_table_is_reproduced(talkvid_votes: Path) -> None:
    """Every published cell is reproduced to two decimals, except DOVER's kappa, which is impossible."""
    found = printed_json("talkvid", str(talkvid_votes / "items_long.csv"))["filters"]
    expected = json.loads((talkvid_votes / "expected.json").read_text())
    with (talkvid_votes / "counts.csv").open() as file:
        printed = {line["filter"]: line for line in csv.DictReader(file)}
    assert len(found) == 7
    for one in found:
        name, line = one["filter"], printed[one["filter"]]
        assert [str(one[cell]) for cell in ("tp", "fp", "fn", "tn")] == [line[c] for c in ("tp", "fp", "fn", "tn")]
        for column in ("agreement", "accuracy", "precision", "recall", "f1"):
            assert one["published"][column] == pytest.approx(float(line[f"pub_{column}_pct"]), abs=0.0051)
        known = expected[name]
        low, high = known["accuracy_wilson95_on_agreed"]
        assert (one["accuracy"]["low"], one["accuracy"]["high"]) == pytest.approx((low, high), abs=6e-5)
        assert one["accuracy_split_wrong"]["value"] == pytest.approx(
            known["accuracy_if_every_disagreement_counts_as_wrong"], abs=6e-5
        )
        assert one["accuracy_split_half"] == pytest.approx(known["accuracy_if_disagreements_count_half"], abs=6e-5)
        matches = abs(one["published"]["kappa"] - float(line["pub_kappa"])) <= 0.0051
        assert matches == known["kappa_matches_paper_at_2dp"]


def test_impossible_figures_of_the_paper_are_named(talkvid_votes: Path, tmp_path: Path) -> None:
    """Exactly three are named: DOVER's kappa of .90, and the averages of precision and F1."""
    averages = json.loads((talkvid_votes / "expected.json").read_text())["_averages"]["paper"]
    table = pl.read_csv(talkvid_votes / "counts.csv")
    names = {f"pub_{name}_pct": value for name, value in averages.items() if name != "kappa"}
    mean = pl.DataFrame({"filter": ["mean"], **{name: [value] for name, value in names.items()}, "pub_kappa": [0.79]})
    pl.concat([table, mean], how="diagonal").write_csv(tmp_path / "published.csv")
    found = printed_json(
        "talkvid", str(talkvid_votes / "items_long.csv"), "--published", str(tmp_path / "published.csv")
    )
    wrong = found["impossible"]
    assert len(wrong) == 3, wrong
    assert "dover: a kappa of 0.9 is impossible at 94 % agreement on 100 clips; the highest is 0.8804" in wrong
    assert any("precision 95.5 %" in sentence and "94.09" in sentence for sentence in wrong)
    assert any("f1 95.3 %" in sentence and "95.13" in sentence for sentence in wrong)


def test_the_highest_kappa_is_the_highest_of_all_tables() -> None:
    """No table of ten clips has a higher kappa."""
    for agreed in range(1, 10):
        best = -math.inf
        for both in range(agreed + 1):
            for one_way in range(10 - agreed + 1):
                yes, other = both + one_way, both + (10 - agreed - one_way)
                chance = (yes * other + (10 - yes) * (10 - other)) / 100
                best = max(best, (agreed / 10 - chance) / (1 - chance) if chance < 1 else -math.inf)
        assert highest_kappa(agreed, 10) >= best - 1e-12


def test_clips_without_a_verdict_of_the_filter_count_for_the_raters_alone() -> None:
    """Agreement and kappa are those of all clips, the filter's rates and split clips those of the others."""
    first, second = [True, True, False, False, True, False], [True, False, False, True, True, True]
    whole = talkvid_row("sharp", [True] * 6, first, second)
    part = talkvid_row("sharp", [True, True, False, False, None, None], first, second)
    assert (part.agreement, part.kappa, part.kappa_high) == (whole.agreement, whole.kappa, whole.kappa_high)
    assert part.published["agreement"] == 50.0
    assert (part.clips, part.split, part.cells) == (4, 2, (1, 0, 0, 1))
    assert part.accuracy_split_wrong.value == 0.5
    with pytest.raises(ValueError, match="not one per clip"):
        talkvid_row("sharp", [None] * 6, first, second)


def test_a_row_that_no_counts_can_give_is_named() -> None:
    """Four clips cannot give precision 1/3 with accuracy 3/4 and recall 1."""
    made = talkvid_row("sharp", *[[True, True, False, False]] * 3)
    assert contradictions([made], {"sharp": {"accuracy": 100.0, "precision": 100.0}}) == []
    (sentence,) = contradictions([made], {"sharp": {"accuracy": 75.0, "precision": 33.33, "recall": 100.0}})
    assert "no whole counts of 4 agreed clips" in sentence


def test_long_votes_give_the_same_table(tmp_path: Path, talkvid_votes: Path) -> None:
    """The long form with the filter's verdict gives the same table as the wide form."""
    wide = pl.read_csv(talkvid_votes / "items_long.csv")
    votes = [
        wide.select(clip="item", rater=pl.lit(name), criterion="filter", value=name, **{"pass": pl.col("filter_pass")})
        for name in ("rater1", "rater2")
    ]
    pl.concat(votes).sample(fraction=1.0, shuffle=True, seed=3).write_csv(tmp_path / "long.csv")
    plain, long = (
        printed_json("talkvid", str(path)) for path in (talkvid_votes / "items_long.csv", tmp_path / "long.csv")
    )
    for one, other in zip(plain["filters"], long["filters"], strict=True):
        assert one["published"] == pytest.approx(other["published"])


def test_fairness_of_two_attributes_and_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of two columns are crossed, clips without a verdict counted, and a wrong column is an error."""
    rows = ["clip,good,sharp,gender,age"]
    for number in range(80):
        good = "" if number == 0 else number % 2
        rows.append(f"c{number},{good},{int(number % 3 > 0)},{'fm'[number % 2]},{'young' if number < 40 else 'old'}")
    table = tmp_path / "judged.csv"
    table.write_text("\n".join(rows))
    both = ["--group", "gender", "--group", "age"]
    found = printed_json("fairness", str(table), "--label", "good", "--pass", "sharp", *both)
    assert found["left_out"] == 1
    assert {one["group"] for one in found["groups"]} == {"f × old", "f × young", "m × old", "m × young"}
    assert {one["kind"] for one in found["groups"]} == {"false_rejection", "false_acceptance"}
    complaint = error_message(
        capsys, monkeypatch, "fairness", str(table), "--label", "good", "--pass", "sharpe", "--group", "age"
    )
    assert "Did you mean sharp?" in complaint
    text = CliRunner().invoke(
        cli, ["stats", "fairness", str(table), "--label", "good", "--pass", "sharp", "--group", "age"]
    )
    assert "difference to the rest" in text.output


def test_anchoring_reads_an_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export with arms gives the difference in differences; an unknown arm is an error with its line."""
    rows = ["clip,rater,criterion,value,arm,pass"]
    for number in range(200):
        clip, rater, passed = number % 25, f"r{number % 8}", number % 25 % 2
        arm = "shown" if number % 3 else "hidden"
        value = "accept" if (passed if arm == "shown" else number % 7 < 3) else "reject"
        rows.append(f"c{clip},{rater},verdict,{value},{arm},{passed}")
    table = tmp_path / "answers.csv"
    table.write_text("\n".join(rows))
    found = printed_json("anchoring", str(table))
    assert found["shown"]["value"] == pytest.approx(1.0)
    assert found["effect"]["value"] > 0.5
    table.write_text("\n".join(rows).replace(",shown,", ",seen,", 1))
    assert "the arm is 'seen'" in error_message(capsys, monkeypatch, "anchoring", str(table))


def test_ppi_joins_judged_clips_to_their_pool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool's score narrows the interval; a judged clip that the pool lacks is an error."""
    pool = pl.DataFrame({"clip": [f"c{n}" for n in range(500)], "sharpness": [n / 500 for n in range(500)]})
    pool.write_parquet(tmp_path / "pool.parquet")
    judged = pl.DataFrame(
        {"clip": [f"c{n}" for n in range(0, 500, 8)], "good": [int(n > 200) for n in range(0, 500, 8)]}
    )
    judged.write_csv(tmp_path / "judged.csv")
    given = ["ppi", str(tmp_path / "judged.csv"), "--pool", str(tmp_path / "pool.parquet"), "--score", "sharpness"]
    found = printed_json(*given)
    assert found["with_predictions"]["value"] == pytest.approx(0.6, abs=0.03)
    assert found["gain"] > 3
    assert "share of good clips" in CliRunner().invoke(cli, ["stats", *given]).output
    pl.concat([judged, pl.DataFrame({"clip": ["gone"], "good": [1]})]).write_csv(tmp_path / "judged.csv")
    assert "'gone'" in error_message(capsys, monkeypatch, *given)
