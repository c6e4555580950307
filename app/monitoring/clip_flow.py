"""Count, in SQL, how far the clips of a running study have come, by stratum and in total."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Subquery, and_, case, func, select
from sqlmodel import Session, col

from app.models import Assignment, Rater, Study, StudyClip
from app.results.counted_answers import RaterKind

ANSWERED = ("done", "surplus")
"""The statuses of assignments with an answer."""


@dataclass(frozen=True)
class ClipCounts:
    """How many clips have reached each step, and why the others have not. A clip counts once per question pass.

    `drawn` = `waiting` + `shown`; `shown` = `on_screen` + `skipped` + `abandoned` + `rated`; `rated` >= `usable`.
    """

    drawn: int
    shown: int
    """Clips given to at least one rater: on the screen, or loaded as the next clip."""
    rated: int
    usable: int
    """Clips with at least one answer that counts, that is, not a surplus one."""
    complete: int
    """Clips with as many counted answers as the study asked for."""
    on_screen: int
    skipped: int
    abandoned: int
    """Clips given only to raters who neither answered nor skipped them before their lease expired."""

    @property
    def waiting(self) -> int:
        """Clips that no rater was given yet."""
        return self.drawn - self.shown


@dataclass(frozen=True)
class StratumFlow:
    """The counts of one stratum's clips, and of one question if each question has clips of its own."""

    label: str
    criterion: str
    counts: ClipCounts


def total(strata: Iterable[StratumFlow]) -> ClipCounts:
    """Add the counts of all strata."""
    parts = [stratum.counts for stratum in strata]
    return ClipCounts(**{name: sum(getattr(part, name) for part in parts) for name in ClipCounts.__dataclass_fields__})


def by_stratum(db: Session, study: Study, *, kind: RaterKind) -> list[StratumFlow]:
    """Count the clips of each stratum, in the order of the design."""
    clips = _clip_statuses(study, kind)
    unrated = clips.c.rated == 0

    def clips_where(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    # The counts are in the order of the fields of ClipCounts.
    query = (
        select(
            col(StudyClip.stratum),
            col(StudyClip.criterion),
            func.count(),
            func.count(clips.c.clip),
            clips_where(clips.c.rated == 1),
            clips_where(clips.c.done > 0),
            clips_where(clips.c.done >= study.raters_per_clip),
            clips_where(unrated, clips.c.held == 1),
            clips_where(unrated, clips.c.held == 0, clips.c.skipped == 1),
            clips_where(unrated, clips.c.held == 0, clips.c.skipped == 0),
        )
        .join(clips, clips.c.clip == col(StudyClip.id), isouter=True)
        .where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        .group_by(col(StudyClip.stratum), col(StudyClip.criterion))
    )
    designed = [(row["label"], row.get("criterion", "")) for row in study.design.get("strata", [])]
    order = {key: number for number, key in enumerate(designed)}
    found = [StratumFlow(row[0], row[1], ClipCounts(*(int(number) for number in row[2:]))) for row in db.execute(query)]
    return sorted(found, key=lambda one: (order.get((one.label, one.criterion), len(order)), one.label, one.criterion))


def _clip_statuses(study: Study, kind: RaterKind) -> Subquery:
    """Select, for each clip given to a rater: whether it is held, skipped or rated (0 or 1), and the answers done."""

    def has_any(*statuses: str) -> ColumnElement[int]:
        return func.max(case((col(Assignment.status).in_(statuses), 1), else_=0))

    return (
        select(
            col(Assignment.study_clip_id).label("clip"),
            has_any("held").label("held"),
            has_any("skipped").label("skipped"),
            has_any(*ANSWERED).label("rated"),
            func.sum(case((col(Assignment.status) == "done", 1), else_=0)).label("done"),
        )
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.purpose) == "sample", col(Rater.kind) == kind)
        .group_by(col(Assignment.study_clip_id))
        .subquery()
    )
