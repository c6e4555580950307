"""Statistics of raters for `clipjury stats raters`: scores, screening by each rule, signs of careless rating."""

from dataclasses import dataclass
from pathlib import Path

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
from analysis.estimate import Estimate, Floats
from analysis.raters.quality import answer_runs, drift, gold_accuracy, hasty
from app.errors import AppError
from app.stats.consensus import Coded, first_answers, points, votes
from app.stats.ratings import RatingTable
from app.stats.tables import NOTHING

MOST_CELLS = 50_000_000
"""The largest number of clips times raters that screening holds in memory."""


@dataclass(frozen=True)
class ClipOpinion:
    """The opinion score of a clip in points: mean, standard deviation, intervals by Student's t and by the normal
    distribution (`sd` and intervals are None with too few ratings), and quality by the subject model.
    """

    clip: str
    mos: float
    ratings: int
    sd: float | None
    sd_pooled: bool
    t: tuple[float, float] | None
    z: tuple[float, float] | None
    quality: float
    quality_error: float


@dataclass(frozen=True)
class RaterStatistics:
    """What the ratings say about a rater: model parameters in points, screening, and signs of careless rating."""

    rater: str
    ratings: int
    bias: float
    inconsistency: float
    floored: bool
    correlation_with_the_rest: float | None
    rejected_by: list[str]
    longest_run: int | None
    commonest_share: float
    run_p: float | None
    straight_lining: bool
    median_seconds: float | None
    hasty: bool
    gold: Estimate
    drift: Estimate


@dataclass(frozen=True)
class PanelSummary:
    """Number of raters and clips, mean of the clips' scores, and mean half-width of their intervals."""

    raters: int
    clips: int
    mean: float | None
    half_width: float | None


@dataclass(frozen=True)
class Screening:
    """A screening rule: the raters it rejects, and the scores before and after."""

    rule: str
    rejected: list[str]
    before: PanelSummary
    after: PanelSummary


@dataclass(frozen=True)
class RaterReport:
    """Everything about the raters of a criterion; `abstained` counts answers "unsure", `empty` rows without a value."""

    criterion: str
    confidence: float
    empty: int
    abstained: int
    repeats: int
    clips: list[ClipOpinion]
    raters: list[RaterStatistics]
    screening: list[Screening]
    notes: list[str]


def about_raters(
    table: RatingTable, *, criterion: str | None, tolerance: float, confidence: float, seed: int
) -> RaterReport:
    """Report on the raters of a criterion. The help of the command describes the columns that are read.

    `tolerance` is in points. Raises AppError for values that are not numbers, and for too many clips and raters.
    """
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
    return RaterReport(
        criterion=frame["criterion"][0],
        confidence=confidence,
        empty=table.empty,
        abstained=first.height - frame.height,
        repeats=whole.height - first.height,
        clips=[
            ClipOpinion(
                clip=clip,
                mos=float(opinion.mean[row]),
                ratings=int(opinion.ratings[row]),
                sd=_known(opinion.spread[row]),
                sd_pooled=bool(opinion.ratings[row] < FEW_RATINGS),
                t=_ends(opinion.mean[row], opinion.t_half[row]),
                z=_ends(opinion.mean[row], opinion.z_half[row]),
                quality=float(model.quality[row]),
                quality_error=float(model.standard_error[row]),
            )
            for row, clip in enumerate(coded.clips)
        ],
        raters=_raters(frame, coded, given, grid, model, rejected, tolerance, confidence, seed, table.path),
        screening=[_screened(name, who, grid, coded.raters, confidence) for name, who in rejected.items()],
        notes=_notes(model, opinion.ratings.astype(np.float64)),
    )


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
) -> list[RaterStatistics]:
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
            RaterStatistics(
                rater=rater,
                ratings=int(own.sum()),
                bias=float(model.bias[row]),
                inconsistency=float(model.inconsistency[row]),
                floored=model.floored[row],
                correlation_with_the_rest=_known(correlations[row]),
                rejected_by=[name for name, who in rejected.items() if who[row]],
                longest_run=signs.longest,
                commonest_share=signs.commonest_share,
                run_p=signs.p,
                straight_lining=signs.straight,
                median_seconds=_known(medians[row]),
                hasty=haste[row],
                gold=gold_accuracy(right, int(checked.sum()), confidence=confidence),
                drift=drift(given[own], rest[own], places[own], confidence=confidence),
            )
        )
    return made


def _mean_of_others(coded: Coded, given: Floats, grid: Floats) -> Floats:
    """For each rating the mean of other raters' ratings of the clip, shape (ratings,); NaN if there are none."""
    others = (~np.isnan(grid)).sum(axis=1)[coded.clip_of] - 1
    total = np.nansum(grid, axis=1)[coded.clip_of] - given
    return np.asarray(np.divide(total, others, out=np.full(len(given), np.nan), where=others > 0))


def _screened(name: str, who: list[bool], grid: Floats, raters: list[str], confidence: float) -> Screening:
    rejected = [rater for rater, out in zip(raters, who, strict=True) if out]
    return Screening(name, rejected, _summary(grid, confidence), _summary(grid[:, ~np.array(who)], confidence))


def _summary(grid: Floats, confidence: float) -> PanelSummary:
    clips, raters = np.nonzero(~np.isnan(grid))
    if not len(clips):
        return PanelSummary(0, 0, None, None)
    _, numbered = np.unique(clips, return_inverse=True)
    made = mean_opinion(numbered, grid[clips, raters], confidence=confidence)
    widths = made.t_half[np.isfinite(made.t_half)]
    half_width = float(widths.mean()) if len(widths) else None
    return PanelSummary(len(np.unique(raters)), len(made.mean), float(made.mean.mean()), half_width)


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


def _ends(value: float, half: float) -> tuple[float, float] | None:
    return (float(value - half), float(value + half)) if np.isfinite(half) else None
