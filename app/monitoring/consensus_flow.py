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
from app.results.counted_answers import BLIND_ARMS, Kind, counting


@dataclass(frozen=True)
class ConsensusFlow:
    """The clips asked about in one accept/reject question, each in exactly one of the counts but `asked`."""

    key: str
    label: str
    asked: int
    accepted: int
    rejected: int
    tied: int
    unsure: int
    """With answers, all of them unsure."""
    in_view: int
    """Answered only with the scores in view, while the study has answers without: those decide."""
    blind: bool

    @property
    def decided(self) -> int:
        """Clips with a consensus: more accept than reject, or more reject than accept."""
        return self.accepted + self.rejected

    @property
    def without(self) -> int:
        """Without any answer that counts."""
        return self.asked - self.decided - self.tied - self.unsure - self.in_view


@dataclass(frozen=True)
class StudyConsensus:
    """Every accept/reject question, and for each stratum the clips with a consensus on at least one of them."""

    questions: tuple[ConsensusFlow, ...]
    strata: dict[tuple[str, str], int]

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


def of_study(db: Session, study: Study, *, kind: Kind) -> StudyConsensus:
    """The flow from answers to verdicts, by the rule of the results: the strict majority of each clip's answers.

    Of an answer the last revision counts. Where a question has answers given without the scores in view, those alone
    decide, as on the results pages.
    """
    criteria = _deciding(db, study)
    out = exclusions.in_force(db, study.id)
    given = _counted(db, _votes(study, kind, out))
    # Where scores are hidden from everybody, the answers without them are all answers.
    unseen = given if study.score_visibility == "hidden" else _counted(db, _votes(study, kind, out, blind=True))
    asked = _asked(db, study, criteria)
    found = []
    for item in criteria:
        all_of, of = given.get(item.id, _Counts()), unseen.get(item.id, _Counts())
        used = of if of.answered else all_of
        found.append(
            ConsensusFlow(
                key=item.key,
                label=item.label,
                asked=asked[item.key],
                accepted=used.accepted,
                rejected=used.rejected,
                tied=used.tied,
                unsure=used.unsure,
                in_view=all_of.answered - used.answered,
                blind=bool(of.answered),
            )
        )
    blind = [item.id for item, one in zip(criteria, found, strict=True) if one.blind]
    seen = [item.id for item, one in zip(criteria, found, strict=True) if not one.blind]
    return StudyConsensus(tuple(found), _in_strata(db, study, kind, out, blind, seen))


def _deciding(db: Session, study: Study) -> Sequence[Criterion]:
    """The questions that are some filter's truth."""
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
    query = (
        select(col(StudyClip.criterion), func.count())
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.criterion))
    )
    drawn = {key: int(number) for key, number in db.execute(query)}
    return {item.key: drawn.get("", 0) + drawn.get(item.key, 0) for item in criteria}


def _votes(
    study: Study, kind: Kind, out: Exclusions, *, blind: bool = False, only: Sequence[int] | None = None
) -> Subquery:
    """Accepts and rejects by clip and question: one row for each that has an answer that counts."""
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
    if (not_excluded := out.count(newer)) is not None:
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
        .where(*counting(study, [kind], exclusions=out), col(Judgment.value) != "", ~later)
        .group_by(col(Assignment.study_clip_id), col(Judgment.criterion_id))
    )
    if blind:
        query = query.where(col(Judgment.arm).in_(BLIND_ARMS))
    if only is not None:
        query = query.where(col(Judgment.criterion_id).in_(only))
    return query.subquery()


def _counted(db: Session, votes: Subquery) -> dict[int, _Counts]:
    yes, no = votes.c.yes, votes.c.no
    kinds = [yes > no, no > yes, and_(yes == no, yes > 0), and_(yes == 0, no == 0)]
    sums = [func.sum(case((one, 1), else_=0)) for one in kinds]
    query: Select[Any] = select(votes.c.criterion, *sums).group_by(votes.c.criterion)
    return {row[0]: _Counts(*(int(number) for number in row[1:])) for row in db.execute(query)}


def _in_strata(
    db: Session, study: Study, kind: Kind, out: Exclusions, blind: list[int], seen: list[int]
) -> dict[tuple[str, str], int]:
    """Clips decided in at least one question, by stratum."""
    parts = [
        select(votes.c.clip).where(votes.c.yes != votes.c.no)
        for votes in (
            *([_votes(study, kind, out, blind=study.score_visibility != "hidden", only=blind)] if blind else []),
            *([_votes(study, kind, out, only=seen)] if seen else []),
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
