"""A study's data for other programs: judgments as CSV, estimates as JSON."""

import csv
import json
from collections.abc import Iterator
from io import StringIO

from sqlalchemy import func
from sqlalchemy import select as rows
from sqlmodel import Session, col

from app import __version__
from app.models import Assignment, Criterion, Judgment, Rater, Study, StudyClip
from app.results import Results

COLUMNS = (
    "study",
    "clip",
    "source",
    "stratum",
    "inclusion_probability",
    "weight",
    "criterion",
    "rater",
    "rater_kind",
    "value",
    "revision",
    "current",
    "arm",
    "assignment",
    "assignment_status",
    "submission",
    "guidelines",
    "created_at",
    "shown_at",
    "first_play_at",
    "first_key_ms",
    "ended_to_first_key_ms",
    "answer_ms",
    "plays",
    "replays",
    "stalls",
    "stall_ms",
    "seen_share",
    "changes",
    "viewport",
    "playback_error",
)
FACTS = COLUMNS[COLUMNS.index("shown_at") :]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def judgments_csv(db: Session, study: Study) -> Iterator[str]:
    """One row per answer to one criterion, every revision, in the order they came; `current` marks the one that counts.

    `arm` says whether the scores were shown, hidden, or shown only after; `rater_kind` tells people from
    simulated raters. Yields text in pieces, the head first.
    """
    yield _line(COLUMNS)
    newest = (
        rows(
            col(Judgment.assignment_id), col(Judgment.criterion_id), func.max(col(Judgment.revision)).label("revision")
        )
        .where(col(Judgment.study_id) == study.id)
        .group_by(col(Judgment.assignment_id), col(Judgment.criterion_id))
        .subquery()
    )
    query = (
        rows(Judgment, Assignment, StudyClip, Criterion, Rater, newest.c.revision)
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .join(Criterion, col(Criterion.id) == col(Judgment.criterion_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .join(
            newest,
            (newest.c.assignment_id == col(Judgment.assignment_id))
            & (newest.c.criterion_id == col(Judgment.criterion_id)),
        )
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.id))
    )
    for judgment, assignment, clip, criterion, rater, last in db.execute(query):
        facts = [judgment.facts.get(name) for name in FACTS]
        yield _line(
            (
                study.slug,
                clip.clip,
                clip.source,
                clip.stratum,
                clip.inclusion_probability,
                clip.weight,
                criterion.key,
                rater.name,
                rater.kind,
                judgment.value,
                judgment.revision,
                int(judgment.revision == last),
                judgment.arm,
                assignment.id,
                assignment.status,
                judgment.submission,
                judgment.guidelines_hash,
                judgment.created_at.isoformat(),
                *facts,
            )
        )


def estimates_json(study: Study, results: Results) -> str:
    """Every estimate of the results pages with interval, counts, method and signature, and how the sample was drawn."""
    content = {
        "clipjury": __version__,
        "study": study.slug,
        "raters": "simulated" if results.kind == "simulated" else "people",
        "pool": {"file": study.pool.rsplit("/", 1)[-1], "sha256": study.pool_fingerprint, "clips": study.pool_clips},
        "design": study.design,
        "guidelines": study.guidelines_hash,
        "agreement": [result.to_dict() for result in results.criteria],
        "filters": [result.to_dict() for result in results.filters],
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _line(values: tuple[object, ...]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: object) -> object:
    # A nickname such as "=1+1" must stay a text when a spreadsheet opens the file.
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return value
