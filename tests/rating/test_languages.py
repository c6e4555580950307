"""Translations of raters' pages."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from itertools import chain

import pytest
from jinja2.ext import babel_extract
from starlette.testclient import TestClient

from app import languages
from app.languages import Language
from app.raters import raters
from app.settings import Settings, data_folder
from app.studies import scales
from tests.helpers.factories import StudyMaker

FOLDERS = ("rate", "entry", "training", "account")
WORDS = re.compile(r"[A-Za-z]{2,}")
KEPT = {"ClipJury", "English", "Enter", "Esc"}
"""Names and what stands on the keys themselves."""


@pytest.fixture
def rater_client(study_maker: StudyMaker, settings: Settings, visitor: Callable[[], TestClient]) -> TestClient:
    """The browser of a rater before the first clip, with the scores in view."""
    browser = visitor()
    study = study_maker(score_visibility="shown")
    browser.post(raters.open_link(settings, study), data={"name": "Ada"})
    browser.post("/rate/start")
    return browser


def marked() -> Iterator[str | tuple[str, str]]:
    """Every text that the rater's templates and scales ask to have translated."""
    root = data_folder("templates")
    for path in chain(root.glob("*.html"), *(root.glob(f"{folder}/*.html") for folder in FOLDERS)):
        with path.open("rb") as text:
            for _line, _function, message, _comments in babel_extract(
                text, ("_", "gettext", "ngettext"), [], {"trimmed": "true", "silent": "false"}
            ):
                parts = [part for part in message if part] if isinstance(message, tuple) else [message]
                if parts and parts[0]:  # else the text is a value: one of the scales' words below
                    yield (parts[0], parts[1]) if len(parts) > 1 and parts[1] else parts[0]
    yield from sorted(scales.fixed_words())


@pytest.mark.parametrize("language", [one for one in languages.NAMES if one != languages.ENGLISH])
def test_every_marked_text_has_a_translation(language: Language) -> None:
    """All texts of raters' pages are translated, and each translation has the same placeholders."""
    words = languages.translations(language)
    for message in set(marked()):
        one, several = message if isinstance(message, tuple) else (message, message)
        given = words.gettext(one) if several == one else words.ngettext(one, several, 2)
        assert given != several, f"{several!r} has no translation"
        values = re.compile(r"%\(\w+\)\w|\{\w+\}")
        assert set(values.findall(given)) == set(values.findall(several)), several


def test_the_rating_page_in_chinese_has_no_english_text(rater_client: TestClient) -> None:
    """Only the researcher's own texts stay as they were written."""
    chosen = rater_client.post("/language", data={"language": "zh-Hans"})
    assert chosen.url.path == "/rate"
    for address in ("/rate", "/rate/answers"):
        text = rater_client.get(address).text
        assert '<html lang="zh-Hans">' in text
        assert seen_words(text) == [], address


def seen_words(html: str) -> list[str]:
    """Latin words that a reader or a listener meets, without the study's own and the keys' names."""
    body = re.sub(r"<(head|kbd|svg)\b.*?</\1>", " ", html, flags=re.S)
    spoken = " ".join(re.findall(r'(?:aria-label|title|placeholder|data-place|data-words)="([^"]*)"', body))
    spoken = re.sub(r'"\w+":', " ", unescape(unescape(spoken)))  # the names in the scripts' words
    spoken = re.sub(r"\{\w+\}", " ", spoken)
    text = unescape(re.sub(r"<[^>]*>", " ", body))
    own = {"Quality", "Stability", "Verdict", "Movement", "Study", "Watch", "each", "clip", "then", "answer", "UTC"}
    return [word for word in WORDS.findall(f"{text} {spoken}") if word not in KEPT | own]


def test_an_unknown_language_is_refused(rater_client: TestClient) -> None:
    """Only existing languages can be chosen."""
    assert rater_client.post("/language", data={"language": "tlh"}).status_code == 422


def test_choosing_a_language_never_redirects_to_another_host(rater_client: TestClient) -> None:
    """After choosing a language, the redirect stays on this server."""
    sent = rater_client.post(
        "/language",
        data={"language": "en"},
        headers={"referer": "http://127.0.0.1//evil.example/"},
        follow_redirects=False,
    )
    assert sent.headers["location"] == "/rate"
