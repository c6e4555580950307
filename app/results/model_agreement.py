"""How often a model's ratings agree with the majority of people."""

from collections import Counter
from dataclasses import dataclass

import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Estimate, absent, signature
from analysis.proportions import wilson
from app.models import Criterion, Rater, Study
from app.raters import exclusions
from app.results import counted_answers
from app.studies import scales

VERDICTS = ("accept", "reject")


@dataclass(frozen=True)
class ModelAgreement:
    """One model's agreement with the people's majority on one criterion."""

    rater: str
    criterion: str
    agreement: Estimate


def of_study(db: Session, study: Study) -> list[ModelAgreement]:
    """Compare each model's verdicts with the strict majority of people, for every accept/reject criterion it rated."""
    criteria = db.execute(select(Criterion).where(col(Criterion.study_id) == study.id)).scalars()
    keys = {item.id: item.key for item in criteria if scales.of(item).has_consensus}
    found = counted_answers.read(db, study, ["person", "model"], exclusions=exclusions.in_force(db, study.id))
    names = dict(db.execute(select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)).all())
    given = found.filter(pl.col("criterion").is_in(list(keys)), pl.col("value").is_in(VERDICTS))
    people: dict[tuple[int, int], Counter[str]] = {}
    models: dict[tuple[str, int], dict[int, str]] = {}
    for clip, criterion, rater, kind, value in given.select("clip", "criterion", "rater", "kind", "value").iter_rows():
        if kind == "person":
            people.setdefault((clip, criterion), Counter())[value] += 1
        else:
            models.setdefault((names[rater], criterion), {})[clip] = value
    return [
        ModelAgreement(rater, keys[criterion], _agreement(verdicts, criterion, people))
        for (rater, criterion), verdicts in sorted(models.items())
    ]


def _agreement(verdicts: dict[int, str], criterion: int, people: dict[tuple[int, int], Counter[str]]) -> Estimate:
    same = total = 0
    for clip, value in verdicts.items():
        votes = people.get((clip, criterion), Counter())
        if votes["accept"] != votes["reject"]:
            total += 1
            same += value == ("accept" if votes["accept"] > votes["reject"] else "reject")
    made = signature("agreement_with_majority", ("scipy",), confidence=0.95)
    if not total:
        reason = "no clip that it rated has a majority of people"
        return absent("agreement_with_majority", reason, signature=made, confidence=0.95, clips=0)
    low, high = wilson(same, total)
    return Estimate("agreement_with_majority", same / total, low, high, 0.95, total, 1, total, "Wilson", made)
