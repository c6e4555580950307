"""Answers as exported to other programs: last revisions, under pseudonyms, of people or of the simulated panel."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.models import Study
from app.report import exports
from app.report.facts import pseudonyms_of
from app.results import study_results


@dataclass(frozen=True)
class Answers:
    """A study's current answers: `rows` have the names of `exports.COLUMNS`, raters are R1, R2, ... ."""

    kind: str
    rows: list[dict[str, Any]]
    models: list[dict[str, Any]]
    """Ratings by models, kept apart from people's answers."""


def gather(db: Session, study: Study) -> Answers:
    """The answers that count for agreement, in the order of clips, raters and criteria."""
    kind = study_results.kind_of(study)
    names = pseudonyms_of(db, study, kind)
    people, models = [], []
    for row in exports.judgment_rows(db, study):
        if row["rater_kind"] == kind and row["in_agreement"]:
            people.append(row | {"rater": names[row["rater"]]})
        elif row["rater_kind"] == "model" and row["current"] and row["value"]:
            models.append(row)
    for rows in (people, models):
        rows.sort(key=lambda row: (row["clip"], row["rater"], row["criterion"]))
    return Answers(kind, people, models)
