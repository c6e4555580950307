"""Join scores of clips with the raters' mean opinion of them, for `clipjury stats association`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analysis.association.curves import Mapping as MappingName
from analysis.association.design_intervals import Resampling
from analysis.association.differences import ScoreDifference
from analysis.association.mappings import MappedScore
from analysis.association.opinion import Opinion, Reliability
from analysis.association.pairs import MOST_CLIPS, PairAnalysis
from analysis.association.range_restriction import range_restriction
from analysis.association.scores import Association, ScoreAssociation, associate
from analysis.design import Design
from analysis.estimate import Floats
from app.errors import AppError
from app.stats import tables as table_files
from app.stats.consensus import first_answers, points, votes
from app.stats.ratings import read_ratings
from app.stats.scores import DesignColumns, sampling_design

MOST_CELLS = 50_000_000
"""The largest number of clips times raters that is held in memory."""
NARROW = 1.1
"""A note is made if the scores of the pool spread this many times as much as those of the rated clips."""


@dataclass(frozen=True)
class ClipCounts:
    """Rows of the clip table: all, those used, and those without every score or without a rating."""

    rows: int
    used: int
    without_score: int
    without_rating: int


@dataclass(frozen=True, eq=False)
class RatedScores:
    """Clips with every score and a mean rating: `scores` maps names to values, shape (clips,).

    `pool_spread` holds the standard deviation of each score over all rows of the table that have it.
    """

    criterion: str
    scores: Mapping[str, Floats]
    opinion: Opinion
    design: Design
    counts: ClipCounts
    pool_spread: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AssociationReport:
    """What `stats association` prints."""

    criterion: str
    counts: ClipCounts
    association: Association
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `--json`."""
        found = self.association
        return {
            "criterion": self.criterion,
            "counts": asdict(self.counts),
            "notes": list(self.notes),
            "reliability": None if found.reliability is None else _reliability(found.reliability),
            "scores": [_score(one) for one in found.scores],
            "differences": [_difference(one) for one in found.differences],
        }


def _difference(one: ScoreDifference) -> dict[str, Any]:
    tested = {"difference": one.difference.to_dict(), "p": one.p, "method": one.method}
    return {"scores": list(one.scores), "statistic": one.statistic} | tested


def _reliability(one: Reliability) -> dict[str, Any]:
    return {
        "icc_1_1": one.icc_1_1.to_dict(),
        "mos_reliability": one.mos_reliability.to_dict(),
        "ceiling": one.ceiling,
        "votes_per_clip": one.votes_per_clip,
    }


def _score(one: ScoreAssociation) -> dict[str, Any]:
    pure = one.disattenuated_pearson
    return {
        "score": one.score,
        "direction": one.direction,
        "spearman": one.spearman.to_dict(),
        "pearson": one.pearson.to_dict(),
        "kendall_tau_b": one.kendall_tau_b.to_dict(),
        "disattenuated_pearson": None if pure is None else pure.to_dict(),
        "mappings": [_mapping(mapped) for mapped in one.mappings],
        "pairs": None if one.pairs is None else _pairs(one.pairs),
    }


def _pairs(one: PairAnalysis) -> dict[str, Any]:
    estimates = ("auc_different_similar", "auc_better_worse", "correct_at_zero")
    found: dict[str, Any] = {"pairs": one.pairs, "different": one.different}
    found |= {name: getattr(one, name).to_dict() for name in estimates}
    return found | {"threshold_95": one.threshold_95}


def _mapping(one: MappedScore) -> dict[str, Any]:
    names = ("mapping", "monotone", "converged", "parameters")
    estimates = ("rmse", "rmse_star", "outlier_ratio", "pearson")
    return {name: getattr(one, name) for name in names} | {name: getattr(one, name).to_dict() for name in estimates}


def report(
    read: RatedScores, how: Resampling, mappings: Sequence[MappingName], *, pairs: bool = False
) -> AssociationReport:
    """The association of every score with the mean rating, with notes on what was left out and on narrow samples.

    Raises AppError if pairs of clips are asked for and only mean ratings are known.
    """
    if pairs and read.opinion.grid is None:
        raise AppError("Pairs of clips need the single ratings.", "Give --ratings FILE instead of --rating.")
    found = associate(read.scores, read.opinion, read.design, how, mappings=mappings, pairs=pairs)
    notes = [*read.notes, *_narrow(read, found), *_turned(found), *_compared(read, found)]
    notes += [f"{one.score}: {note}" for one in found.scores for note in one.notes]
    return AssociationReport(read.criterion, read.counts, found, tuple(notes))


def _narrow(read: RatedScores, found: Association) -> list[str]:
    """A note for each score whose spread is smaller among the rated clips than in the whole table."""
    if not read.design.equal_weights:
        return []
    notes = []
    for one in found.scores:
        own, pool = _spread(read.scores[one.score]), read.pool_spread[one.score]
        if one.pearson.estimate.value is None or own == 0 or pool / own < NARROW:
            continue
        narrow = range_restriction(one.pearson.estimate.value, pool, own)
        notes.append(
            f"{one.score} spreads {narrow.ratio:.2f} times as much over all clips of the table as over the rated ones: "
            "these correlations are no statement about the pool. Give --weight or --stratum. If the rating rises in a "
            f"straight line and spreads equally everywhere, Pearson's r in the pool is {narrow.corrected:.2f} "
            "(Thorndike's case 2)."
        )
    return notes


