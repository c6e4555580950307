"""The author's answers to questions that the data cannot answer, from a TOML file. Missing answers stay gaps."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError
from app.models import Event, Study

KIND = "report_answers"
MOST_LETTERS = 4000

QUESTIONS: dict[str, str] = {
    "intended_use": "What the filtered dataset is for, and what it should not be used for",
    "hypotheses": "What was expected before rating, and where it was registered",
    "recruitment": "How raters were found, and what they are expert in",
    "pay": "What raters were paid, and how that compares with the local minimum wage",
    "consent": "How raters agreed, and what they were told",
    "ethics": "Ethics board and its decision, or why none was asked",
    "filmed_people": "How the people in the clips agreed, and on what legal ground the clips are used",
    "eligibility": "Which clips could enter the pool, and how they were collected",
    "planned_size": "How the number of clips and raters was chosen",
    "limits": "What the study cannot show",
    "availability": "Where votes, code and clips can be had, and under which licence",
    "funding": "Who paid for the work, and competing interests",
}
"""Keys of the file, and the question each answers."""


def read(path: Path | None) -> dict[str, str]:
    """The author's answers by key; empty without a file.

    Raises AppError naming the file and the key that is not asked for or is no text.
    """
    if path is None:
        return {}
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AppError(
            f"The answers {path} cannot be read ({error}).", "Start from clipjury report --questions > answers.toml"
        ) from error
    for key, value in given.items():
        if key not in QUESTIONS:
            raise AppError(f"{path}: {key!r} is not asked for.", f"Keys are: {', '.join(QUESTIONS)}.")
        if not isinstance(value, str):
            raise AppError(f"{path}: {key} is no text.", f'Write it in quotation marks: {key} = "..."')
    return {key: value.strip() for key, value in given.items() if value.strip()}


def template() -> str:
    """A file to fill in.

    >>> template().splitlines()[1]
    'intended_use = ""'
    """
    return "\n".join(f'# {question}\n{key} = ""' for key, question in QUESTIONS.items()) + "\n"


def kept(db: Session, study: Study) -> dict[str, str]:
    """What the author has said so far on the Report page, by the keys of `QUESTIONS`."""
    query = (
        select(col(Event.detail))
        .where(col(Event.study_id) == study.id, col(Event.kind) == KIND)
        .order_by(col(Event.id).desc())
        .limit(1)
    )
    found = db.execute(query).scalar_one_or_none()
    return dict(found) if found else {}


def keep(db: Session, study: Study, given: Mapping[str, str]) -> bool:
    """Keep the author's answers; False when nothing changed. Earlier answers stay in the study's events.

    Raises AppError for an answer that is too long; keys that are not asked for are left out.
    """
    said = {key: given[key].replace("\r\n", "\n").strip() for key in QUESTIONS if given.get(key, "").strip()}
    for key, text in said.items():
        if len(text) > MOST_LETTERS:
            raise AppError(
                f"The answer to “{QUESTIONS[key]}” has {len(text):,} letters.",
                f"At most {MOST_LETTERS:,} fit into the checklist; the rest belongs into the paper.",
                status=422,
            )
    if said == kept(db, study):
        return False
    db.add(Event(study_id=study.id, kind=KIND, detail=said))
    db.flush()
    return True
