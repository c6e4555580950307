"""Images in guidelines and consent texts: refused if raters would not see them, and never loaded from a server."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app import auth
from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.markdown import hidden_images, markdown
from app.models import Study
from app.settings import Settings
from app.studies import documents
from app.studies.study_file import parse
from app.wizard import drafts
from tests.helpers.factories import StudyMaker
from tests.helpers.pool_entries import agree, come, give_rules
from tests.helpers.visitors import Visitor, on_sqlite
from tests.studies.test_creation import SPEC, thirty

DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
REMOTE = {
    "![a face](https://elsewhere.example/face.png)": "https://elsewhere.example/face.png",
    "![a face](//elsewhere.example/face.png 'A title')": "//elsewhere.example/face.png",
    "![a face](HTTP://elsewhere.example/é.png)": "HTTP://elsewhere.example/é.png",
    "![a face][here]\n\n[here]: https://elsewhere.example/face.png": "https://elsewhere.example/face.png",
    "[![a face](https://elsewhere.example/face.png)](https://elsewhere.example)": "https://elsewhere.example/face.png",
    "![a face](face.png)": "face.png",
    "![a face](/media/picture.mp4)": "/media/picture.mp4",
    "![a face](data:image/svg+xml;base64,AAAA)": "data:image/svg+xml;base64,AAAA",
    "![a face](javascript:alert)": "javascript:alert",
    "<img alt='a face' src='https://elsewhere.example/face.png'>": "https://elsewhere.example/face.png",
    "a face: <video src=//elsewhere.example/face.mp4></video>": "//elsewhere.example/face.mp4",
    "<picture><source srcset='https://elsewhere.example/a'>a face</picture>": "https://elsewhere.example/a",
}
LOADED = re.compile(r"""<(?:img|video|source|picture|image|iframe)\b[^>]*(?:elsewhere|face\.png|/media/picture)""")


@pytest.mark.parametrize(("image", "address"), REMOTE.items())
def test_an_image_that_raters_would_not_see_is_found_and_not_loaded(image: str, address: str) -> None:
    """In every notation: the line and the address are named, and the page has the description instead."""
    text = f"# Look\n\nWatch `![this](x.png)`,\nthen answer.\n\n{image}\n"
    assert (6, address) in [(one.line, one.address) for one in hidden_images(text)]
    html = markdown(text)
    assert LOADED.search(html) is None
    assert "a face" in html


def test_the_line_of_an_image_inside_a_paragraph_is_named() -> None:
    """Lines are counted in paragraphs, lists and quotations; a long address is shortened."""
    text = f"One\ntwo ![x\ny](a.png) ![z](b.png)\n\n> - ![q](c.png)\n>   <img\n>   src=d.png>\n\n![l]({'e' * 300})"
    found = hidden_images(text)
    assert [(one.line, one.address) for one in found[:-1]] == [(2, "a.png"), (3, "b.png"), (5, "c.png"), (6, "d.png")]
    assert (found[-1].line, len(found[-1].address)) == (9, 200)
    assert len(hidden_images("![x](a.png)\n" * 1000)) == 20


def test_an_image_in_the_text_itself_and_links_are_kept() -> None:
    """The remedy works: an image as data, and a link to an image elsewhere. Code that shows Markdown is no image."""
    text = f"![dot]({DOT}) [a face](https://elsewhere.example/face.png)\n\n    ![x](https://elsewhere.example)\n"
    assert hidden_images(text) == []
    assert f'<img src="{DOT}" alt="dot" />' in markdown(text)
    assert '<a href="https://elsewhere.example/face.png">' in markdown(text)


def test_a_study_file_with_a_remote_image_is_refused_by_line() -> None:
    """In guidelines and consent: file, key, line of the text, address and remedy; a correct file has no error."""
    text = SPEC.replace('guidelines = "Look closely."', 'guidelines = """\nLook.\n\n![x](https://e.example/x.png)\n"""')
    text += '\n[consent]\ntext = "Yes? ![y](//e.example/y.png)"\n'
    with pytest.raises(AppError) as refused:
        parse(text, "mine.toml")
    first, second = refused.value.message.splitlines()
    assert re.match(
        r"mine\.toml, line \d+, guidelines: line 3 of the text has the image https://e\.example/x\.png,", first
    )
    assert re.match(
        r"mine\.toml, line \d+, consent\.text: line 1 of the text has the image //e\.example/y\.png,", second
    )
    assert "data:image/png;base64" in first
    assert "good_clip" in first
    assert parse(text.replace("![x](https:", "[x](https:").replace("![y](//", "[y](//"), "mine.toml").consent


@on_sqlite
def test_no_command_saves_a_remote_image(
    study_maker: StudyMaker, database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`clipjury study guidelines` and `consent` leave the study as it is; `clipjury create` makes none."""
    study = study_maker(with_media=False)
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    text, file = tmp_path / "new.md", tmp_path / "study.toml"
    text.write_text("# New\n\n![x](https://e.example/x.png)\n", encoding="utf-8")
    file.write_text(SPEC.replace("Look closely.", "![x](https://e.example/x.png)"), encoding="utf-8")
    for words in (
        ["study", "guidelines", study.slug, str(text)],
        ["study", "consent", study.slug, str(text)],
        ["create", str(thirty(tmp_path).path), str(file)],
    ):
        refused = CliRunner().invoke(cli, words).exception
        assert isinstance(refused, AppError), words
        assert "has the image https://e.example/x.png" in refused.message
    with database.reader() as db:
        assert [(one.version, one.guidelines) for one in db.scalars(select(Study))] == [(1, study.guidelines)]


@on_sqlite
def test_the_wizard_creates_no_study_with_a_remote_image(
    visitor: Visitor, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The guidelines that were typed are kept in the draft; the page names the image, and no study is made."""
    researcher = visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    draft = drafts.begin(settings, thirty(tmp_path).path, SPEC)
    typed = {"name": "Faces", "guidelines": "Look: ![x](https://e.example/x.png)", "keep-0": "on", "keep-1": "on"}
    researcher.post(f"/studies/new/{draft.key}/questions", data=typed)
    for answer in (
        researcher.get(f"/studies/new/{draft.key}/questions"),
        researcher.post(f"/studies/new/{draft.key}/make"),
    ):
        assert "line 1 of the text has the image https://e.example/x.png" in answer.text
    assert answer.status_code == 422
    with database.reader() as db:
        assert db.scalars(select(Study)).all() == []


def test_a_study_stored_with_remote_images_is_rated_without_them(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """A text from an earlier version: consent, guidelines, rating page and overview show descriptions, load nothing."""
    old = "See ![a sharp face](https://elsewhere.example/face.png) <img src='//elsewhere.example/b.png'>"
    study = study_maker()
    give_rules(database, study, consent={"text": old})
    with database.writer() as db:
        row = db.get_one(Study, study.id)
        row.guidelines, row.guidelines_hash = old, documents.hash_of(old)
        db.add(row)
    rater, researcher = visitor(), visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    come(rater, settings, study)
    pages = [rater.get("/rate/consent")]
    agree(rater)
    pages += [rater.get("/rate/guidelines"), rater.post("/rate/start"), researcher.get(f"/studies/{study.slug}")]
    for page in pages:
        assert page.status_code == 200
        assert "See a sharp face" in page.text
        assert LOADED.search(page.text) is None
        assert "elsewhere.example/face.png" not in page.text
        assert "img-src 'self' data:;" in page.headers["Content-Security-Policy"]
    assert pages[2].url.path == "/rate", "the rater can rate"
