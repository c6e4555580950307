"""Guidelines, consent and rubrics: raters read changed texts again, each judgment refers to its version."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app import auth
from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.models import Document, Judgment, Study
from app.settings import Settings
from app.studies import creation, documents, reference_clips
from app.studies.study_file import parse, preset
from tests.helpers.factories import StudyMaker, form
from tests.helpers.pool_entries import agree, asked, come, events, give_rubric, give_rules, only_rater
from tests.helpers.visitors import Visitor
from tests.studies.test_creation import SPEC, made, thirty


def put(database: Database, study: Study, kind: documents.DocumentKind, text: str) -> bool:
    """Change a text; the study is read anew."""
    with database.writer() as db:
        return documents.change(db, db.get_one(Study, study.id), kind, text)


def test_changed_guidelines_are_read_before_the_next_clip(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Raters are told of the change; each judgment refers to the version that was current when it was given."""
    study = study_maker(clips=3)
    browser = visitor()
    come(browser, settings, study)
    page = browser.post("/rate/start")
    first = browser.post(asked(page.text), data=form("first"))
    assert put(database, study, "guidelines", "Look at the *hands* too.\n")
    sent = browser.post(asked(first.text), data=form("second"), headers={"HX-Request": "true"})
    assert sent.url.path == "/rate/guidelines", "the answer on the screen was taken, then the new text is shown"
    assert "The guidelines have changed" in sent.text
    assert "<em>hands</em>" in sent.text
    page = browser.post("/rate/start", data={"read": documents.hash_of("Look at the *hands* too.")})
    assert "<em>hands</em>" in page.text, "the room shows them too"
    browser.post(asked(page.text), data=form("third"))
    with database.reader() as db:
        named = {row.submission: row.guidelines_hash for row in db.scalars(select(Judgment))}
        kept = {row.hash: row.text for row in db.scalars(select(Document))}
    assert named["first"] == named["second"] != named["third"]
    assert kept[named["third"]] == "Look at the *hands* too."
    assert "guidelines_changed" in events(database, study)


def test_every_version_of_a_text_is_kept(study_maker: StudyMaker, database: Database) -> None:
    """Each version can be read by its hash; an old version can be used again."""
    study = study_maker()
    first = study.guidelines
    for text in ("Second.", "Third.", first):
        assert put(database, study, "guidelines", text)
    assert not put(database, study, "guidelines", f"  {first}\n"), "the same text is no change"
    with database.reader() as db:
        texts = {row.text for row in db.scalars(select(Document).where(col(Document.kind) == "guidelines"))}
        now = db.get_one(Study, study.id)
    assert texts == {first, "Second.", "Third."}
    assert (now.guidelines, now.guidelines_hash, now.version) == (first, documents.hash_of(first), 4)


def test_agreeing_to_an_outdated_text_shows_the_new_one(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Raters agree to the text that they saw: the button of an older page shows the new text."""
    study = study_maker()
    give_rules(database, study, consent={"text": "Old."})
    browser = visitor()
    come(browser, settings, study)
    put(database, study, "consent", "New.")
    again = browser.post("/rate/consent", data={"agree": "yes", "text": documents.hash_of("Old.")})
    assert again.url.path == "/rate/consent"
    assert "New." in again.text
    assert agree(browser) == "/rate/guidelines"
    put(database, study, "guidelines", "Newer.")
    assert browser.post("/rate/start", data={"read": study.guidelines_hash}).url.path == "/rate/guidelines"


def test_a_changed_consent_text_is_asked_again(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Raters who agreed to the old text are told that it changed; the new agreement is stored by its hash."""
    study = study_maker()
    give_rules(database, study, consent={"text": "We keep *answers*. <script>x</script>"})
    browser = visitor()
    come(browser, settings, study)
    shown = browser.get("/rate").text
    assert "<em>answers</em>" in shown
    assert "<script>x" not in shown
    assert "has changed" not in shown
    agree(browser)
    browser.post("/rate/start")
    put(database, study, "consent", "We keep answers and times.")
    assert "This text has changed since you agreed to it." in browser.get("/rate").text
    assert agree(browser) == "/rate", "the guidelines have been read already"
    assert only_rater(database, study).consent_hash == documents.hash_of("We keep answers and times.")


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "x" * 100_001])
def test_an_invalid_text_is_refused(study_maker: StudyMaker, database: Database, text: str) -> None:
    """Nothing changes."""
    study = study_maker()
    with pytest.raises(AppError):
        put(database, study, "guidelines", text)
    with database.reader() as db:
        assert db.get_one(Study, study.id).version == 1


