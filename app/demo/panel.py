"""Five simulated raters for the demo's results pages. They are labelled as simulated everywhere.

They answer according to the clips' known faults, plus a bias and noise. They use none of the places that the study has
for people, and no result mixes them with people.
"""

import random
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from app.demo.clips import DemoClip
from app.models import Assignment, Criterion, Judgment, Rater, Study, StudyClip, now
from app.raters import raters
from app.rating.assignments import draw_arm
from app.studies import scales

PANEL = 5
NOISE = 0.6
"""Standard deviation of one simulated answer, in steps of the five-step scale."""


def add_panel(db: Session, study: Study, demo_clips: Sequence[DemoClip]) -> None:
    """Add the simulated raters and their judgments on every clip of the study."""
    known = {clip.clip: clip for clip in demo_clips}
    clips = db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id).order_by(col(StudyClip.clip))).all()
    criteria = db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id)).all()
    for number in range(1, PANEL + 1):
        chance = random.Random(f"{study.seed}:panel:{number}")  # noqa: S311 - a simulation, not a secret
        rater = raters.join(db, study, f"Simulated {number}", kind="simulated")
        rater.guidelines_hash = study.guidelines_hash
        bias = chance.gauss(0, 0.25)
        for clip in clips:
            _judge(db, study, rater, clip, criteria, known[clip.clip], bias, chance)
    study.has_simulated = study.show_simulated = True
    db.add(study)


def _judge(
    db: Session,
    study: Study,
    rater: Rater,
    clip: StudyClip,
    criteria: Sequence[Criterion],
    known: DemoClip,
    bias: float,
    chance: random.Random,
) -> None:
    moment = now()
    arm = draw_arm(study, rater.id, clip.id)
    assignment = Assignment(
        study_id=study.id,
        study_clip_id=clip.id,
        place=study.raters_per_clip,  # after the places for people
        status="done",
        rater_id=rater.id,
        arm=arm,
        claimed_at=moment,
        answered_at=moment,
    )
    db.add(assignment)
    db.flush()
    submission = str(UUID(int=chance.getrandbits(128)))
    for item in criteria:
        db.add(
            Judgment(
                study_id=study.id,
                assignment_id=assignment.id,
                criterion_id=item.id,
                rater_id=rater.id,
                value=vote(item, known, bias, chance),
                revision=1,
                submission=submission,
                arm=arm,
                guidelines_hash=study.guidelines_hash,
                facts={"simulated": True},
                created_at=moment,
            )
        )


def vote(criterion: Criterion, clip: DemoClip, bias: float, chance: random.Random) -> str:
    """One simulated answer: the known value plus bias and noise, on the criterion's scale."""
    scale = scales.of(criterion)
    if scale.has_points:
        known = clip.quality if criterion.key == "quality" else clip.stability
        return str(min(5, max(1, round(known + bias + chance.gauss(0, NOISE)))))
    leaning = clip.acceptable + 0.15 * bias + chance.gauss(0, 0.2)
    if scale.missing and abs(leaning - 0.5) < 0.06:
        return "unsure"
    return "accept" if leaning >= 0.5 else "reject"
