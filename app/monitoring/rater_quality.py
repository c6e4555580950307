"""Signs of careless rating: gold and attention clips, repeats, haste, monotony, drift, clips that failed to play.

Signs to look at, in words; nobody is left out by them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import func, select
from sqlmodel import Session, col

from analysis.estimate import Estimate
from analysis.proportions import wilson
from analysis.raters import quality
from analysis.raters.quality import AnswerRuns
from app.models import Assignment, Criterion, Event, Judgment, Rater, Study, StudyClip, is_work
from app.rating import reference_answers
from app.results.answer_table import numbers
from app.results.counted_answers import Kind
from app.studies import scales
from app.studies.rules import Rules

LONGEST_PAUSE = 300.0
"""Seconds between two answers above which the rater was away."""
LOW_GOLD = 0.7
"""A rater is pointed out whose interval of gold clips right lies below this share."""
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
class Share:
    """How many of how many, with Wilson's 95 % interval."""

    right: int
    asked: int
    low: float
    high: float

    @classmethod
    def of(cls, right: int, asked: int) -> "Share | None":
        """None of nothing."""
        return cls(right, asked, *wilson(right, asked)) if asked else None

    @property
    def value(self) -> float:
        """The share itself."""
        return self.right / self.asked

    @property
    def undefined(self) -> None:
        """Always None: a share needs at least one clip."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """For the export."""
        return {
            "right": self.right,
            "asked": self.asked,
            "value": self.value,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True)
class RaterQuality:
    """One rater. `gold` and `attention` count clips, `itself` pairs of answers to one question about one clip."""

    id: int
    name: str
    pseudonym: str
    """R1, R2, ... in the order in which the raters came: what exports say instead of the name."""
    answered: int
    gold: Share | None
    attention: Share | None
    itself: Share | None
    seconds: float | None
    """Median between two answers, pauses left out."""
    runs: AnswerRuns | None
    drift: Estimate | None
    failures: int
    """Clips that did not play for this rater."""
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For the export, under the pseudonym."""
        return {
            "rater": self.pseudonym,
            "answered": self.answered,
            "gold": self.gold.to_dict() if self.gold else None,
            "attention": self.attention.to_dict() if self.attention else None,
            "agreement_with_oneself": self.itself.to_dict() if self.itself else None,
            "median_seconds": self.seconds,
            "commonest_share": self.runs.commonest_share if self.runs else None,
            "longest_run": self.runs.longest if self.runs else None,
            "drift_per_100_clips": self.drift.to_dict() if self.drift else None,
            "playback_failures": self.failures,
            "flags": list(self.flags),
        }


def of_study(db: Session, study: Study, kind: Kind) -> list[RaterQuality]:
    """Everybody of a kind who has answered, in the order in which they came."""
    criteria = list(
        db.execute(
            select(Criterion).where(col(Criterion.study_id) == study.id).order_by(col(Criterion.position))
        ).scalars()
    )
    answers = _answers(db, study, kind)
    names = dict(db.execute(select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)).all())
    pseudonyms = {number: name for name, number in numbers(db, study, kind)}
    failures = dict(db.execute(_failures(study)).all())
    known = _known(db, study)
    tolerance = _tolerance(study)
    steps = next((item for item in criteria if scales.of(item).has_points), None)
    rest = _beside_the_rest(answers, steps)
    by_rater = {int(key[0]): frame for key, frame in answers.group_by("rater", maintain_order=True)}
    seconds = {who: _seconds(frame) for who, frame in by_rater.items()}
    hasty = quality.hasty(np.array([np.nan if one is None else one for one in seconds.values()]))
    found = []
    for (who, frame), is_hasty in zip(by_rater.items(), hasty, strict=True):
        gold = _right(frame, "gold", known, criteria, tolerance)
        attention = _right(frame, "attention", known, criteria, 0)
        runs = _runs(frame, study.seed)
        drift = _drift(rest.filter(pl.col("rater") == who)) if rest is not None else None
        failed = int(failures.get(who, 0))
        answered = frame.select(pl.struct("clip", "occasion").n_unique()).item()
        flags = _flags(
            gold, attention, runs, drift, answered, hasty=is_hasty and answered >= quality.MIN_ANSWERS, failed=failed
        )
        itself = _itself(frame)
        found.append(
            RaterQuality(
                who,
                names[who],
                pseudonyms[who],
                answered,
                gold,
                attention,
                itself,
                seconds[who],
                runs,
                drift,
                failed,
                tuple(flags),
            )
        )
    return sorted(found, key=lambda one: one.id)


