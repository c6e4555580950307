"""Time and memory of a stratified draw from ten million clips, in a process of its own: file in, file out."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from app.sampling import design_files, sample_files

CLIPS = 10_000_000
DESIGNS = {
    "stratified by six bands of a score, 700 clips": """
        design = "stratified"
        clips = 700
        [[strata]]
        score = "sharpness"
        quantiles = 6
    """,
    "crossed with gender and verdict patterns, a slice of rejects": """
        design = "stratified"
        clips = 700
        allocation = "power"
        [[strata]]
        filter = "sharp"
        bands = 4
        [[strata]]
        column = "gender"
        [[strata]]
        pattern = true
        [[filter]]
        name = "sharp"
        score = "sharpness"
        min = 40
        [[filter]]
        name = "still"
        score = "avg_movement"
        min = 80
    """,
    "six bands, at most two clips of a source and stratum": """
        design = "stratified"
        clips = 700
        per_source = 2
        per_source_in = "stratum"
        [[strata]]
        score = "sharpness"
        quantiles = 6
    """,
}


def run() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Path(folder) / "pool.parquet"
        _write_pool(pool)
        print(f"drawing from {CLIPS:,} clips ({pool.stat().st_size / 1e6:.0f} MB of Parquet)")
        for words, text in DESIGNS.items():
            design = Path(folder) / "design.toml"
            design.write_text(text, encoding="utf-8")
            command = [sys.executable, "-m", "tests.bench.sampling", str(pool), str(design)]
            said = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"  {words}: {said.stdout.strip()}")


def _write_pool(path: Path) -> None:
    number = pl.int_range(0, CLIPS, eager=True).alias("number")
    noise = number.hash(1) % 1_000_003 / 10_000
    pl.DataFrame({"number": number}).select(
        ("videovideo-" + pl.col("number").cast(pl.String).str.zfill(9)).alias("clip"),
        ("clips/" + pl.col("number").cast(pl.String) + ".mp4").alias("media"),
        ("film-" + (pl.col("number") // 40).cast(pl.String)).alias("source"),
        pl.lit(5.0).alias("duration"),
        pl.lit(None, pl.String).alias("reason"),
        pl.Series("sharpness", noise),
        pl.Series("avg_movement", number.hash(2) % 1_000_003 / 10_000),
        pl.when(number.hash(3) % 3 == 0).then(pl.lit("female")).otherwise(pl.lit("male")).alias("gender"),
    ).write_parquet(path)


def _draw(pool: Path, design: Path) -> None:
    began = time.perf_counter()
    made = sample_files.make(pool, design_files.read(design), pool.with_name("sample.parquet"))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{made.clips.height} clips of {len(made.record['strata'])} strata in {seconds:.2f} s, peak {peak:.2f} GB")


if __name__ == "__main__":
    _draw(Path(sys.argv[1]), Path(sys.argv[2]))
