"""Render pages, open database sessions for requests, and protect every response: content policy, origin check."""

import hashlib
import logging
import re
from collections.abc import Hashable, Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from typing import Annotated, Any, cast, get_args
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from sqlmodel import Session
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analysis.number_format import decimal, estimate_text
from app.db import Database
from app.errors import AppError, TooManyRequests
from app.languages import ENGLISH, NAMES, Language, Translator
from app.settings import data_folder
from app.web import request_log

log = logging.getLogger("clipjury")

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
PATH_OF_FILE = re.compile(r"(?<![\w.:/<-])/(?!studies/|rate/|api/|join/|media/)(?:[^\s/'\",()]+/)+([^\s/'\",()]+)")
VERSION = re.compile(r"[0-9a-f]{10}")


def _count(value: int) -> str:
    """A count with thin spaces between thousands: 12 345."""
    return f"{value:,}".replace(",", "\u2009")


def _ago(value: datetime) -> str:
    """How long ago a time was: "3 hours ago"."""
    seconds = (datetime.now(UTC) - value).total_seconds()
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {word}{'s' if number > 1 else ''} ago"
    return "just now"


def _digits(value: float) -> str:
    """A score with six significant digits."""
    return f"{value:.6g}".replace("-", "\u2212")


@cache
def static_version() -> str:
    """A hash of the static folder, part of every file's address: browsers keep files until one of them changes."""
    content = hashlib.sha256()
    for path in sorted(data_folder("static").rglob("*")):
        if path.is_file():
            content.update(path.read_bytes())
    return content.hexdigest()[:10]


