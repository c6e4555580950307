"""`clipjury stats` on unusual files: a correct result or a clear error, never a traceback or a silent omission."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from analysis.prediction_powered import pool_share
from analysis.raters.talkvid_table import contradictions, talkvid_row
from app.cli import cli
from app.errors import AppError

Write = Callable[[str, str], str]
HEAD = "clip,rater,criterion,value"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the given name and returns its path."""

    def made(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return made


def printed_json(*arguments: str) -> dict[str, Any]:
    """The JSON object of the command: one line, without NaN."""
    result = CliRunner().invoke(cli, ["stats", *arguments, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.output.count("\n") == 1
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def error_message(*arguments: str) -> str:
    """The error of the command: message and remedy."""
    result = CliRunner().invoke(cli, ["stats", *arguments])
    assert isinstance(result.exception, AppError), (result.output, result.exception)
    return f"{result.exception.message} {result.exception.remedy}"


def ratings(*rows: str, head: str = HEAD) -> str:
    """A long table."""
    return "\n".join([head, *rows]) + "\n"


def judged(rows: int = 40, head: str = "clip,score,good,weight", **cells: Callable[[int], object]) -> str:
    """A row per clip, good above the middle score; `cells` gives the values of a column."""
    usual: dict[str, Callable[[int], object]] = {
        "clip": lambda n: f"c{n}",
        "score": lambda n: n / rows,
        "good": lambda n: int(n > rows // 2 or n == 3),
        "weight": lambda n: 1 + n % 3,
    }
    columns = [(usual | cells)[name] for name in head.split(",")]
    return ratings(*(",".join(str(column(n)) for column in columns) for n in range(rows)), head=head)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("clip;rater;value\nc1;a;1\n", "separated by semicolons"),
        ("clip\trater\tvalue\nc1\ta\t1\n", "separated by tabs"),
        (ratings("c1,a,q,1,2", head=f"{HEAD},value"), "two columns named 'value'"),
        (ratings("c1,a,,1", "c1,b,q,1"), "line 2: the criterion is missing"),
        (ratings("c1,a,q,1,0.5", head=f"{HEAD},occasion"), "line 2: the occasion is 0.5"),
        (ratings("c1,a,q,1,-1", head=f"{HEAD},occasion"), "line 2: the occasion is -1"),
        (ratings("c1,a,q,1,heavy", head=f"{HEAD},weight"), "line 2: weight is 'heavy', which is no number"),
        (ratings("c1,a,q,1,1e300", head=f"{HEAD},weight"), "Weights are numbers above 0, from 1e-12 to 1e+12"),
        (ratings("c1,a,q,1,", head=f"{HEAD},weight"), "line 2: the weight is missing"),
    ],
)
def test_a_table_of_ratings_that_cannot_be_read_is_an_error(write: Write, text: str, complaint: str) -> None:
    """The message names the fault and its position."""
    path = write("ratings.csv", text)
    for command in (["agreement", path, "--scale", "nominal"], ["consensus", path], ["raters", path]):
        assert complaint in error_message(*command)


def test_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    """The message names UTF-16 and old line ends."""
    for number, content in enumerate(
        (ratings("c1,a,q,1").encode("utf-16"), ratings("c1,a,q,1").encode().replace(b"\n", b"\r"))
    ):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content)
        assert "no plain text with lines" in error_message("consensus", str(path))


def test_lists_in_a_parquet_file_are_an_error(tmp_path: Path) -> None:
    """The message names the column and its type."""
    pl.DataFrame({"clip": ["c1"], "rater": ["a"], "value": [[1, 2]]}).write_parquet(tmp_path / "r.parquet")
    assert "the column value holds List" in error_message("consensus", str(tmp_path / "r.parquet"))


def test_names_that_look_like_numbers_stay_distinct(write: Write) -> None:
    """007 and 07 are two clips, in long and wide tables; surrounding spaces are not part of a name."""
    long = write("long.csv", ratings("007,a,q,1", "07,a,q,2", "007 , b,q,1"))
    assert [(one["clip"], one["ratings"]) for one in printed_json("consensus", long)["clips"]] == [
        ("007", 2),
        ("07", 1),
    ]
    assert "the rater is missing" in error_message("consensus", write("blank.csv", ratings("c1, ,q,1")))
    wide = write("wide.csv", "name,a,b\n007,1,1\n07,2,1\n")
    assert [one["clip"] for one in printed_json("consensus", wide, "--wide")["clips"]] == ["007", "07"]


def test_columns_of_a_wide_table_are_read_in_the_same_way(write: Write) -> None:
    """A missing answer does not change the form of the rater's other answers."""
    numbers = printed_json("consensus", write("numbers.csv", "clip,a,b\nc1,1.0,1.0\nc2,2.0,NA\n"), "--wide")
    assert [(one["value"], one["ratings"]) for one in numbers["clips"]] == [("1", 2), ("2", 1)]
    truths = printed_json("consensus", write("truths.csv", "clip,a,b\nc1,true,true\nc2,false,NA\n"), "--wide")
    assert [(one["value"], one["ratings"]) for one in truths["clips"]] == [("1", 2), ("0", 1)]


def test_occasions_may_start_at_one(write: Write) -> None:
    """The answer of the lowest occasion is the first, even if no occasion is 0."""
    rows = [
        f"c{n},{rater},q,{n % 3 + 1 + (occasion == 2)},{occasion}"
        for n in range(6)
        for rater in "ab"
        for occasion in (2, 1)
    ]
    path = write("repeats.csv", ratings(*rows, head=f"{HEAD},occasion"))
    means = printed_json("consensus", path, "--method", "mean")["clips"]
    assert [one["value"] for one in means] == [n % 3 + 1 for n in range(6)]
    about = printed_json("raters", path)
    assert (len(about["clips"]), about["repeats"]) == (6, 12)


def test_answers_that_are_left_out_are_counted(write: Write) -> None:
    """Empty cells and "unsure" are counted in the JSON and the output of all three commands."""
    rows = [f"c{n},{rater},q,{n % 3 + 1}" for n in range(6) for rater in "abc"]
    path = write("some.csv", ratings(*rows, "c9,a,q,NA", "c9,b,q,unsure", "c9,c,q,2"))
    for command in (
        ["agreement", path, "--scale", "interval"],
        ["consensus", path, "--method", "mean"],
        ["raters", path],
    ):
        found = printed_json(*command)
        assert (found["empty"], found["abstained"]) == (1, 1)
        words = CliRunner().invoke(cli, ["stats", *command]).output
        assert "1 rows without a value were left out." in words
        assert "1 answers “unsure” count as no ratings." in words


def test_na_is_an_empty_cell_in_columns_of_numbers_and_verdicts(write: Write) -> None:
    """NA (of R) in a score or label is missing, and the other labels are still read as shares."""
    path = write(
        "na.csv", judged(score=lambda n: "NA" if n == 5 else n / 40, good=lambda n: "NA" if n == 8 else (n > 20) * 0.75)
    )
    counts = printed_json("calibrate", path, "--score", "score", "--label", "good", "--resamples", "20")["counts"]
    assert counts == {"rows": 40, "used": 38, "without_label": 1, "without_score": 1}


def test_a_duplicate_clip_is_an_error(write: Write) -> None:
    """Commands with a row per clip name the lines of the duplicate."""
    path = write("twice.csv", judged() + "c4,0.5,1,1\n")
    for command in (
        ["calibrate", path, "--score", "score", "--label", "good"],
        ["cascade", path, "--filters", "score", "--label", "good", "--target-precision", "0.6"],
        ["fairness", path, "--label", "good", "--pass", "good", "--group", "weight"],
        ["ppi", path, "--pool", path, "--score", "score"],
    ):
        assert "lines 6, 42: clip c4 is there 2 times" in error_message(*command)


@pytest.mark.parametrize("options", [["--at", "nan"], ["--at", "inf"], ["--target-precision", ".7", "--start", "nan"]])
def test_a_threshold_is_a_finite_number(write: Write, options: list[str]) -> None:
    """NaN and infinity are errors that name the option."""
    complaint = error_message("calibrate", write("j.csv", judged()), "--score", "score", "--label", "good", *options)
    assert f"{options[-2]} {options[-1]} is not possible" in complaint


@pytest.mark.parametrize("aim", ["fbeta:1e300", "cost:1e308,1e308"])
def test_an_objective_that_overflows_is_an_error(write: Write, aim: str) -> None:
    """Numbers whose squares or sums overflow are not accepted."""
    complaint = error_message(
        "calibrate", write("j.csv", judged()), "--score", "score", "--label", "good", "--objective", aim
    )
    assert "from 1e-09 to 1e+09" in complaint


def test_ppi_with_a_pool_that_does_not_fit_is_an_error(write: Write) -> None:
    """A duplicate clip, another stratum than that of the judged clip, no clips, and invalid predictions."""
    head = "clip,score,good,stratum"
    own = write("own.csv", judged(head=head, stratum=lambda n: "low" if n < 20 else "high"))
    pool = judged(80, head=head, stratum=lambda n: "low" if n < 20 else "high")
    given = ["--score", "score", "--stratum", "stratum"]
    assert printed_json("ppi", own, "--pool", write("pool.csv", pool), *given)["pool_clips"] == 80
    assert "clip c3 is there 2 times" in error_message(
        "ppi", own, "--pool", write("a.csv", pool + "c3,0,0,low\n"), *given
    )
    moved = pool.replace("c3,0.0375,1,low", "c3,0.0375,1,high")
    assert moved != pool
    assert "c3 is of the stratum 'low'" in error_message("ppi", own, "--pool", write("b.csv", moved), *given)
    assert "holds no clip" in error_message("ppi", own, "--pool", write("c.csv", f"{head}\n"), *given)
    wild = write("d.csv", judged(80, head=head, score=lambda n: n, stratum=lambda n: "low" if n < 20 else "high"))
    assert "is no prediction of P(good)" in error_message("ppi", own, "--pool", wild, *given, "--prediction")


def test_ppi_counts_judged_clips_without_a_label(write: Write) -> None:
    """Rows without a label are left out, and counted."""
    path = write("some.csv", judged(good=lambda n: "" if n in (1, 2) else int(n > 20)))
    assert printed_json("ppi", path, "--pool", path, "--score", "score")["left_out"] == 2


def test_a_pool_in_which_every_clip_is_judged_has_no_sampling_error() -> None:
    """The share equals that of the labels for any predictions, and its interval has no width."""
    found = pool_share([1, 0, 1, 1], [0.9, 0.2, 0.4, 0.8], [0.7, 0.3, 0.5, 0.8]).with_predictions
    assert (found.value, found.low, found.high) == (0.75, 0.75, 0.75)
    assert "every clip of the pool was judged" in found.method


def test_anchoring_names_the_right_lines_and_refuses_second_answers(write: Write) -> None:
    """With several criteria lines are those of the file; a rater answers a clip once on each occasion."""
    head = "clip,rater,criterion,value,arm,pass"
    rows = [
        f"c{n},r{n % 3},{criterion},{n % 2},{'shown' if n % 4 < 2 else 'hidden'},{n % 5 % 2}"
        for n in range(24)
        for criterion in "xy"
    ]
    path = write("answers.csv", ratings(*rows, head=head))
    assert printed_json("anchoring", path, "--criterion", "y")["effect"]["ratings"] == 24
    assert "no criterion 'z'" in error_message("anchoring", path, "--criterion", "z")
    bad = write("bad.csv", ratings(*rows[:9], rows[9].replace("hidden", "seen").replace("shown", "seen"), head=head))
    assert "line 11: the arm is 'seen'" in error_message("anchoring", bad, "--criterion", "y")
    twice = write("twice.csv", ratings(*rows, rows[0], head=head))
    assert "lines 2, 50: clip c0, rater r0, criterion x" in error_message("anchoring", twice, "--criterion", "x")
    unnamed = write("unnamed.csv", ratings(*rows, ",r1,x,1,shown,1", head=head))
    assert "line 50: the clip is missing" in error_message("anchoring", unnamed, "--criterion", "x")


def test_equal_answers_show_no_effect_and_have_no_p_value(write: Write) -> None:
    """Rounding errors of equal answers are not evidence."""
    rows = [f"c{n},r{n % 4},{1},{'shown' if n % 3 else 'hidden'},{n / 24}" for n in range(24)]
    path = write("same.csv", ratings(*rows, head="clip,rater,value,arm,score"))
    assert printed_json("anchoring", path, "--filter", "score")["p"] is None


def test_a_filter_without_a_complete_clip_is_named(write: Write) -> None:
    """The table has no row for it, and its clips are counted as left out."""
    rows = [
        f"c{n},{rater},{name},{n % 2},{n % 2}"
        for name, raters in (("sharp", "ab"), ("still", "abc"))
        for n in range(6)
        for rater in raters
    ]
    path = write("votes.csv", ratings(*rows, head=f"{HEAD},pass"))
    found = printed_json("talkvid", path)
    assert [one["filter"] for one in found["filters"]] == ["sharp"]
    assert (found["left_out"], found["filters_left_out"]) == (6, ["still"])
    assert "No row for still" in CliRunner().invoke(cli, ["stats", "talkvid", path]).output
    printed = write("printed.csv", "filter,kappa\nsharp,.5\nsharp,.6\n")
    assert "filter sharp is there 2 times" in error_message("talkvid", path, "--published", printed)


def test_published_figures_are_checked_to_the_decimals_they_have() -> None:
    """87.2 is possible for 75 of 86; an agreement that no counts give and a kappa below -1 are not."""
    verdicts = [True] * 44 + [False] * 42
    votes = [True] * 39 + [False] * 5 + [True] * 6 + [False] * 36
    split = [True] * 13
    made = talkvid_row("motion", verdicts + split, votes + split, votes + [False] * 13)
    assert contradictions([made], {"motion": {"agreement": 86.9, "accuracy": 87.2, "precision": 88.6}}) == []
    assert contradictions([made], {"motion": {"agreement": 87, "accuracy": 87, "precision": 89, "kappa": 0.7}}) == []
    (sentence,) = contradictions([made], {"motion": {"agreement": 86.5}})
    assert sentence == "motion: no whole number of 99 clips is 86.5 % of them"
    (sentence,) = contradictions([made], {"motion": {"kappa": -1.2}})
    assert "kappas lie between -1 and 1" in sentence


def test_words_in_a_column_of_gold_answers_are_an_error(write: Write) -> None:
    """The message names clip and rater; NA is an empty cell."""
    rows = [f"c{n},{rater},q,{n % 3 + 1},{'NA' if n else 3}" for n in range(6) for rater in "abc"]
    gold = printed_json("raters", write("gold.csv", ratings(*rows, head=f"{HEAD},gold")))["raters"]
    assert [one["gold"]["clips"] for one in gold] == [1, 1, 1]
    path = write("words.csv", ratings(*rows, "c7,a,q,1,good", head=f"{HEAD},gold"))
    assert "gold is 'good' where a rated c7" in error_message("raters", path)


def test_a_filter_may_have_no_verdict_on_a_clip(write: Write) -> None:
    """NA in the filter's column leaves the clip out of the ceiling, and 1.0 is the answer 1."""
    rows = [f"c{n},{rater},q,{n % 2},{'NA' if n == 0 else f'{n % 2}.0'}" for n in range(8) for rater in "abc"]
    path = write("filter.csv", ratings(*rows, head=f"{HEAD},sharp"))
    found = printed_json("agreement", path, "--scale", "nominal", "--filter", "sharp", "--resamples", "20")["ceiling"]
    ceiling = {one["statistic"]: one for one in found}
    assert (ceiling["filter_to_panel"]["value"], ceiling["filter_to_panel"]["clips"]) == (1.0, 7)


def test_empty_lines_at_the_end_and_empty_columns_are_ignored(write: Write) -> None:
    """Empty lines and columns of editors and spreadsheets are ignored; names must be in the first column."""
    path = write("end.csv", ratings("c1,a,q,1", "c1,b,q,1") + "\n\n,,,\n")
    assert printed_json("consensus", path)["empty"] == 0
    wide = write("wide.csv", "clip,a,b,,\nc1,1,1,,\nc2,2,2,,\n")
    assert printed_json("consensus", wide, "--wide")["empty"] == 0
    second = write("second.csv", "row,clip,a,b\n1,c1,1,1\n2,c2,2,2\n")
    assert "'clip' stands behind 'row'" in error_message("consensus", second, "--wide")
