"""A filter's rated clips by the raters' consensus, or with the researcher's rulings in place of it."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from app.models import Study, StudyClip
from app.results import adjudications
from app.results.filter_results import FilterResult
from app.results.judged_sample import JudgedClip, JudgedSample, judged_sample

VerdictSource = Literal["raters", "ruled"]
"""Whose verdict counts: the raters' majority, or the researcher's where there is one and the raters' elsewhere."""


@dataclass(frozen=True)
class Consensus:
    """A filter's clips with a verdict from one source; `sample` is None if no clip has a verdict."""

    sample: JudgedSample | None
    verdict_source: VerdictSource
    rulings: int
    """Rulings of the researcher on clips that the filter is judged by."""
    changed: int
    """Clips whose verdict the rulings change, decided ties included."""


def of_filter(db: Session, study: Study, result: FilterResult, verdict_source: VerdictSource) -> Consensus:
    """Return the clips that have a verdict and the filter's score. The results pages use the raters' consensus."""
    rulings = adjudications.in_force(adjudications.histories(db, study))
    key = result.rule.criterion
    usable = sum((judged.clip, key) in rulings for judged in result.clips)
    if verdict_source == "raters" or not usable:
        return Consensus(result.sample, verdict_source, usable, 0)
    ruled = adjudications.with_rulings(result.clips, key, rulings)
    changed = sum(after.verdict != before.verdict for after, before in zip(ruled, result.clips, strict=True))
    sample = _sample(db, study, tuple(judged for judged in ruled if judged.verdict is not None))
    return Consensus(sample, verdict_source, usable, changed)


def _sample(db: Session, study: Study, judged: tuple[JudgedClip, ...]) -> JudgedSample | None:
    if not judged:
        return None
    wanted = {one.clip for one in judged}
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    sample, _notes = judged_sample(judged, study, {clip.id: clip for clip in db.scalars(query) if clip.id in wanted})
    return sample


def names_of(db: Session, study: Study) -> dict[int, str]:
    """Return the pool's name of every clip of the sample, by the clip's number in the study."""
    found = db.execute(
        select(col(StudyClip.id), col(StudyClip.clip)).where(
            col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
        )
    )
    return dict(found.all())
