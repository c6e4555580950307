"""Archiving a study, and copying it into a draft."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from app.db import Database
from app.models import Study
from app.settings import Settings
from app.studies import lifecycle
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite


def test_an_archived_study_leaves_the_list_and_stays_readable(study_maker: StudyMaker, researcher: TestClient) -> None:
    """It is listed under the archived studies and its pages still open; reopening puts it back."""
    study, other = study_maker(clips=1, with_media=False), study_maker(clips=1, with_media=False)
    place = f"/studies/{study.slug}"
    page = researcher.post(f"{place}/state", data={"state": "archived", "back": "list"})
    assert page.url.path == "/studies"
    shown, _, archived = page.text.partition("1 archived")
    assert (f'href="{place}"' in shown, f'href="{place}"' in archived) == (False, True)
    assert f'href="/studies/{other.slug}"' in shown
    assert all(researcher.get(place + end).status_code == 200 for end in ("", "/progress", "/raters", "/results"))
    again = researcher.post(f"{place}/state", data={"state": "open", "back": "list"}).text
    assert f'href="{place}"' in again
    assert "1 archived" not in again


@on_sqlite
def test_a_study_is_archived_on_the_command_line(
    study_maker: StudyMaker, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command does the same as the button; the second time it says that the study is archived already."""
    study = study_maker(clips=1, with_media=False)
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    runner = CliRunner()
    assert "is archived." in runner.invoke(cli, ["study", "archive", study.slug]).output
    assert "is archived already." in runner.invoke(cli, ["study", "archive", study.slug]).output
    with database.reader() as db:
        assert lifecycle.by_slug(db, study.slug).state == "archived"


@on_sqlite
def test_a_copy_is_a_draft_with_the_same_study_file(
    researcher: TestClient, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The wizard opens with the study's filters; the copy can be created as it is; the study is unchanged."""
    study = pool_studies.make(database, settings, tmp_path)
    page = researcher.post(f"/studies/{study.slug}/clone")
    assert re.fullmatch(r"/studies/new/[0-9a-f]{16}/filters", page.url.path)
    assert 'value="50"' in page.text
    key = page.url.path.split("/")[3]
    assert 'value="Copy of Judged pool"' in researcher.get(f"/studies/new/{key}/questions").text
    assert "Make the study" in researcher.get(f"/studies/new/{key}/review").text
    with database.reader() as db:
        assert [one.name for one in db.scalars(select(Study))] == ["Judged pool"]


@on_sqlite
def test_a_copy_without_its_pool_is_refused(study_maker: StudyMaker, researcher: TestClient) -> None:
    """The page names the missing pool and another way."""
    refused = researcher.post(f"/studies/{study_maker(clips=1, with_media=False).slug}/clone")
    assert refused.status_code == 409
    assert "pool.parquet, is not there any more" in refused.text
