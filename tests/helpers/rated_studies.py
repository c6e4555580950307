"""Studies with votes on known clips, for tests of what is made of them."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Filter, Rater, Study, StudyClip
from app.rating import assignments, judgments
from app.rating.judgments import Answer
from app.results import study_results
from app.results.counted_answers import RaterKind
from app.results.study_results import Results
from app.studies import lifecycle, whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers

A, R, U = "accept", "reject", "unsure"
DISPUTED_VERDICTS = {
    "Ada": [A, R, A, A, R, A, U, A, None],
    "Ben": [A, R, A, A, R, R, U, A, None],
    "Cyd": [A, A, A, R, R, R, A, None, None],
}
"""The verdicts of three raters on nine clips."""


def vote(
    maker: StudyMaker,
    study: Study,
    name: str,
    plan: Mapping[int, Mapping[str, str]],
    *,
    kind: str = "person",
    revision: int = 1,
) -> Rater:
    """One rater answers the clips of the plan (by position) and skips all others."""
    rater = maker.rater(study, name, kind=kind)
    with maker.database.writer() as db:
        whole = whole_study.parts(db, study.id)
        while have := assignments.top_up(db, study, rater, assignments.held(db, rater), now=NOON, lease=LEASE):
            place = have[0].clip.position
            if place in plan:
                answer = Answer(dict(plan[place]), f"{rater.id}-{place}-{revision}")
                judgments.record(db, have[0], rater, list(whole.criteria), answer, now=NOON)
            else:
                assignments.skip(db, study, have[0].assignment, reason="other")
                db.flush()
    return rater


def verdicts(values: Sequence[str | None]) -> dict[int, dict[str, str]]:
    """A plan that differs in the verdict alone; None: this clip is skipped."""
    return {place: answers(verdict=value) for place, value in enumerate(values) if value is not None}


def computed(database: Database, study: Study, kind: RaterKind = "person") -> Results:
    """The study's results as they are now."""
    with database.reader() as db:
        return study_results.compute(db, lifecycle.by_slug(db, study.slug), kind)


def in_strata(database: Database, weight_of: Mapping[str, float], *, cut: float = 80.0) -> None:
    """Sort the clips into strata by their score, each with its weight; the pool holds weight x clips of each."""
    with database.writer() as db:
        population: Counter[str] = Counter()
        for clip in db.scalars(select(StudyClip)).all():
            score = clip.scores["avg_movement"]
            clip.stratum = "none" if score is None else "high" if score >= cut else "low"
            clip.weight = weight_of[clip.stratum]
            clip.inclusion_probability = 1 / clip.weight
            population[clip.stratum] += int(clip.weight)
            db.add(clip)
        study = db.scalars(select(Study)).one()
        strata = [{"label": label, "population": size} for label, size in population.items()]
        study.design = study.design | {"strata": strata}
        db.add(study)


SCORES: list[float | None] = [90, 85, 80, 70, 60, 50, 95, None, 40]
FIRST = [A, R, A, A, R, A, U, A, None]
SECOND = [A, R, A, A, R, R, U, A, None]


def nine_clips(study_maker: StudyMaker) -> Study:
    """Nine clips: kept and good, kept and bad, at the cut, lost, rejected, tied, unsure, without score, unseen."""
    study = study_maker(clips=9, raters_per_clip=2, scores=SCORES, with_media=False)
    in_strata(study_maker.database, {"high": 2.0, "low": 4.0, "none": 1.0})
    vote(study_maker, study, "Ada", verdicts(FIRST))
    vote(study_maker, study, "Ben", verdicts(SECOND))
    return study


CLIPS_OF_BOTH = 30
"""Clips of `average_and_worst`."""


def average_and_worst(study_maker: StudyMaker) -> Study:
    """Clips with both scores of movement, a filter on each, and a rater who likes those whose worst moment is good."""
    chance = random.Random(11)
    scores: list[float | None] = [round(chance.uniform(70, 100), 2) for _ in range(CLIPS_OF_BOTH)]
    study = study_maker(clips=CLIPS_OF_BOTH, raters_per_clip=1, scores=scores, with_media=False)
    worst = {}
    with study_maker.database.writer() as db:
        for clip in db.scalars(select(StudyClip).order_by(col(StudyClip.id))).all():
            worst[clip.id] = round(clip.scores["avg_movement"] - chance.uniform(0, 30), 2)
            clip.scores = clip.scores | {"min_movement": worst[clip.id]}
            db.add(clip)
        rule = Filter(
            study_id=study.id, position=1, name="worst", title="Worst", score="min_movement", criterion="verdict"
        )
        rule.minimum = 60
        db.add(rule)
    said = [A if worst[key] + chance.gauss(0, 5) > 66 else R for key in sorted(worst)]
    vote(study_maker, study, "Ada", verdicts(said))
    return study
