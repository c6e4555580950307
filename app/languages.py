"""Translate raters' pages: the templates hold the English text, a catalogue per language the translations."""

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
"""The name of each language in that language."""


def marked(text: str) -> str:
    """Return the text unchanged. The call marks it for translation: a template translates it later."""
    return text


@cache
def translations(language: Language) -> NullTranslations:
    """The catalogue of a language, read from `app/locale` on first use."""
    if language == ENGLISH:
        return NullTranslations()
    path = HERE / "locale" / language.replace("-", "_") / "LC_MESSAGES" / "clipjury.po"
    compiled = BytesIO()
    with path.open("rb") as text:
        write_mo(compiled, read_po(text, locale=language.replace("-", "_")))
    compiled.seek(0)
    return Translations(compiled)


class Translator:
    """Translates the texts of templates: `_("Text with %(name)s", name=...)`. Values are escaped, texts are not.

    A text without values is looked up once: the template engine's own lookup takes ten times as long, which is
    noticeable on a page of fifty texts.
    """

    def __init__(self, language: Language) -> None:
        self._catalogue = translations(language)
        self._known: dict[str, Markup] = {}

    def text(self, message: str, /, **values: object) -> Markup:
        """The translated text."""
        if values:
            return Markup(self._catalogue.gettext(message)) % values  # noqa: S704 - a template's or a catalogue's text
        if message not in self._known:
            self._known[message] = Markup(self._catalogue.gettext(message)) % {}  # noqa: S704 - likewise
        return self._known[message]

    def counted(self, one: str, several: str, num: int, /, **values: object) -> Markup:
        """The translated text for this number, in singular or plural. The text can show it as `%(num)s`."""
        return Markup(self._catalogue.ngettext(one, several, num)) % {"num": num, **values}  # noqa: S704 - likewise
