"""Export a study for other programs: judgments as CSV or JSON lines, clips, and estimates as JSON."""

import csv
import hashlib
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from app import __version__
from app.models import Assignment, Criterion, Filter, Judgment, Rater, Study, StudyClip
from app.monitoring import rater_quality
from app.rating.judgments import facts_of_answer
from app.rating.playback_facts import well_formed
from app.results import votes
from app.results.judged_sample import is_weighted
from app.results.study_results import Results

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
    "in_agreement",
    "in_filters",
    "arm",
    "assignment",
    "assignment_status",
    "purpose",
    "occasion",
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
BROWSER_COLUMNS = COLUMNS[COLUMNS.index("shown_at") :]
"""Columns that the rater's browser reports (`Judgment.facts`)."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def judgments_csv(db: Session, study: Study) -> Iterator[str]:
    """Yield `judgment_rows` as CSV, one line at a time, beginning with the names of the columns."""
    scores = _filter_scores(db, study)
    yield _line((*COLUMNS, *(f"score_{name}" for name in scores)))
    for row in judgment_rows(db, study):
        yield _line(tuple(row.values()))


def judgment_rows(db: Session, study: Study) -> Iterator[dict[str, Any]]:
    """Yield a row for every revision of every answer to one criterion, in the order in which they were stored.

    The keys are `COLUMNS`, then `score_<name>` for each score that the study's filters use. `current` is 1 for the last
    revision of an answer. `in_agreement` and `in_filters` are 1 for the answers that these results count
    (`votes.read`): neither counts surplus answers, and filters count blind answers only, if there are any. `arm` is
    shown, hidden or after; `rater_kind` is person, simulated or model.
    """
    scores = _filter_scores(db, study)
    uses = votes.uses(db, study)
    query = (
        select(Judgment, Assignment, StudyClip, Criterion, Rater, facts_of_answer())
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .join(Criterion, col(Criterion.id) == col(Judgment.criterion_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.id))
    )
    weighted = is_weighted(study)
    for judgment, assignment, clip, criterion, rater, facts in db.execute(query):
        use, facts = uses[judgment.id], well_formed(facts)
        values = (
            study.slug,
            clip.clip,
            clip.source,
            clip.stratum,
            clip.inclusion_probability,
            clip.weight if weighted else None,  # no weight makes a borderline sample representative of the pool
            criterion.key,
            rater.name,
            rater.kind,
            judgment.value,
            judgment.revision,
            int(use.current),
            int(use.in_agreement),
            int(use.in_filters),
            judgment.arm,
            assignment.id,
            assignment.status,
            assignment.purpose,
            assignment.occasion,
            judgment.submission,
            judgment.guidelines_hash,
            judgment.created_at.isoformat(),
            *(facts.get(name) for name in BROWSER_COLUMNS),
            *(clip.scores.get(name) for name in scores),
        )
        yield dict(zip((*COLUMNS, *(f"score_{name}" for name in scores)), values, strict=True))


def clip_rows(db: Session, study: Study) -> list[dict[str, Any]]:
    """The drawn clips with stratum, inclusion probability, weight and scores, in the order of their names."""
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    return [
        {
            "clip": clip.clip,
            "source": clip.source,
            "criterion": clip.criterion or None,
            "stratum": clip.stratum,
            "inclusion_probability": clip.inclusion_probability,
            "weight": clip.weight,
            "duration": clip.duration,
            "scores": clip.scores,
        }
        for clip in db.execute(query.order_by(col(StudyClip.clip), col(StudyClip.criterion))).scalars()
    ]


def json_line(row: dict[str, Any]) -> bytes:
    """A row as one line of JSON in UTF-8."""
    return (json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _filter_scores(db: Session, study: Study) -> list[str]:
    return sorted(set(db.execute(select(col(Filter.score)).where(col(Filter.study_id) == study.id)).scalars()))


def estimates_json(db: Session, study: Study, results: Results) -> str:
    """The text of estimates.json: every estimate of the Results page with interval, counts, method and signature, the
    quality of the raters, and how the sample was drawn.
    """
    content = {
        "clipjury": __version__,
        "study": study.slug,
        "raters": "simulated" if results.kind == "simulated" else "people",
        "pool": {"file": study.pool.rsplit("/", 1)[-1], "sha256": study.pool_fingerprint, "clips": study.pool_clips},
        "design": study.design,
        "guidelines": study.guidelines_hash,
        "study_file_sha256": hashlib.sha256(study.study_file.encode()).hexdigest(),
        "seed": study.seed,
        "answers": results.answers,
        "rules": {
            "agreement": "last revision of each answer, scores shown or hidden, unweighted over the drawn clips",
            "truth": "strict majority of accept and reject; unsure is no vote; ties and clips without votes left out",
            "filters": "answers given without the scores in view where a study has any",
            "weights": "inverse inclusion probabilities, within each stratum those of the clips with verdict and score "
            "scaled to add up to its clips in the pool"
            if is_weighted(study)
            else "none: a borderline draw speaks of the thresholds alone",
        },
        "agreement": [result.to_dict() for result in results.criteria],
        "filters": [result.to_dict() for result in results.filters],
        "rater_quality": [one.to_dict() for one in rater_quality.of_study(db, study, results.kind)],
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _line(values: tuple[object, ...]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(value) for value in values])
    return text.getvalue().encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be encoded


def as_plain_text(cell: str) -> str:
    """A cell of a CSV file with an apostrophe in front if a spreadsheet would take it for a formula.

    >>> as_plain_text("=1+1"), as_plain_text("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _cell(value: object) -> object:
    if isinstance(value, str):
        return as_plain_text(value)
    if isinstance(value, list | dict):
        return json.dumps(value)
    return value
