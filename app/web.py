"""Rendering and the guards every response passes: whole pages or one block, content policy, origin check."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt

from app.settings import data_folder

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
YEAR = 31_536_000


def _count(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u2009")


def _ago(value: datetime) -> str:
    """How long ago, in words."""
    seconds = (datetime.now(UTC) - value).total_seconds()
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {word}{'s' if number > 1 else ''} ago"
    return "just now"


def _figure(value: float | None, digits: int = 2) -> str:
    """A number at fixed digits; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "\u2212")


@cache
def static_version() -> str:
    """A mark of the static files' content: part of their addresses, so that browsers keep them until they change."""
    content = hashlib.sha256()
    for path in sorted(data_folder("static").rglob("*")):
        if path.is_file():
            content.update(path.read_bytes())
    return content.hexdigest()[:10]


@cache
def templates() -> Environment:
    """The one template environment: escaped, and a misspelt name is an error, not an empty place."""
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates")),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(count=_count, ago=_ago, figure=_figure)
    environment.globals["version"] = static_version()
    return environment


def page(
    request: Request, name: str, context: dict[str, Any], *, block: str | None = None, status: int = 200
) -> HTMLResponse:
    """Render a whole page, or one named block of it when htmx asks."""
    template = templates().get_template(name)
    values = {"simulated": False, **context}
    if block is not None and is_htmx(request):
        html = "".join(template.blocks[block](template.new_context(values)))
    else:
        html = template.render(values)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})


def is_htmx(request: Request) -> bool:
    """Whether htmx asks, which wants a block and no whole page."""
    return request.headers.get("hx-request") == "true"


def see(path: str) -> RedirectResponse:
    """Go on to another page after a form."""
    return RedirectResponse(path, status_code=303)


@cache
def markdown(text: str) -> str:
    """Markdown as HTML; raw HTML in it is shown as text, and no link can run anything."""
    return str(MarkdownIt("commonmark", {"html": False}).render(text))


async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse forms from other sites; send every page with the content policy."""
    if request.method not in SAFE_METHODS and not _same_origin(request):
        response: Response = HTMLResponse(
            "This form was sent from another site and was refused. Open the page itself and try again.",
            status_code=403,
        )
    else:
        response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return response


def _same_origin(request: Request) -> bool:
    # Browsers of today send Sec-Fetch-Site; Origin covers older ones. A client that sends neither is no browser and
    # carries nobody's cookies but its own.
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


class StaticForever(StaticFiles):
    """Static files: kept by the browser for a year when the address carries the version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Add the lifetime."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
        return response
