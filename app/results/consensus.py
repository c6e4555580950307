"""A filter's rated clips by the raters' consensus, or with the researcher's rulings in place of it."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from app.models import Study, StudyClip
from app.results import adjudications
from app.results.filter_results import FilterResult, Sample, Scored, sample_of

VerdictSource = Literal["raters", "ruled"]
"""Whose verdict counts: the raters' majority, or the researcher's where there is one and the raters' elsewhere."""


@dataclass(frozen=True)
class Consensus:
    """A filter's clips with a verdict from one source; `sample` is None if no clip has a verdict."""

    sample: Sample | None
    verdict_source: VerdictSource
    rulings: int
    """Verdicts of the researcher on this criterion that could be used."""
    changed: int
    """Clips whose verdict they change, ties decided among them."""


def of_filter(db: Session, study: Study, result: FilterResult, verdict_source: VerdictSource) -> Consensus:
    """The clips with a verdict and a score. The results pages use the raters' consensus."""
    rulings = adjudications.standing(adjudications.trails(db, study))
    key = result.rule.criterion
    there = sum((one.clip, key) in rulings for one in result.clips)
    if verdict_source == "raters" or not there:
        return Consensus(result.sample, verdict_source, there, 0)
    ruled = adjudications.applied(result.clips, key, rulings)
    changed = sum(one.verdict != before.verdict for one, before in zip(ruled, result.clips, strict=True))
    return Consensus(
        _sample(db, study, tuple(one for one in ruled if one.verdict is not None)), verdict_source, there, changed
    )


def _sample(db: Session, study: Study, used: tuple[Scored, ...]) -> Sample | None:
    if not used:
        return None
    wanted = {one.clip for one in used}
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    return sample_of(used, study, {clip.id: clip for clip in db.scalars(query) if clip.id in wanted})[0]


def names_of(db: Session, study: Study) -> dict[int, str]:
    """The pool's name of every clip of the sample, by its number."""
    found = db.execute(
        select(col(StudyClip.id), col(StudyClip.clip)).where(
            col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
        )
    )
    return dict(found.all())
