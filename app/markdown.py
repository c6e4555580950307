"""Render the Markdown of guidelines and consent texts as safe HTML, and find the images that are not shown."""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

CONTAINED = re.compile(r"data:image/(png|jpeg|gif|webp);base64,", re.IGNORECASE)
"""How the address of an image begins that the text itself contains. A browser asks no server for it."""
LOADING_TAG = re.compile(
    r"<\s*(?:img|image|picture|source|video|audio|track|iframe|frame|embed|object|svg|link|input)\b[^>]*",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"""\b(?:src|srcset|href|data|poster)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
LONGEST_ADDRESS = 200
MOST_NAMED = 20
"""Images of a text that are named one by one."""


@dataclass(frozen=True)
class HiddenImage:
    """An image or other media that raters' pages do not show: line of the text, counted from 1, and address."""

    line: int
    address: str

    def __str__(self) -> str:
        """A sentence without its full stop: where the image is, why it is not shown, and the remedy."""
        return (
            f"line {self.line} of the text has the image {self.address}, which raters would not see, because their "
            "pages load nothing from other servers. Put a small image into the text itself, as "
            "![description](data:image/png;base64,...), show an example clip by good_clip in a rubric, or link to the "
            "image: [description](address)"
        )


@cache
def markdown(text: str) -> str:
    """Markdown as HTML. Raw HTML is shown as text, no link can run anything, and nothing is loaded from a server.

    An image that the text does not contain is replaced by its description.

    >>> markdown("See ![a sharp face](https://example.org/face.png).")
    '<p>See a sharp face.</p>\\n'
    """
    return str(_renderer().render(text))


def hidden_images(text: str) -> list[HiddenImage]:
    """The first images and other media of a Markdown text that `markdown` does not show, in their order.

    >>> [(one.line, one.address) for one in hidden_images("Watch.\\n\\n![x](//example.org/x.png)")]
    [(3, '//example.org/x.png')]
    """
    found: list[HiddenImage] = []
    for token in _Reader("commonmark").parse(text):
        line = token.map[0] + 1 if token.map else 1
        if token.type == "html_block":
            found += _of_tags(token.content, line)
        elif token.type == "inline":
            found += _of_line(token.children or [], line)
    return found[:MOST_NAMED]


class _Reader(MarkdownIt):
    """A parser that also finds what `markdown` shows as text: raw HTML, and images with an address of any kind."""

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - the parser's method
        """Accept every address."""
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the parser's method
        """Return the address as it was written."""
        return url


@cache
def _renderer() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.add_render_rule("image", _image_or_description)
    return parser


def _image_or_description(
    renderer: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    if CONTAINED.match(str(tokens[number].attrs["src"])):
        return renderer.image(tokens, number, options, env)
    return escapeHtml(renderer.renderInlineAsText(tokens[number].children, options, env))


def _of_line(tokens: Sequence[Token], line: int) -> Iterator[HiddenImage]:
    """The hidden images among the parts of a paragraph that begins in this line."""
    for token in tokens:
        if token.type == "image" and not CONTAINED.match(address := str(token.attrs["src"])):
            yield HiddenImage(line, _short(address))
        elif token.type == "html_inline":
            yield from _of_tags(token.content, line)
        line += _line_ends(token)


def _line_ends(token: Token) -> int:
    inner = sum(_line_ends(one) for one in token.children or [])
    return inner + (token.type in ("softbreak", "hardbreak")) + (token.content.count("\n") if not inner else 0)


def _of_tags(html: str, line: int) -> Iterator[HiddenImage]:
    for tag in LOADING_TAG.finditer(html):
        addresses = [next(filter(None, found), "") for found in ADDRESS.findall(tag[0])]
        yield HiddenImage(line + html[: tag.start()].count("\n"), _short(addresses[0] if addresses else f"{tag[0]}>"))


def _short(address: str) -> str:
    return address if len(address) <= LONGEST_ADDRESS else f"{address[: LONGEST_ADDRESS - 1]}…"
