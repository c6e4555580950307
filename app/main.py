"""Assemble the web application: routers, static files, middleware, error pages. Importing it creates nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app import __version__
from app.cache import Cache
from app.db import Database
from app.errors import AppError
from app.jobs import Jobs
from app.routes import account, health, media, my_answers, onboarding, rating, training
from app.settings import Settings, data_folder
from app.web import pages, rating_turns
from app.web.public_address import PublicAddress
from app.web.rate_limits import RateLimits
from app.web.request_bodies import RequestBodies
from app.web.request_log import RequestLog
from app.web.researcher_process import ForwardToResearcherProcess, ResearcherProcess
from app.webhooks import webhooks

HANDLERS_AT_ONCE = 6
"""Threads for handlers. With the default of 40 the slowest requests wait longer (p95 of `next` with fifty raters:
320-350 ms with 40, 210-290 ms with 6), because all threads compete for the interpreter's lock and for the writer."""

ROUTES_OF_RATERS = (my_answers, training, onboarding, rating, media, account, health)
"""Routers are tried in this order, so the busiest come first. (Those before `rating` match words after /rate/.)"""


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    researchers: ResearcherProcess | None = None,
    second: bool = False,
) -> FastAPI:
    """Create the application on the settings' database, or on the one given.

    With `researchers` it forwards researchers' pages to that process. `second` is the application inside that process:
    it neither migrates the database nor delivers webhooks, because the first application does.
    """
    db = database or Database(settings.database, pool_size=settings.pool_size)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not second:
            db.migrate()
        to_thread.current_default_thread_limiter().total_tokens = HANDLERS_AT_ONCE
        rating_turns.prepare(app, db)
        async with researchers.supervised() if researchers else nullcontext():
            with nullcontext() if second else webhooks.delivering(db, settings):
                yield
        if database is None:
            db.dispose()

    app = FastAPI(title="ClipJury", version=__version__, lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.state.settings = settings
    app.state.database = db
    app.state.study_parts = Cache()
    app.state.jobs = Jobs()
    app.state.cache = Cache()
    _add_middleware(app, settings, researchers, second=second)
    app.mount("/static", pages.StaticForever(directory=data_folder("static")), name="static")
    for routes in ROUTES_OF_RATERS:
        app.include_router(routes.router)
    if researchers is None:
        # Loaded here, because statistics and figures would double the start and the memory of a process that forwards.
        from app.routes import for_researchers

        for_researchers.include(app, settings, db)
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _form_error)
    return app


def _add_middleware(app: FastAPI, settings: Settings, researchers: ResearcherProcess | None, *, second: bool) -> None:
    """The last one added sees a request first."""
    app.add_middleware(ForwardToResearcherProcess, researchers=researchers)
    app.add_middleware(RequestBodies)
    if not second:  # the first process has counted what it forwards
        app.add_middleware(RateLimits, settings=settings)
    app.add_middleware(pages.Guard, https=settings.https)
    app.add_middleware(PublicAddress, settings=settings)
    app.add_middleware(RequestLog, trusts_header=second)


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return pages.refusal(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such page.", 405: "This address takes no such request."}
    message = words.get(error.status_code, str(error.detail))
    return pages.refusal(request, AppError(message, "Go back, or start at the front page.", status=error.status_code))


async def _form_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    names = ", ".join(str(item["loc"][-1]) for item in error.errors())
    return pages.refusal(request, AppError(f"This is not understood: {names}.", "Go back and correct it.", status=422))
