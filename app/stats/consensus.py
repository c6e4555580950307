"""The consensus of raters on each clip, by one of five methods, for `clipjury stats consensus`."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.stats import norm

from analysis.consensus.dawid_skene import SkillModel, dawid_skene
from analysis.consensus.mean_opinion import mean_opinion
from analysis.consensus.subject_model import subject_model
from analysis.estimate import Floats, Ints
from app.errors import AppError
from app.stats.ratings import RatingTable

Method = Literal["majority", "mean", "dawid-skene", "one-coin", "subject-model"]
ABSTAIN = "unsure"
"""The answer that is not a vote: it is counted, never compared."""
OF_POINTS = ("mean", "subject-model")


@dataclass(frozen=True, eq=False)
class Coded:
    """The answers to one criterion in coded form: clips and raters by name, and their positions for each answer."""

    frame: pl.DataFrame
    clips: list[str]
    raters: list[str]
    clip_of: Ints
    rater_of: Ints

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Coded":
        """Code the rows of a rating table."""
        clips, clip_of = np.unique(frame["clip"].to_numpy().astype(np.str_), return_inverse=True)
        raters, rater_of = np.unique(frame["rater"].to_numpy().astype(np.str_), return_inverse=True)
        return cls(frame, clips.tolist(), raters.tolist(), clip_of.astype(np.int64), rater_of.astype(np.int64))


def points(frame: pl.DataFrame, path: object) -> Floats:
    """The values as numbers, shape (answers,). Raises AppError naming the first that is not a number."""
    numbers = frame["value"].cast(pl.Float64, strict=False)
    wrong = frame.filter(numbers.is_null() | numbers.is_nan() | numbers.is_infinite())
    if wrong.height:
        row = wrong.row(0, named=True)
        raise AppError(
            f"{path}: {row['rater']} gave {row['clip']} the value {row['value']!r}, which is no number.",
            "This method reads ratings in points; for verdicts take majority, dawid-skene or one-coin.",
        )
    return numbers.to_numpy()


def levels_of(frame: pl.DataFrame, given: list[str] | None, path: object) -> list[str]:
    """The levels of the scale in order: as given, else sorted. Raises AppError for an answer that was not given."""
    found = set(frame["value"].unique().to_list())
    if given is None:
        return sorted(found, key=lambda one: (0, float(one), one) if _number(one) else (1, 0.0, one))
    unknown = sorted(found - set(given))
    if unknown:
        raise AppError(f"{path} has the value {unknown[0]!r}.", f"--values names {', '.join(given)} only.")
    return given


def _number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def votes(frame: pl.DataFrame, path: object) -> pl.DataFrame:
    """The rows without the answers "unsure". Raises AppError if no other answer is left."""
    voted = frame.filter(pl.col("value") != ABSTAIN)
    if not voted.height:
        raise AppError(f"{path}: every answer is {ABSTAIN!r}.", "There is nothing to agree on.")
    return voted


def first_answers(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without repeats: of a rater's answers to a clip, the one with the lowest occasion is kept."""
    if "occasion" not in frame.columns:
        return frame
    return frame.filter(pl.col("occasion") == pl.col("occasion").min().over("clip", "rater", "criterion"))


def consensus(
    table: RatingTable, method: Method, *, criterion: str | None, values: list[str] | None, confidence: float
) -> dict[str, Any]:
    """The consensus as the JSON object of `clipjury stats consensus`.

    `clips` has for each clip its value, the number of ratings, whether there is a tie, and share, posterior or interval
    by method; `raters` has the estimates of the method for each rater; `prior` the share of each level.
    """
    frame = table.of(criterion)
    voted = votes(frame, table.path)
    if method in OF_POINTS:
        found = _of_points(votes(first_answers(frame), table.path), method, confidence, table.path)
    else:
        levels = levels_of(voted, values, table.path)
        if method == "majority":
            found = _majority(votes(first_answers(frame), table.path), levels)
        else:
            found = _skilled(voted, levels, method, table.path)
    name = frame["criterion"][0]
    abstained = frame.height - voted.height
    return {"method": method, "criterion": name, "abstained": abstained, "empty": table.empty, **found}