def test_rubrics_and_examples_are_shown_to_raters_of_the_study_only(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """They are shown on the guidelines page and while rating; raters of other studies cannot play the examples."""
    study, other = study_maker(), study_maker()
    give_rubric(database, settings, study)
    ada, stranger, researcher = visitor(), visitor(), visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    come(ada, settings, study)
    come(stranger, settings, other)
    pages = [ada.get("/rate").text, ada.post("/rate/start").text]
    addresses = set()
    for page in pages:
        assert "Every hair is sharp." in page
        assert "secret-example" not in page
        found = re.search(r'class="example" src="(/media/[^"]+)"', page)
        assert found
        addresses.add(found[1])
    (address,) = addresses
    assert ada.get(address).headers["content-type"] == "video/mp4"
    assert researcher.get(address).status_code == 200
    assert stranger.get(address).status_code == 403
    assert visitor().get(address).status_code == 401
    assert ada.get(address.replace("-", "-0", 1)[:-5] + ".mp4").status_code == 404
    assert "Every hair is sharp." not in stranger.get("/rate").text


def test_a_study_file_s_rubric_clips_become_examples_that_are_not_drawn(
    database: Database, settings: Settings, visitor: Visitor, tmp_path: Path
) -> None:
    """From the file to the page: the clip plays on the guidelines page, is no part of the sample, and both texts in
    force are kept by their hash."""
    own = '[criteria.rubric]\ngood = "Crisp."\ngood_clip = "c29"\npoor_clip = "c00"\n\n[[criteria]]\nkey = "verdict"'
    text = SPEC.replace('[[criteria]]\nkey = "verdict"', own) + '\n[consent]\ntext = "Yes?"\n'
    slug = creation.create(database, settings, thirty(tmp_path), parse(text, "study.toml"), text)
    study, clips, *_ = made(database, slug)
    assert {clip.clip for clip in clips if clip.role == "example"} == {"c29", "c00"}
    assert not {"c29", "c00"} & {clip.clip for clip in clips if clip.role == "sample"}
    with database.reader() as db:
        assert {(row.kind, row.text) for row in db.scalars(select(Document))} == {
            ("guidelines", "Look closely."),
            ("consent", "Yes?"),
        }
    browser = visitor()
    come(browser, settings, study)
    agree(browser)
    found = re.findall(r'class="example" src="(/media/[^"]+)"', browser.get("/rate").text)
    assert len(found) == 2
    assert all(browser.get(address).headers["content-type"] == "video/mp4" for address in found)


def test_the_talkvid_preset_describes_good_fair_and_poor() -> None:
    """All seven criteria have three different descriptions."""
    spec = parse(preset("talkvid"), "talkvid.toml")
    words = [getattr(item.rubric, level) for item in spec.criteria for level in documents.LEVELS]
    assert len(spec.criteria) == 7
    assert all(words)
    assert len(set(words)) == 21
    assert tuple(f"{level}_clip" for level in documents.LEVELS) == reference_clips.EXAMPLES


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_line_changes_both_texts(
    study_maker: StudyMaker, database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Markdown file is read; an unreadable file and an unchanged text are reported."""
    study = study_maker()
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    text = tmp_path / "new.md"
    text.write_text("# New\n\nWatch twice.\n", encoding="utf-8")
    runner = CliRunner()
    assert "changed. Raters read them" in runner.invoke(cli, ["study", "guidelines", study.slug, str(text)]).output
    assert "nothing changed" in runner.invoke(cli, ["study", "guidelines", study.slug, str(text)]).output
    assert "asked before their next" in runner.invoke(cli, ["study", "consent", study.slug, str(text)]).output
    missing = runner.invoke(cli, ["study", "guidelines", study.slug, str(tmp_path / "none.md")])
    assert isinstance(missing.exception, AppError)
    with database.reader() as db:
        now = db.get_one(Study, study.id)
    assert now.guidelines == "# New\n\nWatch twice."
    assert documents.consent_text(now) == "# New\n\nWatch twice."
    assert now.version == 3
