"""`clipjury pool` as it is typed: what is printed, what is written, the exit codes."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.pool import commands
from app.errors import AppError
from app.pools.pool_files import read_pool

RECORDS = [
    {
        "id": f"c{number}",
        "durations": "3.6s",
        "info": {"Language": "en" if number % 2 else "fr"},
        "dover_scores": number,
    }
    for number in range(10)
]
RULES = '[[filter]]\nname = "dover"\nscore = "dover_scores"\nmin = 7\n'


def run(*words: object) -> Result:
    """A command as the command line would run it; a refusal is in `exception`."""
    return CliRunner().invoke(commands, [str(word) for word in words])


def said(result: Result) -> str:
    """The refusal a command ended with."""
    assert isinstance(result.exception, AppError), result
    return str(result.exception)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool that was imported, and rules beside it; the folder is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("made.json").write_text(json.dumps(RECORDS))
    Path("rules.toml").write_text(RULES)
    assert run("import", "made.json", "-o", "pool.parquet").exit_code == 0
    return Path("pool.parquet")


def test_import_shows_the_mapping_and_says_where_bad_records_are(pool: Path) -> None:
    """Column, field and role of each; exit code 3 with bad records, the pool being there all the same."""
    done = run("import", "made.json", "-o", pool)
    assert re.search(r"Language +info.Language +metadata +10", done.stdout)
    assert re.search(r"duration +durations +fact +10", done.stdout)
    Path("made.json").write_text(json.dumps([*RECORDS, {"id": "bad", "durations": "x"}]))
    done = run("import", "made.json", "-o", pool)
    assert (done.exit_code, "1 bad records" in done.output) == (3, True)
    assert json.loads(Path("pool.rejects.jsonl").read_text())["record"] == 11
    assert read_pool(pool).frame.height == 10
    facts = json.loads(run("import", "made.json", "-o", pool, "--json").stdout)
    assert (facts["clips"], facts["rejected"]) == (10, 1)
    assert "1 of 11 are bad" in said(run("import", "made.json", "-o", "other.parquet", "--strict"))
    assert not Path("other.parquet").exists()


def test_show_prints_and_writes_the_page(pool: Path) -> None:
    """Cuts from a file, subgroups asked for, the page, and all of it as JSON."""
    done = run("show", pool, "--filters", "rules.toml", "--by", "Language", "--html", "pool.html")
    assert "10 clips · 0.01 h" in done.stdout
    assert "≥ 7 · 30.0 % pass" in done.stdout
    assert Path("pool.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    facts = json.loads(run("show", pool, "--filters", "rules.toml", "--json").stdout)
    assert facts["histograms"][0]["passing"] == 0.3
    assert {one["value"]: one["kept_clips"] for one in facts["groups"]["Language"]} == {"en": 2, "fr": 1}
    assert "no column 'Langage'" in said(run("show", pool, "--by", "Langage"))


def test_join_adds_scores_by_id(pool: Path) -> None:
    """Rows and order stay, clips without a match get null, strangers are told, the record names the file."""
    Path("more.csv").write_text("id,sharpness,dover_scores\nc3,1.5,0\nc1,2.5,0\nz,9,0\n")
    assert "has 'dover_scores' already" in said(run("join", pool, "more.csv", "-o", "joined.parquet"))
    done = run("join", pool, "more.csv", "-o", "joined.parquet", "--map", "dover_scores=")
    assert "2 clips have a match" in done.stdout
    assert "8 clips of the pool are not in the file" in done.stdout
    assert "1 clips of the file are not in the pool" in done.stdout
    joined = read_pool(Path("joined.parquet"))
    assert joined.frame["clip"].to_list() == [record["id"] for record in RECORDS]
    assert joined.frame["sharpness"].to_list() == [None, 2.5, None, 1.5] + [None] * 6
    assert joined.score_columns() == ["dover_scores", "sharpness"]
    assert joined.record["joined"][0]["source"] == "more.csv"
    run("join", pool, "more.csv", "-o", "replaced.parquet", "--replace")
    assert read_pool(Path("replaced.parquet")).frame["dover_scores"].to_list()[:4] == [None, 0, None, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,x\nz,1\n", "No clip of more.csv is in pool.parquet (there 'z', in the pool 'c0')"),
        ("id,x\nc1,1\nc1,2\n", "'c1': more.csv line 2, more.csv line 3"),
        ("id,x\nc1\n", "It has 1 fields where the header has 2"),
        ("id\nc1\n", "has no column to add"),
    ],
)
def test_a_file_that_cannot_be_joined_is_refused(pool: Path, text: str, words: str) -> None:
    """No match, a clip twice, a bad row, nothing to add: said, and nothing is written."""
    Path("more.csv").write_text(text)
    assert words in said(run("join", pool, "more.csv", "-o", "joined.parquet"))
    assert not Path("joined.parquet").exists()


def test_rows_are_printed_for_a_look(pool: Path) -> None:
    """The first, the last, those a condition holds for with their number, and single columns."""
    assert re.findall(r"^c\d", run("head", pool, "-n", 3).stdout, re.MULTILINE) == ["c0", "c1", "c2"]
    assert re.findall(r"^c\d", run("tail", pool, "-n", 2).stdout, re.MULTILINE) == ["c8", "c9"]
    done = run("where", pool, "dover_scores >= 5 and \"Language\" = 'en'", "-n", 2, "--column", "Language")
    assert re.findall(r"^(c\d) +en *$", done.stdout, re.MULTILINE) == ["c5", "c7"]
    assert done.stdout.endswith("3 clips.\n")
    assert "no column 'dover'" in said(run("where", pool, "dover > 1"))
    assert "no column 'Langage'" in said(run("head", pool, "--column", "Langage"))


def test_retention_counts_clips_and_hours_of_each_group(pool: Path) -> None:
    """Of the whole and by language; the same as JSON."""
    done = run("retention", pool, "--filters", "rules.toml", "--by", "Language")
    assert re.search(r"^dover +3 +0.00 +30.0", done.stdout, re.MULTILINE)
    assert re.search(r"^en +5 +0.01 +40.0 +2", done.stdout, re.MULTILINE)
    facts = json.loads(run("retention", pool, "--filters", "rules.toml", "--by", "Language", "--json").stdout)
    assert facts["kept"] == {"clips": 3, "hours": pytest.approx(0.003)}
    assert {group["value"]: group["kept"]["clips"] for group in facts["groups"]} == {"en": 2, "fr": 1}


def test_metadata_of_other_tools_survives_a_join(pool: Path) -> None:
    """What the file keeps beside its rows is still there."""
    pl.read_parquet(pool).write_parquet("own.parquet", metadata={"other": "stays"})
    Path("more.csv").write_text("id,sharpness\nc1,2.5\n")
    run("join", "own.parquet", "more.csv", "-o", "joined.parquet")
    assert pl.read_parquet_metadata("joined.parquet")["other"] == "stays"
    assert "dover_scores" in read_pool(Path("joined.parquet")).score_columns()
