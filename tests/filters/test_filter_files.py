"""Filter files: presets, errors with their line, conversion to and from TalkVid's layout, and the commands on pools."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner, Result

from app.commands.filter import convert, filter_pool
from app.errors import AppError
from app.filters import talkvid_yaml
from app.filters.filter_files import find, parse, to_toml
from app.pools.pool_files import read_pool
from scoring.filters import Filter

RECORD = {"made_by": "a test", "scorers": []}
NAMES = some.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "all")
TEXTS = some.text(some.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
BOUNDS = some.floats(allow_nan=False, allow_infinity=False)

shell = typer.Typer()
shell.command("filter")(filter_pool)
shell.command("filters")(convert)


def run(*words: object) -> Result:
    """Run a command as the command line does; an AppError is in `exception`."""
    return CliRunner().invoke(shell, [str(word) for word in words])


def said(result: Result) -> str:
    """The message of the error that a command ended with."""
    assert isinstance(result.exception, AppError), result
    return str(result.exception)


def refusal(text: str) -> str:
    """The error message for a filter file."""
    with pytest.raises(AppError) as refused:
        parse(text, "mine.toml")
    return str(refused.value)


def outcome(read: Callable[[], object]) -> str:
    """`filters`, or the error message."""
    try:
        read()
    except AppError as error:
        return error.message
    return "filters"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool of four clips without values in dover_scores."""
    path = tmp_path / "pool.parquet"
    pl.DataFrame(
        {
            "clip": ["a", "b", "c", "d"],
            "media": ["a.mp4", "b.mp4", "c.mp4", "d.mp4"],
            "duration": [3600.0, 1800.0, 4.0, 900.0],
            "avg_movement": [98.0, 70.0, 99.0, None],
            "dover_scores": pl.Series([None] * 4, dtype=pl.Float64),
            "reason": ["dover_scores, dover_aesthetic: No weights were given. luma: too dark."] * 4,
        }
    ).write_parquet(path, metadata={"clipjury": json.dumps(RECORD), "other": "stays"})
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A user's own filter file."""
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[filter]]\nname = "length"\nscore = "duration"\nmin = 5\n\n'
        '[[filter]]\nstage = "head"\nscore = "avg_movement"\nmin = 80\n',
        encoding="utf-8",
    )
    return path


def test_the_preset_has_the_published_thresholds() -> None:
    """It has the thresholds of TalkVid (arXiv 2508.13618 and its released head filter) in four stages."""
    found = find("talkvid")
    assert found.preset
    assert {rule.score: (rule.minimum, rule.maximum) for rule in found.filters} == {
        "duration": (5, None),
        "dover_scores": (7, None),
        "cotracker_ratio": (0.85, 0.999),
        "avg_movement": (80, None),
        "min_movement": (60, None),
        "avg_rotation": (70, None),
        "min_rotation": (60, None),
        "avg_completeness": (100, None),
        "min_completeness": (100, None),
        "avg_resolution": (50, None),
        "min_resolution": (40, None),
        "avg_orientation": (70, None),
        "min_orientation": (30, None),
        "face_consistency": (80, None),
    }
    assert list(dict.fromkeys(rule.in_stage for rule in found.filters)) == ["length", "quality", "motion", "head"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[[filter]]\nscore = "a"\nmim = 3\nmax = 4',
            r"line 3, \[\[filter\]\] no\. 1, mim: there is no such key. Did you mean min",
        ),
        ('[[filters]]\nscore = "a"\nmin = 3', "line 1, filters: there is no such key. Did you mean filter"),
        (
            '[[filter]]\nscore = "a"\nmin = 1\n[[filter]]\nscore = "b"',
            r"line 4, \[\[filter\]\] no\. 2: .* needs min, max or both",
        ),
        ('[[filter]]\nscore = "a"\nmin = 3\nmax = 2', r"line 1, \[\[filter\]\] no\. 1: min lies above max"),
        ('[[filter]]\nscore = "a"\nmin = inf', r"line 3, \[\[filter\]\] no\. 1, min: .*finite"),
        ('[[filter]]\nscore = "a"\nmax = nan', r"line 3, \[\[filter\]\] no\. 1, max: .*finite"),
        (
            '[[filter]]\nscore = "a"\nmin = "7"',
            r"line 3, \[\[filter\]\] no\. 1, min: it must be a number \(it is '7'\)",
        ),
        ('[[filter]]\nscore = "a"\nmin = true', r"line 3, \[\[filter\]\] no\. 1, min: it must be a number"),
        ("[[filter]]\nmin = 7", r"line 1, \[\[filter\]\] no\. 1, score: it is missing"),
        ('[[filter]]\nscore = "a"\nmin = 1\n[[filter]]\nscore = "a"\nmax = 9', "line 4, .*'a' is used twice"),
        ('[[filter]]\nname = "all"\nscore = "a"\nmin = 1', "'all' is taken"),
        ('[filter]\nscore = "a"\nmin = 1', r"line 1, filter: .* under \[\[filter\]\], with two brackets"),
        ("", "holds no filter"),
        ("[[filter]\nmin = 1", "is not TOML: .*line 1"),
        ('"(" = 1\n[[filter]]\nscore = "a"\nmin = 1', r"line 1, \(: there is no such key"),
    ],
)
def test_a_faulty_file_is_an_error_with_the_line(text: str, words: str) -> None:
    """The message has file, line, key and fault."""
    message = refusal(text)
    assert message.startswith("mine.toml")
    assert re.search(words, message), message


