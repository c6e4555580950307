"""`clipjury bench-set`: a benchmark like TalkVid-Bench from synthetic pools; its file, report and check."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from app.commands.bench_set import bench_set
from app.errors import AppError
from app.pools.pool_files import read_pool
from app.sampling.benchmark import column_for

CLI = typer.Typer()
CLI.command()(bench_set)
AGES = ("0-19", "19-30", "31-45", "46-60", "60+")
BENCH = ("--quota", "age=105", "gender=100", "ethnicity=100", "language=195")


def run(*words: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(CLI, list(map(str, words)), catch_exceptions=False)


def refusal(*words: str | Path) -> str:
    """The error message of the command."""
    with pytest.raises(AppError) as caught:
        run(*words)
    return str(caught.value)


def talkers(persons: int, clips: int, seed: int = 0) -> pl.DataFrame:
    """Clips of persons with TalkVid's columns, rare children, and languages from common to rare."""
    chance = np.random.default_rng(seed)
    rare = np.array([1 / number**1.5 for number in range(1, 16)])
    of = {
        "Age Group": chance.choice(AGES, persons, p=[0.002, 0.24, 0.64, 0.09, 0.028]),
        "Gender": chance.choice(["female", "male"], persons),
        "Ethnicity": chance.choice(["African", "Asian", "White"], persons, p=[0.1, 0.3, 0.6]),
        "Language": chance.choice([f"language {n:02}" for n in range(15)], persons, p=rare / rare.sum()),
    }
    who = np.concatenate([np.arange(persons), chance.integers(0, persons, clips - persons)])
    return pl.DataFrame(
        {
            "clip": [f"c{number:06}" for number in range(clips)],
            "media": ["tiny.mp4"] * clips,
            "Person ID": [f"p{number}" for number in who],
            **{name: values[who] for name, values in of.items()},
            "score": chance.random(clips),
        }
    )


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 persons in 9,000 clips, with a record of how they were scored."""
    path = tmp_path_factory.mktemp("pool") / "pool.parquet"
    talkers(3000, 9000).write_parquet(path, metadata={"clipjury": json.dumps({"signature": "abc"})})
    return path


@pytest.fixture(scope="module")
def made(pool: Path) -> tuple[Path, dict[str, Any]]:
    """A set by TalkVid-Bench's quotas, and the printed JSON."""
    output = pool.with_name("bench.parquet")
    done = run(pool, *BENCH, "-o", output, "--json")
    assert done.exit_code == 0, done.output
    facts: dict[str, Any] = json.loads(done.stdout)
    return output, facts


def test_the_benchmark_is_balanced_and_has_each_person_once(pool: Path, made: tuple[Path, dict[str, Any]]) -> None:
    """Every group but the children is full, each person has one clip, and each clip is in the group it fills."""
    frame, table = pl.read_parquet(made[0]), pl.read_parquet(pool)
    children = table.filter(pl.col("Age Group") == "0-19")["Person ID"].n_unique()
    assert 0 < children < 21
    assert frame.height == made[1]["clips"] == 500 - 21 + children
    assert frame["Person ID"].is_unique().all()
    counted = frame.group_by("bench_dimension", "bench_group").len()
    sizes = {name: sorted(counted.filter(bench_dimension=name)["len"]) for name in counted["bench_dimension"].unique()}
    assert sizes == {
        "age": [children, 21, 21, 21, 21],
        "gender": [50, 50],
        "ethnicity": [33, 33, 34],
        "language": [13] * 15,
    }
    for dimension, column in (("age", "Age Group"), ("gender", "Gender"), ("language", "Language")):
        part = frame.filter(bench_dimension=dimension)
        assert (part["bench_group"] == part[column]).all()
    assert frame.drop("bench_dimension", "bench_group").equals(
        frame.select("clip").join(table, on="clip", maintain_order="left")
    )


