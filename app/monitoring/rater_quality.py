"""Signs of careless rating: gold and attention clips, repeats, haste, monotony, drift, clips that failed to play.

The signs are described in words for the researcher to check. No rater is excluded because of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Estimate
from analysis.proportions import wilson
from analysis.raters import quality
from analysis.raters.quality import AnswerRuns
from app.models import Assignment, Criterion, Judgment, Rater, Study, StudyClip, is_work
from app.monitoring import skipped_clips
from app.rating import reference_answers
from app.results.answer_table import pseudonyms
from app.results.counted_answers import RaterKind
from app.studies import scales
from app.studies.rules import Rules

LONGEST_PAUSE = 300.0
"""A longer time between two answers, in seconds, is a break."""
LOW_GOLD_SHARE = 0.7
"""A rater is flagged if the whole interval of the share of gold clips answered right lies below this share."""
MIN_FAILURES = 3
"""A rater is flagged if at least this many clips, and more than a tenth of those answered, did not play."""
SCHEMA: dict[str, Any] = {
    "rater": pl.Int64,
    "clip": pl.Int64,
    "criterion": pl.Int64,
    "value": pl.String,
    "purpose": pl.String,
    "occasion": pl.Int64,
    "at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True)
class RightAnswers:
    """How many of the checked answers are right (or, for repeats, equal), with Wilson's 95 % interval of the share."""

    right: int
    asked: int
    low: float
    high: float

    @classmethod
    def of(cls, right: int, asked: int) -> "RightAnswers | None":
        """Compute the interval; None if nothing was checked."""
        return cls(right, asked, *wilson(right, asked)) if asked else None

    @property
    def value(self) -> float:
        """The share of right answers."""
        return self.right / self.asked

    @property
    def undefined(self) -> None:
        """Always None, because a share exists once one answer was checked."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the share for estimates.json."""
        return {
            "right": self.right,
            "asked": self.asked,
            "value": self.value,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True)
class RaterQuality:
    """One rater's signs. `gold` and `attention` count clips, `repeats` pairs of answers to a question about a clip."""

    id: int
    name: str
    pseudonym: str
    """R1, R2, ... in the order in which the raters joined; exports show it instead of the name."""
    answered: int
    gold: RightAnswers | None
    attention: RightAnswers | None
    repeats: RightAnswers | None
    seconds: float | None
    """The median time between two answers, without breaks."""
    runs: AnswerRuns | None
    drift: Estimate | None
    failures: int
    """The number of clips that did not play for this rater."""
    flags: tuple[str, ...]
    """The signs worth checking, in words."""

    def to_dict(self) -> dict[str, Any]:
        """Return the signs for estimates.json, under the pseudonym."""
        return {
            "rater": self.pseudonym,
            "answered": self.answered,
            "gold": self.gold.to_dict() if self.gold else None,
            "attention": self.attention.to_dict() if self.attention else None,
            "agreement_with_oneself": self.repeats.to_dict() if self.repeats else None,
            "median_seconds": self.seconds,
            "commonest_share": self.runs.commonest_share if self.runs else None,
            "longest_run": self.runs.longest if self.runs else None,
            "drift_per_100_clips": self.drift.to_dict() if self.drift else None,
            "playback_failures": self.failures,
            "flags": list(self.flags),
        }


@dataclass(frozen=True)
class _ReferenceAnswers:
    """The reference answers of gold and attention clips."""

    criteria: Sequence[Criterion]
    answers: Mapping[int, Mapping[str, str]]
    """The reference answers by criterion, for each clip's number."""
    gold_tolerance: int


def of_study(db: Session, study: Study, kind: RaterKind) -> list[RaterQuality]:
    """Return the signs about every rater of a kind who has answered, in the order in which the raters joined."""
    references = _reference_answers(db, study)
    answers = _answers(db, study, kind)
    names = dict(db.execute(select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)).all())
    pseudonym_of = pseudonyms(db, study, kind)
    failures = skipped_clips.failures_by_rater(db, study)
    with_points = next((item for item in references.criteria if scales.of(item).has_points), None)
    points = _points_and_others_mean(answers, with_points) if with_points else None
    answers_of = {int(key[0]): frame for key, frame in answers.group_by("rater", maintain_order=True)}
    seconds = [_seconds(frame) for frame in answers_of.values()]
    hasty = quality.hasty(np.array([np.nan if one is None else one for one in seconds]))
    found = []
    for (rater, frame), pace, is_hasty in zip(answers_of.items(), seconds, hasty, strict=True):
        gold = _right_answers(frame, "gold", references, references.gold_tolerance)
        attention = _right_answers(frame, "attention", references, 0)
        runs = _runs(frame, study.seed)
        drift = _drift(points.filter(pl.col("rater") == rater)) if points is not None else None
        failed = failures.get(rater, 0)
        answered = frame.select(pl.struct("clip", "occasion").n_unique()).item()
        too_fast = is_hasty and answered >= quality.MIN_ANSWERS
        flags = _flags(gold, attention, runs, drift, answered, hasty=too_fast, failed=failed)
        found.append(
            RaterQuality(
                id=rater,
                name=names[rater],
                pseudonym=pseudonym_of[rater],
                answered=answered,
                gold=gold,
                attention=attention,
                repeats=_repeats(frame),
                seconds=pace,
                runs=runs,
                drift=drift,
                failures=failed,
                flags=tuple(flags),
            )
        )
    return sorted(found, key=lambda one: one.id)


