"""`clipjury plan`: sentence, table and JSON object, from assumptions and from pilots."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from app.commands.plan import plan
from app.errors import AppError

CLI = typer.Typer()
CLI.command()(plan)


def said(*words: str | Path) -> str:
    """The output of the command."""
    done = CliRunner().invoke(CLI, list(map(str, words)), catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def facts(*words: str | Path) -> dict[str, Any]:
    """The JSON plan for a single target."""
    made = json.loads(said(*words, "--json"))
    assert set(made) == {"guesses", "pilot", "plans"}
    plans: list[dict[str, Any]] = made["plans"]
    return plans[0]


def refusal(*words: str | Path) -> str:
    """The error message of the command."""
    with pytest.raises(AppError) as caught:
        CliRunner().invoke(CLI, list(map(str, words)), catch_exceptions=False)
    return str(caught.value)


def pilot_file(folder: Path, *, clips: int = 60) -> Path:
    """Three verdicts per clip, four clips per source, and a filter's verdict that is mostly right."""
    chance = np.random.default_rng(2)
    lines = ["clip,rater,value,source,accepted"]
    for clip in range(clips):
        good = chance.random() < (0.95 if clip // 4 % 2 else 0.4)
        for rater in "xyz":
            right = chance.random() < 0.9
            word = "accept" if good == right else "reject"
            lines.append(f"c{clip},{rater},{word},film {clip // 4},{int((good and clip % 7 > 0) or clip % 5 == 0)}")
    path = folder / "pilot.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_plan_is_a_table_and_one_sentence() -> None:
    """Sentence and table have the same clips, judgments and minutes (11 seconds per judgment)."""
    text = said("--precision", "0.02", "--p", "0.95", "--raters", "2")
    lines = text.splitlines()
    answer = "Rate 469 accepted clips with 2 raters each for precision within ±0.02; 938 judgments, about 172 minutes"
    assert f"{answer} of raters' time." in lines
    assert any(line.split() == ["469", "2", "±0.0200", "938", "172"] for line in lines)
    assert any(line.split() == ["469", "1", "±0.0200", "469", "86"] for line in lines)


@pytest.mark.parametrize(
    ("words", "clips"),
    [
        (("--prevalence", "0.05", "--interval", "wald"), 385),
        (("--prevalence", "0.03", "--interval", "wald"), 1068),
        (("--precision", "0.03", "--p", "0.9", "--interval", "wald"), 385),
        (("--precision", "0.02", "--p", "0.95", "--interval", "wald"), 457),
        (("--precision", "0.02", "--p", "0.95"), 469),
        (("--prevalence", "0.05", "--interval", "wald", "--pool-size", "1000"), 278),
        (("--recall", "0.03", "--p", "0.9", "--good-share", "0.5", "--interval", "wald"), 769),
        (("--precision", "0.02", "--p", "0.95", "--clips-per-source", "5", "--icc", "0.25"), 937),
        (("--claim", "0.95"), 59),
        (("--claim", "0.99"), 299),
        (("--mean-mos", "0.1", "--raters", "1"), 435),
        (("--mean-mos", "0.1", "--raters", "1000000"), 246),
    ],
)
def test_sizes_are_those_of_the_formulas(words: tuple[str, ...], clips: int) -> None:
    """Sizes equal textbook values, with and without design effects."""
    assert facts(*words)["chosen"]["clips"] == clips


def test_opinion_scores_take_33_raters_and_31_by_z() -> None:
    """The table has both numbers; the effort is that of the given clips."""
    made = facts("--mos", "0.25", "--clips", "100", "--clip-length", "14")
    assert (made["chosen"]["raters"], made["chosen"]["judgments"]) == (33, 3300)
    assert made["chosen"]["minutes"] == pytest.approx(3300 * 20 / 60)
    assert {row["raters"] for row in made["trades"]} >= {31, 33}
    assert any("31 raters would do" in note for note in made["notes"])


def test_a_claim_lists_sizes_by_allowed_failures() -> None:
    """It has 0 to 5 bad clips, the chance of success, and the first size whose chance reaches the power."""
    made = facts("--claim", "0.95", "--p", "0.98")
    sizes = {row["bad_allowed"]: row["clips"] for row in made["trades"]}
    assert sizes == {0: 59, 1: 93, 2: 124, 3: 153, 4: 181, 5: 208, 6: 234}
    assert made["chosen"]["bad_allowed"] == 6
    assert made["chosen"]["chance"] > 0.8
    text = said("--claim", "0.95", "--p", "0.98")
    assert "with 6 bad ones or fewer, precision is at least 0.95 with 95% confidence" in text


def test_alpha_is_planned_from_an_assumption_or_a_pilot(tmp_path: Path) -> None:
    """A seed gives the same plan, more raters a narrower interval, and the pilot limits the number of raters."""
    made = facts("--alpha", "0.1", "--agreement", "0.6", "--p", "0.8")
    assert made["chosen"]["half_width"] <= 0.1
    assert made == facts("--alpha", "0.1", "--agreement", "0.6", "--p", "0.8")
    same = {row["raters"]: row["half_width"] for row in made["trades"] if row["clips"] == made["chosen"]["clips"]}
    assert same[2] > same[3] > same[4] > same[5]
    piloted = facts("--alpha", "0.1", "--raters", "5", "--pilot", pilot_file(tmp_path))
    assert {row["raters"] for row in piloted["trades"]} == {2, 3}
    assert any("cannot tell how more would agree" in note for note in piloted["notes"])


def test_rates_are_planned_from_a_pilot_with_its_sources(tmp_path: Path) -> None:
    """Similar clips within sources need more clips; recall needs more than prevalence, since only good clips count."""
    pilot = pilot_file(tmp_path)
    alone = tmp_path / "alone.csv"
    alone.write_text(pilot.read_text().replace(",source,", ",film,"))
    widths = {name: facts(f"--{name}", "0.05", "--pilot", pilot) for name in ("prevalence", "recall", "precision")}
    assert facts("--prevalence", "0.05", "--pilot", alone)["chosen"]["clips"] < widths["prevalence"]["chosen"]["clips"]
    assert any("intraclass correlation" in note for note in widths["prevalence"]["notes"])
    assert all(made["chosen"]["half_width"] <= 0.05 for made in widths.values())
    assert any("of all kinds" in note for note in widths["precision"]["notes"])


def test_strata_and_weights_of_a_pilot_are_used(tmp_path: Path) -> None:
    """Unequal weights give a design effect above 1, which is in the notes."""
    path = tmp_path / "strata.csv"
    rows = [f"a{n},{int(n % 10 > 0)},high,1" for n in range(80)] + [f"b{n},{n % 2},low,20" for n in range(20)]
    path.write_text("\n".join(["clip,good,stratum,weight", *rows]) + "\n")
    plain = tmp_path / "plain.csv"
    plain.write_text("\n".join(["clip,good", *(",".join(row.split(",")[:2]) for row in rows)]) + "\n")
    weighted, simple = (facts("--prevalence", "0.1", "--pilot", file)["chosen"]["clips"] for file in (path, plain))
    assert weighted > 2 * simple
    path.write_text(path.read_text().replace("low,20", "low,x"))
    assert "a weight that is no number" in refusal("--prevalence", "0.1", "--pilot", path)


def test_opinion_scores_are_planned_from_a_pilot(tmp_path: Path) -> None:
    """The spread of raters and of clips is estimated from the pilot's scores."""
    chance = np.random.default_rng(3)
    lines = ["clip,rater,value,source"]
    for clip in range(200):
        middle = 3 + chance.standard_normal() * 0.8
        for rater in "wxyz":
            score = int(np.clip(round(middle + 0.7 * chance.standard_normal()), 1, 5))
            lines.append(f"c{clip},{rater},{score},film {clip // 2}")
    path = tmp_path / "acr.csv"
    path.write_text("\n".join(lines) + "\n")
    assert 25 <= facts("--mos", "0.25", "--pilot", path)["chosen"]["raters"] <= 40
    assert 200 < facts("--mean-mos", "0.1", "--pilot", path)["chosen"]["clips"] < 500
    assert facts("--alpha", "0.1", "--pilot", path)["chosen"]["clips"] > 20


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "There is nothing to plan"),
        (("--precision", "0.6"), "half-width of 0.6 is not possible"),
        (("--precision", "0.05", "--p", "1.2"), "--p 1.2 is not possible. Give a number from 0 to 1."),
        (("--precision", "0.05", "--confidence", "1"), "--confidence 1 is not possible"),
        (("--recall", "0.05"), "--good-share"),
        (("--alpha", "0.1"), "a guess of it with --agreement"),
        (("--alpha", "0.05", "--agreement", "0.5", "--pool-size", "50"), "the pool has 50"),
        (("--claim", "0.95", "--p", "0.9"), "cannot be shown to reach 0.95"),
        (("--claim", "0.95", "--pool-size", "40"), "takes 59 accepted clips, and the pool has 40"),
        (("--mean-mos", "0.01", "--pool-size", "100", "--raters", "1"), "the pool has 100"),
        (("--precision", "0.05", "--icc", "0.2"), "both their size and how alike"),
        (("--precision", "0.05", "--pilot", "no.csv"), "cannot be read"),
        (("--precision", "0.05", "--seconds-per-clip", "inf", "--json"), "--seconds-per-clip inf is not possible"),
        (("--precision", "0.05", "--sd", "nan", "--json"), "--sd nan is not possible"),
        (("--precision", "1e-300"), "more than 1,000,000,000 clips"),
        (("--precision", "1e-20", "--interval", "wald"), "more than 1,000,000,000 clips"),
        (("--recall", "0.05", "--good-share", "1e-300"), "more than 1,000,000,000 clips"),
        (("--alpha", "1e-300", "--agreement", "0.6"), "more than 200000 clips"),
        (("--mos", "1e-300"), "more than 1,000,000,000 raters"),
        (("--mos", "inf"), "--mos inf is not possible"),
        (("--mean-mos", "1e-300"), "more than 1,000,000,000 clips"),
        (("--mean-mos", "0.2", "--clip-sd", "1e300"), "--clip-sd 1e300 is not possible"),
        (("--claim", "0.9", "--p", "1.5"), "--p 1.5 is not possible"),
    ],
)
def test_impossible_targets_are_errors(words: tuple[str, ...], reason: str) -> None:
    """The message says what is impossible, and what to change."""
    assert reason in refusal(*words)


