"""Draw a sample from a sampling frame by any of the designs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.estimate import Ints
from analysis.sampling.selection import Draw
from analysis.sampling.selection import draw as draw_plan
from app.errors import AppError
from app.sampling import borderline, probability
from app.sampling.borderline import BorderlineDraw
from app.sampling.design_files import DesignFile
from app.sampling.designs import Borderline, TwoPhase
from app.sampling.frame import SamplingFrame, columns_for, no_column


@dataclass(frozen=True, eq=False)
class DrawnSample:
    """A sample as a table, one row per clip, ordered by stratum and then by clip.

    Columns: `clip`, `stratum`, `inclusion_probability`, `weight`, `probability_estimated`, `phase`, `drawn_for`.
    `strata` (JSON) and `notes` are stored with it.
    """

    clips: pl.DataFrame
    strata: list[dict[str, Any]]
    notes: tuple[str, ...]


def sample(
    name: str,
    table: pl.DataFrame,
    design: DesignFile,
    *,
    pilot: pl.DataFrame | None = None,
    earlier: dict[str, int] | None = None,
    add: int | None = None,
) -> DrawnSample:
    """Draw a sample from the clips of `table` (columns: `clip` and those of `columns_for`) by a design.

    `pilot` holds judgments (clip, good), for Neyman allocation or as the first of two phases. `earlier` has the number
    of clips drawn so far in each stratum: then `add` more clips, or those of the second phase, are drawn. Raises
    AppError if the design cannot be drawn.
    """
    for column in columns_for(design.plan, design.filters):
        if column not in table.columns:
            raise no_column(name, column, table.columns)
    frame = SamplingFrame.build(name, table, design.plan, design.filters)
    if isinstance(design.plan, Borderline):
        if earlier is not None or pilot is not None:
            raise AppError(
                "A borderline draw is not topped up, and has no pilot.",
                "Draw with a larger each: the clips drawn so far next to the thresholds are among the new ones.",
            )
        return _from_borderline(borderline.draw(frame, design.plan, design.seed))
    return _from_draw(frame, _probability_sample(frame, design, pilot, earlier, add))


def _probability_sample(
    frame: SamplingFrame,
    design: DesignFile,
    pilot: pl.DataFrame | None,
    earlier: dict[str, int] | None,
    add: int | None,
) -> Draw:
    plan = design.plan
    assert not isinstance(plan, Borderline)
    prepared = probability.prepare(frame, plan, pilot)
    before = None if earlier is None else _earlier_counts(prepared.plan.division.labels, earlier)
    if isinstance(plan, TwoPhase) and pilot is not None:
        if before is not None and not np.array_equal(before, prepared.plan.shares):
            raise AppError("The second phase of that sample is drawn already.", "Draw more with --add.")
        return probability.second_phase(frame, plan, prepared, pilot, design.seed)
    if before is None:
        return draw_plan(prepared.plan, design.seed)
    if add is None:
        raise AppError("How many clips are to be added?", "Say it: --add 100")
    return probability.top_up(prepared, before, add, design.seed)


def _earlier_counts(labels: tuple[str, ...], earlier: dict[str, int]) -> Ints:
    if set(labels) != set(earlier):
        other = sorted(set(labels) ^ set(earlier))
        raise AppError(
            f"The strata are not those of the earlier sample ({other[0]!r} differs).",
            "Top up with the design file of that sample, on the pool that it was drawn from.",
        )
    return np.array([earlier[label] for label in labels], dtype=np.int64)


def _from_draw(frame: SamplingFrame, found: Draw) -> DrawnSample:
    clips = pl.DataFrame(
        {
            "clip": frame.table["clip"].gather(found.indices),
            "stratum": pl.Series(found.stratum, dtype=pl.String),
            "inclusion_probability": found.inclusion_probability,
            "weight": found.weight,
            "probability_estimated": found.estimated,
            "phase": found.phase,
            "drawn_for": pl.Series([[]] * len(found.indices), dtype=pl.List(pl.String)),
        }
    )
    strata = [{key: value for key, value in asdict(one).items() if key != "farthest"} for one in found.strata]
    return DrawnSample(_in_order(clips, strata), strata, found.notes)


def _from_borderline(found: BorderlineDraw) -> DrawnSample:
    clips = found.table.select(
        "clip",
        "stratum",
        "inclusion_probability",
        (1 / pl.col("inclusion_probability")).alias("weight"),
        pl.lit(value=False).alias("probability_estimated"),
        pl.lit(1, pl.Int64).alias("phase"),
        "drawn_for",
    )
    strata = found.strata()
    return DrawnSample(_in_order(clips, strata), strata, found.notes)


def _in_order(clips: pl.DataFrame, strata: list[dict[str, Any]]) -> pl.DataFrame:
    place = {row["label"]: number for number, row in enumerate(strata)}
    order = [place.get(label, len(place)) for label in clips["stratum"]]
    return clips.with_columns(pl.Series("order", order, dtype=pl.Int64)).sort("order", "stratum", "clip").drop("order")
