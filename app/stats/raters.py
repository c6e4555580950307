"""Statistics of raters for `clipjury stats raters`: scores, screening by each rule, signs of careless rating."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analysis.consensus.mean_opinion import (
    FEW_RATINGS,
    MIN_VOTES,
    SCREENING_RULES,
    correlation_with_others,
    mean_opinion,
)
from analysis.consensus.subject_model import SubjectModel, subject_model
from analysis.estimate import Floats
from analysis.raters.quality import answer_runs, drift, gold_accuracy, hasty
from app.errors import AppError
from app.stats.consensus import Coded, first_answers, points, votes
from app.stats.ratings import RatingTable
from app.stats.tables import NOTHING

MOST_CELLS = 50_000_000
"""The largest number of clips times raters that screening holds in memory."""


def about_raters(
    table: RatingTable, *, criterion: str | None, tolerance: float, confidence: float, seed: int
) -> dict[str, Any]:
    """The JSON object of `clipjury stats raters`. The help of the command describes the columns that are read."""
    whole = table.of(criterion)
    first = first_answers(whole)
    frame = votes(first, table.path)
    coded, given = Coded.of(frame), points(frame, table.path)
    if len(coded.clips) * len(coded.raters) > MOST_CELLS:
        raise AppError(
            f"{len(coded.clips)} clips by {len(coded.raters)} raters are too many to screen at once.",
            "Take a part of the clips.",
        )
    grid = np.full((len(coded.clips), len(coded.raters)), np.nan)
    grid[coded.clip_of, coded.rater_of] = given
    opinion = mean_opinion(coded.clip_of, given, confidence=confidence)
    model = subject_model(coded.clip_of, coded.rater_of, given)
    rejected = {name: rule(grid) for name, rule in SCREENING_RULES.items()}
    return {
        "criterion": frame["criterion"][0],
        "confidence": confidence,
        "empty": table.empty,
        "abstained": first.height - frame.height,
        "repeats": whole.height - first.height,
        "clips": [
            {
                "clip": clip,
                "mos": float(opinion.mean[row]),
                "ratings": int(opinion.ratings[row]),
                "sd": _known(opinion.spread[row]),
                "sd_pooled": bool(opinion.ratings[row] < FEW_RATINGS),
                "t": _ends(opinion.mean[row], opinion.t_half[row]),
                "z": _ends(opinion.mean[row], opinion.z_half[row]),
                "quality": float(model.quality[row]),
                "quality_error": float(model.standard_error[row]),
            }
            for row, clip in enumerate(coded.clips)
        ],
        "raters": _raters(frame, coded, given, grid, model, rejected, tolerance, confidence, seed, table.path),
        "screening": [_screened(name, who, grid, coded.raters, confidence) for name, who in rejected.items()],
        "notes": _notes(model, opinion.ratings.astype(np.float64)),
    }


def _raters(
    frame: pl.DataFrame,
    coded: Coded,
    given: Floats,
    grid: Floats,
    model: SubjectModel,
    rejected: dict[str, list[bool]],
    tolerance: float,
    confidence: float,
    seed: int,
    path: Path,
) -> list[dict[str, Any]]:
    correlations = correlation_with_others(grid)
    seconds, places, gold = (_column(frame, name, path) for name in ("seconds", "position", "gold"))
    rest = _mean_of_others(coded, given, grid)
    codes = np.unique(given, return_inverse=True)[1]
    owns = [coded.rater_of == row for row in range(len(coded.raters))]
    medians = np.array([_median(seconds[own]) for own in owns])
    haste = hasty(medians)
    made = []
    for row, (rater, own) in enumerate(zip(coded.raters, owns, strict=True)):
        order = places[own] if np.isfinite(places[own]).all() else None
        signs = answer_runs(codes[own], order, seed=seed)
        checked = own & np.isfinite(gold)
        right = int((np.abs(given[checked] - gold[checked]) <= tolerance).sum())
        made.append(
            {
                "rater": rater,
                "ratings": int(own.sum()),
                "bias": float(model.bias[row]),
                "inconsistency": float(model.inconsistency[row]),
                "floored": model.floored[row],
                "correlation_with_the_rest": _known(correlations[row]),
                "rejected_by": [name for name, who in rejected.items() if who[row]],
                "longest_run": signs.longest,
                "commonest_share": signs.commonest_share,
                "run_p": signs.p,
                "straight_lining": signs.straight,
                "median_seconds": _known(medians[row]),
                "hasty": haste[row],
                "gold": gold_accuracy(right, int(checked.sum()), confidence=confidence).to_dict(),
                "drift": drift(given[own], rest[own], places[own], confidence=confidence).to_dict(),
            }
        )
    return made


def _mean_of_others(coded: Coded, given: Floats, grid: Floats) -> Floats:
    """For each rating the mean of other raters' ratings of the clip, shape (ratings,); NaN if there are none."""
    others = (~np.isnan(grid)).sum(axis=1)[coded.clip_of] - 1
    total = np.nansum(grid, axis=1)[coded.clip_of] - given
    return np.asarray(np.divide(total, others, out=np.full(len(given), np.nan), where=others > 0))


