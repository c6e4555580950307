"""Render the Markdown of guidelines, consent texts and rubrics as safe HTML."""

from functools import cache

from markdown_it import MarkdownIt


@cache
def markdown(text: str) -> str:
    """Markdown as HTML; raw HTML in it is shown as text, and no link can run anything."""
    return str(MarkdownIt("commonmark", {"html": False}).render(text))
