"""Checks of assignments, judgments and weights: what ClipJury promises about them, asked of the database."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isclose
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlmodel import Session, col

from app.backup.fault import Fault, examples
from app.models import Assignment, Criterion, Judgment, Rater, Study, StudyClip

KEEP = "Keep a backup of this state, and compare it with the last backup from before: "
ANSWERED = ("done", "surplus")
PLACES = ("open", "held", "done")
"""States of the assignments that occupy one of a clip's places."""
PRECISION = 1e-9


def check(db: Session) -> Iterator[Fault]:
    """The faults of all studies."""
    yield from _foreign_judgments(db)
    yield from _unanswered(db)
    yield from _revisions(db)
    yield from _without_judgment(db)
    for study in db.scalars(select(Study).order_by(col(Study.id))):
        yield from _places(db, study)
        yield from _weights(db, study)


def _ids(db: Session, query: Select[int]) -> Sequence[int]:
    return db.scalars(query).all()


def _foreign_judgments(db: Session) -> Iterator[Fault]:
    joined = (
        select(col(Judgment.id))
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .order_by(col(Judgment.id))
    )
    others = or_(
        col(Assignment.rater_id).is_distinct_from(col(Judgment.rater_id)),
        col(Assignment.study_id) != col(Judgment.study_id),
    )
    if found := _ids(db, joined.where(others)):
        yield Fault(
            f"{len(found)} judgments belong to another rater or study than their assignment (judgment "
            f"{examples(found)}).",
            f"{KEEP}they count for the wrong rater.",
        )
    criteria = joined.join(Criterion, col(Criterion.id) == col(Judgment.criterion_id))
    if found := _ids(db, criteria.where(col(Criterion.study_id) != col(Judgment.study_id))):
        yield Fault(
            f"{len(found)} judgments answer a question of another study (judgment {examples(found)}).",
            f"{KEEP}they enter no result.",
        )


def _unanswered(db: Session) -> Iterator[Fault]:
    query = (
        select(col(Assignment.id))
        .join(Judgment, col(Judgment.assignment_id) == col(Assignment.id))
        .where(or_(col(Assignment.status).not_in(ANSWERED), col(Assignment.answered_at).is_(None)))
        .distinct()
        .order_by(col(Assignment.id))
    )
    if found := _ids(db, query):
        yield Fault(
            f"{len(found)} assignments have judgments and are not marked as answered (assignment {examples(found)}).",
            f"{KEEP}their answers do not count, and their clips may be given to further raters.",
        )


def _revisions(db: Session) -> Iterator[Fault]:
    """Revisions are counted from 1 without a gap: a gap is a lost answer."""
    query = (
        select(col(Judgment.assignment_id))
        .group_by(col(Judgment.assignment_id))
        .having(func.count(col(Judgment.revision).distinct()) != func.max(col(Judgment.revision)))
        .order_by(col(Judgment.assignment_id))
    )
    if found := _ids(db, query):
        yield Fault(
            f"{len(found)} assignments lack a revision of their answer (assignment {examples(found)}).",
            f"{KEEP}judgments were deleted.",
        )


def _without_judgment(db: Session) -> Iterator[Fault]:
    """An answered clip of the sample has an answer to each required question about it."""
    asked = and_(
        col(Criterion.study_id) == col(Assignment.study_id),
        col(Criterion.required),
        or_(col(StudyClip.criterion) == "", col(StudyClip.criterion) == col(Criterion.key)),
    )
    given = select(col(Judgment.id)).where(
        col(Judgment.assignment_id) == col(Assignment.id), col(Judgment.criterion_id) == col(Criterion.id)
    )
    query = (
        select(col(Assignment.id))
        .join(StudyClip, col(StudyClip.id) == col(Assignment.study_clip_id))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .join(Criterion, asked)
        .where(
            col(Assignment.status).in_(ANSWERED),
            col(StudyClip.role) == "sample",
            col(Rater.kind) != "model",  # a model may answer some of the questions
            ~given.exists(),
        )
        .distinct()
        .order_by(col(Assignment.id))
    )
    if found := _ids(db, query):
        yield Fault(
            f"{len(found)} assignments are marked as answered and lack an answer to a required question (assignment "
            f"{examples(found)}).",
            f"{KEEP}judgments were deleted.",
        )


