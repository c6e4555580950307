"""Read pilots for sample size planning: raters' votes, or verdicts on clips with stratum, weight and source."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from analysis.design import Design
from analysis.estimate import Floats
from analysis.ratings import ACR5, VERDICT, Ratings
from analysis.sampling.sample_size import VarianceComponents, rate_from, variance_components
from app import limited_tables
from app.errors import AppError, did_you_mean
from app.sampling import pilot_files

WORDS = {"1": "accept", "true": "accept", "accept": "accept", "0": "reject", "false": "reject", "reject": "reject"}
VERDICTS = {"1": 1.0, "true": 1.0, "accept": 1.0, "0": 0.0, "false": 0.0, "reject": 0.0}


@dataclass(frozen=True, eq=False)
class Pilot:
    """The current rows of a pilot for one criterion, as text."""

    path: Path
    criterion: str | None
    table: pl.DataFrame

    def rate(self, target: str) -> tuple[float, float, list[str]]:
        """A rate in the pilot, its design effect, and notes on assumptions.

        A clip is good if most of its judgments accept it; ties are left out. Raises AppError if the pilot has no column
        `accepted` for recall, unequal weights within a stratum, or no variance.
        """
        shares = pilot_files.read(self.path, self.criterion)
        extra = [name for name in ("stratum", "weight", "source", "accepted") if name in self.table.columns]
        rows = shares.join(
            self.table.select("clip", *extra).unique("clip", keep="first", maintain_order=True), on="clip"
        )
        tied = rows["good"] == 0.5
        notes = [f"{tied.sum()} clips of the pilot are tied and left out."] if tied.any() else []
        rows = rows.filter(~tied)
        good = (rows["good"] > 0.5).to_numpy().astype(np.float64)
        whole = np.ones(len(good))
        accepted = self._verdicts(rows, "accepted") if "accepted" in extra else None
        if target == "recall" and accepted is None:
            raise AppError("Recall from a pilot needs the filter's verdict.", "Add a column accepted (1 or 0) to it.")
        if target == "precision" and accepted is None:
            notes.append("The pilot has no column accepted: all its clips are taken as accepted by the filter.")
        if accepted is not None and target != "prevalence":
            notes.append(
                "The clips are of all kinds, in the pilot's shares: those that do not enter the rate count too."
            )
        entering = {"prevalence": whole, "precision": whole if accepted is None else accepted, "recall": good}[target]
        hits = good if target == "prevalence" or accepted is None else good * accepted
        strata = rows["stratum"].fill_null("").to_list() if "stratum" in extra else None
        weights = self._numbers(rows, "weight") if "weight" in extra else None
        try:
            value, effect = rate_from(hits, entering, Design.build(len(good), weights, strata))
        except ValueError as error:
            raise AppError(f"Nothing can be planned from {self.path}: {error}.", "Mend the pilot, or guess.") from error
        return value, effect, notes

    def sources(self) -> VarianceComponents | None:
        """Spread of the clips' mean judgments between and within sources; None if no source has two clips."""
        if "source" not in self.table.columns:
            return None
        points = pl.col("value").cast(pl.Float64, strict=False)
        if "value" in self.table.columns and self.table.select(points.is_not_null().all()).item():
            means = self.table.group_by("clip").agg(points.mean().alias("good"))
        else:
            means = pilot_files.read(self.path, self.criterion)
        rows = means.join(self.table.select("clip", "source").unique("clip", keep="first"), on="clip").sort("clip")
        try:
            return variance_components(rows["good"].to_numpy(), rows["source"].fill_null("").to_list())
        except ValueError:
            return None

    def ratings(self) -> Ratings:
        """The votes: accept or reject, or 1 to 5. Raises AppError for a pilot without votes."""
        answer = next((name for name in ("value", "good") if name in self.table.columns), "value")
        for name in ("clip", "rater", answer):
            if name not in self.table.columns:
                near = did_you_mean(name, self.table.columns) or "Give a CSV with the columns clip, rater and value."
                raise AppError(f"The pilot {self.path} has no column {name!r}.", near)
        rows = self.table.drop_nulls(["clip", "rater", answer])
        values = [value.strip().lower() for value in rows[answer]]
        verdicts = set(values) <= {*WORDS, "unsure"}
        words = [WORDS.get(value, value) for value in values] if verdicts else values
        try:
            return Ratings.from_votes(
                rows["clip"].to_list(), rows["rater"].to_list(), words, VERDICT if verdicts else ACR5
            )
        except ValueError as error:
            raise AppError(
                f"The pilot {self.path} cannot be used: {error}.", "Values: accept, reject; or 1 to 5."
            ) from error

    def opinions(self) -> VarianceComponents:
        """Spread of opinion scores between and within clips, in points. Raises AppError for other values."""
        ratings = self.ratings()
        if ratings.scale.numbers is None:
            raise AppError(f"The pilot {self.path} has verdicts, no opinion scores.", "Values must be 1 to 5.")
        try:
            return variance_components(
                np.asarray(ratings.level + 1.0, dtype=np.float64), [ratings.clips[clip] for clip in ratings.clip_of]
            )
        except ValueError as error:
            raise AppError(
                f"Nothing can be planned from {self.path}: {error}.", "Let two raters see a clip."
            ) from error

    def _numbers(self, rows: pl.DataFrame, name: str) -> Floats:
        numbers = rows[name].cast(pl.Float64, strict=False)
        if numbers.has_nulls():
            raise AppError(f"The pilot {self.path} has a {name} that is no number.", "Write a number in every row.")
        return numbers.to_numpy()

    def _verdicts(self, rows: pl.DataFrame, name: str) -> Floats:
        words = rows[name].str.strip_chars().str.to_lowercase()
        known = words.replace_strict(VERDICTS, default=None, return_dtype=pl.Float64)
        if known.has_nulls():
            raise AppError(f"The pilot {self.path} has a {name} that is neither 1 nor 0.", "Write 1 or 0 in every row.")
        return known.to_numpy()


def read(path: Path, criterion: str | None = None) -> Pilot:
    """Read a pilot from a CSV or an export. Raises AppError if it has no clips or several criteria."""
    try:
        table = limited_tables.read(path, limited_tables.texts)
    except (OSError, PolarsError) as error:
        raise AppError(f"The pilot {path} cannot be read ({error}).", pilot_files.REMEDY) from error
    if "clip" not in table.columns or table.is_empty():
        raise AppError(f"The pilot {path} has no clips.", did_you_mean("clip", table.columns) or pilot_files.REMEDY)
    if "current" in table.columns:
        table = table.filter(pl.col("current") == "1")
    if "criterion" in table.columns:
        there = table["criterion"].drop_nulls().unique().sort().to_list()
        if criterion not in there and (criterion is not None or len(there) > 1):
            raise AppError(f"{path} has judgments on {', '.join(there)}.", f"Name one: --criterion {there[0]}")
        table = table if criterion is None else table.filter(pl.col("criterion") == criterion)
    return Pilot(path, criterion, table)