def _majority(frame: pl.DataFrame, levels: list[str]) -> dict[str, Any]:
    coded = Coded.of(frame)
    counts = np.zeros((len(coded.clips), len(levels)), dtype=np.int64)
    position = {level: number for number, level in enumerate(levels)}
    said = np.array([position[value] for value in frame["value"].to_list()], dtype=np.int64)
    np.add.at(counts, (coded.clip_of, said), 1)
    most, votes = counts.max(axis=1), counts.sum(axis=1)
    strict = 2 * most > votes
    return {
        "clips": [
            {
                "clip": clip,
                "value": levels[int(counts[row].argmax())] if strict[row] else None,
                "share": float(most[row] / votes[row]),
                "ratings": int(votes[row]),
                "tie": not bool(strict[row]),
            }
            for row, clip in enumerate(coded.clips)
        ],
        "prior": None,
        "raters": [],
    }


def _skilled(frame: pl.DataFrame, levels: list[str], method: Method, path: object) -> dict[str, Any]:
    if len(levels) < 2:
        raise AppError(f"{path}: every answer is {levels[0]!r}.", "Name all answers of the scale: --values a,b,c")
    coded = Coded.of(frame)
    position = {level: number for number, level in enumerate(levels)}
    said = np.array([position[value] for value in frame["value"].to_list()], dtype=np.int64)
    skill: SkillModel = "one-coin" if method == "one-coin" else "confusion"
    made = dawid_skene(coded.clip_of, coded.rater_of, said, levels=len(levels), skill=skill)
    ratings, per_rater = np.bincount(coded.clip_of), np.bincount(coded.rater_of)
    ranked = np.sort(made.posterior, axis=1)
    tied = ranked[:, -1] - ranked[:, -2] < 1e-9

    def by_level(shares: Floats) -> dict[str, float]:
        return dict(zip(levels, shares.tolist(), strict=True))

    return {
        "clips": [
            {
                "clip": clip,
                "value": None if tied[row] else levels[int(made.posterior[row].argmax())],
                "posterior": by_level(made.posterior[row]),
                "ratings": int(ratings[row]),
                "tie": bool(tied[row]),
            }
            for row, clip in enumerate(coded.clips)
        ],
        "prior": by_level(made.prior),
        "raters": [
            {
                "rater": rater,
                "ratings": int(per_rater[row]),
                "skill": float(made.skill[row]),
                "confusion": {true: by_level(made.confusion[row, number]) for number, true in enumerate(levels)},
            }
            for row, rater in enumerate(coded.raters)
        ],
        "rounds": len(made.log_likelihood),
        "converged": made.converged,
        "switched": made.switched,
    }


def _of_points(frame: pl.DataFrame, method: Method, confidence: float, path: object) -> dict[str, Any]:
    coded, given = Coded.of(frame), points(frame, path)
    raters: list[dict[str, Any]] = []
    if method == "mean":
        made = mean_opinion(coded.clip_of, given, confidence=confidence)
        values, halves, method_name = made.mean, made.t_half, "Student's t"
    else:
        model = subject_model(coded.clip_of, coded.rater_of, given)
        z = float(norm.ppf((1 + confidence) / 2))
        values, halves, method_name = model.quality, z * model.standard_error, "normal, as the model has it"
        raters = [
            {
                "rater": rater,
                "ratings": int(model.ratings[row]),
                "bias": float(model.bias[row]),
                "inconsistency": float(model.inconsistency[row]),
                "floored": model.floored[row],
            }
            for row, rater in enumerate(coded.raters)
        ]
    counts = np.bincount(coded.clip_of)
    clips = [
        {
            "clip": clip,
            "value": float(values[row]),
            **_ends(float(values[row]), float(halves[row])),
            "ratings": int(counts[row]),
            "tie": False,
        }
        for row, clip in enumerate(coded.clips)
    ]
    return {"clips": clips, "prior": None, "raters": raters, "confidence": confidence, "interval": method_name}


def _ends(value: float, half: float) -> dict[str, float | None]:
    known = bool(np.isfinite(half))
    return {"low": value - half if known else None, "high": value + half if known else None}
