"""The consensus of raters on each clip, by one of five methods, for `clipjury stats consensus`."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

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


@dataclass(frozen=True)
class MajorityClip:
    """The majority on a clip: `value` is None for a tie; `share` of the votes is from 0 to 1."""

    clip: str
    value: str | None
    share: float
    ratings: int
    tie: bool


@dataclass(frozen=True)
class PosteriorClip:
    """The most probable level of a clip (None for a tie), and the posterior probability of each level."""

    clip: str
    value: str | None
    posterior: dict[str, float]
    ratings: int
    tie: bool


@dataclass(frozen=True)
class ScoredClip:
    """The opinion score of a clip with its interval in points; None for an end that is undefined."""

    clip: str
    value: float
    low: float | None
    high: float | None
    ratings: int
    tie: bool = False


@dataclass(frozen=True)
class SkilledRater:
    """A rater's probability to name the true level, and the probability of each answer by true level."""

    rater: str
    ratings: int
    skill: float
    confusion: dict[str, dict[str, float]]


@dataclass(frozen=True)
class ModelRater:
    """A rater's bias and inconsistency in points; `floored` if the inconsistency of all raters is used instead."""

    rater: str
    ratings: int
    bias: float
    inconsistency: float
    floored: bool


@dataclass(frozen=True)
class ConsensusReport:
    """The consensus on every clip of a criterion; `abstained` counts answers "unsure", `empty` rows without a value.

    `prior` is the estimated share of each level; None for methods without one.
    """

    method: Method
    criterion: str
    abstained: int
    empty: int
    clips: list[MajorityClip] | list[PosteriorClip] | list[ScoredClip]
    prior: dict[str, float] | None
    raters: list[SkilledRater] | list[ModelRater]


@dataclass(frozen=True)
class DawidSkeneReport(ConsensusReport):
    """A consensus by Dawid & Skene's model, with the number of rounds of the fit and whether it converged.

    `switched` is true if the model exchanged levels (see `dawid_skene`).
    """

    rounds: int
    converged: bool
    switched: bool


@dataclass(frozen=True)
class OpinionReport(ConsensusReport):
    """A consensus of opinion scores, with the confidence and the method of the intervals."""

    confidence: float
    interval: str


def consensus(
    table: RatingTable, method: Method, *, criterion: str | None, values: list[str] | None, confidence: float
) -> ConsensusReport:
    """The consensus on each clip by a method; `values` are the levels of the scale in order, None to find them."""
    frame = table.of(criterion)
    voted = votes(frame, table.path)
    counts = _Counts(method, frame["criterion"][0], frame.height - voted.height, table.empty)
    if method in OF_POINTS:
        return _of_points(votes(first_answers(frame), table.path), counts, confidence, table.path)
    levels = levels_of(voted, values, table.path)
    if method == "majority":
        return _majority(votes(first_answers(frame), table.path), counts, levels)
    return _fitted(voted, counts, levels, table.path)


class _Counts(NamedTuple):
    """The first fields of every consensus."""

    method: Method
    criterion: str
    abstained: int
    empty: int


def _majority(frame: pl.DataFrame, counts: _Counts, levels: list[str]) -> ConsensusReport:
    coded = Coded.of(frame)
    votes_of = np.zeros((len(coded.clips), len(levels)), dtype=np.int64)
    np.add.at(votes_of, (coded.clip_of, _positions(frame, levels)), 1)
    most, total = votes_of.max(axis=1), votes_of.sum(axis=1)
    strict = 2 * most > total
    clips = [
        MajorityClip(
            clip=clip,
            value=levels[int(votes_of[row].argmax())] if strict[row] else None,
            share=float(most[row] / total[row]),
            ratings=int(total[row]),
            tie=not bool(strict[row]),
        )
        for row, clip in enumerate(coded.clips)
    ]
    return ConsensusReport(*counts, clips, None, [])


def _positions(frame: pl.DataFrame, levels: list[str]) -> Ints:
    """The position of each answer among the levels, shape (answers,)."""
    position = {level: number for number, level in enumerate(levels)}
    return np.array([position[value] for value in frame["value"].to_list()], dtype=np.int64)


def _fitted(frame: pl.DataFrame, counts: _Counts, levels: list[str], path: object) -> DawidSkeneReport:
    if len(levels) < 2:
        raise AppError(f"{path}: every answer is {levels[0]!r}.", "Name all answers of the scale: --values a,b,c")
    coded = Coded.of(frame)
    skill: SkillModel = "one-coin" if counts.method == "one-coin" else "confusion"
    made = dawid_skene(coded.clip_of, coded.rater_of, _positions(frame, levels), levels=len(levels), skill=skill)
    ratings, per_rater = np.bincount(coded.clip_of), np.bincount(coded.rater_of)
    ranked = np.sort(made.posterior, axis=1)
    tied = ranked[:, -1] - ranked[:, -2] < 1e-9

    def by_level(shares: Floats) -> dict[str, float]:
        return dict(zip(levels, shares.tolist(), strict=True))

    clips = [
        PosteriorClip(
            clip=clip,
            value=None if tied[row] else levels[int(made.posterior[row].argmax())],
            posterior=by_level(made.posterior[row]),
            ratings=int(ratings[row]),
            tie=bool(tied[row]),
        )
        for row, clip in enumerate(coded.clips)
    ]
    raters = [
        SkilledRater(
            rater=rater,
            ratings=int(per_rater[row]),
            skill=float(made.skill[row]),
            confusion={true: by_level(made.confusion[row, number]) for number, true in enumerate(levels)},
        )
        for row, rater in enumerate(coded.raters)
    ]
    fit = (len(made.log_likelihood), made.converged, made.switched)
    return DawidSkeneReport(*counts, clips, by_level(made.prior), raters, *fit)


def _of_points(frame: pl.DataFrame, counts: _Counts, confidence: float, path: object) -> OpinionReport:
    coded, given = Coded.of(frame), points(frame, path)
    raters: list[ModelRater] = []
    if counts.method == "mean":
        made = mean_opinion(coded.clip_of, given, confidence=confidence)
        values, halves, interval = made.mean, made.t_half, "Student's t"
    else:
        model = subject_model(coded.clip_of, coded.rater_of, given)
        z = float(norm.ppf((1 + confidence) / 2))
        values, halves, interval = model.quality, z * model.standard_error, "normal, as the model has it"
        raters = [
            ModelRater(
                rater=rater,
                ratings=int(model.ratings[row]),
                bias=float(model.bias[row]),
                inconsistency=float(model.inconsistency[row]),
                floored=model.floored[row],
            )
            for row, rater in enumerate(coded.raters)
        ]
    ratings = np.bincount(coded.clip_of)
    clips = [
        ScoredClip(clip, float(values[row]), *_ends(float(values[row]), float(halves[row])), int(ratings[row]))
        for row, clip in enumerate(coded.clips)
    ]
    return OpinionReport(*counts, clips, None, raters, confidence, interval)


def _ends(value: float, half: float) -> tuple[float | None, float | None]:
    return (value - half, value + half) if np.isfinite(half) else (None, None)