def _spread(values: Floats) -> float:
    """The standard deviation of scores of any size; squares of 1e300 are infinite."""
    size = float(np.abs(values).max(initial=0.0)) or 1.0
    return float(np.std(values / size)) * size


def _turned(found: Association) -> list[str]:
    """A note for the scores that fall as ratings rise."""
    falling = [one.score for one in found.scores if one.direction == "le"]
    return [f"Low scores go with high ratings: {', '.join(falling)}."] if falling else []


def _compared(read: RatedScores, found: Association) -> list[str]:
    """A note if only some of the clips were compared in pairs."""
    used = next((one.pairs.clips for one in found.scores if one.pairs is not None), read.counts.used)
    if used == read.counts.used:
        return []
    reason = "clips with one rating are left out"
    if used == MOST_CLIPS:
        reason = f"a random part of {MOST_CLIPS} clips is enough"
    return [f"Pairs were made of {used} of {read.counts.used} clips: {reason}."]


def read(
    path: Path,
    scores: Sequence[str],
    columns: DesignColumns,
    *,
    rating: str | None = None,
    ratings: Path | None = None,
    criterion: str | None = None,
) -> RatedScores:
    """Read a table with one row per clip, and the mean ratings from its column `rating` or from a file of ratings.

    Raises AppError naming the column, the line or the contradiction, and if no clip has a score and a rating.
    """
    if (rating is None) == (ratings is None):
        raise AppError("Ratings are missing, or given twice.", "Give either --rating COLUMN or --ratings FILE.")
    if criterion is not None and ratings is None:
        raise AppError("--criterion chooses among the criteria of --ratings.", "Leave it out with --rating.")
    table = table_files.read_table(path)
    named = [rating] if rating is not None else ["clip"]
    table_files.need_columns(table, [*scores, *named, *columns.named()], path)
    table_files.one_row_per_clip(table, path)
    values = [table_files.numbers(table, name, path) for name in scores]
    whole = [all(column[row] is not None for column in values) for row in range(table.height)]
    notes: list[str] = []
    if rating is not None:
        means = table_files.numbers(table, rating, path)
        rated = [mean is not None for mean in means]
        name = rating
    else:
        grid, name, notes = _grid(table, path, ratings or path, criterion)
        rated = [not row.all() for row in np.isnan(grid)]
    used = [row for row in range(table.height) if whole[row] and rated[row]]
    if not used:
        remedy = "Clips are joined by their names." if ratings else f"Fill in {rating} and {', '.join(scores)}."
        raise AppError(f"{path}: no clip has a score and a rating.", remedy)
    design, more = sampling_design(table, used, whole, path, columns)
    opinion = Opinion.of_grid(grid[used]) if rating is None else Opinion(np.array([means[row] for row in used], float))
    present = [np.array([one for one in column if one is not None]) for column in values]
    return RatedScores(
        criterion=name,
        scores={
            name: np.array([column[row] for row in used], dtype=np.float64)
            for name, column in zip(scores, values, strict=True)
        },
        opinion=opinion,
        design=design,
        counts=ClipCounts(table.height, len(used), whole.count(False), rated.count(False)),
        pool_spread={name: _spread(column) for name, column in zip(scores, present, strict=True)},
        notes=(*more, *notes),
    )


def _grid(table: pl.DataFrame, path: Path, ratings: Path, criterion: str | None) -> tuple[Floats, str, list[str]]:
    """The ratings in points, shape (rows of the table, raters) with NaN for gaps; the criterion; and notes."""
    answers = read_ratings(ratings)
    whole = answers.of(criterion)
    first = first_answers(whole)
    frame = votes(first, ratings)
    place = {clip: row for row, clip in enumerate(table_files.words(table, "clip", path))}
    raters, rater_of = np.unique(frame["rater"].to_numpy().astype(np.str_), return_inverse=True)
    if table.height * len(raters) > MOST_CELLS:
        raise AppError(
            f"{table.height} clips by {len(raters)} raters are too many at once.", "Take a part of the clips."
        )
    rows = np.array([place.get(clip, -1) for clip in frame["clip"].to_list()])
    known = rows >= 0
    grid = np.full((table.height, len(raters)), np.nan)
    grid[rows[known], rater_of[known]] = _points(frame, ratings)[known]
    lost = frame.filter(~pl.Series(known))["clip"].n_unique()
    notes = [f"{lost} rated clips of {ratings} are not in {path} and were left out."] if lost else []
    for count, sentence in (
        (answers.empty, "rows without a value were left out."),
        (first.height - frame.height, "answers “unsure” count as no ratings."),
        (whole.height - first.height, "repeated answers were left out: the first counts."),
    ):
        notes += [f"{count} {sentence}"] if count else []
    return grid, frame["criterion"][0], notes


def _points(frame: pl.DataFrame, ratings: Path) -> Floats:
    try:
        return points(frame, ratings)
    except AppError as error:
        remedy = "Association needs ratings in points; for verdicts use clipjury stats calibrate."
        raise AppError(error.message, remedy) from error
