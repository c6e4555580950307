"""A study with its questions, filters and rules, read from the database in one go."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import NotFound
from app.models import Criterion, Filter, Study
from app.studies import documents
from app.studies.documents import RubricView
from app.studies.rules import Rules


@dataclass(frozen=True)
class StudyParts:
    """A study with its criteria, filters and rules. A change to any of them increases the study's version."""

    study: Study
    criteria: tuple[Criterion, ...]
    filters: tuple[Filter, ...]
    rules: Rules
    rubrics: tuple[RubricView, ...] = ()
    consent_hash: str = ""
    """Hash of the consent text; empty if the study asks for no consent."""

    def detached(self, db: Session) -> "StudyParts":
        """Detach the rows from their database session, so that they can be cached."""
        for row in (self.study, *self.criteria, *self.filters):
            db.expunge(row)
        return self


def parts(db: Session, study_id: int) -> StudyParts:
    """Read a study with its criteria, filters and rules. Raises NotFound."""
    study = db.get(Study, study_id)
    if study is None:
        raise NotFound(f"There is no study number {study_id}.", "The studies are listed at /studies.")
    criteria = db.scalars(
        select(Criterion).where(col(Criterion.study_id) == study_id).order_by(col(Criterion.position))
    ).all()
    filters = db.scalars(select(Filter).where(col(Filter.study_id) == study_id).order_by(col(Filter.position)))
    rules = Rules.model_validate(study.rules)
    return StudyParts(
        study,
        tuple(criteria),
        tuple(filters),
        rules,
        documents.rubrics(db, study, criteria),
        documents.hash_of(rules.consent.text) if rules.consent else "",
    )