def _reference_answers(db: Session, study: Study) -> _ReferenceAnswers:
    criteria = select(Criterion).where(col(Criterion.study_id) == study.id).order_by(col(Criterion.position))
    answers = select(col(StudyClip.id), col(StudyClip.answers)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role).in_(("gold", "attention"))
    )
    gold = Rules.model_validate(study.rules).gold
    return _ReferenceAnswers(
        list(db.execute(criteria).scalars()), dict(db.execute(answers).all()), gold.tolerance if gold else 0
    )


def _answers(db: Session, study: Study, kind: RaterKind) -> pl.DataFrame:
    """Read the last revision of every answer, without training and qualification; one row each, columns `SCHEMA`."""
    query = (
        select(
            col(Judgment.rater_id),
            col(Assignment.study_clip_id),
            col(Judgment.criterion_id),
            col(Judgment.value),
            col(Assignment.purpose),
            col(Assignment.occasion),
            col(Assignment.answered_at),
            col(Judgment.revision),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == kind)
        .where(is_work())
    )
    frame = pl.DataFrame([tuple(row) for row in db.execute(query)], SCHEMA | {"revision": pl.Int64}, orient="row")
    last = frame.sort("revision").unique(["rater", "clip", "criterion", "occasion"], keep="last", maintain_order=True)
    return last.filter(pl.col("value") != "").sort("rater", "at", "clip", "criterion", "occasion")


def _right_answers(
    frame: pl.DataFrame, purpose: str, references: _ReferenceAnswers, tolerance: int
) -> RightAnswers | None:
    """Count the rater's gold or attention clips, and those on which every answer that has a reference is right."""
    right = 0
    clips = 0
    for (clip,), rows in frame.filter(pl.col("purpose") == purpose).group_by("clip"):
        given = dict(zip(rows["criterion"].to_list(), rows["value"].to_list(), strict=True))
        checked = reference_answers.check(references.criteria, given, references.answers.get(int(clip), {}), tolerance)
        checked = [answer for answer in checked if answer.given is not None]
        clips += bool(checked)
        right += bool(checked) and all(answer.right for answer in checked)
    return RightAnswers.of(right, clips)


def _repeats(frame: pl.DataFrame) -> RightAnswers | None:
    """Count the pairs of the rater's answers to one question about one clip, and the pairs of equal answers."""
    first = frame.filter(pl.col("occasion") == 0)
    again = frame.filter(pl.col("purpose") == "repeat", pl.col("occasion") > 0)
    pairs = again.join(first, on=["clip", "criterion"], how="inner", suffix="_first")
    return RightAnswers.of(int((pairs["value"] == pairs["value_first"]).sum()), pairs.height)


def _seconds(frame: pl.DataFrame) -> float | None:
    moments = frame["at"].drop_nulls().unique().sort()
    gaps = moments.diff().drop_nulls().dt.total_milliseconds().to_numpy() / 1000
    without_breaks = gaps[gaps <= LONGEST_PAUSE]
    return float(np.median(without_breaks)) if len(without_breaks) else None


def _runs(frame: pl.DataFrame, seed: int) -> AnswerRuns | None:
    """Measure the monotony of whole answers: all values of a clip count as one answer."""
    work = frame.filter(pl.col("purpose").is_in(["sample", "stabiliser"]))
    clips = work.group_by("clip", maintain_order=True).agg(pl.col("value").str.join("|"), pl.col("at").first())
    if not clips.height:
        return None
    codes = clips["value"].rank("dense").to_numpy().astype(np.int64) - 1
    return quality.answer_runs(codes, np.arange(clips.height, dtype=np.float64), seed=seed)


def _points_and_others_mean(answers: pl.DataFrame, item: Criterion) -> pl.DataFrame:
    """Return a row per answer to a question: `points`, `rest` (the others' mean on the clip), `position` in time."""
    own = answers.filter(pl.col("criterion") == item.id, pl.col("occasion") == 0, pl.col("purpose") == "sample")
    own = own.with_columns(points=pl.col("value").cast(pl.Float64, strict=False)).drop_nulls("points")
    others = (pl.col("points").sum().over("clip") - pl.col("points")) / (pl.len().over("clip") - 1)
    position = pl.struct("at", "clip").rank("ordinal").over("rater").cast(pl.Float64)
    return own.with_columns(rest=pl.when(pl.len().over("clip") > 1).then(others), position=position)


def _drift(frame: pl.DataFrame) -> Estimate | None:
    if not frame.height:
        return None
    points, rest, position = (frame[name].cast(pl.Float64).to_numpy() for name in ("points", "rest", "position"))
    return quality.drift(points, rest, position)


def _flags(
    gold: RightAnswers | None,
    attention: RightAnswers | None,
    runs: AnswerRuns | None,
    drift: Estimate | None,
    answered: int,
    *,
    hasty: bool,
    failed: int,
) -> list[str]:
    flags = []
    if gold is not None and gold.high < LOW_GOLD_SHARE:
        flags.append(f"gold clips: {gold.right} of {gold.asked} right")
    if attention is not None and attention.right < attention.asked:
        flags.append(f"missed {attention.asked - attention.right} of {attention.asked} attention clips")
    if hasty:
        flags.append("much faster than the others")
    if runs is not None and runs.straight:
        flags.append("the same answers in long runs")
    if drift is not None and drift.low is not None and drift.high is not None and (drift.low > 0 or drift.high < 0):
        flags.append(f"drifts {'up' if drift.low > 0 else 'down'} against the others")
    if failed >= MIN_FAILURES and failed > answered / 10:
        flags.append(f"{failed} clips did not play")
    return flags
