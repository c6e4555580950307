"""Count, in SQL, which clips have a consensus, and why the others have none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.models import Assignment, Criterion, Filter, Judgment, Rater, Study, StudyClip
from app.raters import exclusions
from app.raters.exclusions import Exclusions
from app.results.counted_answers import BLIND_ARMS, RaterKind, may_count


@dataclass(frozen=True)
class ConsensusFlow:
    """The clips of one accept/reject question; each is in exactly one of the counts other than `asked`."""

    key: str
    label: str
    asked: int
    accepted: int
    rejected: int
    tied: int
    unsure: int
    """Clips whose answers are all unsure."""
    in_view: int
    """Clips answered only while the scores were visible; not used, because the question has blind answers."""
    blind: bool
    """True if only answers given while the scores were hidden are used."""

    @property
    def decided(self) -> int:
        """Clips with a consensus: more accepts than rejects, or more rejects than accepts."""
        return self.accepted + self.rejected

    @property
    def without(self) -> int:
        """Clips without any answer that counts."""
        return self.asked - self.decided - self.tied - self.unsure - self.in_view


@dataclass(frozen=True)
class StudyConsensus:
    """The accept/reject questions of a study, and its clips with a consensus on at least one of them."""

    questions: tuple[ConsensusFlow, ...]
    strata: dict[tuple[str, str], int]
    """The clips with a consensus, by stratum and criterion."""

    @property
    def decided(self) -> int:
        """Clips with a consensus on at least one question."""
        return sum(self.strata.values())


@dataclass(frozen=True)
class _Counts:
    accepted: int = 0
    rejected: int = 0
    tied: int = 0
    unsure: int = 0

    @property
    def answered(self) -> int:
        return self.accepted + self.rejected + self.tied + self.unsure


def of_study(db: Session, study: Study, *, kind: RaterKind) -> StudyConsensus:
    """Count the clips with a consensus by the rule of the results: the strict majority of each clip's answers.

    The last revision of an answer counts. If a question has answers given while the scores were hidden, only those are
    used, as on the results pages.
    """
    criteria = _filter_criteria(db, study)
    excluded = exclusions.in_force(db, study.id)
    all_counts = _counted(db, _votes(study, kind, excluded))
    # If scores are hidden from everybody, all answers are blind.
    blind_counts = (
        all_counts if study.score_visibility == "hidden" else _counted(db, _votes(study, kind, excluded, blind=True))
    )
    asked = _asked(db, study, criteria)
    found = []
    for item in criteria:
        given, given_blind = all_counts.get(item.id, _Counts()), blind_counts.get(item.id, _Counts())
        used = given_blind if given_blind.answered else given
        found.append(
            ConsensusFlow(
                key=item.key,
                label=item.label,
                asked=asked[item.key],
                accepted=used.accepted,
                rejected=used.rejected,
                tied=used.tied,
                unsure=used.unsure,
                in_view=given.answered - used.answered,
                blind=bool(given_blind.answered),
            )
        )
    blind = [item.id for item, flow in zip(criteria, found, strict=True) if flow.blind]
    not_blind = [item.id for item, flow in zip(criteria, found, strict=True) if not flow.blind]
    return StudyConsensus(tuple(found), _in_strata(db, study, kind, excluded, blind, not_blind))


def _filter_criteria(db: Session, study: Study) -> Sequence[Criterion]:
    """Return the questions by which at least one filter is judged."""
    query = (
        select(Criterion)
        .where(col(Criterion.study_id) == study.id)
        .where(
            exists()
            .where(col(Filter.study_id) == study.id, col(Filter.criterion) == col(Criterion.key))
            .correlate(Criterion)
        )
        .order_by(col(Criterion.position))
    )
    return db.execute(query).scalars().all()


def _asked(db: Session, study: Study, criteria: Sequence[Criterion]) -> dict[str, int]:
    """Count the clips asked about, by the question's key. A clip drawn for no question is asked about in all."""
    query = (
        select(col(StudyClip.criterion), func.count())
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.criterion))
    )
    drawn = {key: int(number) for key, number in db.execute(query)}
    return {item.key: drawn.get("", 0) + drawn.get(item.key, 0) for item in criteria}


def _votes(
    study: Study, kind: RaterKind, excluded: Exclusions, *, blind: bool = False, only: Sequence[int] | None = None
) -> Subquery:
    """Count accepts and rejects by clip and question: one row for each pair with an answer that counts."""
    newer = aliased(Judgment)
    later = (
        exists()
        .where(
            col(newer.assignment_id) == col(Judgment.assignment_id),
            col(newer.criterion_id) == col(Judgment.criterion_id),
            col(newer.revision) > col(Judgment.revision),
        )
        .correlate(Judgment)
    )
    if blind:
        later = later.where(col(newer.arm).in_(BLIND_ARMS))
    if (not_excluded := excluded.count(newer)) is not None:
        later = later.where(not_excluded)

    def given(value: str) -> ColumnElement[int]:
        return func.sum(case((col(Judgment.value) == value, 1), else_=0))

    columns: list[ColumnElement[Any]] = [
        col(Assignment.study_clip_id).label("clip"),
        col(Judgment.criterion_id).label("criterion"),
        given("accept").label("yes"),
        given("reject").label("no"),
    ]
    query = (
        select(*columns)
        .select_from(Judgment)
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(*may_count(study, [kind], exclusions=excluded), col(Judgment.value) != "", ~later)
        .group_by(col(Assignment.study_clip_id), col(Judgment.criterion_id))
    )
    if blind:
        query = query.where(col(Judgment.arm).in_(BLIND_ARMS))
    if only is not None:
        query = query.where(col(Judgment.criterion_id).in_(only))
    return query.subquery()


def _counted(db: Session, votes: Subquery) -> dict[int, _Counts]:
    """Count the clips by outcome, for each question's number."""
    yes, no = votes.c.yes, votes.c.no
    outcomes = [yes > no, no > yes, and_(yes == no, yes > 0), and_(yes == 0, no == 0)]
    sums = [func.sum(case((outcome, 1), else_=0)) for outcome in outcomes]
    query: Select[Any] = select(votes.c.criterion, *sums).group_by(votes.c.criterion)
    return {row[0]: _Counts(*(int(number) for number in row[1:])) for row in db.execute(query)}


def _in_strata(
    db: Session, study: Study, kind: RaterKind, excluded: Exclusions, blind: list[int], not_blind: list[int]
) -> dict[tuple[str, str], int]:
    """Count the clips with a consensus on at least one question, by stratum.

    `blind` and `not_blind` hold the numbers of the questions whose blind, or all, answers are used.
    """
    parts = [
        select(votes.c.clip).where(votes.c.yes != votes.c.no)
        for votes in (
            *([_votes(study, kind, excluded, blind=study.score_visibility != "hidden", only=blind)] if blind else []),
            *([_votes(study, kind, excluded, only=not_blind)] if not_blind else []),
        )
    ]
    if not parts:
        return {}
    query = (
        select(col(StudyClip.stratum), col(StudyClip.criterion), func.count())
        .where(or_(*(col(StudyClip.id).in_(part) for part in parts)))
        .group_by(col(StudyClip.stratum), col(StudyClip.criterion))
    )
    return {(label, criterion): int(number) for label, criterion, number in db.execute(query)}
