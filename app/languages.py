"""The languages of the rater's pages: English in the templates, the others in a catalogue of translations each."""

from functools import cache
from gettext import NullTranslations
from io import BytesIO
from typing import Literal

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from markupsafe import Markup

from app.settings import HERE

Language = Literal["en", "zh-Hans"]

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


class Translator:
    """What templates call for a text in a language: `_("Text with %(name)s", name=...)`; values are escaped, texts not.

    A text without values is looked up once. (The template engine's own way takes ten times as long, which a page of
    fifty texts feels.)
    """

    def __init__(self, language: Language) -> None:
        self._catalogue = translations(language)
        self._known: dict[str, Markup] = {}

    def text(self, message: str, /, **values: object) -> Markup:
        """The text in this language."""
        if values:
            return Markup(self._catalogue.gettext(message)) % values  # noqa: S704 - a template's or a catalogue's text
        if message not in self._known:
            self._known[message] = Markup(self._catalogue.gettext(message)) % {}  # noqa: S704 - likewise
        return self._known[message]

    def counted(self, one: str, several: str, num: int, /, **values: object) -> Markup:
        """The text for this number, which it can name as `%(num)s`."""
        return Markup(self._catalogue.ngettext(one, several, num)) % {"num": num, **values}  # noqa: S704 - likewise