@given(text=some.text(max_size=60) | some.text("[]filter\n\"'=.0123456789einfa# ", max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is a filter file or an error, in TOML and in TalkVid's layout."""
    assert outcome(lambda: parse(text, "mine")).startswith(("filters", "mine"))
    assert outcome(lambda: talkvid_yaml.parse(text, "mine")).startswith(("filters", "mine"))


@given(
    some.lists(
        some.builds(
            lambda name, score, ends, stage, rubric: Filter(name, score or "score", ends[0], ends[1], stage, rubric),
            NAMES,
            TEXTS,
            some.lists(BOUNDS, min_size=2, max_size=2).map(sorted) | BOUNDS.map(lambda end: [end, None]),
            TEXTS,
            some.text(some.characters(exclude_categories=["Cs"]), max_size=40),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda rule: rule.name,
    )
)
def test_filters_written_as_toml_are_read_back_the_same(filters: list[Filter]) -> None:
    """Digits, characters and order are kept."""
    assert parse(to_toml(filters), "mine.toml") == tuple(filters)


def test_head_filters_survive_conversion_to_talkvids_layout_and_back() -> None:
    """From TOML to YAML and back, all that the layout holds is the same; what is lost is named for each filter."""
    ours = find("talkvid").filters
    text, lost = talkvid_yaml.write(ours)
    back, notes = talkvid_yaml.parse(text, "head_threshold.yml")
    head = tuple(rule for rule in ours if rule.stage == "head")
    assert parse(to_toml(back), "again.toml") == tuple(replace(rule, rubric="") for rule in head)
    assert notes == ()
    named = {sentence.split(" ")[0].rstrip(":") for sentence in lost}
    assert named == {"length", "dover", "cotracker", *(rule.name for rule in head if rule.rubric)}
    assert "cotracker is left out: TalkVid's head filter does not compute cotracker_ratio." in lost


def test_what_the_layout_cannot_hold_is_named() -> None:
    """A maximum, a name, a stage and a second minimum are named; a file without any filter is not written."""
    filters = [
        Filter("still", "avg_movement", 80, 99.5, rubric="At rest."),
        Filter("stiller", "avg_movement", 90, stage="head"),
        Filter("top", "avg_rotation", maximum=99),
    ]
    text, lost = talkvid_yaml.write(filters)
    assert talkvid_yaml.parse(text, "x")[0] == (Filter("avg_movement", "avg_movement", 90, stage="head"),)
    for words in (
        "still: its maximum 99.5 is lost",
        "still: its name is lost",
        "still: it is read back into the stage head",
        "still: its rubric is lost",
        "stiller: the file has one line for avg_movement",
        "top is left out: the file holds minimums only",
    ):
        assert sum(sentence.startswith(words) for sentence in lost) == 1, words
    with pytest.raises(AppError, match="No filter can be written as head thresholds"):
        talkvid_yaml.write(filters[2:])


def test_other_settings_in_talkvids_file_are_ignored_and_named() -> None:
    """TalkVid's own files have settings of a run in addition to thresholds."""
    text = (
        "head_filter:\n  input_path: in.json\n  start_sample: 0\n  thresholds:\n    avg_movement: 80.5\n"
        "    face_consistency: 80\nquality:\n  threshold: 5\n"
    )
    filters, notes = talkvid_yaml.parse(text, "head_threshold.yml")
    assert [(rule.name, rule.minimum, rule.stage) for rule in filters] == [
        ("avg_movement", 80.5, "head"),
        ("face_consistency", 80, "head"),
    ]
    assert notes == ("Not a threshold and not read: quality, head_filter.input_path, head_filter.start_sample.",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("avg_movement: 80", "no head_filter.thresholds"),
        ("head_filter:\n  thresholds: {}", "no head_filter.thresholds"),
        (
            "head_filter:\n  thresholds:\n    avg_movement: high",
            "line 3, .*avg_movement: the threshold must be a number",
        ),
        ("head_filter:\n  thresholds:\n    avg_movement: '80'", "must be a number"),
        ("head_filter:\n  thresholds:\n    a: 1\n    a: 2", "line 4, .*twice"),
        ("head_filter:\n  thresholds:\n    a: .nan", "line 3, .*must be finite"),
        ("head_filter:\n  thresholds:\n    a: !!int b", "must be a number"),
        ("head_filter: [", "line 1 is not YAML: expected"),
    ],
)
def test_a_faulty_threshold_file_is_an_error_with_the_line(text: str, words: str) -> None:
    """A duplicate score is an error too; a YAML reader would take the last one."""
    with pytest.raises(AppError, match=rf"(?s)theirs\.yml.*{words}"):
        talkvid_yaml.parse(text, "theirs.yml")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The message suggests a preset with a similar name, or how to make a first file."""
    with pytest.raises(AppError, match=r"none\.toml cannot be read.*clipjury filters talkvid -o"):
        find(str(tmp_path / "none.toml"))
    with pytest.raises(AppError, match=r"The preset is called talkvid: --filters talkvid"):
        find(str(tmp_path / "talkvid.toml"))
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(AppError, match=r"latin\.toml cannot be read \(it is no UTF-8 text\)"):
        find(str(tmp_path / "latin.toml"))


def test_a_folder_without_a_pool_cannot_be_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose path gives no output name, and a missing file, are errors too."""
    monkeypatch.chdir(tmp_path)
    for name, words in ((".", r"There is no Parquet file in \."), ("nowhere.parquet", "There is no pool at")):
        with pytest.raises(AppError, match=words):
            filter_pool(name, "talkvid")


def test_a_remote_pool_is_filtered_to_a_local_file(pool: Path, rules: Path) -> None:
    """Without -o the message asks for the file of the verdicts."""
    far = pool.as_uri().replace("file:", "local:")
    assert f"{far} lies in a store. Say where on this machine" in said(run("filter", far, "--filters", rules))
    output = pool.with_name("here.parquet")
    done = run("filter", far, "--filters", rules, "-o", output)
    assert done.exit_code == 0, done
    assert pl.read_parquet(output)["pass_all"].to_list() == [True, False, False, False]


def test_a_pool_is_written_with_its_verdicts_and_its_record(pool: Path, rules: Path) -> None:
    """It has all rows and columns, nullable verdicts, and a record with the hash of the filter file."""
    result = run("filter", pool, "--filters", rules)
    assert result.exit_code == 0, result
    written = pool.with_name("pool_filtered.parquet")
    assert sorted(path.name for path in pool.parent.iterdir()) == ["mine.toml", "pool.parquet", "pool_filtered.parquet"]
    frame = pl.read_parquet(written)
    verdicts = ["pass_length", "pass_avg_movement", "pass_all"]
    assert frame.drop(verdicts).equals(pl.read_parquet(pool))
    assert frame.select(verdicts).to_dict(as_series=False) == {
        "pass_length": [True, True, False, True],
        "pass_avg_movement": [True, False, True, None],
        "pass_all": [True, False, False, False],
    }
    metadata = pl.read_parquet_metadata(written)
    assert metadata["other"] == "stays"
    made = read_pool(written).record
    assert {key: made[key] for key in RECORD} == RECORD
    assert made["filters"]["sha256"] == find(str(rules)).sha256
    assert made["filters"]["columns"] == verdicts


def test_the_json_is_one_object_that_adds_up(pool: Path, rules: Path, tmp_path: Path) -> None:
    """Nothing else is printed; it has clips, hours, unknown scores, unique rejects and pass rates."""
    figure = tmp_path / "cascade.svg"
    result = run("filter", pool, "--filters", rules, "--json", "--figure", figure)
    facts: dict[str, Any] = json.loads(result.output)
    assert facts["raw"]["clips"] == 4
    assert [stage["clips"] for stage in facts["stages"]] == [3, 1]
    head = facts["stages"][1]
    assert (head["failed"]["clips"], head["unknown"]["clips"], head["dropped"]["hours"]) == (1, 1, 0.75)
    assert head["hours"] == 1
    each = {one["filter"]: one for one in facts["each_filter"]}
    assert each["avg_movement"]["pass_rate"] == pytest.approx(2 / 3)
    assert each["length"]["unique_rejects"]["clips"] == 1
    assert each["avg_movement"]["unique_rejects"]["clips"] == 2
    assert figure.read_text(encoding="utf-8").startswith("<svg")


def test_the_user_chooses_what_a_missing_score_counts_as(pool: Path, rules: Path) -> None:
    """The output says what was chosen."""
    fails, passes = (run("filter", pool, "--filters", rules, "--unknown", word) for word in ("fail", "pass"))
    assert "counts as failed (--unknown fail)" in fails.output
    assert "counts as passed (--unknown pass)" in passes.output
    assert pl.read_parquet(pool.with_name("pool_filtered.parquet"))["pass_all"].to_list() == [True, False, False, True]


def test_the_presets_filters_without_scores_are_left_out_and_named(pool: Path) -> None:
    """Each has a line with the scorer's reason; --strict makes them an error."""
    result = run("filter", pool, "--filters", "talkvid")
    assert result.exit_code == 0, result
    assert "dover is left out: dover_scores has no value in the pool (No weights were given)." in result.output
    assert "cotracker is left out: the pool has no score cotracker_ratio." in result.output
    strict = said(run("filter", pool, "--filters", "talkvid", "--strict"))
    assert "cotracker: the pool has no score 'cotracker_ratio'" in strict


def test_an_unknown_score_in_ones_own_file_is_an_error_with_similar_names(pool: Path, tmp_path: Path) -> None:
    """--lenient leaves it out; a score without any value is left out, or an error with --strict."""
    mine = tmp_path / "mine.toml"
    mine.write_text('[[filter]]\nscore = "avg_movment"\nmin = 1\n[[filter]]\nscore = "duration"\nmin = 1\n')
    message = said(run("filter", pool, "--filters", mine))
    assert "avg_movment: the pool has no score 'avg_movment'. Did you mean avg_movement?" in message
    assert "is left out" in run("filter", pool, "--filters", mine, "--lenient").output
    mine.write_text('[[filter]]\nscore = "dover_scores"\nmin = 1\n[[filter]]\nscore = "duration"\nmin = 1\n')
    assert "dover_scores is left out" in run("filter", pool, "--filters", mine).output
    assert "dover_scores has no value" in said(run("filter", pool, "--filters", mine, "--strict"))


def test_filtering_again_replaces_the_verdicts(pool: Path, rules: Path, tmp_path: Path) -> None:
    """Verdicts of the first run are removed; other columns of the pool are not changed."""
    first, second = pool.with_name("pool_filtered.parquet"), tmp_path / "second.parquet"
    run("filter", pool, "--filters", rules)
    other = tmp_path / "other.toml"
    other.write_text('[[filter]]\nname = "long"\nscore = "duration"\nmin = 1000\n')
    assert run("filter", first, "--filters", other, "-o", second).exit_code == 0
    assert [name for name in pl.read_parquet(second).columns if name.startswith("pass_")] == ["pass_long", "pass_all"]
    pl.read_parquet(pool).with_columns(pass_long=pl.lit("mine")).write_parquet(pool)
    assert "has a column 'pass_long' of its own" in said(run("filter", pool, "--filters", other))


def test_there_are_no_hours_without_durations(pool: Path, tmp_path: Path) -> None:
    """A note says so, and the figure counts clips."""
    pl.read_parquet(pool).drop("duration").write_parquet(pool)
    mine, figure = tmp_path / "mine.toml", tmp_path / "cascade.json"
    mine.write_text('[[filter]]\nscore = "avg_movement"\nmin = 80\n')
    result = run("filter", pool, "--filters", mine, "--figure", figure)
    assert "The pool has no durations: hours are not stated." in result.output
    title = json.loads(figure.read_text(encoding="utf-8"))["title"]
    assert title["text"] == "50.0 % of the clips pass every filter; avg_movement drops most"


def test_pools_that_cannot_be_filtered_are_errors(pool: Path, rules: Path, tmp_path: Path) -> None:
    """A missing pool, another file, text as a score, the pool as output, an unknown figure format, no clips."""
    assert "There is no pool at" in said(run("filter", tmp_path / "none.parquet", "--filters", rules))
    assert "cannot be read as a pool" in said(run("filter", rules, "--filters", rules))
    assert "it is the pool itself" in said(run("filter", pool, "--filters", rules, "-o", pool))
    assert "is no figure file" in said(run("filter", pool, "--filters", rules, "--figure", tmp_path / "x.gif"))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(pool.read_bytes()[:-200])
    assert "cannot be read as a pool" in said(run("filter", cut, "--filters", rules))
    other = tmp_path / "other.parquet"
    pl.DataFrame({"clip": ["a"], "duration": [1.0]}).write_parquet(other)
    assert "no text column 'media'" in said(run("filter", other, "--filters", rules))
    mine = tmp_path / "words.toml"
    mine.write_text('[[filter]]\nscore = "reason"\nmin = 1\n')
    assert "holds no numbers but String" in said(run("filter", pool, "--filters", mine))
    pl.read_parquet(pool).clear().write_parquet(pool)
    assert "has no clips" in said(run("filter", pool, "--filters", rules))
    assert not pool.with_name("pool_filtered.parquet").exists()


def test_filter_files_are_converted_by_their_suffix(tmp_path: Path) -> None:
    """A preset is printed unchanged; .yml is TalkVid's layout, and messages name what is lost."""
    assert run("filters", "talkvid").output == find("talkvid").text
    theirs, ours = tmp_path / "head_threshold.yml", tmp_path / "head.toml"
    written = run("filters", "talkvid", "-o", theirs)
    assert "dover is left out" in written.output
    assert run("filters", theirs, "-o", ours).exit_code == 0
    assert find(str(ours)).filters == find(str(theirs)).filters
    assert len(find(str(ours)).filters) == 11
    assert "is no filter file" in said(run("filters", "talkvid", "-o", tmp_path / "x.txt"))
