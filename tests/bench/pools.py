"""Time and memory of imports, each in a process of its own: TalkVid's records as a list, and a large Parquet file."""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from app.pools.importing import import_pool

RECORDS, RECORD_SECONDS, RECORD_GIGABYTES = 200_000, 8, 1.5
ROWS, ROW_SECONDS = 5_000_000, 20
HEAD = ("movement", "rotation", "completeness", "resolution", "orientation")
WORDS = ["the", "person", "speaks", "calmly", "before", "a", "plain", "wall", "and", "looks", "into", "the", "camera"]


def run() -> None:
    """Print what was measured, against the bounds."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "talkvid.json"
        _write_records(records)
        _measure(f"{RECORDS:,} TalkVid records", records, RECORD_SECONDS, RECORD_GIGABYTES)
        records.unlink()
        rows = Path(folder) / "rows.parquet"
        _write_rows(rows)
        _measure(f"{ROWS:,} Parquet rows", rows, ROW_SECONDS, None)


def _measure(words: str, source: Path, seconds: float, gigabytes: float | None) -> None:
    command = [sys.executable, "-m", "tests.bench.pools", str(source), str(source.with_name("pool.parquet"))]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    taken = time.perf_counter() - began  # as a person waits for it: the interpreter's start is in it
    busy, peak, clips = (float(word) for word in done.stdout.split())
    missed = taken > seconds or (gigabytes is not None and peak > gigabytes)
    bound = f"under {seconds} s" + (f" and {gigabytes} GB" if gigabytes else "")
    size = source.stat().st_size / 1e6
    print(
        f"importing {words} ({size:.0f} MB): {clips:,.0f} clips in {taken:.2f} s ({busy:.2f} s of processor time), "
        f"peak {peak:.2f} GB "
        f"({bound}): {'MISSED' if missed else 'held'}"
    )


def _write_records(path: Path) -> None:
    """TalkVid's layout, about three kilobytes a record, one in fifty with parts missing."""
    chance = random.Random(5)
    with path.open("w", encoding="utf-8") as file:
        for number in range(RECORDS):
            record = {
                "id": f"videovideo{number // 5:08}-scene{number % 5}-scene1",
                **{"height": 1080, "width": 1920, "fps": 24.0, "start-time": 0.1, "start-frame": 0},
                **{"end-time": 5.142, "end-frame": 121, "durations": f"{chance.uniform(5, 30):.3f}s"},
                "info": {
                    **{"Person ID": str(number // 9), "Ethnicity": "White", "Age Group": "31-45", "Gender": "Male"},
                    **{"Video Link": f"https://example.org/{number // 5}", "Language": "English"},
                    "Video Category": "Talk",
                },
                "description": " ".join(chance.choices(WORDS, k=420)),
                "dover_scores": chance.gauss(8.5, 1),
                "cotracker_ratio": chance.random(),
            }
            if number % 50:
                scores = {f"{of}_{part}": 100 * chance.random() for of in ("avg", "min") for part in HEAD}
                record["head_detail"] = {"scores": scores}
            file.write(("[\n" if not number else ",\n") + json.dumps(record, indent=2))
        file.write("\n]\n")


def _write_rows(path: Path) -> None:
    number = pl.int_range(0, ROWS, eager=True).alias("number")
    text = pl.col("number").cast(pl.String)
    pl.DataFrame({"number": number}).select(
        ("videovideo-" + text.str.zfill(9)).alias("id"),
        ("clips/" + text + ".mp4").alias("video-path"),
        ((pl.col("number") % 100 / 10 + 5).cast(pl.String) + "s").alias("durations"),
        pl.lit(1920).alias("width"),
        pl.lit(1080).alias("height"),
        (pl.col("number") % 15).cast(pl.String).alias("language"),
        *(pl.Series(f"score_{seed}", number.hash(seed) % 1_000_003 / 10_000) for seed in range(8)),
    ).write_parquet(path)


if __name__ == "__main__":
    made = import_pool([sys.argv[1]], sys.argv[2], force=True)
    print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, made.clips)