def test_a_pilot_that_lacks_needed_data_is_an_error(tmp_path: Path) -> None:
    """Alpha needs raters, recall the filter's verdict, and a rate needs variation."""
    path = tmp_path / "pilot.csv"
    path.write_text("clip,good\na,1\nb,0\nc,1\n")
    assert "no column 'rater'" in refusal("--alpha", "0.1", "--pilot", path)
    assert "Add a column accepted" in refusal("--recall", "0.1", "--pilot", path)
    path.write_text("clip,good\na,1\nb,1\n")
    assert "shows no variance" in refusal("--prevalence", "0.1", "--pilot", path)


EXTREMES = ("1e-300", "5e-324", "1e300", "nan", "inf", "-inf", "0", "-1", "0.9999999999999999")
WISHES = {
    "--precision": (),
    "--recall": ("--good-share", "0.3"),
    "--alpha": ("--agreement", "0.6"),
    "--mos": (),
    "--mean-mos": (),
    "--claim": ("--p", "0.97"),
}
NUMBERS = ("--confidence", "--p", "--good-share", "--agreement", "--sd", "--clip-sd", "--power", "--clip-length")
COUNTS = ("--raters", "--clips", "--pool-size", "--seed")


def ends(*words: str) -> None:
    """Run the command; it plans with finite numbers, or it refuses in words."""
    try:
        done = CliRunner().invoke(CLI, [*words, "--json"], catch_exceptions=False)
    except AppError:
        return
    assert done.exit_code in (0, 2), words
    if done.exit_code == 0:
        json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} for {words}"))


@pytest.mark.parametrize("wish", WISHES)
def test_no_number_makes_a_plan_fail(wish: str) -> None:
    """Tiny, huge and undefined numbers in every option are answered with a plan or a refusal, never a traceback."""
    more = WISHES[wish]
    for extreme in EXTREMES:
        for way in ((), ("--pool-size", "1000"), ("--interval", "wald")):
            ends(wish, extreme, *more, *way)
        for option in NUMBERS:
            ends(wish, "0.3", *more, option, extreme)
        ends(wish, "0.3", *more, "--icc", extreme, "--clips-per-source", "3")
        ends(wish, "0.3", *more, "--icc", "0.1", "--clips-per-source", extreme)
    for option in COUNTS:
        for count in ("0", "1", "1000000", "999999999999", "9" * 400):
            ends(wish, "0.3", *more, option, count)