def test_the_shortfall_is_reported(pool: Path, made: tuple[Path, dict[str, Any]]) -> None:
    """The table names the group, the clips that fit and the empty places; --fill gives the places to other groups."""
    short = [row for row in made[1]["balance"] if row["short"]]
    assert [(row["dimension"], row["group"], row["wanted"]) for row in short] == [("age", "0-19", 21)]
    assert short[0]["available"] == short[0]["filled"] == 21 - short[0]["short"]
    assert made[1]["empty"] == short[0]["short"]
    filled = run(pool, *BENCH, "-o", pool.with_name("filled.parquet"), "--fill").stdout
    assert f"short age 0-19: no person for {short[0]['short']} of 21 places." in filled
    assert "Their places went to other groups" in filled
    assert "500 clips for 500 places" in filled


def test_the_record_is_added_to_that_of_the_pool(made: tuple[Path, dict[str, Any]]) -> None:
    """The set is a pool, and its record says how and from which pool it was made."""
    record = read_pool(made[0]).record
    assert record["signature"] == "abc"
    assert record["bench_set"]["pool"] == "pool.parquet"
    assert record["bench_set"]["person"] == "Person ID"
    assert [quota["places"] for quota in record["bench_set"]["quotas"]] == [105, 100, 100, 195]
    assert len(record["bench_set"]["pool_fingerprint"]) == 64


def test_the_same_seed_gives_the_same_file_in_any_order_of_rows(pool: Path, made: tuple[Path, dict[str, Any]]) -> None:
    """Shuffled rows do not change it; another seed gives other clips."""
    shuffled = pool.with_name("shuffled.parquet")
    pl.read_parquet(pool).sample(fraction=1.0, shuffle=True, seed=5).write_parquet(shuffled)
    again, other = pool.with_name("again.parquet"), pool.with_name("other.parquet")
    run(shuffled, *BENCH, "-o", again)
    run(pool, *BENCH, "-o", other, "--seed", "1")
    first = pl.read_parquet(made[0])
    assert pl.read_parquet(again).equals(first)
    assert len(set(pl.read_parquet(other)["clip"]) & set(first["clip"])) < 0.8 * first.height


def test_prefer_takes_the_best_clip_of_each_person(pool: Path) -> None:
    """Each clip has the highest score of its person; clips without a score come last."""
    output = pool.with_name("best.parquet")
    run(pool, "--quota", "gender=100", "-o", output, "--prefer", "score")
    best = pl.read_parquet(pool).group_by("Person ID").agg(pl.col("score").max().alias("best"))
    joined = pl.read_parquet(output).join(best, on="Person ID")
    assert (joined["score"] == joined["best"]).all()


