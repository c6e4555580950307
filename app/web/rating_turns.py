"""Run the busiest rating handlers on the event loop if the database is free, otherwise in threads that may wait.

A thread and the event loop hand the interpreter's lock to each other many times per request: without a thread, fifty
raters are served a quarter faster (measured). A handler that must wait, for a writer of another thread or program or
for a database server, waits in a thread reserved for rating, so that videos and other pages are not delayed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial, wraps
from typing import Any, ParamSpec

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from sqlmodel import Session

from app.db import Database, WriterBusy
from app.web.pages import database

THREADS_FOR_A_SERVER = 6
Parameters = ParamSpec("Parameters")


def prepare(app: FastAPI, db: Database) -> None:
    """Set how many of these handlers may wait at the same time. The server calls this when it starts."""
    app.state.rating_threads = CapacityLimiter(1 if db.is_sqlite else THREADS_FOR_A_SERVER)


def in_turn(handler: Callable[Parameters, Response]) -> Callable[Parameters, Any]:
    """Decorator of a handler that starts with `writer(request)`. The handler must have a parameter named `request`,
    and do nothing before it opens the session, because it may be started twice.
    """

    @wraps(handler)
    async def turned(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
        request = kwargs["request"]
        assert isinstance(request, Request)
        if database(request).is_sqlite:
            request.state.may_wait = False
            with suppress(WriterBusy):
                return handler(*args, **kwargs)
        request.state.may_wait = True
        limiter = getattr(request.app.state, "rating_threads", None)
        return await to_thread.run_sync(partial(handler, *args, **kwargs), limiter=limiter)

    return turned


def writer(request: Request) -> AbstractContextManager[Session]:
    """The database session of a handler decorated with `in_turn`."""
    return database(request).writer(wait=request.state.may_wait)
