"""Answers as exported to other programs: last revisions, under pseudonyms, of people or the simulated panel."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.models import Study
from app.report import exports
from app.report.facts import pseudonyms_of
from app.results import study_results


@dataclass(frozen=True)
class ExportedAnswers:
    """A study's answers that count for agreement, as rows with the keys of `exports.COLUMNS`.

    `kind` is the kind of raters, person or simulated. Raters are called R1, R2, ..., models have their own names.
    """

    kind: str
    rows: list[dict[str, Any]]
    model_rows: list[dict[str, Any]]
    """Ratings by models, separate from people's answers."""


def gather(db: Session, study: Study) -> ExportedAnswers:
    """Read the answers of a study, in the order of clips, raters and criteria."""
    kind = study_results.kind_of(study)
    pseudonyms = pseudonyms_of(db, study, kind)
    rows, model_rows = [], []
    for row in exports.judgment_rows(db, study):
        if row["rater_kind"] == kind and row["in_agreement"]:
            rows.append(row | {"rater": pseudonyms[row["rater"]]})
        elif row["rater_kind"] == "model" and row["current"] and row["value"]:
            model_rows.append(row)
    for found in (rows, model_rows):
        found.sort(key=lambda row: (row["clip"], row["rater"], row["criterion"]))
    return ExportedAnswers(kind, rows, model_rows)