def _screened(name: str, who: list[bool], grid: Floats, raters: list[str], confidence: float) -> dict[str, Any]:
    kept = grid[:, ~np.array(who)]
    return {
        "rule": name,
        "rejected": [rater for rater, out in zip(raters, who, strict=True) if out],
        "before": _result(grid, confidence),
        "after": _result(kept, confidence),
    }


def _result(grid: Floats, confidence: float) -> dict[str, float | int | None]:
    """Mean of the clips' scores, and mean half-width of their intervals."""
    clips, raters = np.nonzero(~np.isnan(grid))
    if not len(clips):
        return {"raters": 0, "clips": 0, "mean": None, "half_width": None}
    _, numbered = np.unique(clips, return_inverse=True)
    made = mean_opinion(numbered, grid[clips, raters], confidence=confidence)
    widths = made.t_half[np.isfinite(made.t_half)]
    return {
        "raters": len(np.unique(raters)),
        "clips": len(made.mean),
        "mean": float(made.mean.mean()),
        "half_width": float(widths.mean()) if len(widths) else None,
    }


def _notes(model: SubjectModel, ratings: Floats) -> list[str]:
    notes = ["Rules flag raters for a look; publish results with and without them, and reject nobody in silence."]
    if np.median(ratings) < MIN_VOTES:
        notes.append(
            f"BT.500 looks at the shape of a clip's votes and needs about {MIN_VOTES}; the middle clip has "
            f"{np.median(ratings):g}."
        )
    if model.components > 1:
        notes.append(
            f"Raters and clips fall into {model.components} groups that no rating joins: biases of different groups "
            "cannot be compared."
        )
    if not model.converged:
        notes.append("The subject model did not settle: too few raters share clips.")
    return notes


def _column(frame: pl.DataFrame, name: str, path: Path) -> Floats:
    """A column of numbers, shape (rows,); NaN for empty cells, and everywhere if the column is missing."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    written = frame[name].cast(pl.String).str.strip_chars()
    given = written.cast(pl.Float64, strict=False)
    wrong = (given.is_null() & written.is_not_null() & ~written.str.to_lowercase().is_in(NOTHING)).fill_null(
        value=False
    )
    for row in wrong.arg_true().to_list()[:1]:
        raise AppError(
            f"{path}: {name} is {written[row]!r} where {frame['rater'][row]} rated {frame['clip'][row]}: no number.",
            "Give numbers with a decimal point; leave a cell empty where there is none.",
        )
    return given.fill_null(float("nan")).to_numpy()


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ends(value: float, half: float) -> list[float] | None:
    return [float(value - half), float(value + half)] if np.isfinite(half) else None
