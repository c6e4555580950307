"""Studies with rules for the way in, and what a rater's browser is answered on it."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Criterion, Event, Rater, Study, StudyClip
from app.raters import raters
from app.settings import Settings
from app.studies.clip_files import new_key
from app.studies.rules import Rules
from tests.helpers.factories import tiny_video


def give_rules(database: Database, study: Study, **tables: Any) -> None:
    """Write rules into a study that has none yet."""
    with database.writer() as db:
        row = db.get_one(Study, study.id)
        row.rules = Rules.model_validate(tables).model_dump(mode="json", exclude_defaults=True)
        db.add(row)


def give_rubric(database: Database, settings: Settings, study: Study) -> int:
    """Quality gets a rubric with a good example clip; returns the clip's number."""
    with database.writer() as db:
        asked = db.scalars(
            select(Criterion).where(col(Criterion.study_id) == study.id, col(Criterion.key) == "quality")
        ).one()
        asked.rubric = {"good": "Every hair is sharp.", "poor": "Blocks and blur.", "good_clip": "secret-example"}
        db.add(asked)
        clip = StudyClip(
            study_id=study.id,
            position=1000,
            clip="secret-example",
            role="example",
            media="/videos/secret-example.mp4",
            media_key=new_key(),
            source="example",
            duration=1.0,
            width=160,
            height=90,
            stratum="",
            inclusion_probability=0.0,
            weight=0.0,
        )
        db.add(clip)
        db.flush()
        settings.media.mkdir(parents=True, exist_ok=True)
        Path(settings.media / f"{clip.media_key}.mp4").write_bytes(tiny_video(shade=77))
        return clip.id


def come(browser: TestClient, settings: Settings, study: Study, name: str = "Ada") -> str:
    """In by the open link; the path of the page shown."""
    return browser.post(raters.open_link(settings, study), data={"name": name}).url.path


def agree(browser: TestClient, *, yes: bool = True) -> str:
    """Answer the consent page as it is shown; the path of the page that follows."""
    shown = browser.get("/rate/consent").text
    text = re.search(r'name="text" value="(\w+)"', shown)
    assert text, shown
    return browser.post("/rate/consent", data={"agree": "yes" if yes else "no", "text": text[1]}).url.path


def only_rater(database: Database, study: Study) -> Rater:
    """The one rater of a study, as the database has them."""
    with database.reader() as db:
        return db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).one()


def events(database: Database, study: Study) -> list[str]:
    """Kinds of what happened to a study, in order."""
    with database.reader() as db:
        return [
            row.kind for row in db.scalars(select(Event).where(col(Event.study_id) == study.id).order_by(col(Event.id)))
        ]


def asked(page: str) -> str:
    """The address of the answer form on a rating page."""
    found = re.search(r'action="(/rate/\d+)"', page)
    assert found, page[:500]
    return found[1]
