"""Adopted thresholds: stored as events with the figures that they are based on, and written as filter files."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError
from app.filters import filter_files, talkvid_yaml
from app.filters.threshold_text import threshold_text
from app.models import Criterion, Event, Filter, Study
from app.thresholds.filter_ends import AcceptedRange, End
from scoring.filters import Filter as PoolFilter

KIND = "threshold_adopted"
MOST_LETTERS = 1000
"""The longest reason that is stored, in characters."""


@dataclass(frozen=True)
class AdoptedThreshold:
    """One adoption: the filter, its range from then on, the range before and after in words, the aim and the reason."""

    filter: str
    minimum: float | None
    maximum: float | None
    before: str
    after: str
    aim: str
    reason: str
    at: datetime


def adopt(
    db: Session,
    study: Study,
    rule: Filter,
    end: End,
    threshold: float,
    *,
    aim: str,
    reason: str,
    evidence: dict[str, Any],
) -> Event:
    """Store a new threshold for one end of a filter as an event, with the figures that it is based on.

    The study's own filters keep their presets, which its results describe. Raises AppError if the threshold is not a
    finite number, crosses the other end, or is the filter's threshold already.
    """
    minimum, maximum = ranges(db, study).get(rule.name, (rule.minimum, rule.maximum))
    if not isfinite(threshold):
        raise AppError("This threshold is no number.", "Move the slider to the cut that you want.")
    lower, upper = (threshold, maximum) if end == "min" else (minimum, threshold)
    if lower is not None and upper is not None and lower > upper:
        raise AppError(
            "The minimum would lie above the maximum.", f"The other end stands at {threshold_text(minimum, maximum)}."
        )
    if (lower, upper) == (minimum, maximum):
        raise AppError(f"{rule.title} has this threshold already.", "Nothing was changed.")
    event = Event(study_id=study.id, kind=KIND)
    event.detail = {
        "filter": rule.name,
        "min": lower,
        "max": upper,
        "before": threshold_text(minimum, maximum),
        "after": threshold_text(lower, upper),
        "aim": aim[:200],
        "reason": " ".join(reason.split())[:MOST_LETTERS],
        "rests_on": evidence,
    }
    db.add(event)
    return event


def history(db: Session, study: Study) -> list[AdoptedThreshold]:
    """Every adoption of the study, the newest first."""
    events = db.scalars(
        select(Event).where(col(Event.study_id) == study.id, col(Event.kind) == KIND).order_by(col(Event.id).desc())
    )
    return [
        AdoptedThreshold(
            filter=event.detail["filter"],
            minimum=event.detail["min"],
            maximum=event.detail["max"],
            before=event.detail["before"],
            after=event.detail["after"],
            aim=event.detail["aim"],
            reason=event.detail["reason"],
            at=event.created_at,
        )
        for event in events
    ]


def ranges(db: Session, study: Study) -> dict[str, AcceptedRange]:
    """The range in force of every filter, by its name, for which a threshold was adopted."""
    return {one.filter: (one.minimum, one.maximum) for one in reversed(history(db, study))}


def filters(db: Session, study: Study) -> list[PoolFilter]:
    """The study's filters with their adopted thresholds, or the preset ones if none was adopted, and their rubrics."""
    adopted = ranges(db, study)
    rules = db.scalars(select(Filter).where(col(Filter.study_id) == study.id).order_by(col(Filter.position))).all()
    questions = {item.key: item for item in db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id))}
    found = []
    for rule in rules:
        minimum, maximum = adopted.get(rule.name, (rule.minimum, rule.maximum))
        found.append(PoolFilter(rule.name, rule.score, minimum, maximum, rubric=questions[rule.criterion].question))
    return found


def as_toml(db: Session, study: Study) -> str:
    """The filter file that `clipjury filter` and new studies read; its first lines give each threshold's origin."""
    adopted = {one.filter: one for one in reversed(history(db, study))}
    lines = [f"# Filters of the study {study.slug}: adopted thresholds, preset ones where none was adopted."]
    for name, one in adopted.items():
        lines += [f"# {name}: {one.after} adopted on {one.at:%Y-%m-%d}, before {one.before}{_reasons(one)}"]
    return "\n".join(lines) + "\n\n" + filter_files.to_toml(filters(db, study))


def as_head_thresholds(db: Session, study: Study) -> str:
    """TalkVid's `head_threshold.yml`; its first lines say what it cannot hold. Raises AppError if no filter fits in."""
    text, lost = talkvid_yaml.write(filters(db, study))
    return "".join(f"# {sentence}\n" for sentence in lost) + text


def _reasons(one: AdoptedThreshold) -> str:
    reasons = [part for part in (one.aim, one.reason) if part]
    return f" ({'; '.join(reasons)})" if reasons else ""
