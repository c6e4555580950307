"""`clipjury pool`: printed output, written files and exit codes."""

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
    """Run a command as the command line does; an AppError is in `exception`."""
    return CliRunner().invoke(commands, [str(word) for word in words])


def error_message(result: Result) -> str:
    """The message of the error that a command ended with."""
    assert isinstance(result.exception, AppError), result
    return str(result.exception)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An imported pool and a filter file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("made.json").write_text(json.dumps(RECORDS))
    Path("rules.toml").write_text(RULES)
    assert run("import", "made.json", "-o", "pool.parquet").exit_code == 0
    return Path("pool.parquet")


def test_import_shows_the_mapping_and_says_where_bad_records_are(pool: Path) -> None:
    """It prints column, field and role; with bad records the pool is written and the exit code is 3."""
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
    assert "1 of 11 are bad" in error_message(run("import", "made.json", "-o", "other.parquet", "--strict"))
    assert not Path("other.parquet").exists()


def test_show_prints_and_writes_the_page(pool: Path) -> None:
    """It prints thresholds of a filter file and the wanted subgroups, writes the page, and gives the same as JSON."""
    done = run("show", pool, "--filters", "rules.toml", "--by", "Language", "--html", "pool.html")
    assert "10 clips · 0.01 h" in done.stdout
    assert "≥ 7 · 30.0 % pass" in done.stdout
    assert Path("pool.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    facts = json.loads(run("show", pool, "--filters", "rules.toml", "--json").stdout)
    assert facts["histograms"][0]["passing"] == 0.3
    assert {one["value"]: one["kept_clips"] for one in facts["groups"]["Language"]} == {"en": 2, "fr": 1}
    assert "no column 'Langage'" in error_message(run("show", pool, "--by", "Langage"))


def test_join_adds_scores_by_id(pool: Path) -> None:
    """Rows keep their order, clips without a match get null and are reported, the record names the file."""
    Path("more.csv").write_text("id,sharpness,dover_scores\nc3,1.5,0\nc1,2.5,0\nz,9,0\n")
    assert "has 'dover_scores' already" in error_message(run("join", pool, "more.csv", "-o", "joined.parquet"))
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
def test_a_file_that_cannot_be_joined_is_an_error(pool: Path, text: str, words: str) -> None:
    """No match, a duplicate clip, a bad row, no new column: each is an error, and nothing is written."""
    Path("more.csv").write_text(text)
    assert words in error_message(run("join", pool, "more.csv", "-o", "joined.parquet"))
    assert not Path("joined.parquet").exists()


def test_rows_are_printed(pool: Path) -> None:
    """`head`, `tail`, `where` with the number of clips, and chosen columns."""
    assert re.findall(r"^c\d", run("head", pool, "-n", 3).stdout, re.MULTILINE) == ["c0", "c1", "c2"]
    assert re.findall(r"^c\d", run("tail", pool, "-n", 2).stdout, re.MULTILINE) == ["c8", "c9"]
    done = run("where", pool, "dover_scores >= 5 and \"Language\" = 'en'", "-n", 2, "--column", "Language")
    assert re.findall(r"^(c\d) +en *$", done.stdout, re.MULTILINE) == ["c5", "c7"]
    assert done.stdout.endswith("3 clips.\n")
    assert "no column 'dover'" in error_message(run("where", pool, "dover > 1"))
    assert "no column 'Langage'" in error_message(run("head", pool, "--column", "Langage"))


def test_retention_counts_clips_and_hours_of_each_group(pool: Path) -> None:
    """It counts the whole pool and each language, and gives the same as JSON."""
    done = run("retention", pool, "--filters", "rules.toml", "--by", "Language")
    assert re.search(r"^dover +3 +0.00 +30.0", done.stdout, re.MULTILINE)
    assert re.search(r"^en +5 +0.01 +40.0 +2", done.stdout, re.MULTILINE)
    facts = json.loads(run("retention", pool, "--filters", "rules.toml", "--by", "Language", "--json").stdout)
    assert facts["kept"] == {"clips": 3, "hours": pytest.approx(0.003)}
    assert {group["value"]: group["kept"]["clips"] for group in facts["groups"]} == {"en": 2, "fr": 1}


def test_metadata_of_other_programs_survives_a_join(pool: Path) -> None:
    """Other keys in the metadata of the Parquet file are kept."""
    pl.read_parquet(pool).write_parquet("own.parquet", metadata={"other": "stays"})
    Path("more.csv").write_text("id,sharpness\nc1,2.5\n")
    run("join", "own.parquet", "more.csv", "-o", "joined.parquet")
    assert pl.read_parquet_metadata("joined.parquet")["other"] == "stays"
    assert "dover_scores" in read_pool(Path("joined.parquet")).score_columns()