def _places(db: Session, study: Study) -> Iterator[Fault]:
    """Each clip of the sample has as many places for people as the study has raters per clip, never more."""
    places = func.count(col(Assignment.id))
    of_people = and_(
        col(Assignment.study_clip_id) == col(StudyClip.id),
        col(Assignment.purpose) == "sample",
        col(Assignment.status).in_(PLACES),
        or_(
            col(Assignment.rater_id).is_(None),
            col(Assignment.rater_id).in_(select(col(Rater.id)).where(col(Rater.kind) == "person")),
        ),
    )
    query = (
        select(col(StudyClip.id))
        .join(Assignment, of_people, isouter=True)
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.id))
        .order_by(col(StudyClip.id))
    )
    if found := _ids(db, query.having(places > study.raters_per_clip)):
        yield Fault(
            f"{study.slug}: {len(found)} clips have more than {study.raters_per_clip} places for raters (clip "
            f"{examples(found)}).",
            f"{KEEP}results give these clips more answers than the design says.",
        )
    if found := _ids(db, query.having(places < study.raters_per_clip)):
        yield Fault(
            f"{study.slug}: {len(found)} clips have fewer than {study.raters_per_clip} places for raters (clip "
            f"{examples(found)}).",
            f"{KEEP}no further rater will be given these clips.",
        )


def _weights(db: Session, study: Study) -> Iterator[Fault]:
    """Weights are one over the inclusion probability, and probabilities and counts are those of the design."""
    query = select(
        col(StudyClip.id),
        col(StudyClip.clip),
        col(StudyClip.stratum),
        col(StudyClip.role),
        col(StudyClip.inclusion_probability),
        col(StudyClip.weight),
    ).where(col(StudyClip.study_id) == study.id)
    clips = db.execute(query.order_by(col(StudyClip.id))).all()
    sample = [one for one in clips if one.role == "sample"]
    wrong = [one.id for one in sample if not _fits(one.inclusion_probability, one.weight)]
    wrong += [one.id for one in clips if one.role != "sample" and one.weight != 0]
    if wrong:
        yield Fault(
            f"{study.slug}: the weight of {len(wrong)} clips is not one over their inclusion probability (clip "
            f"{examples(wrong)}).",
            f"{KEEP}weighted results of this study are wrong.",
        )
    strata = study.design.get("strata", [])
    if study.design.get("kind") != "stratified" or not all("drawn" in row for row in strata):
        return
    drawn = Counter(stratum for stratum, _clip in {(one.stratum, one.clip) for one in sample})
    differ = [row["label"] for row in strata if drawn.pop(row["label"], 0) != row["drawn"]] + sorted(drawn)
    if differ:
        yield Fault(
            f"{study.slug}: the stratum {examples(differ)} has not the number of clips that the design drew.",
            f"{KEEP}weighted results of this study are wrong.",
        )
    plain = [row for row in strata if row["population"]] if _is_plain(study.design) else []
    shares = {row["label"]: row["drawn"] / row["population"] for row in plain}
    other = [
        one.id
        for one in sample
        if one.stratum in shares and not isclose(one.inclusion_probability, shares[one.stratum], rel_tol=PRECISION)
    ]
    if other:
        yield Fault(
            f"{study.slug}: the inclusion probability of {len(other)} clips is not the share of their stratum that the "
            f"design drew (clip {examples(other)}).",
            f"{KEEP}weighted results of this study are wrong.",
        )


def _is_plain(design: dict[str, Any]) -> bool:
    """True if every clip of a stratum had the same chance: no second design, limit per source or guaranteed clips."""
    plan = design.get("plan", {})
    draws = design.get("draws", [])
    return not any(plan.get(key) for key in ("per_source", "include", "rejects")) and all(
        draw["part"] == 0 and draw["kind"] in ("first", "top-up") for draw in draws
    )


def _fits(probability: float, weight: float) -> bool:
    return 0 < probability <= 1 and isclose(weight * probability, 1, rel_tol=PRECISION)
