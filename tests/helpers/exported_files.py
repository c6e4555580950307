"""What a researcher makes of a study's exported files in order to compute its figures again with `clipjury stats`."""

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli


def stats(*arguments: object) -> dict[str, Any]:
    """The JSON object of a `clipjury stats` command."""
    told = CliRunner().invoke(cli, ["stats", *map(str, arguments), "--json"])
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.output)
    return found


def stats_text(*arguments: object) -> str:
    """What the same command prints for people, with spaces made single."""
    told = CliRunner().invoke(cli, ["stats", *map(str, arguments)])
    assert told.exit_code == 0, told.output
    return " ".join(told.output.split())


@dataclass(frozen=True)
class Exports:
    """A study's judgments.csv, with every column as text, and its estimates.json."""

    judgments: pl.DataFrame
    estimates: dict[str, Any]

    @classmethod
    def of(cls, browser: TestClient, address: str) -> "Exports":
        """Download both from a study's page."""
        table = pl.read_csv(StringIO(browser.get(f"{address}/judgments.csv").text), infer_schema=False)
        return cls(table, browser.get(f"{address}/estimates.json").json())

    @property
    def resampling(self) -> tuple[str, ...]:
        """The options that give the intervals of the pages: their number of resamples and the study's seed."""
        return "--resamples", "2000", "--seed", str(self.estimates["seed"])

    def ratings(self, criterion: str, file: Path, *, repeats: bool = False) -> Path:
        """The answers that enter agreement on a criterion, as a file; with `repeats` those given again as well."""
        again = (pl.col("purpose") == "repeat") & (pl.col("current") == "1") & pl.col("value").is_not_null()
        wanted = (pl.col("in_agreement") == "1") | (again if repeats else False)
        rows = self.judgments.filter(pl.col("criterion") == criterion, wanted)
        rows.select("clip", "source", "rater", "criterion", "value", "occasion").write_csv(file)
        return file

    def judged_clips(self, criterion: str, score: str, file: Path) -> Path:
        """The clips with a score and a majority of the answers that filters read: clip, score, good, weight, ...

        Weights are scaled as estimates.json says: in each stratum they add up to its clips in the pool.
        """
        sizes = {row["label"]: row["population"] for row in self.estimates["design"]["strata"]}
        votes = self.judgments.filter(pl.col("criterion") == criterion, pl.col("in_filters") == "1")
        clips = votes.group_by("clip").agg(
            (pl.col("value") == "accept").sum().alias("yes"),
            (pl.col("value") == "reject").sum().alias("no"),
            pl.col("source", "stratum").first(),
            pl.col("weight").first().cast(pl.Float64),
            pl.col(f"score_{score}").first().cast(pl.Float64).alias("score"),
        )
        judged = clips.filter(pl.col("yes") != pl.col("no"), pl.col("score").is_not_null())
        whole = pl.col("stratum").replace_strict(sizes, return_dtype=pl.Float64)
        judged.with_columns(
            (pl.col("yes") > pl.col("no")).cast(pl.Int64).alias("good"),
            pl.col("weight") * whole / pl.col("weight").sum().over("stratum"),
        ).sort("clip").write_csv(file)
        return file
