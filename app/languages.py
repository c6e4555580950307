"""The languages of the rater's pages: English in the templates, the others in a catalogue of translations each."""

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from typing import cast, get_args

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from fastapi import Request

from app.settings import HERE
from app.study_rules import Language

ENGLISH: Language = "en"
NAMES: dict[Language, str] = {"en": "English", "zh-Hans": "简体中文"}
"""Every language, named in itself."""


def marked(text: str) -> str:
    """The text as it is; the mark says that a template will translate it, and that the catalogue must have it."""
    return text


@cache
def translations(language: Language) -> NullTranslations:
    """The catalogue of a language, read from its text (`app/locale`) when it is first asked for."""
    if language == ENGLISH:
        return NullTranslations()
    path = HERE / "locale" / language.replace("-", "_") / "LC_MESSAGES" / "clipjury.po"
    compiled = BytesIO()
    with path.open("rb") as text:
        write_mo(compiled, read_po(text, locale=language.replace("-", "_")))
    compiled.seek(0)
    return Translations(compiled)


def speak(request: Request, chosen: str, study: str = "") -> None:
    """Answer this request in the language that the rater chose, else in the study's, else in English."""
    request.state.language = next((one for one in (chosen, study) if one in get_args(Language)), ENGLISH)


def spoken(request: Request) -> Language:
    """The language in which this request is answered: English until `speak` was called."""
    return cast(Language, getattr(request.state, "language", ENGLISH))
