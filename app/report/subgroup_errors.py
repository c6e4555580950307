"""Compute each filter's false rejections and false acceptances by subgroup, for the report."""

from dataclasses import dataclass

from sqlmodel import Session

from analysis.filters.fairness import GroupError
from app.errors import AppError
from app.models import Study
from app.pool_evidence import study_pool, subgroups
from app.results import consensus
from app.results.study_results import Results


@dataclass(frozen=True)
class SubgroupErrors:
    """The errors of every filter by every attribute of the pool."""

    attributes: tuple[str, ...]
    rows: tuple[tuple[str, str, str, GroupError], ...]
    """The filter's title, the attribute, the kind of error, and the rates of one group."""
    why_empty: str
    """Why there are no rows; empty if there are rows."""


def of_study(db: Session, study: Study, results: Results) -> SubgroupErrors:
    """Compare all judged filters by the attributes in the study's pool, if the pool file exists and is unchanged."""
    try:
        study_pool.version(study)
        study_pool.refuse_changed(study)
        attributes = study_pool.columns(study).groups
    except AppError as error:
        return SubgroupErrors((), (), str(error))
    if not attributes:
        return SubgroupErrors((), (), "the pool has no column of a few different words, such as language")
    names, pool, found = consensus.names_of(db, study), study_pool.rows(study), []
    for by in attributes:
        group_of = subgroups.groups_of(pool, list(names.values()), (by,))
        for result in results.filters:
            decided = consensus.of_filter(db, study, result, "raters")
            if decided.sample is None:
                continue
            errors = subgroups.errors(result, decided, group_of, names, by)
            found += [(result.rule.title, by, kind, one) for kind, rows in errors.rows.items() for one in rows]
    return SubgroupErrors(attributes, tuple(found), "" if found else "no clip is judged")
