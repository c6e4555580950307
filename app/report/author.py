"""The author's answers to questions that the data cannot answer, from a TOML file or the Report page."""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import AppError, did_you_mean
from app.models import Event, Study
from app.toml_text import parsed, read_text

EVENT = "report_answers"
"""Kind of the events that store the answers."""
MAX_CHARACTERS = 4000
START = "Start from clipjury report --questions > answers.toml"

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
"""The keys of the file, and the question of each."""


def read(path: Path | None) -> dict[str, str]:
    """The author's answers in a file by key, without the empty ones; none if there is no file.

    Raises AppError naming the file, and the key that is unknown or is not a text.
    """
    if path is None:
        return {}
    try:
        given = parsed(read_text(path), str(path), START)
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(f"The answers {path} cannot be read ({error}).", START) from error
    for key, value in given.items():
        if key not in QUESTIONS:
            near = did_you_mean(key, QUESTIONS) or f"Keys: {', '.join(QUESTIONS)}."
            raise AppError(f"{path}: there is no key {key!r}.", near)
        if not isinstance(value, str):
            raise AppError(f"{path}: {key} must be a text.", f'Write it in quotation marks: {key} = "..."')
    return {key: value.strip() for key, value in given.items() if value.strip()}


def template() -> str:
    """A file of answers to fill in.

    >>> template().splitlines()[1]
    'intended_use = ""'
    """
    return "\n".join(f'# {question}\n{key} = ""' for key, question in QUESTIONS.items()) + "\n"


def saved(db: Session, study: Study) -> dict[str, str]:
    """The answers that the author has saved on the Report page, by key."""
    query = (
        select(col(Event.detail))
        .where(col(Event.study_id) == study.id, col(Event.kind) == EVENT)
        .order_by(col(Event.id).desc())
        .limit(1)
    )
    found = db.execute(query).scalar_one_or_none()
    return dict(found) if found else {}


def save(db: Session, study: Study, given: Mapping[str, str]) -> None:
    """Save the author's answers, if any has changed. Earlier answers stay in the study's events.

    Unknown keys are ignored. Raises AppError if an answer is too long.
    """
    answers = {key: given[key].replace("\r\n", "\n").strip() for key in QUESTIONS if given.get(key, "").strip()}
    for key, text in answers.items():
        if len(text) > MAX_CHARACTERS:
            raise AppError(
                f"The answer to “{QUESTIONS[key]}” has {len(text):,} letters.",
                f"At most {MAX_CHARACTERS:,} fit into the checklist; the rest belongs into the paper.",
                status=422,
            )
    if answers != saved(db, study):
        db.add(Event(study_id=study.id, kind=EVENT, detail=answers))
        db.flush()