@cache
def templates(language: Language = ENGLISH) -> Environment:
    """The template environment of a language. Values are escaped, and an unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates")),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        count=_count, ago=_ago, figure=decimal, digits=_digits, estimate=estimate_text, public=without_paths
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    words = Translator(language)
    environment.globals.update(_=words.text, gettext=words.text, ngettext=words.counted)
    environment.globals["static"] = f"/static/{static_version()}"
    environment.globals["language"] = language
    environment.globals["languages"] = NAMES
    environment.globals["fragment"] = partial(fragment, language)
    environment.globals["mark"] = mark
    return environment


@lru_cache(maxsize=512)
def fragment(language: Language, name: str, **values: Hashable) -> Markup:
    """A part of a page that is the same for many clips (questions, keys), rendered once for each set of values."""
    return Markup(templates(language).get_template(name).render(values))  # noqa: S704 - the template has escaped it


@cache
def mark(name: str) -> Markup:
    """An icon of `mark.html`, as SVG."""
    return Markup(templates().get_template("shared/mark.html").render(name=name).strip())  # noqa: S704 - the template's own


def page(
    request: Request, name: str, context: dict[str, Any], *, block: str | None = None, status: int = 200
) -> HTMLResponse:
    """Render a whole page, or one named block of it when htmx asks, in the language of the request."""
    template = templates(spoken(request)).get_template(name)
    values = {"simulated": False, **context}
    if block is not None and is_htmx(request):
        html = "".join(template.blocks[block](template.new_context(values)))
    else:
        html = template.render(values)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})


def refusal(request: Request, error: AppError) -> Response:
    """The page that shows an error, only its block if htmx asks; JSON at the addresses for programs."""
    if request.scope["path"].startswith("/api/"):
        return problem(error)
    _log_internals(error)
    response = _error_page(request, error)
    response.headers.update(_when_to_retry(error))
    return response


def _error_page(request: Request, error: AppError) -> HTMLResponse:
    context = {
        "status": error.status,
        "message": without_paths(error.message),
        "remedy": without_paths(error.remedy),
        "reference": request_log.reference(),
    }
    return page(request, "error.html", context, block="notice", status=error.status)


def problem(error: AppError) -> JSONResponse:
    """An error as programs receive it."""
    _log_internals(error)
    content = {"error": without_paths(error.message), "remedy": without_paths(error.remedy)}
    headers = {"Cache-Control": "no-store"} | _when_to_retry(error)
    return JSONResponse(content, status_code=error.status, headers=headers)


def _log_internals(error: AppError) -> None:
    if error.internals:
        log.error("%s", error.internals)


def without_paths(text: str) -> str:
    """A message with the names of files instead of their paths. Addresses of pages stay.

    >>> without_paths("There is no pool at /srv/lab/pools/faces.parquet. Choose one at /studies/new.")
    'There is no pool at faces.parquet. Choose one at /studies/new.'
    """
    return PATH_OF_FILE.sub(r"\1", text)


def _when_to_retry(error: AppError) -> dict[str, str]:
    return {"Retry-After": str(error.seconds)} if isinstance(error, TooManyRequests) else {}


def is_htmx(request: Request) -> bool:
    """True if htmx sent the request: it needs one block instead of a whole page."""
    return request.headers.get("hx-request") == "true"


def see(path: str) -> RedirectResponse:
    """Redirect to another page after a form was handled."""
    return RedirectResponse(path, status_code=303)


def speak(request: Request, chosen: str, study: str = "") -> None:
    """Set the language of this request: the rater's choice, else the study's language, else English."""
    request.state.language = next((one for one in (chosen, study) if one in get_args(Language)), ENGLISH)


def spoken(request: Request) -> Language:
    """The language in which this request is answered; English unless `speak` was called."""
    return cast(Language, getattr(request.state, "language", ENGLISH))


def database(request: Request) -> Database:
    """The database of the application that handles this request."""
    db: Database = request.app.state.database
    return db


def _reader(request: Request) -> Iterator[Session]:
    with database(request).reader() as session:
        yield session


def _writer(request: Request) -> Iterator[Session]:
    with database(request).writer() as session:
        yield session


# scope="function" commits before the response is sent. FastAPI's default ends a dependency after the response, which
# could acknowledge a judgment and then lose it.
Reader = Annotated[Session, Depends(_reader, scope="function")]
Writer = Annotated[Session, Depends(_writer, scope="function")]


HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NOT_STORED = (b"cache-control", b"no-store")
"""For what programs receive; pages say so themselves."""
STRICT_TRANSPORT = (b"strict-transport-security", f"max-age={YEAR}".encode())
"""Browsers then open this host through TLS only. Sent if the public URL is https, and by no proxy."""
REFUSED = PlainTextResponse(
    "This form was sent from another site and was refused. Open the page itself and try again.",
    status_code=403,
    headers={"Connection": "close"},  # its body was not read
)


class Guard:
    """Middleware that rejects forms from other sites and adds the content policy to every response."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        self.headers = (*HEADERS, STRICT_TRANSPORT) if https else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, or reject it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                # A page may set a stricter content policy itself; with two policies both would apply.
                own = {name for name, _value in message["headers"]}
                added = (*self.headers, NOT_STORED) if scope["path"].startswith("/api/") else self.headers
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in own)]
            await send(message)

        allowed = scope["method"] in SAFE_METHODS or _same_origin(Headers(scope=scope))
        try:
            await (self.app if allowed else REFUSED)(scope, receive, send_guarded)
        except Exception:
            # Handled here and not in the framework's outermost handler, so that the error page has the headers too.
            # Only the first part of the address is logged: the rest of an invite link is its secret.
            log.exception("unforeseen error at /%s", scope["path"].split("/")[1])
            if started:
                raise
            message = "Something went wrong on our side; the server's log says what."
            sorry = AppError(message, "Answers already saved are safe. Try again.", status=500)
            await refusal(Request(scope), sorry)(scope, receive, send_guarded)


def _same_origin(headers: Headers) -> bool:
    # Current browsers send Sec-Fetch-Site; Origin covers older ones. A client that sends neither is not a browser
    # and carries only its own cookies.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


class StaticForever(StaticFiles):
    """Static files at `/static/<version>/<path>`, which browsers keep for a year.

    The version is a folder in the address and not a query, so that one script's import of another keeps it. An
    earlier version is answered too, because a page may have been open while the server was updated; it is not kept.
    """

    def get_path(self, scope: Scope) -> str:
        """The file's path below the static folder, without the version."""
        path = super().get_path(scope)
        version, _, rest = path.partition("/")
        return rest if VERSION.fullmatch(version) else path

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Add the lifetime, where the address carries today's version."""
        response = await super().get_response(path, scope)
        current = f"/{static_version()}/" in scope["path"]
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if current else "no-cache"
        return response