def _answers(db: Session, study: Study, kind: Kind) -> pl.DataFrame:
    """The last revision of every answer in the work itself, training and test left out."""
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


def _failures(study: Study) -> Any:
    reason = Event.__table__.c.detail["reason"].as_string()  # type: ignore[attr-defined]  # every table model has one
    return (
        select(col(Event.rater_id), func.count())
        .where(col(Event.study_id) == study.id, col(Event.kind) == "skipped", reason == "cannot_play")
        .group_by(col(Event.rater_id))
    )


def _known(db: Session, study: Study) -> dict[int, dict[str, str]]:
    query = select(col(StudyClip.id), col(StudyClip.answers)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role).in_(("gold", "attention"))
    )
    return dict(db.execute(query).all())


def _tolerance(study: Study) -> int:
    gold = Rules.model_validate(study.rules).gold
    return gold.tolerance if gold else 0


def _right(
    frame: pl.DataFrame, purpose: str, known: dict[int, dict[str, str]], criteria: list[Criterion], tolerance: int
) -> Share | None:
    """Known clips with every known answer right, of those that the rater was asked."""
    asked = frame.filter(pl.col("purpose") == purpose)
    right = 0
    clips = 0
    for (clip,), part in asked.group_by("clip"):
        given = dict(zip(part["criterion"].to_list(), part["value"].to_list(), strict=True))
        said = reference_answers.check(criteria, given, known.get(int(clip), {}), tolerance)
        said = [one for one in said if one.given is not None]
        clips += bool(said)
        right += bool(said) and all(one.right for one in said)
    return Share.of(right, clips)


def _itself(frame: pl.DataFrame) -> Share | None:
    """Pairs of the same rater's answers to one question about one clip, and how many are the same."""
    first = frame.filter(pl.col("occasion") == 0)
    again = frame.filter(pl.col("purpose") == "repeat", pl.col("occasion") > 0)
    pairs = again.join(first, on=["clip", "criterion"], how="inner", suffix="_first")
    return Share.of(int((pairs["value"] == pairs["value_first"]).sum()), pairs.height)


def _seconds(frame: pl.DataFrame) -> float | None:
    moments = frame["at"].drop_nulls().unique().sort()
    gaps = moments.diff().drop_nulls().dt.total_milliseconds().to_numpy() / 1000
    near = gaps[gaps <= LONGEST_PAUSE]
    return float(np.median(near)) if len(near) else None


def _runs(frame: pl.DataFrame, seed: int) -> AnswerRuns | None:
    """Monotony of whole answers: all values of a clip together."""
    work = frame.filter(pl.col("purpose").is_in(["sample", "stabiliser"]))
    whole = work.group_by("clip", maintain_order=True).agg(pl.col("value").str.join("|"), pl.col("at").first())
    if not whole.height:
        return None
    codes = whole["value"].rank("dense").to_numpy().astype(np.int64) - 1
    return quality.answer_runs(codes, np.arange(whole.height, dtype=np.float64), seed=seed)


def _beside_the_rest(answers: pl.DataFrame, steps: Criterion | None) -> pl.DataFrame | None:
    """Own points, the mean of the others on the same clip and the place in the rater's own order."""
    if steps is None:
        return None
    own = answers.filter(pl.col("criterion") == steps.id, pl.col("occasion") == 0, pl.col("purpose") == "sample")
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
    gold: Share | None,
    attention: Share | None,
    runs: AnswerRuns | None,
    drift: Estimate | None,
    answered: int,
    *,
    hasty: bool,
    failed: int,
) -> list[str]:
    flags = []
    if gold is not None and gold.high < LOW_GOLD:
        flags.append(f"gold clips: {gold.right} of {gold.asked} right")
    if attention is not None and attention.right < attention.asked:
        flags.append(f"missed {attention.asked - attention.right} of {attention.asked} attention clips")
    if hasty:
        flags.append("much faster than the others")
    if runs is not None and runs.straight:
        flags.append("the same answers in long runs")
    if drift is not None and drift.low is not None and drift.high is not None and (drift.low > 0 or drift.high < 0):
        flags.append(f"drifts {'up' if drift.low > 0 else 'down'} against the others")
    if failed >= 3 and failed > answered / 10:
        flags.append(f"{failed} clips did not play")
    return flags