def test_the_check_finds_persons_who_occur_twice(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """A valid file exits with 0 and the same table; a file with a person twice exits with 3 and names both clips."""
    assert run("--check", made[0]).exit_code == 0
    assert json.loads(run("--check", made[0], "--json").stdout)["balance"] == made[1]["balance"]
    frame = pl.read_parquet(made[0])
    one, two = frame["clip"][3], frame["clip"][200]
    person = pl.when(pl.col("clip") == two).then(pl.lit(frame["Person ID"][3])).otherwise(pl.col("Person ID"))
    spoilt = tmp_path / "spoilt.parquet"
    metadata = {"clipjury": pl.read_parquet_metadata(made[0])["clipjury"]}
    frame.with_columns(person.alias("Person ID")).write_parquet(spoilt, metadata=metadata)
    done = run("--check", spoilt)
    assert done.exit_code == 3
    assert f"twice {frame['Person ID'][3]}: {', '.join(sorted([one, two]))}" in done.stdout
    frame.filter(pl.col("bench_dimension") != "gender").write_parquet(spoilt, metadata=metadata)
    assert "short gender female: no person for 50 of 50 places." in run("--check", spoilt).stdout


def test_columns_and_groups_can_be_named(tmp_path: Path) -> None:
    """Other columns, some groups, an empty group, unknown persons, unreadable files."""
    frame = pl.DataFrame(
        {
            "clip": list("abcdefg"),
            "media": ["x.mp4"] * 7,
            "duration": [5.0] * 6 + [None],
            "reason": [None] * 6 + ["This is not a video."],
            "who": ["p", "q", "r", "s", None, " p ", "t"],
            "tongue": ["en", "en ", "zh", "fr", "en", "zh", "en"],
        }
    )
    path, output = tmp_path / "pool.parquet", tmp_path / "bench.parquet"
    frame.write_parquet(path)
    words = ("--column", "language=tongue", "--person", "who", "--groups", "language=en,zh,xx")
    text = run(path, "language=6", *words, "-o", output).stdout
    assert "1 files cannot be read and are left out." in text
    assert "1 clips have no person in 'who' and are left out." in text
    assert "language: no clip has xx in 'tongue'" in text
    assert "short language xx: no person for 2 of 2 places." in text
    assert pl.read_parquet(output)["bench_group"].to_list() == ["en", "en", "zh"]


def test_columns_are_found_in_any_spelling() -> None:
    """TalkVid's names and those of manifests are found; a column of a manifest is preferred to that of a scorer."""
    there = ["clip", "info_language", "language", "person_id", "AGE GROUP"]
    assert column_for("person", there) == "person_id"
    assert column_for("age", there) == "AGE GROUP"
    assert column_for("language", there) == "info_language"
    assert column_for("Video Category", ["video_category"]) == "video_category"
    assert column_for("gender", there) is None


def test_wrong_options_are_errors_before_anything_is_written(pool: Path, tmp_path: Path) -> None:
    """Each message names the fault and the remedy."""
    output = tmp_path / "out.parquet"
    for words, reason in (
        ((pool, "-o", output), "No quota is named"),
        (("--quota", "age=3", "-o", output), "No pool is named"),
        ((pool, "--quota", "age=many", "-o", output), "--quota age=many is not NAME=NUMBER"),
        ((pool, "--quota", "age=3", "age=4", "-o", output), "is there twice"),
        ((pool, "--quota", "age=0", "-o", output), "quota of 0"),
        ((pool, "--quota", "age=3"), "nothing to write"),
        ((pool, "--quota", "height=3", "-o", output), "no column for 'height'"),
        ((pool, "--quota", "age=3", "--column", "age=Age", "-o", output), "Did you mean Age Group"),
        ((pool, "--quota", "age=3", "--groups", "gender=male", "-o", output), "'gender', which has no quota"),
        ((pool, "--quota", "age=3", "--groups", "age", "-o", output), "--groups age is not NAME=VALUE"),
        ((pool, "--quota", "age=3", "--groups", "age=90-99", "-o", output), "No place can be filled"),
        ((pool, "--quota", "age=3", "--person", "name", "-o", output), "no column 'name'"),
        ((pool, "--quota", "age=3", "--prefer", "Gender", "-o", output), "'Gender' of pool.parquet holds no numbers"),
        ((pool, "--quota", "age=3", "--prefer", "dovr_scores", "-o", output), "no score 'dovr_scores'"),
        ((pool, "--quota", f"age={10**20}", "-o", output), "more than 50000 places"),
        ((pool, "--quota", "age=3", "-o", pool), "the pool itself"),
        ((tmp_path / "no.parquet", "--quota", "age=3", "-o", output), "There is no pool"),
        (("--check", pool), "is not a benchmark set"),
        ((pool, "--check", pool), "nothing else is made"),
    ):
        assert reason in refusal(*words), words
    assert not output.exists()


def test_a_hundred_thousand_clips_take_seconds(tmp_path: Path) -> None:
    """With 10,000 persons, reading, choosing and writing take seconds."""
    talkers(10_000, 100_000, seed=1).write_parquet(tmp_path / "large.parquet")
    began = time.process_time()
    assert run(tmp_path / "large.parquet", *BENCH, "-o", tmp_path / "bench.parquet").exit_code == 0
    assert time.process_time() - began < 20
