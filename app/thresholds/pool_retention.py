"""What a filter alone keeps of the pool at every threshold: hours, or clips if no durations are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from analysis.estimate import Floats
from app.errors import AppError
from app.models import Filter, Study
from app.pools import parquet_check, scanning
from app.thresholds.filter_ends import End


@dataclass(frozen=True)
class RetentionCurve:
    """The amount of the pool that each threshold keeps by this filter alone: `values`, of `whole`, in `unit`.

    `unit` is hours, minutes if the whole pool is shorter than one hour, or clips if durations are not known. `clips` is
    the number of clips in the pool. The browser receives these fields by their names.
    """

    unit: str
    values: list[float]
    whole: float
    clips: int

    def amount(self, at: int) -> float:
        """The amount that the threshold at this position keeps."""
        return self.values[at]

    def amount_text(self, at: int) -> str:
        """The same amount, rounded for display."""
        return amount_text(self.values[at])

    @property
    def whole_text(self) -> str:
        """The amount of the whole pool with its unit, rounded for display."""
        return f"{amount_text(self.whole)} {self.unit}"


def amount_text(value: float) -> str:
    """Round a number of hours or clips for display: whole from a hundred on, else to three significant figures.

    >>> amount_text(1244.4), amount_text(3.14159), amount_text(0.0293)
    ('1,244', '3.14', '0.0293')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def retention_curve(study: Study, rule: Filter, end: End, thresholds: Floats) -> tuple[RetentionCurve | None, str]:
    """What each threshold keeps of the study's pool, or None and the reason why that is not known."""
    try:
        parquet_check.check(Path(study.pool))
        rows = scanning.scan_pool(study.pool)
        schema = rows.collect_schema()
        if rule.score not in schema:
            return None, f"the pool has no score {rule.score} any more"
        timed = "duration" in schema
        hours = pl.col("duration").cast(pl.Float64).fill_null(0) / 3600 if timed else pl.lit(1.0)
        score = pl.col(rule.score).cast(pl.Float64)
        passes_other_end = pl.lit(value=True)
        if end == "min" and rule.maximum is not None:
            passes_other_end = score <= rule.maximum
        if end == "max" and rule.minimum is not None:
            passes_other_end = score >= rule.minimum
        usable = passes_other_end & score.is_not_nan()
        pool = rows.select(score=score, hours=hours, usable=usable).collect(engine="streaming")
    except (AppError, pl.exceptions.PolarsError) as error:
        return None, str(error)
    whole = float(pool["hours"].sum())
    clips = pool.filter(pl.col("usable").fill_null(value=False))
    values = _at_thresholds(clips["score"].to_numpy(), clips["hours"].to_numpy(), thresholds, end)
    if timed and whole < 1:
        return RetentionCurve("minutes", [60 * hours for hours in values], 60 * whole, pool.height), ""
    return RetentionCurve("hours" if timed else "clips", values, whole, pool.height), ""


def pool_scores(study: Study, rule: Filter) -> Floats | None:
    """The finite scores of the pool, to be drawn behind those of the judged clips; None if the pool is missing."""
    try:
        parquet_check.check(Path(study.pool))
        found = scanning.scan_pool(study.pool).select(pl.col(rule.score).cast(pl.Float64)).collect(engine="streaming")
    except (AppError, pl.exceptions.PolarsError):
        return None
    scores: Floats = found[rule.score].drop_nulls().to_numpy()
    return scores[np.isfinite(scores)]


def _at_thresholds(scores: Floats, amounts: Floats, thresholds: Floats, end: End) -> list[float]:
    """The sum of the amounts of the clips that each threshold accepts, shape (thresholds,)."""
    sign = 1.0 if end == "min" else -1.0
    order = np.argsort(-sign * scores, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(amounts[order])])
    accepted = np.searchsorted(-sign * scores[order], -sign * thresholds, side="right")
    sums: list[float] = summed[accepted].tolist()
    return sums
